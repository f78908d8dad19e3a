public import ProtobufWire
public import Tensors

/// A constant tensor; its elements are in `rawData`, in one of the typed fields, or in another file.
///
/// Bulk data stays a byte range of the file. The typed integer fields stay in their packed encoding.
public struct TensorProto: ONNXMessage {
  public static let messageName = "TensorProto"

  /// The part of a tensor that this message holds, in elements.
  public struct Segment: ONNXMessage {
    public static let messageName = "TensorProto.Segment"

    public var begin: Int64?
    public var end: Int64?
    public var unknownFields = UnknownFields()

    public init() {}

    public mutating func takeField(
      _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
    ) throws(WireError) -> Bool {
      switch (field.number, field.wireType) {
      case (1, .varint): begin = try reader.int64()
      case (2, .varint): end = try reader.int64()
      default: return false
      }
      return true
    }

    public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
      sink.append(1, begin)
      sink.append(2, end)
    }
  }

  public var dims: [Int64] = []
  /// An `ElementType` raw value, or one that this version does not know.
  public var dataType: Int32?
  public var segment: Segment?
  /// Packed little-endian binary32; complex64 as pairs.
  public var floatData: TensorBytes = .empty
  /// Packed varints; also holds the 8- and 16-bit integers, bool, float16, bfloat16, float8 and int4 pairs.
  public var int32Data: TensorBytes = .empty
  public var stringData: [[UInt8]] = []
  public var int64Data: TensorBytes = .empty
  public var name: String?
  /// Little-endian elements; nil when absent.
  public var rawData: TensorBytes?
  public var doubleData: TensorBytes = .empty
  public var uint64Data: TensorBytes = .empty
  public var docString: String?
  public var externalData: [StringStringEntryProto] = []
  /// 0 is "in this message", 1 is "in another file".
  public var dataLocation: Int32?
  public var metadataProps: [StringStringEntryProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, _): return try context.append(field, &reader, to: &dims)
    case (2, .varint): dataType = try reader.int32()
    case (3, .lengthDelimited): try context.merge("segment", &reader, into: &segment)
    case (4, _): return try context.appendFixed(field, width: 4, &reader, to: &floatData)
    case (5, _): return try context.appendVarints(field, &reader, to: &int32Data)
    case (6, .lengthDelimited): try context.append(&reader, to: &stringData)
    case (7, _): return try context.appendVarints(field, &reader, to: &int64Data)
    case (8, .lengthDelimited): name = try context.text(&reader)
    case (9, .lengthDelimited): rawData = try context.bytes(&reader)
    case (10, _): return try context.appendFixed(field, width: 8, &reader, to: &doubleData)
    case (11, _): return try context.appendVarints(field, &reader, to: &uint64Data)
    case (12, .lengthDelimited): docString = try context.text(&reader)
    case (13, .lengthDelimited): try context.append("external_data", &reader, to: &externalData)
    case (14, .varint): dataLocation = try reader.int32()
    case (16, .lengthDelimited): try context.append("metadata_props", &reader, to: &metadataProps)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, dims)
    sink.append(2, dataType)
    sink.append(3, segment)
    sink.append(4, packed: floatData)
    sink.append(5, packed: int32Data)
    for value in stringData { sink.append(field: 6, bytes: value) }
    sink.append(7, packed: int64Data)
    sink.append(8, name)
    if let rawData { sink.append(field: 9, payload: rawData, byteCount: rawData.byteCount) }
    sink.append(10, packed: doubleData)
    sink.append(11, packed: uint64Data)
    sink.append(12, docString)
    sink.append(13, externalData)
    sink.append(14, dataLocation)
    sink.append(16, metadataProps)
  }
}

/// A sparse tensor: values, their indices, and the dense shape.
public struct SparseTensorProto: ONNXMessage {
  public static let messageName = "SparseTensorProto"

  public var values: TensorProto?
  public var indices: TensorProto?
  public var dims: [Int64] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): try context.merge("values", &reader, into: &values)
    case (2, .lengthDelimited): try context.merge("indices", &reader, into: &indices)
    case (3, _): return try context.append(field, &reader, to: &dims)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, values)
    sink.append(2, indices)
    sink.append(3, dims)
  }
}
