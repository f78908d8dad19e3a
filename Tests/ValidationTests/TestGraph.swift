import ONNXFile
import ONNXGraph
import Tensors

/// Puts small graphs together.
struct TestGraph {
  private var graph = GraphProto()
  var irVersion: Int64? = 10
  var opsets: [(String, Int64)] = [("", 21), ("com.microsoft", 1)]

  init(name: String = "main") { graph.name = name }

  mutating func input(_ name: String, _ shape: [String], _ type: ElementType = .float32) {
    graph.input.append(Self.port(name, shape, type))
  }

  mutating func output(_ name: String, _ shape: [String] = ["1"], _ type: ElementType = .float32) {
    graph.output.append(Self.port(name, shape, type))
  }

  mutating func message(_ change: (inout GraphProto) -> Void) { change(&graph) }

  mutating func constant(_ name: String, _ values: [Double], _ shape: [Int], _ type: ElementType = .float32) {
    guard let shape = Shape(shape), shape.elementCount == values.count,
      let content = TensorContent(floats: values.map(Float.init), shape: shape).packed(as: type)
    else { preconditionFailure("the values of \(name) fill its shape") }
    graph.initializer.append(TensorProto(name: name, content))
  }

  mutating func node(
    _ operatorName: String, _ inputs: [String], _ outputs: [String], domain: String = "",
    _ attributes: [AttributeProto] = []
  ) {
    var node = NodeProto()
    node.opType = operatorName
    node.name = outputs.first.map { "make_" + $0 }
    node.input = inputs
    node.output = outputs
    node.domain = domain.isEmpty ? nil : domain
    node.attribute = attributes
    graph.node.append(node)
  }

  /// A weight with its DequantizeLinear, which makes `name`.
  mutating func weight(
    _ name: String, _ shape: [Int], _ type: ElementType, scales: [Double] = [0.1], axis: Int? = nil
  ) {
    let count = shape.reduce(1, *)
    constant(name + "_q", Array(repeating: 1, count: count), shape, type)
    constant(name + "_s", scales, scales.count == 1 && axis == nil ? [] : [scales.count])
    node(
      "DequantizeLinear", [name + "_q", name + "_s"], [name], axis.map { [.int("axis", Int64($0))] } ?? [])
  }

  /// An activation through a Q/DQ pair, which makes `result`.
  mutating func pair(_ value: String, _ result: String, _ type: ElementType, scale: Double = 0.05) {
    constant(result + "_s", [scale], [])
    constant(result + "_z", [0], [], type)
    node("QuantizeLinear", [value, result + "_s", result + "_z"], [result + "_q"])
    node("DequantizeLinear", [result + "_q", result + "_s", result + "_z"], [result])
  }

  func lifted() throws -> ModelGraph {
    var model = ModelProto()
    model.irVersion = irVersion
    model.graph = graph
    model.opsetImport = opsets.map { domain, version in
      var entry = OperatorSetIdProto()
      entry.domain = domain
      entry.version = version
      return entry
    }
    return try ModelGraph.lift(model, external: ExternalDataFiles(modelPath: "test.onnx"))
  }

  private static func port(_ name: String, _ extents: [String], _ type: ElementType) -> ValueInfoProto {
    var shape = TensorShapeProto()
    shape.dim = extents.map { extent in
      var dimension = TensorShapeProto.Dimension()
      dimension.value = Int64(extent).map { .value($0) } ?? .parameter(extent)
      return dimension
    }
    var tensor = TypeProto.TensorType()
    tensor.elemType = type.rawValue
    tensor.shape = shape
    var proto = TypeProto()
    proto.value = .tensor(tensor)
    var info = ValueInfoProto()
    info.name = name
    info.type = proto
    return info
  }
}

extension TensorContent {
  /// The same numbers as another type, the packed ones of 4 bits too.
  func packed(as type: ElementType) -> TensorContent? {
    guard type == .int4 || type == .uint4 else { return converted(to: type) }
    let nibbles = (numbers ?? []).map { UInt8(truncatingIfNeeded: Int($0)) & 15 }
    let bytes = stride(from: 0, to: nibbles.count, by: 2).map { index in
      nibbles[index] | (index + 1 < nibbles.count ? nibbles[index + 1] << 4 : 0)
    }
    return TensorContent(elementType: type, shape: shape, bytes: .owned(bytes))
  }

  static func of(_ values: [Float], _ shape: [Int]? = nil) -> TensorContent {
    guard let shape = Shape(shape ?? [values.count]) else { preconditionFailure("a shape") }
    return TensorContent(floats: values, shape: shape)
  }
}
