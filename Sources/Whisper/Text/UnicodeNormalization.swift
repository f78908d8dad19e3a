/// Unicode normalization forms with compatibility mappings, which the standard library keeps to itself.
///
/// Source: Unicode Standard Annex 15; Hangul syllables by The Unicode Standard, section 3.12.
enum UnicodeNormalization {
  /// NFKD: every character taken apart as far as it goes.
  static func decomposed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    if text.allSatisfy(\.isASCII) { return text }
    let table = DecompositionTable.shared
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    for scalar in text { table.append(scalar, to: &result) }
    order(&result)
    return result
  }

  /// NFKC: taken apart, then put together where one character says the same.
  static func composed(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    if text.allSatisfy(\.isASCII) { return text }
    let table = DecompositionTable.shared
    let parts = decomposed(text)
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(parts.count)
    // The last starter that was written, and the class of what was written after it.
    var starter: Int?
    var lastClass = -1
    for scalar in parts {
      let ownClass = combiningClass(scalar)
      if let at = starter, lastClass < ownClass, let whole = table.composition(result[at], scalar) {
        result[at] = whole
        continue
      }
      result.append(scalar)
      lastClass = ownClass
      if ownClass == 0 {
        starter = result.count - 1
        lastClass = -1
      }
    }
    return result
  }

  /// Puts marks in the order of their classes; those of one class keep theirs.
  private static func order(_ text: inout [Unicode.Scalar]) {
    var at = 0
    while at < text.count {
      if combiningClass(text[at]) == 0 {
        at += 1
        continue
      }
      var end = at + 1
      while end < text.count, combiningClass(text[end]) != 0 { end += 1 }
      if end - at > 1 {
        // The sort of the standard library is stable.
        text[at..<end].sort { combiningClass($0) < combiningClass($1) }
      }
      at = end
    }
  }

  private static func combiningClass(_ scalar: Unicode.Scalar) -> Int {
    scalar.value < 0x300 ? 0 : Int(scalar.properties.canonicalCombiningClass.rawValue)
  }
}

/// The decompositions of `DecompositionData`, unpacked when they are first needed.
struct DecompositionTable: Sendable {
  static let shared = DecompositionTable()

  private struct Entry {
    var start: Int32
    var count: Int32
    var isCompatibility: Bool
  }

  /// What characters are made of, one step each.
  private var pool: [Unicode.Scalar] = []
  private var entries: [UInt32: Entry] = [:]
  /// The characters that two others make.
  private var wholes: [UInt64: Unicode.Scalar] = [:]

  /// Appends a character taken apart.
  func append(_ scalar: Unicode.Scalar, to result: inout [Unicode.Scalar]) {
    if scalar.value < 0xA0 {
      result.append(scalar)
    } else if let parts = Hangul.parts(of: scalar) {
      result += parts
    } else if let entry = entries[scalar.value] {
      for index in entry.start..<entry.start + entry.count { append(pool[Int(index)], to: &result) }
    } else {
      result.append(scalar)
    }
  }

  /// The character that two others make, if any.
  func composition(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> Unicode.Scalar? {
    Hangul.whole(first, second) ?? wholes[Self.key(first, second)]
  }

  private static func key(_ first: Unicode.Scalar, _ second: Unicode.Scalar) -> UInt64 {
    UInt64(first.value) << 32 | UInt64(second.value)
  }

  private init() {
    var reader = Reader()
    entries.reserveCapacity(6000)
    var codePoint = 0
    var previous = [Int](repeating: 0, count: 32)
    while !reader.isAtEnd {
      codePoint += reader.number()
      let header = reader.number()
      let isCompatibility = header & 1 == 1
      let isRun = header < 2
      let runCount = isRun ? reader.number() : 1
      let count = isRun ? 1 : header / 2
      let start = pool.count
      for place in 0..<count {
        previous[place] += reader.signedNumber()
        for step in 0..<runCount {
          if let scalar = Unicode.Scalar(UInt32(previous[place] + step)) { pool.append(scalar) }
        }
      }
      for step in 0..<runCount {
        let entry = Entry(
          start: Int32(start + step), count: Int32(count), isCompatibility: isCompatibility)
        entries[UInt32(codePoint + step)] = entry
        if !isCompatibility, count == 2, let whole = Unicode.Scalar(UInt32(codePoint)),
          !whole.properties.isFullCompositionExclusion
        {
          wholes[Self.key(pool[start], pool[start + 1])] = whole
        }
      }
      codePoint += runCount
    }
  }

  /// Reads the numbers of the packed string.
  private struct Reader {
    private static let values: [Int] = {
      var values = [Int](repeating: 0, count: 128)
      let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
      for (value, byte) in alphabet.utf8.enumerated() { values[Int(byte)] = value }
      return values
    }()

    private let bytes = Array(DecompositionData.packed.utf8)
    private var at = 0

    var isAtEnd: Bool { at >= bytes.count }

    mutating func number() -> Int {
      var number = 0
      var shift = 0
      while at < bytes.count {
        let digit = Self.values[Int(bytes[at])]
        at += 1
        number |= (digit & 31) << shift
        if digit < 32 { break }
        shift += 5
      }
      return number
    }

    mutating func signedNumber() -> Int {
      let number = number()
      return number & 1 == 0 ? number / 2 : -(number + 1) / 2
    }
  }
}

/// Korean syllables, which are computed from their two or three letters.
private enum Hangul {
  private static let syllables: Range<UInt32> = 0xAC00..<0xAC00 + 19 * 21 * 28
  private static let first: UInt32 = 0x1100
  private static let vowel: UInt32 = 0x1161
  private static let last: UInt32 = 0x11A7

  static func parts(of scalar: Unicode.Scalar) -> [Unicode.Scalar]? {
    guard syllables.contains(scalar.value) else { return nil }
    let index = scalar.value - syllables.lowerBound
    let parts = [first + index / (21 * 28), vowel + index % (21 * 28) / 28, last + index % 28]
    return parts.prefix(index % 28 == 0 ? 2 : 3).compactMap(Unicode.Scalar.init)
  }

  static func whole(_ left: Unicode.Scalar, _ right: Unicode.Scalar) -> Unicode.Scalar? {
    if (first..<first + 19).contains(left.value), (vowel..<vowel + 21).contains(right.value) {
      return Unicode.Scalar(syllables.lowerBound + ((left.value - first) * 21 + right.value - vowel) * 28)
    }
    if syllables.contains(left.value), (left.value - syllables.lowerBound) % 28 == 0,
      (last + 1..<last + 28).contains(right.value)
    {
      return Unicode.Scalar(left.value + right.value - last)
    }
    return nil
  }
}

/// The two forms as text, for tests.
package enum TextForms {
  package static func decomposed(_ text: String) -> String {
    String(UnicodeNormalization.decomposed(Array(text.unicodeScalars)))
  }

  package static func composed(_ text: String) -> String {
    String(UnicodeNormalization.composed(Array(text.unicodeScalars)))
  }
}
