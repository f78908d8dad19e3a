public import ProtobufWire
public import Tensors

/// A named set of devices that nodes may be spread over (IR version 11 and later).
public struct DeviceConfigurationProto: ONNXMessage {
  public static let messageName = "DeviceConfigurationProto"

  public var name: String?
  public var numDevices: Int32?
  public var device: [String] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): name = try context.text(&reader)
    case (2, .varint): numDevices = try reader.int32()
    case (3, .lengthDelimited): try context.append(&reader, to: &device)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, name)
    sink.append(2, numDevices)
    sink.append(3, device)
  }
}

/// How one node is spread over the devices of a configuration.
public struct NodeDeviceConfigurationProto: ONNXMessage {
  public static let messageName = "NodeDeviceConfigurationProto"

  public var configurationID: String?
  public var shardingSpec: [ShardingSpecProto] = []
  public var pipelineStage: Int32?
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): configurationID = try context.text(&reader)
    case (2, .lengthDelimited): try context.append("sharding_spec", &reader, to: &shardingSpec)
    case (3, .varint): pipelineStage = try reader.int32()
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, configurationID)
    sink.append(2, shardingSpec)
    sink.append(3, pipelineStage)
  }
}

/// How one tensor is split over devices.
public struct ShardingSpecProto: ONNXMessage {
  public static let messageName = "ShardingSpecProto"

  public var tensorName: String?
  public var device: [Int64] = []
  public var indexToDeviceGroupMap: [IntIntListEntryProto] = []
  public var shardedDim: [ShardedDimProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): tensorName = try context.text(&reader)
    case (2, _): return try context.append(field, &reader, to: &device)
    case (3, .lengthDelimited):
      try context.append("index_to_device_group_map", &reader, to: &indexToDeviceGroupMap)
    case (4, .lengthDelimited): try context.append("sharded_dim", &reader, to: &shardedDim)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, tensorName)
    sink.append(2, device)
    sink.append(3, indexToDeviceGroupMap)
    sink.append(4, shardedDim)
  }
}

/// A number and the list of numbers it stands for.
public struct IntIntListEntryProto: ONNXMessage {
  public static let messageName = "IntIntListEntryProto"

  public var key: Int64?
  public var value: [Int64] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .varint): key = try reader.int64()
    case (2, _): return try context.append(field, &reader, to: &value)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, key)
    sink.append(2, value)
  }
}

/// One split dimension of a tensor.
public struct ShardedDimProto: ONNXMessage {
  public static let messageName = "ShardedDimProto"

  public var axis: Int64?
  public var simpleSharding: [SimpleShardedDimProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .varint): axis = try reader.int64()
    case (2, .lengthDelimited): try context.append("simple_sharding", &reader, to: &simpleSharding)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, axis)
    sink.append(2, simpleSharding)
  }
}

/// A dimension, by number or name, split into equal shards.
public struct SimpleShardedDimProto: ONNXMessage {
  public static let messageName = "SimpleShardedDimProto"

  public var dim: TensorShapeProto.Dimension.Value?
  public var numShards: Int64?
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .varint): dim = .value(try reader.int64())
    case (2, .lengthDelimited): dim = .parameter(try context.text(&reader))
    case (3, .varint): numShards = try reader.int64()
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    if case .value(let number) = dim { sink.append(1, number) }
    if case .parameter(let text) = dim { sink.append(2, text) }
    sink.append(3, numShards)
  }
}
