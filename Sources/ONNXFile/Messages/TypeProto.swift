public import ProtobufWire
public import Tensors

/// A named value with its type.
public struct ValueInfoProto: ONNXMessage {
  public static let messageName = "ValueInfoProto"

  public var name: String?
  public var type: TypeProto?
  public var docString: String?
  public var metadataProps: [StringStringEntryProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): name = try context.text(&reader)
    case (2, .lengthDelimited): try context.merge("type", &reader, into: &type)
    case (3, .lengthDelimited): docString = try context.text(&reader)
    case (4, .lengthDelimited): try context.append("metadata_props", &reader, to: &metadataProps)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, name)
    sink.append(2, type)
    sink.append(3, docString)
    sink.append(4, metadataProps)
  }
}

/// The type of a value: tensor, sequence, map, optional, sparse tensor or opaque.
public struct TypeProto: ONNXMessage {
  public static let messageName = "TypeProto"

  /// Which of the `oneof value` members is set.
  public enum Value: Sendable {
    case tensor(TensorType)
    case sequence(Boxed<ElementOf>)
    case map(Boxed<MapType>)
    case opaque(OpaqueType)
    case sparseTensor(TensorType)
    case optional(Boxed<ElementOf>)
  }

  /// `TypeProto.Tensor` and `TypeProto.SparseTensor`, which have the same fields.
  public struct TensorType: ONNXMessage {
    public static let messageName = "TypeProto.Tensor"

    public var elemType: Int32?
    /// Absent means that not even the rank is known.
    public var shape: TensorShapeProto?
    public var unknownFields = UnknownFields()

    public init() {}

    public mutating func takeField(
      _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
    ) throws(WireError) -> Bool {
      switch (field.number, field.wireType) {
      case (1, .varint): elemType = try reader.int32()
      case (2, .lengthDelimited): try context.merge("shape", &reader, into: &shape)
      default: return false
      }
      return true
    }

    public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
      sink.append(1, elemType)
      sink.append(2, shape)
    }
  }

  /// `TypeProto.Sequence` and `TypeProto.Optional`, which have the same field.
  public struct ElementOf: ONNXMessage {
    public static let messageName = "TypeProto.Sequence"

    public var elemType: TypeProto?
    public var unknownFields = UnknownFields()

    public init() {}

    public mutating func takeField(
      _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
    ) throws(WireError) -> Bool {
      guard field.number == 1, field.wireType == .lengthDelimited else { return false }
      try context.merge("elem_type", &reader, into: &elemType)
      return true
    }

    public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
      sink.append(1, elemType)
    }
  }

  public struct MapType: ONNXMessage {
    public static let messageName = "TypeProto.Map"

    public var keyType: Int32?
    public var valueType: TypeProto?
    public var unknownFields = UnknownFields()

    public init() {}

    public mutating func takeField(
      _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
    ) throws(WireError) -> Bool {
      switch (field.number, field.wireType) {
      case (1, .varint): keyType = try reader.int32()
      case (2, .lengthDelimited): try context.merge("value_type", &reader, into: &valueType)
      default: return false
      }
      return true
    }

    public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
      sink.append(1, keyType)
      sink.append(2, valueType)
    }
  }

  public struct OpaqueType: ONNXMessage {
    public static let messageName = "TypeProto.Opaque"

    public var domain: String?
    public var name: String?
    public var unknownFields = UnknownFields()

    public init() {}

    public mutating func takeField(
      _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
    ) throws(WireError) -> Bool {
      switch (field.number, field.wireType) {
      case (1, .lengthDelimited): domain = try context.text(&reader)
      case (2, .lengthDelimited): name = try context.text(&reader)
      default: return false
      }
      return true
    }

    public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
      sink.append(1, domain)
      sink.append(2, name)
    }
  }

  public var value: Value?
  public var denotation: String?
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited):
      var type: TensorType? = if case .tensor(let old) = value { old } else { nil }
      value = nil  // so that `type` is the only owner of its arrays
      try context.merge("tensor_type", &reader, into: &type)
      value = type.map(Value.tensor)
    case (4, .lengthDelimited):
      var type: Boxed<ElementOf>? = if case .sequence(let old) = value { old } else { nil }
      value = nil  // so that `type` is the only owner of its arrays
      try context.merge("sequence_type", &reader, into: &type)
      value = type.map(Value.sequence)
    case (5, .lengthDelimited):
      var type: Boxed<MapType>? = if case .map(let old) = value { old } else { nil }
      value = nil  // so that `type` is the only owner of its arrays
      try context.merge("map_type", &reader, into: &type)
      value = type.map(Value.map)
    case (6, .lengthDelimited): denotation = try context.text(&reader)
    case (7, .lengthDelimited):
      var type: OpaqueType? = if case .opaque(let old) = value { old } else { nil }
      value = nil  // so that `type` is the only owner of its arrays
      try context.merge("opaque_type", &reader, into: &type)
      value = type.map(Value.opaque)
    case (8, .lengthDelimited):
      var type: TensorType? = if case .sparseTensor(let old) = value { old } else { nil }
      value = nil  // so that `type` is the only owner of its arrays
      try context.merge("sparse_tensor_type", &reader, into: &type)
      value = type.map(Value.sparseTensor)
    case (9, .lengthDelimited):
      var type: Boxed<ElementOf>? = if case .optional(let old) = value { old } else { nil }
      value = nil  // so that `type` is the only owner of its arrays
      try context.merge("optional_type", &reader, into: &type)
      value = type.map(Value.optional)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    if case .tensor(let type) = value { sink.append(1, type) }
    if case .sequence(let type) = value { sink.append(4, type.value) }
    if case .map(let type) = value { sink.append(5, type.value) }
    sink.append(6, denotation)
    if case .opaque(let type) = value { sink.append(7, type) }
    if case .sparseTensor(let type) = value { sink.append(8, type) }
    if case .optional(let type) = value { sink.append(9, type.value) }
  }
}

/// A shape in which every dimension is a number, a name, or unknown.
public struct TensorShapeProto: ONNXMessage {
  public static let messageName = "TensorShapeProto"

  public struct Dimension: ONNXMessage {
    public static let messageName = "TensorShapeProto.Dimension"

    public enum Value: Sendable, Equatable {
      case value(Int64)
      case parameter(String)
    }

    public var value: Value?
    public var denotation: String?
    public var unknownFields = UnknownFields()

    public init() {}

    public mutating func takeField(
      _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
    ) throws(WireError) -> Bool {
      switch (field.number, field.wireType) {
      case (1, .varint): value = .value(try reader.int64())
      case (2, .lengthDelimited): value = .parameter(try context.text(&reader))
      case (3, .lengthDelimited): denotation = try context.text(&reader)
      default: return false
      }
      return true
    }

    public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
      if case .value(let number) = value { sink.append(1, number) }
      if case .parameter(let text) = value { sink.append(2, text) }
      sink.append(3, denotation)
    }
  }

  public var dim: [Dimension] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    guard field.number == 1, field.wireType == .lengthDelimited else { return false }
    try context.append("dim", &reader, to: &dim)
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, dim)
  }
}
