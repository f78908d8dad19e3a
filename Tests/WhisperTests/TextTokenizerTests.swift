import Foundation
import TestSupport
import Testing
import Whisper

/// A tokenizer of a handful of tokens, written on the spot.
enum TinyTokenizer {
  static let vocabulary = [
    "Ġ", "a", "b", "c", "e", "h", "l", "o", "s", "t", "'", "1", "2", "Ã", "©", "ð", "Ł", "ĺ", "Ģ", "Ċ", "he",
    "ll", "hell", "hello",
    "Ġhello", "th", "the", "Ġthe", "ab", "abc", "Ã©", "ðŁ", "Ġa", "12", "Ġt",
  ]
  static let merges = [
    "h e", "l l", "he ll", "hell o", "Ġ hello", "t h", "th e", "Ġ the", "a b", "ab c", "Ã ©", "ð Ł", "Ġ a",
    "1 2", "Ġ t",
  ]
  static let names = [
    "endoftext", "startoftranscript", "en", "pt", "translate", "transcribe", "nospeech", "notimestamps",
  ]

  /// The JSON of the file; `change` may alter it.
  static func json(_ change: (inout [String: Any]) -> Void = { _ in }) throws -> [UInt8] {
    var added: [[String: Any]] = names.enumerated().map { index, name in
      token("<|\(name)|>", vocabulary.count + index, special: true)
    }
    for step in 0..<3 {
      added.append(token("<|0.0\(step * 2)|>", vocabulary.count + names.count + step, special: false))
    }
    var root: [String: Any] = [
      "version": "1.0", "truncation": NSNull(), "padding": NSNull(), "normalizer": NSNull(),
      "post_processor": NSNull(),
      "pre_tokenizer": [
        "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true,
      ],
      "decoder": ["type": "ByteLevel", "add_prefix_space": true, "trim_offsets": true, "use_regex": true],
      "added_tokens": added,
      "model": [
        "type": "BPE", "dropout": NSNull(), "unk_token": NSNull(), "fuse_unk": false,
        "vocab": Dictionary(uniqueKeysWithValues: vocabulary.enumerated().map { ($1, $0) }), "merges": merges,
      ] as [String: Any],
    ]
    change(&root)
    return [UInt8](try JSONSerialization.data(withJSONObject: root))
  }

  static func token(_ text: String, _ id: Int, special: Bool) -> [String: Any] {
    [
      "id": id, "content": text, "single_word": false, "lstrip": false, "rstrip": false,
      "normalized": !special,
      "special": special,
    ]
  }

  /// The tokenizer with a change, in a folder that is gone again.
  static func load(_ change: (inout [String: Any]) -> Void = { _ in }) throws -> Tokenizer {
    let folder = try TemporaryFolder()
    try folder.write(json(change), to: "tokenizer.json")
    return try Tokenizer.load(folder.path)
  }
}

extension [String: Any] {
  /// Changes a member of an object in this object.
  mutating func set(_ outer: String, _ inner: String, _ value: Any) {
    var object = self[outer] as? [String: Any] ?? [:]
    object[inner] = value
    self[outer] = object
  }

  /// Changes a member of an added token.
  mutating func setAdded(_ index: Int, _ key: String, _ value: Any) {
    var list = self["added_tokens"] as? [[String: Any]] ?? []
    list[index][key] = value
    self["added_tokens"] = list
  }
}

