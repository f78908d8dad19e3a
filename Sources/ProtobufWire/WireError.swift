/// Why bytes are not a protocol-buffers message, and where.
///
/// Source: Protocol Buffers encoding specification ("Message Structure").
public struct WireError: Error, Equatable, Sendable {
  /// The kinds of damage that the wire format itself can show.
  public enum Reason: Equatable, Sendable {
    /// The bytes end inside a varint, a fixed-width value or a length-delimited field.
    case truncated(needed: Int, available: Int)
    /// A varint is longer than ten bytes.
    case overlongVarint
    /// A field number of 0, or a tag that does not fit 32 bits.
    case invalidTag(UInt64)
    /// Wire types 6 and 7 do not exist.
    case invalidWireType(UInt8)
    /// An end-group tag without its start, or with another field number.
    case strayEndGroup(fieldNumber: Int)
    /// A length that is larger than any file.
    case lengthOverflow(UInt64)
    /// Messages are nested deeper than the budget allows.
    case tooDeep(limit: Int)
    /// A string field holds bytes that are not UTF-8.
    case invalidUTF8
    /// A packed field of fixed-width values has a length that is no multiple of the width.
    case raggedPackedField(byteCount: Int, width: Int)
    /// The message has so many elements that they take more memory than the reader is willing to give.
    case tooManyElements(byteLimit: Int)
  }

  public let reason: Reason
  /// Offset from the start of the outermost bytes (the file), in bytes.
  public let byteOffset: Int

  public init(_ reason: Reason, byteOffset: Int) {
    self.reason = reason
    self.byteOffset = byteOffset
  }

  /// One clause that says what was found and what was expected.
  public var message: String {
    switch reason {
    case .truncated(let needed, let available):
      return "the bytes end too early: \(needed) more needed, \(available) left"
    case .overlongVarint:
      return "a variable-length integer does not end within ten bytes"
    case .invalidTag(let tag):
      return "\(tag) is no field tag (field numbers are 1 to 536870911)"
    case .invalidWireType(let type):
      return "wire type \(type) does not exist (0 to 5 do)"
    case .strayEndGroup(let number):
      return "a group of field \(number) ends that never began"
    case .lengthOverflow(let length):
      return "a length of \(length) bytes is larger than any file"
    case .tooDeep(let limit):
      return "messages are nested more than \(limit) deep"
    case .invalidUTF8:
      return "a text field is not valid UTF-8"
    case .raggedPackedField(let byteCount, let width):
      return "a packed field of \(byteCount) bytes is no multiple of its \(width)-byte elements"
    case .tooManyElements(let limit):
      return "the messages up to here would take more than \(limit >> 20) MiB of memory"
    }
  }
}
