import ONNXFile
import Tensors

/// The shapes of one node's results from the shapes of its inputs, one rule per operator.
///
/// Source: the ONNX operator definitions up to opset 23 and ONNX Runtime's contrib operators. Extents are all
/// known; what depends on data (a shape that another node computes) must be constant.
struct ShapeRules {
  let node: NodeID
  let model: ModelGraph
  let table: ShapeTable

  var record: Node { model[node] }

  func fail(_ problem: String) -> PassError {
    PassError(.shape(opType: record.opType, node: model.label(of: node), problem: problem), path: model.path)
  }

  // MARK: Inputs

  func value(_ index: Int) -> ValueID? { index < record.inputs.count ? record.inputs[index] : nil }

  /// The extents of an input that must be there.
  func input(_ index: Int) throws(PassError) -> [Int] {
    guard let value = value(index) else { throw fail("has no input \(index); export the model again") }
    guard let found = table.dimensions(value) else {
      throw fail("takes '\(model[value].name)', whose shape is not known; fix the model's inputs with --dim")
    }
    return found
  }

  /// The elements of a small constant integer input; nil when it is left out.
  func integers(_ index: Int) throws(PassError) -> [Int]? {
    guard let value = value(index) else { return nil }
    guard let content = model.constantContent(of: value), content.shape.elementCount <= 1 << 16,
      let values = content.integers
    else {
      throw fail(
        "makes a shape from '\(model[value].name)', which is computed from data; an NPU needs shapes that are fixed "
          + "before the run")
    }
    return values.map { Int(clamping: $0) }
  }

  func attribute(_ name: String) -> Int? { model.integer(name, of: node).map { Int(clamping: $0) } }

  func list(_ name: String, orInput index: Int) throws(PassError) -> [Int]? {
    if let values = model.integers(name, of: node) { return values.map { Int(clamping: $0) } }
    return try integers(index)
  }

  func axis(_ axis: Int, rank: Int) throws(PassError) -> Int {
    let place = axis < 0 ? axis + rank : axis
    guard place >= 0, place < rank else { throw fail("has axis \(axis) where the rank is \(rank)") }
    return place
  }

  // MARK: Rules

  func results() throws(PassError) -> [[Int]?] {
    let name = record.domain.isEmpty ? record.opType : "\(record.domain).\(record.opType)"
    if Self.unary.contains(name) { return [try input(0)] }
    if Self.broadcasting.contains(name) { return [try broadcastOfInputs()] }
    if let moved = try moveResults(name) { return moved }
    if let product = try productResults(name) { return product }
    switch name {
    case "Constant":
      guard let content = model[node].outputs.first.flatMap({ $0 }).flatMap({ model.literal(of: $0) }) else {
        throw PassError(.unknownOperator(opType: name, node: model.label(of: node)), path: model.path)
      }
      return [content.shape.dimensions]
    case "Shape":
      let rank = try input(0).count
      let start = min(max(bounded(attribute("start") ?? 0, rank), 0), rank)
      let end = min(max(bounded(attribute("end") ?? rank, rank), 0), rank)
      return [[max(0, end - start)]]
    case "Size": return [[]]
    case "LayerNormalization":
      let dimensions = try input(0)
      let first = try axis(attribute("axis") ?? -1, rank: dimensions.count)
      let reduced = dimensions.indices.map { $0 >= first ? 1 : dimensions[$0] }
      return [dimensions, reduced, reduced]
    case "com.microsoft.SkipLayerNormalization":
      let dimensions = try input(0)
      let reduced = Array(dimensions.dropLast()) + [1]
      return [dimensions, reduced, reduced, dimensions]
    case "DynamicQuantizeLinear": return [try input(0), [], []]
    case "Dropout": return [try input(0), try input(0)]
    case "ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2",
      "ReduceSumSquare", "ReduceLogSum", "ReduceLogSumExp":
      return [try reduced()]
    case "ArgMax", "ArgMin":
      var dimensions = try input(0)
      let place = try axis(attribute("axis") ?? 0, rank: dimensions.count)
      if attribute("keepdims") ?? 1 == 1 { dimensions[place] = 1 } else { dimensions.remove(at: place) }
      return [dimensions]
    case "TopK":
      var dimensions = try input(0)
      guard let count = try integers(1)?.first else { throw fail("has no k") }
      dimensions[try axis(attribute("axis") ?? -1, rank: dimensions.count)] = count
      return [dimensions, dimensions]
    default:
      throw PassError(.unknownOperator(opType: name, node: model.label(of: node)), path: model.path)
    }
  }