@Suite("A tokenizer of its own")
struct TextTokenizerTests {
  @Test("merges the pair of lowest rank first and keeps special tokens whole")
  func encodes() throws {
    let tokenizer = try TinyTokenizer.load()
    let ids = tokenizer.encode("hello the<|pt|> hello\nabc 12é")
    #expect(
      ids.map { tokenizer.token(for: $0) } == [
        "hello", "Ġt", "he", "<|pt|>", "Ġhello", "Ċ", "abc", "Ġ", "12", "Ã©",
      ])
    #expect(tokenizer.decode(ids, special: .keep) == "hello the<|pt|> hello\nabc 12é")
    #expect(tokenizer.decode(ids, special: .skip) == "hello the hello\nabc 12é")
    #expect(tokenizer.vocabularySize == TinyTokenizer.vocabulary.count + 11)
    #expect(tokenizer.encode("") == [])
  }

  @Test("leaves timestamps out only when it is asked to, for they are not special")
  func timestamps() throws {
    let tokenizer = try TinyTokenizer.load()
    let ids = tokenizer.encode("<|0.00|> a<|0.04|><|endoftext|>")
    #expect(tokenizer.decode(ids, special: .skip) == "<|0.00|> a<|0.04|>")
    #expect(tokenizer.decode(ids, special: .skipWithTimestamps) == " a")
  }

  @Test("leaves out bytes that its vocabulary lacks, and ids that it does not know")
  func unknown() throws {
    let tokenizer = try TinyTokenizer.load()
    #expect(tokenizer.encode("azb").map { tokenizer.token(for: $0) } == ["ab"])
    #expect(tokenizer.decode([1, 9999, -1, 2], special: .keep) == "ab")
    #expect(tokenizer.token(for: 9999) == nil)
    #expect(tokenizer.id(of: "nowhere") == nil)
  }

  @Test("takes a text of two hundred thousand letters in one piece")
  func longWord() throws {
    let tokenizer = try TinyTokenizer.load()
    let count = 200_000
    let start = ContinuousClock.now
    let ids = tokenizer.encode(String(repeating: "l", count: count))
    #expect(ids.count == count / 2)
    #expect(ContinuousClock.now - start < .seconds(60))
  }

  @Test("holds bytes back until a character is whole, and says the same as all at once")
  func streaming() throws {
    let tokenizer = try TinyTokenizer.load()
    var stream = StreamingText(tokenizer, special: .skip)
    let ids = try ["ð", "Ł", "ĺ", "Ģ", "a"].map { try #require(tokenizer.id(of: $0)) }
    #expect(ids.map { stream.append($0) } == ["", "", "", "😀", "a"])
    #expect(stream.append(ids[0]) == "")
    #expect(stream.finish() == "\u{FFFD}")
    #expect(stream.finish() == "")

    var random = SplitMix64.forThisRun()
    for _ in 0..<2000 {
      let ids = (0..<Int.random(in: 0...12, using: &random)).map { _ in
        Int.random(in: 0..<tokenizer.vocabularySize, using: &random)
      }
      var stream = StreamingText(tokenizer, special: .keep)
      let parts = ids.map { stream.append($0) } + [stream.finish()]
      #expect(parts.joined() == tokenizer.decode(ids, special: .keep), "seed \(random.seed), ids \(ids)")
    }
  }

  @Test("reads vocabulary and merges from files of their own, with and without a version line")
  func vocabularyFiles() throws {
    let folder = try TemporaryFolder()
    let whole = try TinyTokenizer.load()
    let ids = Dictionary(uniqueKeysWithValues: TinyTokenizer.vocabulary.enumerated().map { ($1, $0) })
    try folder.write([UInt8](JSONEncoder().encode(ids)), to: "vocab.json")
    try folder.write(
      ("#version: 0.2\n" + TinyTokenizer.merges.joined(separator: "\n") + "\n").utf8, to: "merges.txt")
    let names = TinyTokenizer.names.map { "<|\($0)|>" } + ["<|0.00|>", "<|0.02|>", "<|0.04|>"]
    let added = Dictionary(
      uniqueKeysWithValues: names.enumerated().map { ($1, TinyTokenizer.vocabulary.count + $0) })
    try folder.write([UInt8](JSONEncoder().encode(added)), to: "added_tokens.json")
    try folder.write(#"{"eos_token": {"content": "<|endoftext|>"}}"#.utf8, to: "special_tokens_map.json")
    let parts = try Tokenizer.load(folder.path)
    let text = "hello the<|pt|> hello <|0.02|>abc 12é"
    #expect(parts.encode(text) == whole.encode(text))
    #expect(parts.decode(whole.encode(text), special: .skip) == "hello the hello <|0.02|>abc 12é")
    try folder.write(TinyTokenizer.merges.joined(separator: "\r\n").utf8, to: "merges.txt")
    #expect(try Tokenizer.load(folder.path("vocab.json")).encode(text) == whole.encode(text))
  }

  @Test("reads files of ranks, and adds the published special tokens by the size of the vocabulary")
  func rankFiles() throws {
    let folder = try TemporaryFolder()
    let words = (0..<256).map { [UInt8($0)] } + [Array("he".utf8), Array("ll".utf8), Array("hell".utf8), []]
    let lines = words.enumerated().map { "\(Data($1).base64EncodedString()) \($0)\n" }.joined()
    // OpenAI's own file has `=` for the token of no bytes.
    try folder.write(lines.replacing(" 259\n", with: "= 259\n").utf8, to: "x.tiktoken")
    try folder.write(#"{"vocab_size": \#(260 + 1509 + 100)}"#.utf8, to: "config.json")
    let large = try Tokenizer.load(folder.path)
    #expect(large.vocabularySize == 260 + 1509 + 100)
    #expect(large.encode("hello") == [258, 111])
    #expect(large.encode("<|endoftext|><|yue|>") == [260, 260 + 2 + 99])
    #expect(large.token(for: large.vocabularySize - 1) == "<|30.00|>")
    #expect(
      try Tokenizer.load(folder.path("x.tiktoken"), vocabularySize: 260 + 1509 + 99).id(of: "<|yue|>") == nil)
    #expect(
      try Tokenizer.load(folder.path("x.tiktoken"), vocabularySize: 260 + 1509 + 99).id(of: "<|translate|>")
        == 361)
    #expect(throws: TextError.self) { try Tokenizer.load(folder.path("x.tiktoken"), vocabularySize: 300) }
  }
}

