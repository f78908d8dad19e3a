import ModelBackend

/// Walks through JSON text byte by byte and keeps nothing but what is asked for.
///
/// A profile has a hundred megabytes after a few runs of a large model, of which four values a node matter.
struct JSONCursor: ~Copyable {
  private let bytes: [UInt8]
  private var offset = 0
  private let path: String
  private static let depthLimit = 64

  init(_ bytes: [UInt8], path: String) {
    self.bytes = bytes
    self.path = path
  }

  func failure(_ expected: String) -> BackendError {
    BackendError(.failed, "\(path): expected \(expected) at byte \(offset)")
  }

  /// The next byte that is no white space, which stays where it is; nil at the end.
  mutating func peek() -> UInt8? {
    while offset < bytes.count, [0x20, 0x0a, 0x0d, 0x09].contains(bytes[offset]) { offset += 1 }
    return offset < bytes.count ? bytes[offset] : nil
  }

  /// Goes over `byte` when it is the next one.
  mutating func take(_ byte: Character) -> Bool {
    guard let wanted = byte.asciiValue, peek() == wanted else { return false }
    offset += 1
    return true
  }

  mutating func expect(_ byte: Character) throws(BackendError) {
    if !take(byte) { throw failure("'\(byte)'") }
  }

  /// Reads a text; `\u` escapes outside ASCII become question marks, for names only have them in jest.
  mutating func text() throws(BackendError) -> String {
    try expect("\"")
    var content: [UInt8] = []
    while offset < bytes.count {
      let byte = bytes[offset]
      offset += 1
      if byte == UInt8(ascii: "\"") { return String(decoding: content, as: UTF8.self) }
      guard byte == UInt8(ascii: "\\") else {
        content.append(byte)
        continue
      }
      guard offset < bytes.count else { break }
      let escape = bytes[offset]
      offset += 1
      switch escape {
      case UInt8(ascii: "n"): content.append(0x0a)
      case UInt8(ascii: "t"): content.append(0x09)
      case UInt8(ascii: "r"): content.append(0x0d)
      case UInt8(ascii: "u"):
        guard offset + 4 <= bytes.count else { throw failure("four digits") }
        let digits = String(decoding: bytes[offset..<offset + 4], as: UTF8.self)
        offset += 4
        content.append(UInt8(digits, radix: 16).flatMap { $0 < 0x80 ? $0 : nil } ?? UInt8(ascii: "?"))
      default: content.append(escape)
      }
    }
    throw failure("the end of a text")
  }

  /// Reads a whole number; a fraction is cut off.
  mutating func integer() throws(BackendError) -> Int {
    _ = peek()
    let start = offset
    if offset < bytes.count, bytes[offset] == UInt8(ascii: "-") { offset += 1 }
    while offset < bytes.count, (0x30...0x39).contains(bytes[offset]) { offset += 1 }
    guard let value = Int(String(decoding: bytes[start..<offset], as: UTF8.self)) else {
      throw failure("a number")
    }
    while let byte = peek(), ![0x2c, 0x7d, 0x5d].contains(byte) { offset += 1 }
    return value
  }

  /// Goes over a value of any kind.
  mutating func skip(depth: Int = 0) throws(BackendError) {
    guard depth < JSONCursor.depthLimit, let first = peek() else { throw failure("a value") }
    switch first {
    case UInt8(ascii: "\""): _ = try text()
    case UInt8(ascii: "{"):
      try expect("{")
      if take("}") { return }
      repeat {
        _ = try text()
        try expect(":")
        try skip(depth: depth + 1)
      } while take(",")
      try expect("}")
    case UInt8(ascii: "["):
      try expect("[")
      if take("]") { return }
      repeat { try skip(depth: depth + 1) } while take(",")
      try expect("]")
    default:
      let start = offset
      while let byte = peek(), ![0x2c, 0x7d, 0x5d].contains(byte) { offset += 1 }
      if offset == start { throw failure("a value") }
    }
  }
}
