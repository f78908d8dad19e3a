/// A JSON value (RFC 8259) as a file has it: members keep their order, numbers keep how they are written.
public enum JSON: Sendable {
  case null
  case bool(Bool)
  case number(JSONNumber)
  case string(String)
  case array([JSON])
  case object([JSONMember])

  /// A whole number.
  public static func integer(_ value: Int) -> JSON { .number(JSONNumber(value)) }

  /// A number in the shortest form that reads back the same; infinities and NaN, for which JSON has no words,
  /// become null.
  public static func double(_ value: Double) -> JSON { JSONNumber(value).map(JSON.number) ?? .null }

  /// A list of strings.
  public static func strings(_ values: some Sequence<String>) -> JSON { .array(values.map(JSON.string)) }

  /// The value of a member; nil when this is no object or has no such key.
  public subscript(key: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.key.hasSameBytes(as: key) }?.value
  }

  /// The text of a string, else nil.
  public var string: String? { if case .string(let value) = self { value } else { nil } }
  /// The value of a number that is whole and fits, else nil.
  public var integer: Int? { if case .number(let value) = self { value.integer } else { nil } }
  /// The value of a number, else nil.
  public var double: Double? { if case .number(let value) = self { value.double } else { nil } }
  /// The value of `true` and `false`, else nil.
  public var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
  /// The elements of an array, else nil.
  public var array: [JSON]? { if case .array(let value) = self { value } else { nil } }
  /// The members of an object, in order, else nil.
  public var members: [JSONMember]? { if case .object(let value) = self { value } else { nil } }

  /// What it is, for a sentence: `a string`.
  public var kindName: String {
    switch self {
    case .null: return "null"
    case .bool: return "true or false"
    case .number: return "a number"
    case .string: return "a string"
    case .array: return "a list"
    case .object: return "an object"
    }
  }
}

/// A key and its value.
public struct JSONMember: Sendable, Equatable {
  public let key: String
  public let value: JSON

  public init(_ key: String, _ value: JSON) {
    self.key = key
    self.value = value
  }

  public static func == (left: JSONMember, right: JSONMember) -> Bool {
    left.key.hasSameBytes(as: right.key) && left.value == right.value
  }
}

extension JSON: Equatable {
  /// Strings are compared by their bytes, numbers by what they say (`1500` equals `1.5e3`), members with their
  /// order.
  public static func == (left: JSON, right: JSON) -> Bool {
    switch (left, right) {
    case (.null, .null): return true
    case (.bool(let left), .bool(let right)): return left == right
    case (.number(let left), .number(let right)): return left == right
    case (.string(let left), .string(let right)): return left.hasSameBytes(as: right)
    case (.array(let left), .array(let right)): return left == right
    case (.object(let left), .object(let right)): return left == right
    default: return false
    }
  }
}

/// A number as it is written.
public struct JSONNumber: Sendable, Equatable {
  /// The number in JSON's grammar.
  public let text: String

  public init(_ value: Int) { text = value.description }

  /// The shortest form that reads back the same; nil for infinities and NaN.
  public init?(_ value: Double) {
    guard value.isFinite else { return nil }
    text = value.description
  }

  /// Text that the parser has checked.
  init(checked text: String) { self.text = text }

  /// The nearest number; infinite when it is written too large.
  public var double: Double { Double(text) ?? .nan }

  /// The value when it is whole and fits, however it is written.
  public var integer: Int? { Int(text) ?? Int(exactly: double) }

  public static func == (left: JSONNumber, right: JSONNumber) -> Bool {
    if left.text.hasSameBytes(as: right.text) { return true }
    // Doubles would call two long integers equal that differ in their last digits.
    if let left = Int(left.text), let right = Int(right.text) { return left == right }
    return left.double.isFinite && left.double == right.double && left.isShort && right.isShort
  }

  /// Whether a Double holds all digits that are written.
  private var isShort: Bool { text.utf8.count <= 15 }
}

extension String {
  /// Whether two texts are the same bytes; `==` would call "é" equal to "e" with an accent after it, which are
  /// different keys.
  public func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
