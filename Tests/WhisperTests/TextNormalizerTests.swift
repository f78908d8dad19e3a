import Foundation
import TestSupport
import Testing
import Whisper

/// Lines of English that normalizers rewrite: numbers, money, contractions, titles, brackets, and odd text.
struct NormalizerSamples {
  var samples: TextSamples

  private static let numbers = """
    one two three four five six seven eight nine ten eleven twelve thirteen nineteen twenty thirty forty ninety hundred \
    thousand million billion decillion zero o oh and point double triple minus negative plus positive percent per cent \
    dollar dollars pounds euro euros cents first second third fifth twelfth sixth twentieth ninetieth hundredth \
    thousandth twenties sixties sixes ones twos eights tens hundreds millions zeroth a half and
    """.split(separator: " ").map(String.init)
  private static let numerals = """
    1 2 0 7 12 20 100 101 1,000 1,234,567 3.14 0.5 .5 5. $5 $20 £3 €7.50 ¢9 $0.05 20% 5.0 007 1st 2nd 3rd 4th 1s 90s 5s $1 \
    ¢7 ¢07 $0.7 ٣ ٣.٥ 1.2.3 3x x3 mp3 $1.5
    """.split(separator: " ").map(String.init)
  private static let words = """
    won't can't let's ain't y'all wanna gotta gonna i'ma imma woulda ma'am mr mrs. st. dr prof. gen sen lt col jr sr esq \
    he'd been she's been he'd gone it's got they're i'd we'll 't I'm you've isn't don't 's n't Mr. John's hmm uh um mm mhm \
    [noise] <b> (laughs) () ( ) [ ] < > ... . , - — “quote” café Æon œuvre straße Đ Łódź ΣΣ ΟΔΟΣ İstanbul ½ ² Ⅷ ﬁ Ａ \
    日本語 مرحبا नमस्ते Não ação 한국어 👍🏽 a_b # @ & + = % $ € ¢ £ ' '' " * / \\ ~ ^ colour organise aeroplanes the
    """.split(separator: " ").map(String.init)

  mutating func line() -> String {
    var line = ""
    for _ in 0..<Int.random(in: 1...12, using: &samples.random) {
      switch Int.random(in: 0..<20, using: &samples.random) {
      case 0..<9: line += pick(Self.numbers)
      case 9..<12: line += pick(Self.numerals)
      case 12..<18: line += pick(Self.words)
      case 18: line += samples.text()
      default:
        for _ in 0..<Int.random(in: 1...7, using: &samples.random) {
          line += pick(["0", "1", "2", "9", ".", ",", "$", "%", "¢", " ", "'", "-", "s", "t", "h"])
        }
      }
      line += pick([" ", " ", " ", " ", " ", " ", "", "-", ", ", ". ", "  "])
    }
    guard Int.random(in: 0..<4, using: &samples.random) == 0 else { return line }
    // An old letter may have got its capital in a Unicode that the published normalizer's Python does not know.
    let capitals = line.uppercased()
    return capitals.unicodeScalars.allSatisfy({ ($0.properties.age?.major ?? 99) <= 13 }) ? capitals : line
  }

  private mutating func pick(_ list: [String]) -> String {
    list[Int.random(in: 0..<list.count, using: &samples.random)]
  }
}

@Suite("Normal forms of text")
struct TextNormalizerTests {
  @Test(
    "of English write numbers, money and contractions in one way",
    arguments: [
      ("Two hundred and five people won't pay $20 million!", "205 people will not pay $20000000"),
      (
        "Mr. Smith's twenty-first birthday, [laughs] um, isn't it?", "mister smith is 21st birthday is not it"
      ),
      ("one oh one days", "101 days"), ("nineteen ninety nine", "1999"), ("double seven", "77"),
      ("three point one four percent; two and a half million", "3.14% 2500000"),
      ("two dollars and seven cents", "$2.07"), ("twenty per cent of £3", "20% of £3"),
      ("minus five degrees and 1,234,567.5", "-5 degrees and 1234567.5"),
      ("the 1960s and the sixties", "the 1960s and the 60s"),
      ("one two three", "123"), ("I have one", "i have one"), ("", ""),
      ("ten decillion", "10" + String(repeating: "0", count: 33)),
    ])
  func english(_ text: String, _ expected: String) {
    // A blank may stay at an end, as in the published form.
    #expect(ErrorRate.words(of: EnglishTextNormalizer().normalize(text)).joined(separator: " ") == expected)
  }

