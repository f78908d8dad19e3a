import Foundation
import TestSupport
import Testing

/// Small Python programs that answer independently of our code. They read JSON from standard input, call it
/// `given`, and write `answer` as JSON.
enum TextOracle {
  /// The answer of a program; cancels the test with the reason when Python or a module is not there.
  static func answer<Given: Encodable, Answer: Decodable>(
    _ program: String, _ given: Given, modules: [String] = [], as type: Answer.Type = Answer.self,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Answer {
    guard FileManager.default.isExecutableFile(atPath: PythonOracle.interpreter) else {
      try Test.cancel("needs Python: run scripts/setup-test-venv.sh", sourceLocation: sourceLocation)
    }
    let frame = """
      import importlib.util, json, sys
      for name in \(modules):
          if importlib.util.find_spec(name) is None:
              print(name)
              sys.exit(77)
      given = json.load(sys.stdin)
      \(program)
      json.dump(answer, sys.stdout)
      """
    let environment = TestEnvironment.all.merging(
      ["PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"], uniquingKeysWith: { $1 })
    let result = try Spawn.run(
      PythonOracle.interpreter, ["-c", frame], environment: environment,
      stdin: [UInt8](JSONEncoder().encode(given)), timeLimit: .seconds(300))
    if result.exitCode == 77 {
      let name = result.stdout.split(separator: "\n").first ?? ""
      try Test.cancel(
        "needs the Python module \(name): run scripts/setup-test-venv.sh", sourceLocation: sourceLocation)
    }
    try #require(
      result.exitCode == 0, "Python ended with \(result.end): \(result.stderr)",
      sourceLocation: sourceLocation)
    return try JSONDecoder().decode(Answer.self, from: Data(result.stdoutBytes))
  }
}

/// Text of every kind that speech models write, and worse.
struct TextSamples {
  var random: SplitMix64

  static let sentences = [
    "The quick brown fox jumps over the lazy dog.",
    "It's what we'd've said, isn't it? They'll SEE; I'M sure.",
    "Não há razão para temer as próximas eleições, disse o português.", "¿Cómo estás? ¡Qué día más bonito!",
    "Grüße aus Köln: 3,5 % weniger Straßenlärm.", "L’été dernier, j'ai été où ça ? « Là-bas ! »",
    "东京是日本的首都。我喜欢学习中文，真的！", "東京は夜の七時、雨が降っています。カタカナ ｶﾀｶﾅ", "안녕하세요, 저는 학생입니다.",
    "مرحبا بالعالم، كيف حالك؟ ١٢٣٤", "שלום עולם, מה שלומך?", "नमस्ते दुनिया, आप कैसे हैं? १२३",
    "สวัสดีชาวโลก ภาษาไทยไม่มีช่องว่าง",
    "Привет, мир! Съешь ещё этих мягких французских булок.", "Γειά σου Κόσμε, ΟΔΟΣ ΣΑΣ.",
    "Xin chào thế giới, tiếng Việt có dấu.",
    "வணக்கம் உலகம்", "হ্যালো বিশ্ব", "ආයුබෝවන්", "မင်္ဂလာပါ", "ជំរាបសួរ", "გამარჯობა მსოფლიო", "Բարեւ աշխարհ", "ሰላም ልዑል",
    "👍🏽 👨‍👩‍👧‍👦 🏳️‍🌈 🇵🇹 1️⃣ e\u{301} ﬁn ½ ² Ⅷ Ａ１", "a  b   c\n\nd\te \u{A0}f\u{3000}g \u{2028}h\u{85}i  ", "    ", "\n",
    " \n x",
    "$20 million, 20%, 3.14, 1,234,567 and 1st 2nd 3rd", "x=y**2; if (a<b) { return [1,2]; } // ok",
    "<|startoftranscript|><|en|><|transcribe|><|notimestamps|> Hello<|endoftext|>",
    "<|0.00|> Hi there.<|2.34|><|2.34|> Bye<|30.00|>",
    "<|pt|", "<|<|pt|>|>", "a<|nospeech|>b <|endoftext|> c", "", "'s't're've'm'll'd'S'LL", "don’t '’s ''s",
    "\u{0}\u{1}\u{7F}\u{FEFF}\u{FFFD}",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    "one two three four five six seven eight nine zero",
  ]

  private static let pieces = [
    " ", " ", "  ", "\n", "\t", "'s", "'ll", "n't", "<|en|>", "<|endoftext|>", "<|0.00|>", "<|1.02|>", "<|",
    "|>", "1", "42",
    ".", ",", "...", "?!", "é", "ß", "日本", "😀", "🏽", "\u{200D}", "\u{301}", "ال", "ह", "hello", "World",
    "the", "zero", "nine", "\r\n",
  ]

  /// Scalars that Unicode had long before any tokenizer was made.
  mutating func scalar() -> Unicode.Scalar {
    let ranges: [ClosedRange<UInt32>] = [
      0x20...0x7E, 0xA0...0x24F, 0x250...0x52F, 0x530...0x10FF, 0x1100...0x2BFF, 0x2C00...0x9FFF,
      0xA000...0xD7FF,
      0xF900...0xFFFF, 0x10000...0x1FFFF, 0x20000...0x2A6DF,
    ]
    while true {
      let range = ranges[Int.random(in: 0..<ranges.count, using: &random)]
      guard let scalar = Unicode.Scalar(UInt32.random(in: range, using: &random)),
        let age = scalar.properties.age,
        age.major <= 13
      else { continue }
      return scalar
    }
  }

  /// A random text of pieces, or of random scalars, or of parts of a sentence.
  mutating func text() -> String {
    var text = ""
    for _ in 0..<Int.random(in: 1...12, using: &random) {
      switch Int.random(in: 0..<6, using: &random) {
      case 0: text.unicodeScalars.append(scalar())
      case 1:
        let scalars = Array(
          Self.sentences[Int.random(in: 0..<Self.sentences.count, using: &random)].unicodeScalars)
        let start = Int.random(in: 0...scalars.count, using: &random)
        text.unicodeScalars.append(
          contentsOf: scalars[start...].prefix(Int.random(in: 0...12, using: &random)))
      default: text += Self.pieces[Int.random(in: 0..<Self.pieces.count, using: &random)]
      }
    }
    return text
  }

  /// All sentences, and random texts.
  mutating func texts(_ count: Int) -> [String] { Self.sentences + (0..<count).map { _ in text() } }
}
