public import ONNXFile
public import Tensors

/// One extent of a shape as a file declares it.
public enum DeclaredDimension: Hashable, Sendable, CustomStringConvertible {
  case extent(Int)
  /// A name that stands for the same unknown number wherever it occurs.
  case symbol(String)
  case unknown

  /// The number, when there is one.
  public var extent: Int? {
    if case .extent(let value) = self { value } else { nil }
  }

  /// The number, the name, or `?`.
  public var description: String {
    switch self {
    case .extent(let value): return String(value)
    case .symbol(let name): return name
    case .unknown: return "?"
    }
  }
}

/// The constant behind an operand, seen through what only changes its form (`Cast`, `Identity`, `Transpose`,
/// `DequantizeLinear`).
public struct ConstantSource: Sendable {
  /// The initializer, or the output of the `Constant` node.
  public let value: ValueID
  /// The type that is stored; nil for one that this version does not know.
  public let elementType: ElementType?
  /// The extents as the operand's user sees them, transpositions included.
  public var dimensions: [Int]
  /// Whether a `DequantizeLinear` stands between the constant and its user.
  public var isDequantized: Bool
}

/// A linear layer: an operator that multiplies its input with one constant weight.
public struct LinearLayer: Sendable {
  public let node: NodeID
  /// The constant that holds the weight; nil when a packed one is computed.
  public let weight: ConstantSource?
  /// Features that go in (K) and come out (N).
  public let inputCount: Int
  public let outputCount: Int
  /// The spatial extents of a convolution's kernel; empty for a matrix.
  public let kernel: [Int]
  /// Whether the weight is stored as integers (or packed codes) with scales.
  public let isQuantized: Bool
}

extension ModelGraph {
  // MARK: Declarations

  /// The shape that the file declares for a value; nil when it is no tensor or not even the rank is known.
  public func declaredShape(of value: ValueID) -> [DeclaredDimension]? {
    guard case .tensor(let type)? = self[value].info?.type?.value else {
      return self[value].initializer?.message.dims.map { .extent(Int(clamping: $0)) }
    }
    return type.shape?.dim.map { dimension in
      switch dimension.value {
      case .value(let number)? where number >= 0: return .extent(Int(clamping: number))
      case .parameter(let name)? where !name.isEmpty: return .symbol(name)
      default: return .unknown
      }
    }
  }

  /// Inputs that a caller must give: those of the main graph that have no default.
  public var requiredInputs: [ValueID] {
    self[root].inputs.filter { self[$0].initializer == nil }
  }

  /// The model's own texts (`metadata_props`), in file order.
  public var metadata: [(key: String, value: String)] {
    message.metadataProps.map { ($0.key ?? "", $0.value ?? "") }
  }

  /// The program that wrote the file and its version, such as `pytorch 2.13.0`; nil when it does not say.
  public var producer: String? {
    let words = [message.producerName, message.producerVersion].compactMap { $0 }.filter { !$0.isEmpty }
    return words.isEmpty ? nil : words.joined(separator: " ")
  }

  /// A text attribute's value; bytes that are not UTF-8 are replaced.
  public func text(_ name: String, of node: NodeID) -> String? {
    attribute(name, of: node)?.message.s.map { String(decoding: $0, as: UTF8.self) }
  }

  /// The graph in an attribute.
  public func graph(_ name: String, of node: NodeID) -> GraphID? {
    if case .graph(_, let graph)? = attribute(name, of: node) { graph } else { nil }
  }

  /// The nodes of a graph and of all graphs inside it.
  public func nodes(within graph: GraphID) -> [NodeID] {
    guard graph != root else { return allNodes }
    var inside: Set<GraphID> = [graph]
    // A graph comes after the one that holds it.
    for id in graphIDs {
      if let parent = self[id].parent, inside.contains(parent) { inside.insert(id) }
    }
    return graphIDs.filter(inside.contains).flatMap { self[$0].nodes }
  }

  // MARK: Constants

  /// The tensor message that a `Constant` node holds.
  public func constantTensor(of node: NodeID) -> TensorProto? {
    guard self[node].opType == "Constant", self[node].domain.isEmpty else { return nil }
    return attribute("value", of: node)?.message.t?.value
  }

