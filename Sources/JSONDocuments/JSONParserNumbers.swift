extension JSONParser {
  /// Reads a number by JSON's grammar: no plus sign, no leading zeros, digits on both sides of the point.
  mutating func readNumber() throws(JSONError) -> JSONNumber {
    let start = at
    if next == UInt8(ascii: "-") { at += 1 }
    let sign = at
    guard let first = next, Self.isDigit(first) else { throw numberError(from: start) }
    skipDigits()
    if first == UInt8(ascii: "0"), at - sign > 1 {
      throw badNumber(from: start, "JSON numbers have no leading zeros")
    }
    if next == UInt8(ascii: ".") {
      at += 1
      guard let digit = next, Self.isDigit(digit) else {
        throw badNumber(from: start, "a digit is expected after the decimal point")
      }
      skipDigits()
    }
    if next == UInt8(ascii: "e") || next == UInt8(ascii: "E") {
      at += 1
      if next == UInt8(ascii: "+") || next == UInt8(ascii: "-") { at += 1 }
      guard let digit = next, Self.isDigit(digit) else {
        throw badNumber(from: start, "a digit is expected after the exponent's e")
      }
      skipDigits()
    }
    if let byte = next, Self.isWordByte(byte) || byte == UInt8(ascii: ".") {
      throw badNumber(from: start, "JSON numbers are decimal: digits, one point, an exponent")
    }
    return JSONNumber(checked: String(decoding: bytes[start..<at], as: UTF8.self))
  }

  /// A sign or point without digits behind it, and what may have been meant.
  private mutating func numberError(from start: Int) -> JSONError {
    if next == nil { return endError(expected: "the digits of a number") }
    let sign = at > start ? "-" : next == UInt8(ascii: "+") ? "+" : ""
    at = start + sign.utf8.count
    let word = word()
    if ["nan", "inf", "infinity"].contains(word.lowercased()) {
      return error(.notFinite(sign + word), at: start)
    }
    if sign == "+" { return badNumber(from: start, "JSON numbers have no plus sign") }
    if next == UInt8(ascii: ".") {
      return badNumber(from: start, "a digit is expected before the decimal point")
    }
    return badNumber(from: start, "a digit is expected after the minus sign")
  }

  private func badNumber(from start: Int, _ why: String) -> JSONError {
    let text = bytes[start...].prefix(40).prefix { byte in
      Self.isWordByte(byte) || [UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "+")].contains(byte)
    }
    return error(.badNumber(String(decoding: text, as: UTF8.self), why: why), at: start)
  }

  private mutating func skipDigits() {
    while let byte = next, Self.isDigit(byte) { at += 1 }
  }

  static func isDigit(_ byte: UInt8) -> Bool { byte >= UInt8(ascii: "0") && byte <= UInt8(ascii: "9") }
}
