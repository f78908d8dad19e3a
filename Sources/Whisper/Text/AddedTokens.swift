/// A token that stands for itself in text and is never cut: `<|endoftext|>`, `<|pt|>`, `<|0.00|>`.
struct AddedToken: Sendable, Equatable {
  let id: Int
  let text: String
  /// Whether it steers the model, and is left out of what people read.
  var isSpecial = false
  /// Whether it counts only when no letter or digit touches it.
  var isSingleWord = false
  /// Whether it swallows the blanks before it.
  var takesBlanksBefore = false
  /// Whether it swallows the blanks after it.
  var takesBlanksAfter = false
  /// Whether it is looked for after all those that are not.
  var isNormalized = false
}

/// Finds added tokens in text, as the published tokenizers do: the leftmost one, and of several at one place
/// the longest.
struct AddedTokens: Sendable {
  let tokens: [AddedToken]
  private let byID: [Int: Int]
  private let early: Search
  private let late: Search

  init(_ tokens: [AddedToken]) {
    self.tokens = tokens
    byID = Dictionary(tokens.enumerated().map { ($1.id, $0) }, uniquingKeysWith: { first, _ in first })
    early = Search(tokens.filter { !$0.isNormalized })
    late = Search(tokens.filter { $0.isNormalized })
  }

  /// The token of this id.
  subscript(id: Int) -> AddedToken? { byID[id].map { tokens[$0] } }

  /// The token of this text.
  func token(_ text: some StringProtocol) -> AddedToken? {
    let bytes = Array(text.utf8)
    return early.token(bytes[...]) ?? late.token(bytes[...])
  }

  /// A part of a text: an added token or, where `token` is nil, text between them.
  struct Part: Equatable {
    let token: Int?
    let range: Range<Int>
  }

  /// The parts of valid UTF-8.
  func parts(of bytes: [UInt8]) -> [Part] {
    let first = early.parts(of: bytes, in: 0..<bytes.count)
    if late.isEmpty { return first }
    return first.flatMap { part in part.token == nil ? late.parts(of: bytes, in: part.range) : [part] }
  }

  private struct Search: Sendable {
    private let byText: [ArraySlice<UInt8>: AddedToken]
    /// The lengths of tokens by their first byte, longest first.
    private let lengths: [[Int]]

    init(_ tokens: [AddedToken]) {
      var byText: [ArraySlice<UInt8>: AddedToken] = [:]
      var lengths = [Set<Int>](repeating: [], count: 256)
      for token in tokens {
        let bytes = Array(token.text.utf8)
        guard let first = bytes.first else { continue }
        byText[bytes[...]] = token
        lengths[Int(first)].insert(bytes.count)
      }
      self.byText = byText
      self.lengths = lengths.map { $0.sorted(by: >) }
    }

    var isEmpty: Bool { byText.isEmpty }

    func token(_ text: ArraySlice<UInt8>) -> AddedToken? { byText[text] }

    func parts(of bytes: [UInt8], in range: Range<Int>) -> [Part] {
      var parts: [Part] = []
      var done = range.lowerBound
      var at = range.lowerBound
      while at < range.upperBound {
        guard let (token, end) = match(bytes, at, range.upperBound) else {
          at += 1
          continue
        }
        let found = at..<end
        at = end
        if token.isSingleWord, touchesWord(bytes, found, range) { continue }
        var start = found.lowerBound
        var stop = end
        if token.takesBlanksBefore { start = blanksStart(bytes, before: start, from: done) }
        if token.takesBlanksAfter { stop = blanksEnd(bytes, from: stop, to: range.upperBound) }
        if done < start { parts.append(Part(token: nil, range: done..<start)) }
        parts.append(Part(token: token.id, range: start..<stop))
        done = stop
        at = max(at, stop)
      }
      if done < range.upperBound { parts.append(Part(token: nil, range: done..<range.upperBound)) }
      return parts
    }

    private func match(_ bytes: [UInt8], _ at: Int, _ end: Int) -> (AddedToken, end: Int)? {
      for length in lengths[Int(bytes[at])] where at + length <= end {
        if let token = byText[bytes[at..<at + length]] { return (token, at + length) }
      }
      return nil
    }

    private func touchesWord(_ bytes: [UInt8], _ found: Range<Int>, _ range: Range<Int>) -> Bool {
      if found.lowerBound > range.lowerBound,
        Self.isWordCharacter(UTF8Scalars.scalar(in: bytes, before: found.lowerBound).scalar)
      {
        return true
      }
      return found.upperBound < range.upperBound
        && Self.isWordCharacter(UTF8Scalars.scalar(in: bytes, at: found.upperBound).scalar)
    }

    private func blanksStart(_ bytes: [UInt8], before end: Int, from lower: Int) -> Int {
      var at = end
      while at > lower {
        let (scalar, start) = UTF8Scalars.scalar(in: bytes, before: at)
        if !scalar.properties.isWhitespace { break }
        at = start
      }
      return at
    }

    private func blanksEnd(_ bytes: [UInt8], from start: Int, to upper: Int) -> Int {
      var at = start
      while at < upper {
        let (scalar, end) = UTF8Scalars.scalar(in: bytes, at: at)
        if !scalar.properties.isWhitespace { break }
        at = end
      }
      return at
    }

    /// `\w` of Unicode's rules for regular expressions (UTS 18, annex C).
    private static func isWordCharacter(_ scalar: Unicode.Scalar) -> Bool {
      let properties = scalar.properties
      if properties.isAlphabetic || properties.isJoinControl { return true }
      switch properties.generalCategory {
      case .decimalNumber, .connectorPunctuation, .nonspacingMark, .spacingMark, .enclosingMark: return true
      default: return false
      }
    }
  }
}
