public import ProtobufWire
public import Tensors

/// A whole model: a graph, its operator sets, and who made it.
public struct ModelProto: ONNXMessage {
  public static let messageName = "ModelProto"

  public var irVersion: Int64?
  public var producerName: String?
  public var producerVersion: String?
  public var domain: String?
  public var modelVersion: Int64?
  public var docString: String?
  public var graph: GraphProto?
  public var opsetImport: [OperatorSetIdProto] = []
  public var metadataProps: [StringStringEntryProto] = []
  public var trainingInfo: [TrainingInfoProto] = []
  public var functions: [FunctionProto] = []
  public var configuration: [DeviceConfigurationProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .varint): irVersion = try reader.int64()
    case (2, .lengthDelimited): producerName = try context.text(&reader)
    case (3, .lengthDelimited): producerVersion = try context.text(&reader)
    case (4, .lengthDelimited): domain = try context.text(&reader)
    case (5, .varint): modelVersion = try reader.int64()
    case (6, .lengthDelimited): docString = try context.text(&reader)
    case (7, .lengthDelimited): try context.merge("graph", &reader, into: &graph)
    case (8, .lengthDelimited): try context.append("opset_import", &reader, to: &opsetImport)
    case (14, .lengthDelimited): try context.append("metadata_props", &reader, to: &metadataProps)
    case (20, .lengthDelimited): try context.append("training_info", &reader, to: &trainingInfo)
    case (25, .lengthDelimited): try context.append("functions", &reader, to: &functions)
    case (26, .lengthDelimited): try context.append("configuration", &reader, to: &configuration)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, irVersion)
    sink.append(2, producerName)
    sink.append(3, producerVersion)
    sink.append(4, domain)
    sink.append(5, modelVersion)
    sink.append(6, docString)
    sink.append(7, graph)
    sink.append(8, opsetImport)
    sink.append(14, metadataProps)
    sink.append(20, trainingInfo)
    sink.append(25, functions)
    sink.append(26, configuration)
  }
}

/// One operator set (domain and version) that a model or function relies on.
public struct OperatorSetIdProto: ONNXMessage {
  public static let messageName = "OperatorSetIdProto"

  /// Absent or "" is `ai.onnx`.
  public var domain: String?
  public var version: Int64?
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): domain = try context.text(&reader)
    case (2, .varint): version = try reader.int64()
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, domain)
    sink.append(2, version)
  }
}

/// A key and its value: metadata and external-data descriptions.
public struct StringStringEntryProto: ONNXMessage {
  public static let messageName = "StringStringEntryProto"

  public var key: String?
  public var value: String?
  public var unknownFields = UnknownFields()

  public init() {}

  public init(key: String, value: String) {
    self.key = key
    self.value = value
  }

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): key = try context.text(&reader)
    case (2, .lengthDelimited): value = try context.text(&reader)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, key)
    sink.append(2, value)
  }
}

/// How a model is trained: an initialization graph and a step graph.
public struct TrainingInfoProto: ONNXMessage {
  public static let messageName = "TrainingInfoProto"

  public var initialization: GraphProto?
  public var algorithm: GraphProto?
  public var initializationBinding: [StringStringEntryProto] = []
  public var updateBinding: [StringStringEntryProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): try context.merge("initialization", &reader, into: &initialization)
    case (2, .lengthDelimited): try context.merge("algorithm", &reader, into: &algorithm)
    case (3, .lengthDelimited):
      try context.append("initialization_binding", &reader, to: &initializationBinding)
    case (4, .lengthDelimited): try context.append("update_binding", &reader, to: &updateBinding)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, initialization)
    sink.append(2, algorithm)
    sink.append(3, initializationBinding)
    sink.append(4, updateBinding)
  }
}
