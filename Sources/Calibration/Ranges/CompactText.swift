/// Arrays of numbers as short texts for JSON: base64 (RFC 4648) of varints or of float bits.
enum CompactText {
  private static let alphabet = Array(
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)

  /// Counts as LEB128 numbers; a zero is followed by how many zeros there are.
  static func text(of counts: some Collection<UInt64>) -> String {
    var bytes: [UInt8] = []
    func append(_ number: UInt64) {
      var rest = number
      while rest >= 0x80 {
        bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
        rest >>= 7
      }
      bytes.append(UInt8(rest))
    }
    var zeroCount: UInt64 = 0
    for count in counts {
      if count == 0 {
        zeroCount += 1
        continue
      }
      if zeroCount > 0 {
        append(0)
        append(zeroCount)
        zeroCount = 0
      }
      append(count)
    }
    if zeroCount > 0 {
      append(0)
      append(zeroCount)
    }
    return base64(bytes)
  }

  /// The counts of such a text; nil when it is none, or has more than `limit`.
  static func counts(in text: String, limit: Int) -> [UInt64]? {
    guard let bytes = bytes(text) else { return nil }
    var place = 0
    func next() -> UInt64? {
      var value: UInt64 = 0
      for shift in stride(from: 0, to: 63, by: 7) {
        guard place < bytes.count else { return nil }
        let byte = bytes[place]
        place += 1
        value |= UInt64(byte & 0x7F) << UInt64(shift)
        if byte < 0x80 { return value }
      }
      return nil
    }
    var counts: [UInt64] = []
    while place < bytes.count {
      guard let number = next() else { return nil }
      if number > 0 {
        counts.append(number)
      } else {
        guard let zeroCount = next(), zeroCount <= UInt64(limit) else { return nil }
        counts.append(contentsOf: repeatElement(0, count: Int(zeroCount)))
      }
      if counts.count > limit { return nil }
    }
    return counts
  }

  /// Floats as their little-endian bits.
  static func text(of floats: [Float]) -> String {
    base64(
      floats.flatMap { float in (0..<4).map { UInt8(truncatingIfNeeded: float.bitPattern >> (8 * $0)) } })
  }

  /// The floats of such a text; nil when it is none.
  static func floats(in text: String) -> [Float]? {
    guard let bytes = bytes(text), bytes.count % 4 == 0 else { return nil }
    return stride(from: 0, to: bytes.count, by: 4).map { start in
      Float(bitPattern: (0..<4).reduce(UInt32(0)) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) })
    }
  }

  private static func base64(_ bytes: [UInt8]) -> String {
    var text: [UInt8] = []
    text.reserveCapacity((bytes.count + 2) / 3 * 4)
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let count = min(3, bytes.count - start)
      let word = (0..<3).reduce(0) { $0 << 8 | ($1 < count ? Int(bytes[start + $1]) : 0) }
      for index in 0..<4 {
        text.append(index <= count ? alphabet[word >> (18 - 6 * index) & 63] : UInt8(ascii: "="))
      }
    }
    return String(decoding: text, as: UTF8.self)
  }

  private static func bytes(_ text: String) -> [UInt8]? {
    let digits = Array(text.utf8)
    guard digits.count % 4 == 0 else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(digits.count / 4 * 3)
    for start in stride(from: 0, to: digits.count, by: 4) {
      let isLast = start + 4 == digits.count
      var word = 0
      var padding = 0
      for digit in digits[start..<start + 4] {
        if digit == UInt8(ascii: "="), isLast {
          padding += 1
          word <<= 6
          continue
        }
        guard padding == 0, let value = value(digit) else { return nil }
        word = word << 6 | value
      }
      guard padding < 3 else { return nil }
      for index in 0..<(3 - padding) { bytes.append(UInt8(truncatingIfNeeded: word >> (16 - 8 * index))) }
    }
    return bytes
  }

  private static func value(_ digit: UInt8) -> Int? {
    switch digit {
    case UInt8(ascii: "A")...UInt8(ascii: "Z"): Int(digit) - 65
    case UInt8(ascii: "a")...UInt8(ascii: "z"): Int(digit) - 71
    case UInt8(ascii: "0")...UInt8(ascii: "9"): Int(digit) + 4
    case UInt8(ascii: "+"): 62
    case UInt8(ascii: "/"): 63
    default: nil
    }
  }
}
