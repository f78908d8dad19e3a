/// Cuts text into the words that byte-pair encoding works on, as GPT-2 does: contractions (`'s 't 're 've 'm
/// 'll 'd`), letters, numbers and other characters each with one space before them if there is one, and
/// blanks.
///
/// The rule as a regular expression:
/// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`.
enum PreTokenizer {
  /// The words of a part of valid UTF-8, in order and without gaps.
  static func words(of bytes: [UInt8], in range: Range<Int>) -> [Range<Int>] {
    var words: [Range<Int>] = []
    var at = range.lowerBound
    while at < range.upperBound {
      let end = wordEnd(bytes, at, range.upperBound)
      words.append(at..<end)
      at = end
    }
    return words
  }

  /// What a character counts as.
  enum Kind { case blank, letter, number, other }

  private static let contractions: [[UInt8]] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map {
    Array($0.utf8)
  }

  private static func wordEnd(_ bytes: [UInt8], _ start: Int, _ end: Int) -> Int {
    if bytes[start] == UInt8(ascii: "'") {
      for contraction in contractions where bytes[start..<end].starts(with: contraction) {
        return start + contraction.count
      }
    }
    let hasSpace = bytes[start] == UInt8(ascii: " ")
    if hasSpace, start + 1 < end {
      let kind = kind(bytes, start + 1).kind
      if kind != .blank { return runEnd(bytes, start + 1, end, of: kind).end }
    }
    let kind = kind(bytes, start).kind
    let run = runEnd(bytes, start, end, of: kind)
    // The last of several blanks before a word is left to that word.
    if kind == .blank, run.end < end, run.lastStart > start { return run.lastStart }
    return run.end
  }

  /// Where a run of one kind ends, and where its last character begins.
  private static func runEnd(
    _ bytes: [UInt8], _ start: Int, _ end: Int, of kind: Kind
  ) -> (end: Int, lastStart: Int) {
    var last = start
    var at = start
    while at < end {
      let next = self.kind(bytes, at)
      if next.kind != kind { break }
      last = at
      at = next.end
    }
    return (at, last)
  }

  private static func kind(_ bytes: [UInt8], _ at: Int) -> (kind: Kind, end: Int) {
    let byte = bytes[at]
    if byte < 0x80 {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"):
        return (.letter, at + 1)
      case UInt8(ascii: "0")...UInt8(ascii: "9"): return (.number, at + 1)
      case 0x09...0x0D, 0x20: return (.blank, at + 1)
      default: return (.other, at + 1)
      }
    }
    let (scalar, end) = UTF8Scalars.scalar(in: bytes, at: at)
    return (kind(of: scalar), end)
  }

  /// What a character beyond ASCII counts as.
  ///
  /// The published tokenizers (version 0.22) know Unicode 16, the standard library may know more: letters
  /// that came later are no letters here, or their text would be cut differently.
  static func kind(of scalar: Unicode.Scalar) -> Kind {
    let properties = scalar.properties
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
      return isKnown(properties) ? .letter : .other
    case .decimalNumber, .letterNumber, .otherNumber:
      return isKnown(properties) ? .number : .other
    default:
      return properties.isWhitespace ? .blank : .other
    }
  }

  private static func isKnown(_ properties: Unicode.Scalar.Properties) -> Bool {
    (properties.age?.major ?? 0) <= 16
  }
}
