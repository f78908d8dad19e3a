public import ByteIO
import ProtobufWire
import Tensors

/// What the decoder of every message needs: the file behind the bytes, the way to the message at hand (for
/// errors), and how much more memory the reader is willing to give to messages.
public struct DecodeContext {
  /// Real models have fewer than 400,000 messages, which take 100 MB. A message of two bytes in the file
  /// takes a hundred times that in memory and more, so a hostile file must not have as many as fit.
  public static let memoryLimit = 512 << 20

  public let file: MappedFile
  private var memoryLeft = Self.memoryLimit
  /// The way from the outermost message to the one being read, such as `graph`, `node[3]`.
  public private(set) var trail: [(label: StaticString, index: Int?)] = []

  public init(file: MappedFile) { self.file = file }

  /// `graph.node[3].attribute[0]`.
  public var trailText: String {
    trail.map { step in step.index.map { "\(step.label)[\($0)]" } ?? "\(step.label)" }.joined(separator: ".")
  }

  /// Takes the memory of one more element off the budget, before the element is made.
  mutating func take<Element>(_ element: Element.Type, at offset: Int) throws(WireError) {
    memoryLeft -= MemoryLayout<Element>.stride
    if memoryLeft < 0 { throw WireError(.tooManyElements(byteLimit: Self.memoryLimit), byteOffset: offset) }
  }

  // MARK: Messages

  /// Reads a singular message on top of what is there.
  mutating func merge<Message: ONNXMessage>(
    _ label: StaticString, _ reader: inout WireReader, into message: inout Message
  ) throws(WireError) {
    trail.append((label, nil))
    var inner = try reader.message()
    try message.merge(from: &inner, &self)
    trail.removeLast()
  }

  mutating func merge<Message: ONNXMessage>(
    _ label: StaticString, _ reader: inout WireReader, into message: inout Message?
  ) throws(WireError) {
    var value = message ?? Message()
    message = nil
    try merge(label, &reader, into: &value)
    message = value
  }

  mutating func merge<Message: ONNXMessage>(
    _ label: StaticString, _ reader: inout WireReader, into message: inout Boxed<Message>?
  ) throws(WireError) {
    var value = message?.value ?? Message()
    message = nil  // so that `value` is the only owner of its arrays, and growing them copies nothing
    try merge(label, &reader, into: &value)
    message = Boxed(value)
  }

  /// Reads one more element of a repeated message field.
  mutating func append<Message: ONNXMessage>(
    _ label: StaticString, _ reader: inout WireReader, to messages: inout [Message]
  ) throws(WireError) {
    trail.append((label, messages.count))
    var inner = try reader.message()
    var message = Message()
    try message.merge(from: &inner, &self)
    messages.append(message)
    trail.removeLast()
  }

  // MARK: Scalars

  /// A text field. Its bytes are as many as in the file; what comes on top in memory is counted.
  mutating func text(_ reader: inout WireReader) throws(WireError) -> String {
    let start = reader.byteOffset
    let text = try reader.string()
    if text.utf8.count > 15 { try take(HeapBlock.self, at: start) }
    return text
  }

  /// A `bytes` field that is copied.
  mutating func blob(_ reader: inout WireReader) throws(WireError) -> [UInt8] {
    try take(HeapBlock.self, at: reader.byteOffset)
    return try reader.byteArray()
  }

  /// What a block on the heap costs besides its content: an object's header and the allocator's.
  private typealias HeapBlock = (Int, Int, Int, Int, Int, Int)

  mutating func append(_ reader: inout WireReader, to texts: inout [String]) throws(WireError) {
    try take(String.self, at: reader.byteOffset)
    texts.append(try text(&reader))
  }

  /// A repeated `bytes` field.
  mutating func append(_ reader: inout WireReader, to blobs: inout [[UInt8]]) throws(WireError) {
    try take([UInt8].self, at: reader.byteOffset)
    blobs.append(try blob(&reader))
  }

  /// A repeated `int64`, packed or not; returns false for another wire type.
  mutating func append(
    _ field: WireField, _ reader: inout WireReader, to values: inout [Int64]
  )
    throws(WireError) -> Bool
  {
    switch field.wireType {
    case .varint:
      try take(Int64.self, at: reader.byteOffset)
      values.append(try reader.int64())
    case .lengthDelimited:
      var inner = try reader.packed()
      while !inner.isAtEnd {
        try take(Int64.self, at: inner.byteOffset)
        values.append(try inner.int64())
      }
    default: return false
    }
    return true
  }

  /// A repeated `float`, packed or not; returns false for another wire type.
  mutating func append(
    _ field: WireField, _ reader: inout WireReader, to values: inout [Float]
  )
    throws(WireError) -> Bool
  {
    switch field.wireType {
    case .fixed32:
      try take(Float.self, at: reader.byteOffset)
      values.append(try reader.float())
    case .lengthDelimited:
      var inner = try reader.packed()
      while !inner.isAtEnd {
        try take(Float.self, at: inner.byteOffset)
        values.append(try inner.float())
      }
    default: return false
    }
    return true
  }

  // MARK: Bulk data, left where it is

  /// A `bytes` field, kept as a range of the file.
  mutating func bytes(_ reader: inout WireReader) throws(WireError) -> TensorBytes {
    .mapped(file, try reader.contentRange())
  }

  /// A packed field of varints (`int32_data`, `int64_data`, `uint64_data`): checked, kept encoded.
  mutating func appendVarints(
    _ field: WireField, _ reader: inout WireReader, to data: inout TensorBytes
  )
    throws(WireError) -> Bool
  {
    switch field.wireType {
    case .varint:
      let start = reader.byteOffset
      _ = try reader.varint()
      join(start..<reader.byteOffset, of: reader, to: &data)
    case .lengthDelimited:
      var inner = try reader.packed()
      let start = inner.byteOffset
      while !inner.isAtEnd { _ = try inner.varint() }
      join(start..<inner.byteOffset, of: reader, to: &data)
    default: return false
    }
    return true
  }

  /// A packed field of fixed-width values (`float_data`, `double_data`), kept as a range of the file.
  mutating func appendFixed(
    _ field: WireField, width: Int, _ reader: inout WireReader, to data: inout TensorBytes
  ) throws(WireError) -> Bool {
    let range: Range<Int>
    switch field.wireType {
    case .fixed32 where width == 4:
      let start = reader.byteOffset
      _ = try reader.fixed32()
      range = start..<reader.byteOffset
    case .fixed64 where width == 8:
      let start = reader.byteOffset
      _ = try reader.fixed64()
      range = start..<reader.byteOffset
    case .lengthDelimited:
      range = try reader.contentRange()
      guard range.count % width == 0 else {
        throw WireError(
          .raggedPackedField(byteCount: range.count, width: width), byteOffset: range.lowerBound)
      }
    default: return false
    }
    join(range, of: reader, to: &data)
    return true
  }

  private func join(_ range: Range<Int>, of reader: borrowing WireReader, to data: inout TensorBytes) {
    if data.byteCount == 0 {
      data = .mapped(file, range)
      return
    }
    var joined = data.copied()
    data = .empty  // so that the array below is the only owner
    joined.append(contentsOf: reader.copy(range))
    data = .owned(joined)
  }
}
