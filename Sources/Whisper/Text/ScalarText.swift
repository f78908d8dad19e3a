/// Text as its Unicode scalars, with the questions that the published normalizers ask: they are written in
/// Python, and these answers are Python's.
enum ScalarText {
  /// A blank for Python: Unicode's white space and the four separators U+001C to U+001F.
  static func isBlank(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return scalar == " " || (0x09...0x0D).contains(scalar.value) || isSeparator(scalar) }
    return scalar.properties.isWhitespace
  }

  private static func isSeparator(_ scalar: Unicode.Scalar) -> Bool { (0x1C...0x1F).contains(scalar.value) }

  /// A character of a word (`\w`): a letter, a number of any kind, or `_`.
  static func isWord(_ scalar: Unicode.Scalar) -> Bool {
    if scalar.isASCII { return isASCIILetter(scalar) || isASCIIDigit(scalar) || scalar == "_" }
    let properties = scalar.properties
    switch properties.generalCategory {
    case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter, .decimalNumber,
      .letterNumber, .otherNumber:
      return true
    default:
      return properties.numericType != nil
    }
  }

  static func isASCIIDigit(_ scalar: Unicode.Scalar) -> Bool { (0x30...0x39).contains(scalar.value) }

  static func isSmallASCIILetter(_ scalar: Unicode.Scalar) -> Bool { (0x61...0x7A).contains(scalar.value) }

  private static func isASCIILetter(_ scalar: Unicode.Scalar) -> Bool {
    (0x61...0x7A).contains(scalar.value | 0x20)
  }

  /// The value of a decimal digit of any script (`\d`).
  static func digit(_ scalar: Unicode.Scalar) -> Int? {
    if scalar.isASCII { return isASCIIDigit(scalar) ? Int(scalar.value) - 0x30 : nil }
    guard scalar.properties.generalCategory == .decimalNumber else { return nil }
    return scalar.properties.numericValue.map { Int($0) }
  }

  /// Whether a word begins or ends between the characters at `at - 1` and `at` (`\b`).
  static func isBoundary(_ text: [Unicode.Scalar], _ at: Int) -> Bool {
    (at > 0 && isWord(text[at - 1])) != (at < text.count && isWord(text[at]))
  }

  /// The end of the run of blanks that begins at `at`.
  static func blanksEnd(_ text: [Unicode.Scalar], _ at: Int) -> Int {
    var end = at
    while end < text.count, isBlank(text[end]) { end += 1 }
    return end
  }

  /// The words between blanks.
  static func words(_ text: [Unicode.Scalar]) -> [[Unicode.Scalar]] {
    text.split(whereSeparator: isBlank).map(Array.init)
  }

  /// Every run of blanks as one space.
  static func joiningBlanks(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var at = 0
    while at < text.count {
      let end = blanksEnd(text, at)
      result.append(end > at ? " " : text[at])
      at = max(end, at + 1)
    }
    return result
  }

  /// Small letters by the full mapping; a capital sigma at the end of a word becomes the final one.
  static func lowercased(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for (at, scalar) in text.enumerated() {
      if scalar.isASCII {
        result.append(
          (0x41...0x5A).contains(scalar.value) ? Unicode.Scalar(UInt8(scalar.value + 0x20)) : scalar)
      } else if scalar == "Σ" {
        result.append(endsWord(text, at) ? "ς" : "σ")
      } else {
        result += scalar.properties.lowercaseMapping.unicodeScalars
      }
    }
    return result
  }

  private static func endsWord(_ text: [Unicode.Scalar], _ at: Int) -> Bool {
    let before = text[..<at].last { !$0.properties.isCaseIgnorable }
    let after = text[(at + 1)...].first { !$0.properties.isCaseIgnorable }
    return before?.properties.isCased == true && after?.properties.isCased != true
  }

  /// Without what stands in `<...>` and `[...]`, then without what stands in `(...)`. The first closing
  /// bracket ends a part; one without an end stays; so does `()`.
  static func removingBrackets(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    let square = removing(text, from: ["<", "["], to: [">", "]"], leastCount: 0)
    return removing(square, from: ["("], to: [")"], leastCount: 1)
  }

  private static func removing(
    _ text: [Unicode.Scalar], from opening: [Unicode.Scalar], to closing: [Unicode.Scalar], leastCount: Int
  ) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var at = 0
    // Past the last closing bracket nothing is searched again.
    var isOpen = true
    while at < text.count {
      if isOpen, opening.contains(text[at]) {
        if let end = text[(at + 1)...].firstIndex(where: closing.contains) {
          if end - at > leastCount {
            at = end + 1
            continue
          }
        } else {
          isOpen = false
        }
      }
      result.append(text[at])
      at += 1
    }
    return result
  }

  /// A symbol, a mark or a sign of punctuation, which normalizers replace by a space.
  static func isSymbol(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .mathSymbol, .currencySymbol, .modifierSymbol,
      .otherSymbol, .connectorPunctuation, .dashPunctuation, .openPunctuation, .closePunctuation,
      .initialPunctuation, .finalPunctuation, .otherPunctuation:
      return true
    default:
      return false
    }
  }

  /// NFKC with a space for every symbol.
  static func removingSymbols(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    UnicodeNormalization.composed(text).map { isSymbol($0) ? " " : $0 }
  }

  /// NFKD without accents, with a space for every symbol but those in `kept`, and letters that have no
  /// decomposition by the letters they are read as.
  static func removingDiacritics(_ text: [Unicode.Scalar], keeping kept: [Unicode.Scalar]) -> [Unicode.Scalar]
  {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for scalar in UnicodeNormalization.decomposed(text) {
      if kept.contains(scalar) {
        result.append(scalar)
      } else if let letters = plainLetters[scalar] {
        result += letters.unicodeScalars
      } else if scalar.properties.generalCategory != .nonspacingMark {
        result.append(isSymbol(scalar) ? " " : scalar)
      }
    }
    return result
  }

  private static let plainLetters: [Unicode.Scalar: String] = [
    "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "æ": "ae", "Æ": "AE", "ß": "ss", "ẞ": "SS", "đ": "d", "Đ": "D",
    "ð": "d", "Ð": "D", "þ": "th", "Þ": "th", "ł": "l", "Ł": "L",
  ]
}

extension String {
  /// The text of some scalars.
  init(_ scalars: some Sequence<Unicode.Scalar>) {
    var view = String.UnicodeScalarView()
    view.append(contentsOf: scalars)
    self = String(view)
  }
}