@Suite("A tokenizer beside the published one")
struct TextTokenizerOracleTests {
  private struct Given: Codable {
    var tokenizer: String
    var texts: [String]
    var ids: [[Int]]
  }
  private struct Answer: Codable {
    var ids: [[Int]]
    var kept: [String]
    var skipped: [String]
    var size: Int
  }

  private static let program = """
    from tokenizers import Tokenizer
    given_text = given["tokenizer"]
    tokenizer = Tokenizer.from_str(given_text) if given_text[0] == "{" else Tokenizer.from_file(given_text)
    ids = [tokenizer.encode(text, add_special_tokens=False).ids for text in given["texts"]]
    lists = given["ids"] + ids
    answer = {
        "ids": ids, "size": tokenizer.get_vocab_size(),
        "kept": [tokenizer.decode(item, skip_special_tokens=False) for item in lists],
        "skipped": [tokenizer.decode(item, skip_special_tokens=True) for item in lists],
    }
    """

  /// Compares both ways on the texts, and decoding on random ids.
  private func compare(_ tokenizer: Tokenizer, _ file: String, count: Int, _ note: String = "") throws {
    var samples = TextSamples(random: .forThisRun())
    let texts = samples.texts(count)
    let lists = (0..<count / 2).map { _ in
      (0..<Int.random(in: 1...8, using: &samples.random)).map { _ in
        Int.random(in: 0..<tokenizer.vocabularySize + 5, using: &samples.random)
      }
    }
    let answer: Answer = try TextOracle.answer(
      Self.program, Given(tokenizer: file, texts: texts, ids: lists), modules: ["tokenizers"])
    let hint = "seed \(samples.random.seed) \(note)"
    for (text, expected) in zip(texts, answer.ids) {
      let ids = tokenizer.encode(text)
      if ids != expected {
        Issue.record("\(hint): \(text.debugDescription) gives \(ids), expected \(expected)")
      }
    }
    for (at, ids) in (lists + answer.ids).enumerated() {
      let kept = tokenizer.decode(ids, special: .keep)
      let skipped = tokenizer.decode(ids, special: .skip)
      // Compared by bytes: Swift calls different spellings of an accent equal.
      #expect(kept.utf8.elementsEqual(answer.kept[at].utf8), "\(hint): \(ids)")
      #expect(skipped.utf8.elementsEqual(answer.skipped[at].utf8), "\(hint): \(ids)")
    }
  }

  @Test(
    "encodes and decodes thousands of texts in many scripts as tokenizers does",
    arguments: [
      "tokenizers/whisper-tiny", "tokenizers/whisper-tiny.en", "tokenizers/whisper-large-v3", "digits/onnx",
    ])
  func published(_ folder: String) throws {
    let path = try SharedData.path(folder + "/tokenizer.json")
    try compare(Tokenizer.load(path), path, count: 3000)
  }

  @Test("cuts every character of Unicode as tokenizers does")
  func everyCharacter() throws {
    let path = try SharedData.path("tokenizers/whisper-tiny/tokenizer.json")
    let tokenizer = try Tokenizer.load(path)
    let scalars = (0..<0x110000).compactMap { (value: UInt32) in
      // Ideographs, syllables and private characters are alike among themselves.
      let isSampled = value < 0x3400 || (0xA000..<0xAC00).contains(value) || value > 0xF8FF && value < 0x20000
      return isSampled || value % 64 == 0 ? Unicode.Scalar(value) : nil
    }
    let texts = stride(from: 0, to: scalars.count, by: 16).map { start in
      scalars[start..<min(start + 16, scalars.count)].map { "a\($0)1\($0) \($0)." }.joined()
    }
    let answer: Answer = try TextOracle.answer(
      Self.program, Given(tokenizer: path, texts: texts, ids: []), modules: ["tokenizers"])
    for (text, expected) in zip(texts, answer.ids) where tokenizer.encode(text) != expected {
      Issue.record("\(text.unicodeScalars.map { String($0.value, radix: 16) })")
    }
  }