  @Test("of English take spellings from the model's folder, and none where no file is")
  func spelling() throws {
    let folder = try TemporaryFolder()
    #expect(try EnglishTextNormalizer(folder: folder.path).normalize("Colour") == "colour")
    try folder.write(#"{"colour": "color"}"#.utf8, to: "normalizer.json")
    #expect(try EnglishTextNormalizer(folder: folder.path).normalize("Colour") == "color")
    try folder.write(#"{"colour": 1}"#.utf8, to: "normalizer.json")
    #expect(throws: TextError.self) { try EnglishTextNormalizer(folder: folder.path) }
  }

  @Test("of any language keep letters, and leave accents out when asked")
  func basic() {
    #expect(BasicTextNormalizer().normalize("Não, AÇÃO (risos) [música]!") == "não ação ")
    #expect(BasicTextNormalizer(diacritics: .remove).normalize("Łódź, Straße, Ærø") == "lodz strasse aero")
    #expect(BasicTextNormalizer(splitting: .letters).normalize("東京は") == "東 京 は")
    #expect(BasicTextNormalizer().normalize("ΟΔΟΣ ΣΑΣ Σ") == "οδος σας σ")
  }

  @Test("equal those of the published normalizer on thousands of lines")
  func published() throws {
    struct Given: Codable {
      var lines: [String]
      var spelling: [String: String]
    }
    let program = """
      from transformers.models.whisper.english_normalizer import BasicTextNormalizer, EnglishTextNormalizer
      forms = [EnglishTextNormalizer(given["spelling"]), EnglishTextNormalizer({}), BasicTextNormalizer(),
               BasicTextNormalizer(remove_diacritics=True), BasicTextNormalizer(True, True)]
      answer = [[form(line) for line in given["lines"]] for form in forms]
      """
    let folder = try TemporaryFolder()
    let spelling = ["colour": "color", "organise": "organize", "aeroplanes": "airplanes"]
    try folder.write([UInt8](JSONEncoder().encode(spelling)), to: "normalizer.json")
    var samples = NormalizerSamples(samples: TextSamples(random: .forThisRun()))
    let lines = TextSamples.sentences + (0..<4000).map { _ in samples.line() }
    let answer: [[String]] = try TextOracle.answer(
      program, Given(lines: lines, spelling: spelling), modules: ["transformers", "regex"])
    let english = try EnglishTextNormalizer(folder: folder.path)
    let forms: [(String) -> String] = [
      english.normalize, EnglishTextNormalizer().normalize, BasicTextNormalizer().normalize,
      BasicTextNormalizer(diacritics: .remove).normalize,
      BasicTextNormalizer(diacritics: .remove, splitting: .letters).normalize,
    ]
    for (number, form) in forms.enumerated() {
      for (line, expected) in zip(lines, answer[number]) {
        let found = form(line)
        if !found.utf8.elementsEqual(expected.utf8) {
          Issue.record(
            "seed \(samples.samples.random.seed), form \(number): \(line.debugDescription) gives \(found.debugDescription), expected \(expected.debugDescription)"
          )
        }
      }
    }
  }

  @Test("take every character of Unicode apart and together as Python does")
  func normalizationForms() throws {
    let program = """
      import unicodedata
      points = [c for c in range(0x110000) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Co")]
      base = ["a", "\\u0915", "\\u1100", "\\uac00", "\\u0301", "\\u0327", "\\u05b0"]
      texts = [x + chr(c) + "\\u0323\\u0301" for i, c in enumerate(points) if c < 0x3400 or c > 0xf8ff or i % 16 == 0
               for x in base[i % 7:i % 7 + 1]] + [x + chr(c) for c in range(0x300, 0x1200) for x in ("e", "\\u1100")
               if unicodedata.category(chr(c)) != "Cn"]
      answer = {"points": points, "texts": texts}
      for form in ("NFKD", "NFKC"):
          answer[form] = [unicodedata.normalize(form, chr(c)) for c in points]
          answer[form + "texts"] = [unicodedata.normalize(form, text) for text in texts]
      """
    let answer: [String: Either] = try TextOracle.answer(program, 0)
    let points = try #require(answer["points"]?.numbers).compactMap {
      UInt32(exactly: $0).flatMap(Unicode.Scalar.init)
    }
    #expect(points.count > 140_000)
    let single = points.map { String($0) }
    let texts = try #require(answer["texts"]?.texts)
    for (sources, suffix) in [(single, ""), (texts, "texts")] {
      let apart = try #require(answer["NFKD" + suffix]?.texts)
      let together = try #require(answer["NFKC" + suffix]?.texts)
      for (at, source) in sources.enumerated() {
        let isRight =
          TextForms.decomposed(source).utf8.elementsEqual(apart[at].utf8)
          && TextForms.composed(source).utf8.elementsEqual(together[at].utf8)
        if !isRight { Issue.record("\(source.unicodeScalars.map { String($0.value, radix: 16) })") }
      }
    }
  }

  /// A list of numbers or of texts.
  private enum Either: Decodable {
    case ints([Int])
    case strings([String])

    init(from decoder: any Decoder) throws {
      let container = try decoder.singleValueContainer()
      if let ints = try? container.decode([Int].self) {
        self = .ints(ints)
      } else {
        self = .strings(try container.decode([String].self))
      }
    }

    var numbers: [Int]? { if case .ints(let list) = self { list } else { nil } }
    var texts: [String]? { if case .strings(let list) = self { list } else { nil } }
  }
}
