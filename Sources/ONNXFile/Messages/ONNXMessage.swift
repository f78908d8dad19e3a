public import ProtobufWire
public import Tensors

/// One message of onnx.proto: knows its fields, keeps the fields that it does not know.
///
/// Fields are optional where the schema says `optional`, so that "absent" and "default" stay apart and a
/// file is written back as it was read. Field numbers and types: onnx.proto, IR versions 1 to 14.
public protocol ONNXMessage: Sendable, WireEncodable where Payload == TensorBytes {
  init()

  /// The name in onnx.proto.
  static var messageName: String { get }

  /// Fields that onnx.proto does not have, tag included, in file order.
  var unknownFields: UnknownFields { get set }

  /// Takes one field's value if the number and wire type are this message's; false leaves it unread.
  mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  )
    throws(WireError) -> Bool

  /// Writes the known fields in the order of their numbers.
  func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes
}

extension ONNXMessage {
  /// Writes all fields: the known in canonical order, then the unknown as they came.
  public func encode<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    encodeFields(to: &sink)
    for part in unknownFields.parts { sink.append(payload: part, byteCount: part.byteCount) }
  }

  /// Reads fields until the reader ends, on top of what is there (the merge rule of protocol buffers).
  mutating func merge(from reader: inout WireReader, _ context: inout DecodeContext) throws(WireError) {
    try context.take(Self.self, at: reader.byteOffset)
    while let field = try reader.nextField() {
      if try !takeField(field, from: &reader, &context) {
        try unknownFields.append(try reader.skip(field), of: &context)
      }
    }
  }
}

/// Fields that the schema does not know, as byte ranges of the file they came from.
public struct UnknownFields: Sendable {
  public internal(set) var parts: [TensorBytes] = []

  public init() {}

  public var isEmpty: Bool { parts.isEmpty }

  /// The raw bytes of all unknown fields, tags included.
  public var bytes: [UInt8] { parts.flatMap { $0.copied() } }

  mutating func append(_ range: Range<Int>, of context: inout DecodeContext) throws(WireError) {
    if case .mapped(let file, let last)? = parts.last, last.upperBound == range.lowerBound {
      parts[parts.count - 1] = .mapped(file, last.lowerBound..<range.upperBound)
    } else {
      try context.take(TensorBytes.self, at: range.lowerBound)
      parts.append(.mapped(context.file, range))
    }
  }
}

/// A large or recursive message inside another one, on the heap and shared until it is changed.
public struct Boxed<Value: Sendable>: Sendable {
  private final class Storage: Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
  }

  private var storage: Storage

  public init(_ value: Value) { storage = Storage(value) }

  public var value: Value {
    get { storage.value }
    set { storage = Storage(newValue) }
  }
}

extension WireSink where Payload == TensorBytes {
  mutating func append(_ field: Int, _ value: Int64?) {
    if let value { append(field: field, int: value) }
  }

  mutating func append(_ field: Int, _ value: Int32?) {
    if let value { append(field: field, int: Int64(value)) }
  }

  mutating func append(_ field: Int, _ value: String?) {
    if let value { append(field: field, text: value) }
  }

  mutating func append(_ field: Int, _ values: [Int64]) {
    for value in values { append(field: field, int: value) }
  }

  mutating func append(_ field: Int, _ values: [String]) {
    for value in values { append(field: field, text: value) }
  }

  mutating func append(_ field: Int, _ message: (some ONNXMessage)?) {
    if let message { appendMessage(field: field, message) }
  }

  mutating func append(_ field: Int, _ messages: [some ONNXMessage]) {
    for message in messages { appendMessage(field: field, message) }
  }

  /// A `bytes` field or the content of a packed one; empty means absent.
  mutating func append(_ field: Int, packed bytes: TensorBytes) {
    if bytes.byteCount > 0 { append(field: field, payload: bytes, byteCount: bytes.byteCount) }
  }
}
