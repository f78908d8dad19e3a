public import ProtobufWire
public import Tensors

/// A graph: nodes in topological order, constants, inputs, outputs, and what is known of inner values.
public struct GraphProto: ONNXMessage {
  public static let messageName = "GraphProto"

  public var node: [NodeProto] = []
  public var name: String?
  public var initializer: [TensorProto] = []
  public var docString: String?
  public var input: [ValueInfoProto] = []
  public var output: [ValueInfoProto] = []
  public var valueInfo: [ValueInfoProto] = []
  public var quantizationAnnotation: [TensorAnnotation] = []
  public var sparseInitializer: [SparseTensorProto] = []
  public var metadataProps: [StringStringEntryProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): try context.append("node", &reader, to: &node)
    case (2, .lengthDelimited): name = try context.text(&reader)
    case (5, .lengthDelimited): try context.append("initializer", &reader, to: &initializer)
    case (10, .lengthDelimited): docString = try context.text(&reader)
    case (11, .lengthDelimited): try context.append("input", &reader, to: &input)
    case (12, .lengthDelimited): try context.append("output", &reader, to: &output)
    case (13, .lengthDelimited): try context.append("value_info", &reader, to: &valueInfo)
    case (14, .lengthDelimited):
      try context.append("quantization_annotation", &reader, to: &quantizationAnnotation)
    case (15, .lengthDelimited): try context.append("sparse_initializer", &reader, to: &sparseInitializer)
    case (16, .lengthDelimited): try context.append("metadata_props", &reader, to: &metadataProps)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, node)
    sink.append(2, name)
    sink.append(5, initializer)
    sink.append(10, docString)
    sink.append(11, input)
    sink.append(12, output)
    sink.append(13, valueInfo)
    sink.append(14, quantizationAnnotation)
    sink.append(15, sparseInitializer)
    sink.append(16, metadataProps)
  }
}

/// One application of an operator.
public struct NodeProto: ONNXMessage {
  public static let messageName = "NodeProto"

  /// Value names; "" stands for an optional input that is not given.
  public var input: [String] = []
  public var output: [String] = []
  public var name: String?
  public var opType: String?
  public var attribute: [AttributeProto] = []
  public var docString: String?
  public var domain: String?
  public var overload: String?
  public var metadataProps: [StringStringEntryProto] = []
  public var deviceConfigurations: [NodeDeviceConfigurationProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): try context.append(&reader, to: &input)
    case (2, .lengthDelimited): try context.append(&reader, to: &output)
    case (3, .lengthDelimited): name = try context.text(&reader)
    case (4, .lengthDelimited): opType = try context.text(&reader)
    case (5, .lengthDelimited): try context.append("attribute", &reader, to: &attribute)
    case (6, .lengthDelimited): docString = try context.text(&reader)
    case (7, .lengthDelimited): domain = try context.text(&reader)
    case (8, .lengthDelimited): overload = try context.text(&reader)
    case (9, .lengthDelimited): try context.append("metadata_props", &reader, to: &metadataProps)
    case (10, .lengthDelimited):
      try context.append("device_configurations", &reader, to: &deviceConfigurations)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, input)
    sink.append(2, output)
    sink.append(3, name)
    sink.append(4, opType)
    sink.append(5, attribute)
    sink.append(6, docString)
    sink.append(7, domain)
    sink.append(8, overload)
    sink.append(9, metadataProps)
    sink.append(10, deviceConfigurations)
  }
}

/// A named constant parameter of a node; `type` says which field holds it.
public struct AttributeProto: ONNXMessage {
  public static let messageName = "AttributeProto"

  /// The numbers of `AttributeProto.AttributeType`.
  public enum Kind: Int32, Sendable {
    case undefined = 0
    case float = 1
    case int = 2
    case string = 3
    case tensor = 4
    case graph = 5
    case floats = 6
    case ints = 7
    case strings = 8
    case tensors = 9
    case graphs = 10
    case sparseTensor = 11
    case sparseTensors = 12
    case typeProto = 13
    case typeProtos = 14
  }

