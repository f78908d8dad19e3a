/// What becomes of tokens that are no words when tokens become text.
public enum SpecialTokenPolicy: Sendable {
  /// Every token is written, as `<|endoftext|>`.
  case keep
  /// Special tokens are left out; timestamps, which the published tokenizers do not call special, stay.
  case skip
  /// Special tokens and timestamps are left out.
  case skipWithTimestamps
}

/// A byte-level BPE tokenizer: text to token ids and back, equal to Hugging Face's `tokenizers` and OpenAI's
/// tiktoken for the tokenizers of Whisper.
public struct Tokenizer: Sendable {
  /// The file that it was read from, for sentences.
  public let source: String
  let merger: BytePairMerger
  let added: AddedTokens
  /// What stands before the first word of a text that does not begin with a space.
  let prefix: PrefixPolicy
  let cutting: Cutting

  enum PrefixPolicy: Sendable { case none, space }
  enum Cutting: Sendable { case words, none }

  init(
    source: String, merger: BytePairMerger, added: AddedTokens, prefix: PrefixPolicy = .none,
    cutting: Cutting = .words
  ) {
    self.source = source
    self.merger = merger
    self.added = added
    self.prefix = prefix
    self.cutting = cutting
  }

  /// One more than the largest id, which is the least size of the model's vocabulary.
  public var vocabularySize: Int {
    max(merger.tokens.idEnd, added.tokens.reduce(0) { max($0, $1.id + 1) })
  }

  /// The token ids of a text. Added tokens are recognised where they stand; nothing is put before or behind
  /// the text.
  public func encode(_ text: String) -> [Int] {
    let bytes = Array(text.utf8)
    var ids: [Int] = []
    var word: [UInt8] = []
    for part in added.parts(of: bytes) {
      if let token = part.token {
        ids.append(token)
        continue
      }
      var text = bytes
      var range = part.range
      if prefix == .space, bytes[range.lowerBound] != UInt8(ascii: " ") {
        text = [UInt8(ascii: " ")] + bytes[range]
        range = text.indices
      }
      let words = cutting == .words ? PreTokenizer.words(of: text, in: range) : [range]
      for range in words {
        word.removeAll(keepingCapacity: true)
        ByteAlphabet.write(text[range], to: &word)
        merger.append(word[...], to: &ids)
      }
    }
    return ids
  }

  /// The text of token ids. Bytes that are no UTF-8 become U+FFFD (one for each part that could have begun a
  /// character); ids that no token has are left out.
  public func decode(_ ids: some Sequence<Int>, special: SpecialTokenPolicy) -> String {
    var bytes: [UInt8] = []
    for id in ids { write(id, to: &bytes, special) }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Appends the bytes of a token.
  func write(_ id: Int, to bytes: inout [UInt8], _ special: SpecialTokenPolicy) {
    if let token = added[id] {
      switch special {
      case .keep: break
      case .skip: if token.isSpecial { return }
      case .skipWithTimestamps: if token.isSpecial || Timestamp.seconds(of: token.text) != nil { return }
      }
      ByteAlphabet.read(Array(token.text.utf8)[...], to: &bytes)
    } else if let word = merger.tokens.text(of: id) {
      ByteAlphabet.read(word, to: &bytes)
    }
  }

  /// The id of a token as the vocabulary writes it: `Ġthe`, `<|en|>`.
  public func id(of token: String) -> Int? {
    added.token(token)?.id ?? merger.tokens.id(of: Array(token.utf8)[...])
  }

  /// A token as the vocabulary writes it.
  public func token(for id: Int) -> String? {
    if let token = added[id] { return token.text }
    return merger.tokens.text(of: id).map { String(decoding: $0, as: UTF8.self) }
  }

  /// Whether the token steers the model and is no part of what was said.
  public func isSpecial(_ id: Int) -> Bool { added[id]?.isSpecial ?? false }
}

/// Token ids that become text one after the other: bytes that do not make a whole character yet are held
/// back.
public struct StreamingText: Sendable {
  private let tokenizer: Tokenizer
  private let special: SpecialTokenPolicy
  private var held: [UInt8] = []

  /// A stream that has said nothing yet.
  public init(_ tokenizer: Tokenizer, special: SpecialTokenPolicy) {
    self.tokenizer = tokenizer
    self.special = special
  }

  /// The text that a token completes; empty when a character is still missing bytes. All that was returned,
  /// with `finish()` at the end, is `Tokenizer.decode` of all tokens.
  public mutating func append(_ id: Int) -> String {
    tokenizer.write(id, to: &held, special)
    let tail = UTF8Scalars.incompleteTailCount(of: held)
    let text = String(decoding: held.dropLast(tail), as: UTF8.self)
    held.removeFirst(held.count - tail)
    return text
  }

  /// What was held back, as it will never become whole: U+FFFD or nothing.
  public mutating func finish() -> String {
    defer { held = [] }
    return String(decoding: held, as: UTF8.self)
  }
}
