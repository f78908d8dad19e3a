/// A JSON document as a value (RFC 8259); what `--json` prints. There is no parser here.
///
/// Documents are deterministic: keys are sorted by their UTF-8 bytes, numbers have one form.
public enum JSONValue: Sendable, Equatable {
  case null
  case bool(Bool)
  case integer(Int)
  /// Written in the shortest form that reads back as the same number; infinities and NaN become `null`, because
  /// JSON has no word for them.
  case double(Double)
  case string(String)
  case array([JSONValue])
  case object([String: JSONValue])

  /// The number nearest to the shortest decimal form of `value`, so that 0.1 as Float is written `0.1`; reading
  /// it back as Float gives the same bits.
  public static func float(_ value: Float) -> JSONValue {
    .double(Double(value.description) ?? Double(value))
  }

  /// `value`, or null when there is none.
  public static func string(ifPresent value: String?) -> JSONValue {
    value.map(JSONValue.string) ?? .null
  }

  /// `value`, or null when there is none.
  public static func integer(ifPresent value: Int?) -> JSONValue {
    value.map(JSONValue.integer) ?? .null
  }

  /// `value`, or null when there is none.
  public static func double(ifPresent value: Double?) -> JSONValue {
    value.map(JSONValue.double) ?? .null
  }
}

extension JSONValue: ExpressibleByNilLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
  ExpressibleByFloatLiteral, ExpressibleByStringLiteral, ExpressibleByStringInterpolation,
  ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
  public init(nilLiteral: ()) { self = .null }
  public init(booleanLiteral value: Bool) { self = .bool(value) }
  public init(integerLiteral value: Int) { self = .integer(value) }
  public init(floatLiteral value: Double) { self = .double(value) }
  public init(stringLiteral value: String) { self = .string(value) }
  public init(arrayLiteral elements: JSONValue...) { self = .array(elements) }
  public init(dictionaryLiteral elements: (String, JSONValue)...) {
    self = .object(Dictionary(uniqueKeysWithValues: elements))
  }
}
