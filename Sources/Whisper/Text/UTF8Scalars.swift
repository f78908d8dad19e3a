/// Reading and writing the characters of valid UTF-8 in arrays of bytes, faster than through `String`.
enum UTF8Scalars {
  /// The scalar that begins at `at`, and where the next one begins.
  static func scalar(in bytes: [UInt8], at: Int) -> (scalar: Unicode.Scalar, end: Int) {
    let first = bytes[at]
    if first < 0x80 { return (Unicode.Scalar(first), at + 1) }
    let count = first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    var value = UInt32(first) & (0x7F >> UInt32(count))
    for index in at + 1..<min(at + count, bytes.count) { value = value << 6 | UInt32(bytes[index] & 0x3F) }
    return (Unicode.Scalar(value) ?? "\u{FFFD}", min(at + count, bytes.count))
  }

  /// The scalar that ends before `end`, and where it begins.
  static func scalar(in bytes: [UInt8], before end: Int) -> (scalar: Unicode.Scalar, start: Int) {
    var start = end - 1
    while start > 0, bytes[start] & 0xC0 == 0x80 { start -= 1 }
    return (scalar(in: bytes, at: start).scalar, start)
  }

  /// How many bytes at the end begin a character that is not complete yet: 0 to 3.
  static func incompleteTailCount(of bytes: some BidirectionalCollection<UInt8>) -> Int {
    var seen: [UInt8] = []
    for byte in bytes.reversed().prefix(3) {
      seen.insert(byte, at: 0)
      if byte & 0xC0 != 0x80 { break }
    }
    guard let first = seen.first else { return 0 }
    let needed = first >= 0xF0 && first < 0xF5 ? 4 : first >= 0xE0 && first < 0xF0 ? 3 : first >= 0xC2 ? 2 : 1
    if first >= 0xF5 || seen.count >= needed { return 0 }
    if seen.count > 1, !isPossible(second: seen[1], after: first) { return 0 }
    return seen.count
  }

  /// Whether a byte can follow the first one of a character: some would make surrogates, numbers above
  /// U+10FFFF, or longer forms than needed.
  private static func isPossible(second: UInt8, after first: UInt8) -> Bool {
    switch first {
    case 0xE0: return second >= 0xA0
    case 0xED: return second < 0xA0
    case 0xF0: return second >= 0x90
    case 0xF4: return second < 0x90
    default: return true
    }
  }
}
