import CPUBackend
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors

/// A model made of a few nodes, for tests.
struct ModelText {
  var nodes: [NodeProto] = []
  var inputs: [ValueInfoProto] = []
  var outputs: [String] = []
  var functions: [FunctionProto] = []
  var opset: Int64 = 18

  static func node(
    _ operatorName: String, _ inputs: [String], _ outputs: [String], domain: String = "", name: String? = nil,
    _ attributes: [AttributeProto] = []
  ) -> NodeProto {
    var node = NodeProto()
    node.opType = operatorName
    node.input = inputs
    node.output = outputs
    node.name = name
    if !domain.isEmpty { node.domain = domain }
    node.attribute = attributes
    return node
  }

  static func attribute(_ name: String, _ value: Int64) -> AttributeProto {
    var attribute = AttributeProto()
    attribute.name = name
    attribute.i = value
    attribute.type = AttributeProto.Kind.int.rawValue
    return attribute
  }

  static func attribute(_ name: String, _ values: [Int64]) -> AttributeProto {
    var attribute = AttributeProto()
    attribute.name = name
    attribute.ints = values
    attribute.type = AttributeProto.Kind.ints.rawValue
    return attribute
  }

  /// A constant's node.
  static func constant(_ name: String, _ content: TensorContent) -> NodeProto {
    var tensor = TensorProto()
    tensor.dataType = content.elementType.rawValue
    tensor.dims = content.shape.dimensions.map(Int64.init)
    tensor.rawData = content.bytes
    var attribute = AttributeProto()
    attribute.name = "value"
    attribute.t = Boxed(tensor)
    attribute.type = AttributeProto.Kind.tensor.rawValue
    return node("Constant", [], [name], [attribute])
  }

  /// A tensor input; an extent below 0 is open.
  static func input(_ name: String, _ type: ElementType, _ dimensions: [Int]?) -> ValueInfoProto {
    var info = ValueInfoProto()
    info.name = name
    var tensor = TypeProto.TensorType()
    tensor.elemType = type.rawValue
    if let dimensions {
      var shape = TensorShapeProto()
      shape.dim = dimensions.map { extent in
        var dimension = TensorShapeProto.Dimension()
        if extent >= 0 { dimension.value = .value(Int64(extent)) }
        return dimension
      }
      tensor.shape = shape
    }
    var proto = TypeProto()
    proto.value = .tensor(tensor)
    info.type = proto
    return info
  }

  func graph() throws -> ModelGraph {
    var model = ModelProto()
    model.irVersion = 9
    var entry = OperatorSetIdProto()
    entry.version = opset
    model.opsetImport = [entry]
    model.functions = functions
    var graph = GraphProto()
    graph.node = nodes
    graph.input = inputs
    graph.output = outputs.map { name in
      var info = ValueInfoProto()
      info.name = name
      return info
    }
    model.graph = graph
    return try ModelGraph.lift(model, external: ExternalDataFiles(modelPath: "made.onnx"))
  }

  func session(memoryLimit: Int? = nil) throws -> CPUSession {
    var options = CPUBackend.Options(threadCount: 2)
    if let memoryLimit { options.memoryLimit = memoryLimit }
    return try CPUBackend.session(try graph(), options: options)
  }
}

/// A float tensor.
func floats(_ values: [Float], _ dimensions: [Int]) -> TensorContent {
  let bytes = values.flatMap { value in
    (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> UInt32(8 * $0)) }
  }
  return TensorContent(elementType: .float32, shape: Shape(dimensions)!, bytes: .owned(bytes))
}

/// An int64 tensor.
func int64s(_ values: [Int64], _ dimensions: [Int]) -> TensorContent {
  let bytes = values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> Int64(8 * $0)) } }
  return TensorContent(elementType: .int64, shape: Shape(dimensions)!, bytes: .owned(bytes))
}