  /// The constant behind an operand, or nil when it is computed.
  ///
  /// Only declarations are read, no weights, so that it also answers for a tensor whose data is missing.
  public func constantSource(of value: ValueID) -> ConstantSource? {
    var permutations: [[Int64]?] = []
    var current = value
    var isDequantized = false
    // A chain of form changes is short; the bound keeps a strange model from costing time.
    for _ in 0..<8 {
      if let tensor = self[current].initializer?.message {
        return source(current, tensor, permutations, isDequantized)
      }
      guard let producer = self[current].producer else { return nil }
      if let tensor = constantTensor(of: producer) {
        return source(current, tensor, permutations, isDequantized)
      }
      switch self[producer].opType {
      case "Cast", "Identity": break
      case "DequantizeLinear": isDequantized = true
      case "Transpose": permutations.append(attribute("perm", of: producer)?.message.ints)
      default: return nil
      }
      guard let next = self[producer].inputs.first ?? nil else { return nil }
      current = next
    }
    return nil
  }

  private func source(
    _ value: ValueID, _ tensor: TensorProto, _ permutations: [[Int64]?], _ isDequantized: Bool
  ) -> ConstantSource? {
    var dimensions = tensor.dims.map { Int(clamping: $0) }
    for permutation in permutations.reversed() {
      guard let permutation, !permutation.isEmpty else {
        dimensions.reverse()
        continue
      }
      let axes = permutation.map { Int(clamping: $0) }
      guard axes.count == dimensions.count, axes.allSatisfy(dimensions.indices.contains) else { return nil }
      dimensions = axes.map { dimensions[$0] }
    }
    return ConstantSource(
      value: value, elementType: tensor.dataType.flatMap(ElementType.init(rawValue:)), dimensions: dimensions,
      isDequantized: isDequantized)
  }

  // MARK: Layers

  /// The linear layer that a node is: a matrix product, `Gemm` or convolution with a constant weight, in
  /// float or any of the quantized forms; nil for other nodes and for products of two activations.
  public func linearLayer(_ node: NodeID) -> LinearLayer? {
    switch self[node].opType {
    case "MatMul", "FusedMatMul", "FusedMatMulActivation", "Gemm", "FusedGemm", "MatMulInteger",
      "MatMulInteger16",
      "MatMulIntegerToFloat", "DynamicQuantizeMatMul":
      return matrixLayer(node, weight: 1)
    case "QLinearMatMul", "QGemm": return matrixLayer(node, weight: 3)
    case "MatMulNBits", "MatMulBnb4":
      guard let inputCount = integer("K", of: node), let outputCount = integer("N", of: node) else {
        return nil
      }
      return LinearLayer(
        node: node, weight: weightSource(node, 1)?.source, inputCount: Int(clamping: inputCount),
        outputCount: Int(clamping: outputCount),
        kernel: [],
        isQuantized: true)
    case "Conv", "FusedConv", "NhwcFusedConv", "ConvInteger": return convolutionLayer(node, weight: 1)
    case "QLinearConv": return convolutionLayer(node, weight: 3)
    default: return nil
    }
  }

  private func weightSource(_ node: NodeID, _ index: Int) -> (source: ConstantSource, isQuantized: Bool)? {
    let inputs = self[node].inputs
    guard inputs.indices.contains(index), let value = inputs[index], let source = constantSource(of: value)
    else {
      return nil
    }
    let isFloat =
      switch source.elementType {
      case .float32, .float16, .bfloat16, .float64: true
      default: false
      }
    return (source, source.isDequantized || !isFloat)
  }

  private func matrixLayer(_ node: NodeID, weight index: Int) -> LinearLayer? {
    guard let (source, isQuantized) = weightSource(node, index), source.dimensions.count >= 2 else {
      return nil
    }
    let tail = source.dimensions.suffix(2)
    let isTransposed = integer("transB", of: node) == 1
    guard let rows = tail.first, let columns = tail.last else { return nil }
    return LinearLayer(
      node: node, weight: source, inputCount: isTransposed ? columns : rows,
      outputCount: isTransposed ? rows : columns,
      kernel: [], isQuantized: isQuantized)
  }

  private func convolutionLayer(_ node: NodeID, weight index: Int) -> LinearLayer? {
    guard let (source, isQuantized) = weightSource(node, index), source.dimensions.count >= 3 else {
      return nil
    }
    let groupCount = Int(clamping: integer("group", of: node) ?? 1)
    let (inputCount, overflow) = source.dimensions[1].multipliedReportingOverflow(by: groupCount)
    guard !overflow else { return nil }
    return LinearLayer(
      node: node, weight: source, inputCount: inputCount, outputCount: source.dimensions[0],
      kernel: Array(source.dimensions.dropFirst(2)), isQuantized: isQuantized)
  }
}