  public var name: String?
  public var f: Float?
  public var i: Int64?
  public var s: [UInt8]?
  public var t: Boxed<TensorProto>?
  public var g: Boxed<GraphProto>?
  public var floats: [Float] = []
  public var ints: [Int64] = []
  public var strings: [[UInt8]] = []
  public var tensors: [TensorProto] = []
  public var graphs: [GraphProto] = []
  public var docString: String?
  public var tp: Boxed<TypeProto>?
  public var typeProtos: [TypeProto] = []
  public var type: Int32?
  public var refAttrName: String?
  public var sparseTensor: Boxed<SparseTensorProto>?
  public var sparseTensors: [SparseTensorProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): name = try context.text(&reader)
    case (2, .fixed32): f = try reader.float()
    case (3, .varint): i = try reader.int64()
    case (4, .lengthDelimited): s = try context.blob(&reader)
    case (5, .lengthDelimited): try context.merge("t", &reader, into: &t)
    case (6, .lengthDelimited): try context.merge("g", &reader, into: &g)
    case (7, _): return try context.append(field, &reader, to: &floats)
    case (8, _): return try context.append(field, &reader, to: &ints)
    case (9, .lengthDelimited): try context.append(&reader, to: &strings)
    case (10, .lengthDelimited): try context.append("tensors", &reader, to: &tensors)
    case (11, .lengthDelimited): try context.append("graphs", &reader, to: &graphs)
    case (13, .lengthDelimited): docString = try context.text(&reader)
    case (14, .lengthDelimited): try context.merge("tp", &reader, into: &tp)
    case (15, .lengthDelimited): try context.append("type_protos", &reader, to: &typeProtos)
    case (20, .varint): type = try reader.int32()
    case (21, .lengthDelimited): refAttrName = try context.text(&reader)
    case (22, .lengthDelimited): try context.merge("sparse_tensor", &reader, into: &sparseTensor)
    case (23, .lengthDelimited): try context.append("sparse_tensors", &reader, to: &sparseTensors)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, name)
    if let f { sink.append(field: 2, float: f) }
    sink.append(3, i)
    if let s { sink.append(field: 4, bytes: s) }
    sink.append(5, t?.value)
    sink.append(6, g?.value)
    for value in floats { sink.append(field: 7, float: value) }
    sink.append(8, ints)
    for value in strings { sink.append(field: 9, bytes: value) }
    sink.append(10, tensors)
    sink.append(11, graphs)
    sink.append(13, docString)
    sink.append(14, tp?.value)
    sink.append(15, typeProtos)
    sink.append(20, type)
    sink.append(21, refAttrName)
    sink.append(22, sparseTensor?.value)
    sink.append(23, sparseTensors)
  }
}

/// Names of the tensors that hold a tensor's quantization parameters.
public struct TensorAnnotation: ONNXMessage {
  public static let messageName = "TensorAnnotation"

  public var tensorName: String?
  public var quantParameterTensorNames: [StringStringEntryProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): tensorName = try context.text(&reader)
    case (2, .lengthDelimited):
      try context.append("quant_parameter_tensor_names", &reader, to: &quantParameterTensorNames)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, tensorName)
    sink.append(2, quantParameterTensorNames)
  }
}

/// A function made of nodes, which a node of its name and domain calls.
public struct FunctionProto: ONNXMessage {
  public static let messageName = "FunctionProto"

  public var name: String?
  public var input: [String] = []
  public var output: [String] = []
  public var attribute: [String] = []
  public var node: [NodeProto] = []
  public var docString: String?
  public var opsetImport: [OperatorSetIdProto] = []
  public var domain: String?
  public var attributeProto: [AttributeProto] = []
  public var valueInfo: [ValueInfoProto] = []
  public var overload: String?
  public var metadataProps: [StringStringEntryProto] = []
  public var unknownFields = UnknownFields()

  public init() {}

  public mutating func takeField(
    _ field: WireField, from reader: inout WireReader, _ context: inout DecodeContext
  ) throws(WireError) -> Bool {
    switch (field.number, field.wireType) {
    case (1, .lengthDelimited): name = try context.text(&reader)
    case (4, .lengthDelimited): try context.append(&reader, to: &input)
    case (5, .lengthDelimited): try context.append(&reader, to: &output)
    case (6, .lengthDelimited): try context.append(&reader, to: &attribute)
    case (7, .lengthDelimited): try context.append("node", &reader, to: &node)
    case (8, .lengthDelimited): docString = try context.text(&reader)
    case (9, .lengthDelimited): try context.append("opset_import", &reader, to: &opsetImport)
    case (10, .lengthDelimited): domain = try context.text(&reader)
    case (11, .lengthDelimited): try context.append("attribute_proto", &reader, to: &attributeProto)
    case (12, .lengthDelimited): try context.append("value_info", &reader, to: &valueInfo)
    case (13, .lengthDelimited): overload = try context.text(&reader)
    case (14, .lengthDelimited): try context.append("metadata_props", &reader, to: &metadataProps)
    default: return false
    }
    return true
  }

  public func encodeFields<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == TensorBytes {
    sink.append(1, name)
    sink.append(4, input)
    sink.append(5, output)
    sink.append(6, attribute)
    sink.append(7, node)
    sink.append(8, docString)
    sink.append(9, opsetImport)
    sink.append(10, domain)
    sink.append(11, attributeProto)
    sink.append(12, valueInfo)
    sink.append(13, overload)
    sink.append(14, metadataProps)
  }
}
