/// A value and where in the text it is written.
public struct JSONNode: Sendable {
  public enum Content: Sendable {
    case null
    case bool(Bool)
    case number(JSONNumber)
    case string(String)
    case array([JSONNode])
    case object([Member])
  }

  public struct Member: Sendable {
    public let key: String
    /// The key's bytes, quotes included.
    public let keyRange: Range<Int>
    public let value: JSONNode
  }

  public let content: Content
  /// The value's bytes, quotes or brackets included, blanks around it not.
  public let range: Range<Int>

  /// The members of an object; none when this is no object.
  public var members: [Member] { if case .object(let members) = content { members } else { [] } }

  /// The elements of an array; none when this is no array.
  public var elements: [JSONNode] { if case .array(let elements) = content { elements } else { [] } }

  public var isObject: Bool { if case .object = content { true } else { false } }

  /// The member of this key; nil when this is no object or has no such key.
  public func member(_ key: String) -> Member? { members.first { $0.key.hasSameBytes(as: key) } }

  /// The value of the member of this key.
  public subscript(key: String) -> JSONNode? { member(key)?.value }

  /// The value without its places.
  public var value: JSON {
    switch content {
    case .null: return .null
    case .bool(let value): return .bool(value)
    case .number(let value): return .number(value)
    case .string(let value): return .string(value)
    case .array(let elements): return .array(elements.map(\.value))
    case .object(let members): return .object(members.map { JSONMember($0.key, $0.value.value) })
    }
  }
}

/// A place in a text, both counted from 1; columns count characters (Unicode scalars), not bytes.
public struct TextPosition: Sendable, Equatable, CustomStringConvertible {
  public let line: Int
  public let column: Int

  /// The place of a byte.
  init(ofByte offset: Int, in bytes: [UInt8]) {
    var line = 1
    var column = 1
    for byte in bytes.prefix(offset) {
      if byte == UInt8(ascii: "\n") {
        line += 1
        column = 1
      } else if byte & 0xC0 != 0x80 {
        column += 1
      }
    }
    self.line = line
    self.column = column
  }

  public var description: String { "line \(line), column \(column)" }
}
