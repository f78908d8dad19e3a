/// Reads a tokenizer from a file of ranks: a line for each token with its bytes in base64, a space and its
/// rank, which is its id. OpenAI ships `multilingual.tiktoken` and `gpt2.tiktoken`, sherpa-onnx the same
/// lines as `small-tokens.txt`.
struct RankFile {
  private let path: String
  private var builder: TokenizerBuilder
  private var text: [UInt8] = []

  /// The tokenizer of a file. Special tokens follow the ranks in the order that OpenAI published, unless the
  /// file has them.
  static func read(_ bytes: [UInt8], path: String, vocabularySize: Int?) throws(TextError) -> Tokenizer {
    var file = RankFile(path: path, lineCapacity: bytes.count / 8)
    return try file.tokenizer(bytes, vocabularySize)
  }

  private init(path: String, lineCapacity: Int) {
    self.path = path
    builder = TokenizerBuilder(source: path, tokenCapacity: lineCapacity, mergeCapacity: 0)
  }

  private mutating func tokenizer(_ bytes: [UInt8], _ vocabularySize: Int?) throws(TextError) -> Tokenizer {
    var number = 0
    for line in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false) {
      number += 1
      let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
      if !line.isEmpty { try readLine(line, number) }
    }
    if builder.tokens.count == 0, builder.added.isEmpty {
      throw builder.malformed("the file", "empty", expected: "a token and its rank on every line")
    }
    if builder.added.isEmpty { try addPublishedTokens(vocabularySize) }
    var merger = BytePairMerger(tokens: builder.tokens, ranks: .ids)
    merger.prefersWholeWords = true
    return Tokenizer(source: path, merger: merger, added: AddedTokens(builder.added))
  }

  private mutating func readLine(_ line: ArraySlice<UInt8>, _ number: Int) throws(TextError) {
    let expected = "a token in base64, a space and its rank"
    guard let gap = line.lastIndex(of: UInt8(ascii: " ")) else {
      throw builder.malformed("line \(number)", builder.shown(line.prefix(60)), expected: expected)
    }
    let rank = String(decoding: line[(gap + 1)...], as: UTF8.self)
    let id = try builder.checkID(Int(rank), "'\(rank)'", place: "the rank on line \(number)")
    // No base64 has these characters, so a special token that is written as it is cannot be mistaken.
    if line.starts(with: "<|".utf8), line[..<gap].suffix(2).elementsEqual("|>".utf8) {
      let text = String(decoding: line[..<gap], as: UTF8.self)
      let isTime = Timestamp.seconds(of: text) != nil
      try builder.addAdded(AddedToken(id: id, text: text, isSpecial: !isTime), place: "line \(number)")
      return
    }
    guard let bytes = Base64.decode(line[..<gap]) else {
      throw builder.malformed("line \(number)", builder.shown(line.prefix(60)), expected: expected)
    }
    text.removeAll(keepingCapacity: true)
    ByteAlphabet.write(bytes[...], to: &text)
    try builder.addToken(text, id: id, place: "line \(number)")
  }

  /// End of text, start of transcript, languages, tasks, and a timestamp for every 0.02 s up to 30 s.
  private mutating func addPublishedTokens(_ vocabularySize: Int?) throws(TextError) {
    let names = ["translate", "transcribe", "startoflm", "startofprev", "nospeech", "notimestamps"]
    let first = builder.tokens.idEnd
    let fixedCount = 2 + names.count + Timestamp.publishedCount
    let languageCount = vocabularySize.map { $0 - first - fixedCount } ?? 99
    guard (0...Language.all.count).contains(languageCount) else {
      throw builder.malformed(
        "the number of ranks", "\(first)",
        expected: "\(fixedCount) to \(fixedCount + Language.all.count) fewer than the model's vocabulary of "
          + "\(vocabularySize ?? 0) tokens")
    }
    let languages = Language.all.prefix(languageCount).map(\.code)
    var id = first
    for name in ["endoftext", "startoftranscript"] + languages + names {
      try builder.addAdded(AddedToken(id: id, text: "<|\(name)|>", isSpecial: true), place: name)
      id += 1
    }
    for index in 0..<Timestamp.publishedCount {
      try builder.addAdded(AddedToken(id: id, text: Timestamp.text(index)), place: Timestamp.text(index))
      id += 1
    }
  }
}

/// Bytes as text (RFC 4648, section 4).
enum Base64 {
  private static let values: [Int8] = {
    var values = [Int8](repeating: -1, count: 256)
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    for (value, byte) in alphabet.utf8.enumerated() { values[Int(byte)] = Int8(value) }
    return values
  }()

  /// The bytes of a text; nil when it is none. Padding may be missing, and a lone `=` is no bytes, as
  /// OpenAI's own file has it.
  static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
    var end = text.endIndex
    while end > text.startIndex, text[end - 1] == UInt8(ascii: "=") { end -= 1 }
    if text.endIndex - end > 2 || (end - text.startIndex) % 4 == 1 { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count * 3 / 4)
    var bits: UInt32 = 0
    var bitCount = 0
    for byte in text[..<end] {
      guard values[Int(byte)] >= 0 else { return nil }
      bits = bits << 6 | UInt32(values[Int(byte)])
      bitCount += 6
      if bitCount >= 8 {
        bitCount -= 8
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(bitCount)))
      }
    }
    return bytes
  }
}