  private static let unary: Set<String> = [
    "Abs", "Acos", "Asin", "Atan", "BitwiseNot", "Cast", "CastLike", "Ceil", "Celu", "Clip", "Cos", "CumSum",
    "DequantizeLinear", "Elu", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "IsInf",
    "IsNaN", "LeakyRelu", "Log", "LogSoftmax", "Mish", "Neg", "Not", "QuantizeLinear", "Reciprocal", "Relu",
    "RMSNormalization", "Round", "ScatterElements", "ScatterND", "Selu", "Sigmoid", "Sign", "Sin", "Softmax",
    "Softplus", "Sqrt", "Swish", "Tan", "Tanh", "Trilu", "BatchNormalization", "InstanceNormalization",
    "com.microsoft.BiasGelu", "com.microsoft.DequantizeLinear", "com.microsoft.FastGelu",
    "com.microsoft.Gelu", "com.microsoft.QuantizeLinear", "com.microsoft.QuickGelu",
  ]

  private static let broadcasting: Set<String> = [
    "Add", "And", "BitwiseAnd", "BitwiseOr", "Div", "Equal", "Greater", "GreaterOrEqual", "Less",
    "LessOrEqual",
    "Max", "Mean", "Min", "Mod", "Mul", "Or", "Pow", "PRelu", "Sub", "Sum", "Where", "Xor",
  ]

  private func broadcastOfInputs() throws(PassError) -> [Int] {
    var result: [Int] = []
    for index in record.inputs.indices {
      let next = try input(index)
      guard let joined = Self.broadcast(result, next) else {
        throw fail("cannot join the shapes \(result) and \(next); export the model again, or check --dim")
      }
      result = joined
    }
    return result
  }

  /// The shape that both are stretched to, by ONNX's rules; nil when they do not fit.
  static func broadcast(_ left: [Int], _ right: [Int]) -> [Int]? {
    let rank = max(left.count, right.count)
    let a = [Int](repeating: 1, count: rank - left.count) + left
    let b = [Int](repeating: 1, count: rank - right.count) + right
    var result: [Int] = []
    for (x, y) in zip(a, b) {
      guard x == y || x == 1 || y == 1 else { return nil }
      result.append(x == 1 ? y : x)
    }
    return result
  }

  private func reduced() throws(PassError) -> [Int] {
    let dimensions = try input(0)
    let keeps = attribute("keepdims") ?? 1 == 1
    let named = try list("axes", orInput: 1) ?? []
    if named.isEmpty, attribute("noop_with_empty_axes") == 1 { return dimensions }
    var gone: Set<Int> = named.isEmpty ? Set(dimensions.indices) : []
    for one in named { gone.insert(try axis(one, rank: dimensions.count)) }
    return dimensions.indices.compactMap { gone.contains($0) ? (keeps ? 1 : nil) : dimensions[$0] }
  }

  /// An index that counts from the end when negative; extremes stay what they are.
  func bounded(_ index: Int, _ extent: Int) -> Int { index < 0 ? max(index, -extent - 1) + extent : index }
}

extension ModelGraph {
  /// The contents of an initializer or of any kind of `Constant` node.
  func literal(of value: ValueID) -> TensorContent? {
    if let content = constantContent(of: value) { return content }
    guard let producer = self[value].producer, self[producer].opType == "Constant" else { return nil }
    for attribute in self[producer].attributes.map(\.message) {
      switch attribute.name {
      case "value_int": return .int64s([attribute.i ?? 0], shape: [])
      case "value_ints": return .int64s(attribute.ints, shape: [attribute.ints.count])
      case "value_float": return .floats([attribute.f ?? 0], shape: [])
      case "value_floats": return .floats(attribute.floats, shape: [attribute.floats.count])
      default: continue
      }
    }
    return nil
  }
}