  @Test("reads the sentences of the recordings as tokenizers does")
  func recordings() throws {
    struct Recording: Decodable { var text: String }
    let data = try Data(contentsOf: URL(filePath: SharedData.path("speech/speech.json")))
    let texts = try JSONDecoder().decode([Recording].self, from: data).map(\.text)
    let path = try SharedData.path("tokenizers/whisper-large-v3/tokenizer.json")
    let tokenizer = try Tokenizer.load(path)
    let answer: Answer = try TextOracle.answer(
      Self.program, Given(tokenizer: path, texts: texts, ids: []), modules: ["tokenizers"])
    #expect(texts.map { tokenizer.encode($0) } == answer.ids)
    #expect(tokenizer.vocabularySize == answer.size)
  }

  @Test("gives the same from vocabulary and merges, and from ranks, as from tokenizer.json")
  func otherFiles() throws {
    let folder = try SharedData.path("tokenizers/whisper-large-v3")
    let whole = try Tokenizer.load(folder + "/tokenizer.json")
    let parts = try Tokenizer.load(folder + "/vocab.json")
    let temporary = try TemporaryFolder()
    // Bytes that are not printable are written as the characters from U+0100 on, in order.
    let late = (0...0xFF).filter { $0 < 0x21 || (0x7F...0xA0).contains($0) || $0 == 0xAD }
    var lines = ""
    for id in 0..<50257 {
      let bytes = try #require(whole.token(for: id)).unicodeScalars.map { scalar -> UInt8 in
        scalar.value < 0x100 ? UInt8(scalar.value) : UInt8(late[Int(scalar.value) - 0x100])
      }
      lines += (bytes.isEmpty ? "=" : Data(bytes).base64EncodedString()) + " \(id)\n"
    }
    let path = try temporary.write(lines.utf8, to: "large-v3-tokens.txt")
    let ranks = try Tokenizer.load(path, vocabularySize: 51866)
    var samples = TextSamples(random: .forThisRun())
    for text in samples.texts(1500) {
      let expected = whole.encode(text)
      #expect(parts.encode(text) == expected, "seed \(samples.random.seed): \(text.debugDescription)")
      #expect(ranks.encode(text) == expected, "seed \(samples.random.seed): \(text.debugDescription)")
    }
    for id in 0..<whole.vocabularySize {
      #expect(parts.token(for: id) == whole.token(for: id))
      #expect(ranks.token(for: id) == whole.token(for: id))
    }
  }

  /// A change of the tiny tokenizer, by name.
  private static let variants: [(name: String, change: @Sendable (inout [String: Any]) -> Void)] = [
    ("as it is", { _ in }),
    ("add_prefix_space", { $0.set("pre_tokenizer", "add_prefix_space", true) }),
    ("no regex", { $0.set("pre_tokenizer", "use_regex", false) }),
    ("ignore_merges", { $0.set("model", "ignore_merges", true) }),
    ("unknown token", { $0.set("model", "unk_token", "c") }),
    (
      "fused unknown tokens",
      {
        $0.set("model", "unk_token", "c")
        $0.set("model", "fuse_unk", true)
      }
    ),
    ("lstrip", { $0.setAdded(2, "lstrip", true) }),
    ("rstrip", { $0.setAdded(2, "rstrip", true) }),
    ("single word", { $0.setAdded(2, "single_word", true) }),
    ("normalized", { $0.setAdded(2, "normalized", true) }),
    ("one token in another", { $0.setAdded(8, "content", "<|en|>|") }),
    (
      "pairs as lists",
      { $0.set("model", "merges", TinyTokenizer.merges.map { $0.components(separatedBy: " ") }) }
    ),
  ]

  @Test("follows every flag of the file as tokenizers does", arguments: variants.map(\.name))
  func flags(_ name: String) throws {
    let change = try #require(Self.variants.first { $0.name == name }).change
    let file = String(decoding: try TinyTokenizer.json(change), as: UTF8.self)
    try compare(TinyTokenizer.load(change), file, count: 600, name)
  }
}
