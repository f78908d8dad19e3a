import ONNXFile
public import Tensors

/// The element types of all values, as far as the file and the operators tell.
///
/// Requires: a lifted model. Does: reads declarations and constants, then walks nodes in order with one rule
/// per operator that changes the type; every other operator keeps the type of its first input. Modifies
/// nothing.
public struct ElementTypeInference: Sendable {
  private var types: [ValueID: ElementType] = [:]

  public init(_ model: ModelGraph) {
    for graph in model.graphIDs {
      for value in model[graph].inputs + model[graph].initializers {
        if let type = model[value].declaredElementType { types[value] = type }
      }
    }
    visit(model.root, model)
  }

  /// The type of a value, or nil when nothing tells it.
  public subscript(value: ValueID) -> ElementType? { types[value] }

  private mutating func visit(_ graph: GraphID, _ model: ModelGraph) {
    for node in model[graph].nodes {
      let inner = model[node].attributes.flatMap { attribute -> [GraphID] in
        switch attribute {
        case .plain: []
        case .graph(_, let id): [id]
        case .graphs(_, let ids): ids
        }
      }
      for body in inner {
        bindBodyInputs(of: node, body, model)
        visit(body, model)
      }
      for (index, output) in model[node].outputs.enumerated() {
        guard let output, types[output] == nil else { continue }
        types[output] = model[output].declaredElementType ?? infer(node, index, inner, model)
      }
    }
  }

  /// Loop and Scan hand their inputs to the body's inputs, counted from the end.
  private mutating func bindBodyInputs(of node: NodeID, _ body: GraphID, _ model: ModelGraph) {
    guard model[node].opType == "Loop" || model[node].opType == "Scan" else { return }
    for (outer, inner) in zip(model[node].inputs.reversed(), model[body].inputs.reversed()) {
      if let outer, types[inner] == nil, let type = types[outer] { types[inner] = type }
    }
  }

  private func infer(
    _ node: NodeID, _ outputIndex: Int, _ bodies: [GraphID], _ model: ModelGraph
  )
    -> ElementType?
  {
    let record = model[node]
    func input(_ index: Int) -> ElementType? {
      guard index < record.inputs.count, let value = record.inputs[index] else { return nil }
      return types[value]
    }
    func attribute(_ name: String) -> ElementType? {
      model.integer(name, of: node).flatMap { Int32(exactly: $0) }.flatMap(ElementType.init(rawValue:))
    }
    switch record.opType {
    case "Cast": return attribute("to")
    case "CastLike": return input(1)
    case "Constant", "ConstantOfShape": return constantType(of: node, model)
    case "Shape", "Size", "NonZero", "ArgMax", "ArgMin", "NonMaxSuppression": return .int64
    case "Equal", "Less", "LessOrEqual", "Greater", "GreaterOrEqual", "And", "Or", "Not", "Xor", "IsNaN",
      "IsInf":
      return .bool
    case "Where": return input(1) ?? input(2)
    case "OneHot": return input(2)
    case "TopK": return outputIndex == 1 ? .int64 : input(0)
    case "Unique": return outputIndex == 0 ? input(0) : .int64
    case "Dropout", "MaxPool":
      return outputIndex == 0 ? input(0) : record.opType == "Dropout" ? .bool : .int64
    case "DynamicQuantizeLinear": return outputIndex == 1 ? .float32 : .uint8
    case "QuantizeLinear": return input(2) ?? attribute("output_dtype") ?? .uint8
    case "DequantizeLinear": return attribute("output_dtype") ?? input(1)
    case "MatMulInteger", "ConvInteger": return .int32
    case "RandomNormal", "RandomUniform", "EyeLike", "Multinomial", "Bernoulli", "RandomNormalLike",
      "RandomUniformLike":
      return attribute("dtype") ?? (record.inputs.isEmpty ? .float32 : input(0))
    case "HannWindow", "HammingWindow", "BlackmanWindow", "MelWeightMatrix":
      return attribute("output_datatype") ?? .float32
    case "If", "Loop", "Scan":
      guard let body = bodies.first else { return nil }
      // A Loop's body begins with its condition, which the node does not give out.
      let place = outputIndex + (record.opType == "Loop" ? 1 : 0)
      return place < model[body].outputs.count ? types[model[body].outputs[place]] : nil
    case "MatMulIntegerToFloat", "DynamicQuantizeMatMul": return .float32
    // ONNX Runtime's operators keep the type of their first input, as most of ONNX's do.
    default: return record.domain == "" || record.domain == "com.microsoft" ? input(0) : nil
    }
  }

  private func constantType(of node: NodeID, _ model: ModelGraph) -> ElementType? {
    for attribute in model[node].attributes {
      switch attribute.name {
      case "value":
        return attribute.message.t?.value.dataType.flatMap(ElementType.init(rawValue:)) ?? .float32
      case "value_float", "value_floats": return .float32
      case "value_int", "value_ints": return .int64
      case "value_string", "value_strings": return .string
      default: continue
      }
    }
    return .float32
  }
}
