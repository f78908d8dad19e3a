public import ONNXGraph
public import Tensors

/// One way in which a node takes a weight.
public enum WeightUse: Sendable {
  /// `MatMul(x, w)`, w is [K, N].
  case matMul(NodeID)
  /// `MatMul(x, Transpose(w))`, w is [N, K].
  case transposedMatMul(transpose: NodeID, matMul: NodeID)
  /// `Gemm(x, w, c)`, w is [K, N], or [N, K] with transB.
  case gemm(NodeID, isTransposed: Bool)
  /// `Conv(x, w, b)`, w is [N, K/groups, …].
  case convolution(NodeID, isPointwise: Bool)
  /// `Gather(w, i)` of rows.
  case gather(NodeID)
  /// Anything that must stay float; the text says why.
  case other(NodeID?, why: String)

  /// The node that does the arithmetic.
  public var node: NodeID? {
    switch self {
    case .matMul(let node), .gemm(let node, _), .convolution(let node, _), .gather(let node): return node
    case .transposedMatMul(_, let node): return node
    case .other(let node, _): return node
    }
  }
}

/// A float constant and everything that takes it.
public struct Weight: Sendable {
  public let value: ValueID
  public let name: String
  /// See `PlanEntry.graph`.
  public let graphLabel: String
  public let content: TensorContent
  /// What its users take: the constant itself, or the result of the one Cast behind it.
  public let seenValue: ValueID
  /// The element type of `seenValue`, and so of the activations that meet the weight.
  public let seenType: ElementType
  public let uses: [WeightUse]

  public var byteCount: Int { content.bytes.byteCount }
}

/// All float constants of a model with their uses, in file order.
public enum WeightCatalog {
  public static func weights(of model: ModelGraph) -> [Weight] {
    var constants: [ValueID] = []
    for graph in model.graphIDs {
      constants += model[graph].initializers
      for node in model[graph].nodes where model[node].opType == "Constant" && model[node].domain == "" {
        if case let output?? = model[node].outputs.first { constants.append(output) }
      }
    }
    return constants.compactMap { value in
      guard let content = model.constantContent(of: value) else { return nil }
      switch content.elementType {
      case .float32, .float16, .bfloat16, .float64: break
      default: return nil
      }
      let seen = seenValue(of: value, content, in: model)
      return Weight(
        value: value, name: model[value].name, graphLabel: model.label(of: model[value].graph),
        content: content, seenValue: seen.value, seenType: seen.type,
        uses: uses(of: seen.value, content, in: model))
    }
  }

  /// Narrow weights of a float32 graph stand before a Cast, which is then a part of the weight.
  private static func seenValue(
    of value: ValueID, _ content: TensorContent, in model: ModelGraph
  )
    -> (value: ValueID, type: ElementType)
  {
    guard let use = model[value].uses.first, model[value].uses.count == 1,
      model[value].graphOutputCount == 0, model[use.node].opType == "Cast", model[use.node].domain == "",
      case let output?? = model[use.node].outputs.first,
      let type = model.integer("to", of: use.node).flatMap({ Int32(exactly: $0) })
        .flatMap(ElementType.init(rawValue:)), [.float32, .float16, .bfloat16].contains(type)
    else { return (value, content.elementType) }
    return (output, type)
  }

  private static func uses(of value: ValueID, _ content: TensorContent, in model: ModelGraph) -> [WeightUse] {
    var result: [WeightUse] = []
    for use in model[value].uses.sorted(by: { ($0.node, $0.inputIndex) < ($1.node, $1.inputIndex) }) {
      result += classify(use, of: value, content, in: model)
    }
    if model[value].graphOutputCount > 0 { result.append(.other(nil, why: "it is an output of the graph")) }
    return result
  }

  private static func classify(
    _ use: Use, of value: ValueID, _ content: TensorContent, in model: ModelGraph
  )
    -> [WeightUse]
  {
    let node = model[use.node]
    func other(_ why: String) -> [WeightUse] { [.other(use.node, why: why)] }
    guard node.domain == "" else { return other("\(node.domain).\(node.opType) takes it as it is") }
    switch (node.opType, use.inputIndex) {
    case ("MatMul", 1):
      return content.shape.rank == 2
        ? [.matMul(use.node)] : other("MatMul of a constant of rank \(content.shape.rank), not 2")
    case ("MatMul", _):
      return other("it is the first operand of MatMul, which stays float")
    case ("Gemm", 1):
      if (model.integer("transA", of: use.node) ?? 0) != 0 { return other("Gemm with transA stays float") }
      if (model.float("alpha", of: use.node) ?? 1) != 1 || (model.float("beta", of: use.node) ?? 1) != 1 {
        return other("Gemm with alpha or beta other than 1 stays float")
      }
      guard content.shape.rank == 2 else { return other("Gemm of a constant of rank \(content.shape.rank)") }
      return [.gemm(use.node, isTransposed: (model.integer("transB", of: use.node) ?? 0) != 0)]
    case ("Conv", 1):
      guard content.shape.rank >= 3 else { return other("Conv of a constant of rank \(content.shape.rank)") }
      return [
        .convolution(use.node, isPointwise: content.shape.dimensions.dropFirst(2).allSatisfy { $0 == 1 })
      ]
    case ("Gather", 0):
      guard content.shape.rank == 2, (model.integer("axis", of: use.node) ?? 0) == 0 else {
        return other("Gather does not pick whole rows of a table")
      }
      return [.gather(use.node)]
    case ("Transpose", 0):
      return throughTranspose(use.node, content, in: model)
    default:
      return other("\(node.opType) takes it, which stays float")
    }
  }

  /// A Transpose of [N, K] whose every user is the second operand of a MatMul is part of those MatMuls.
  private static func throughTranspose(
    _ transpose: NodeID, _ content: TensorContent, in model: ModelGraph
  )
    -> [WeightUse]
  {
    let permutation = model.integers("perm", of: transpose) ?? []
    guard content.shape.rank == 2, permutation.isEmpty || permutation == [1, 0],
      case let output?? = model[transpose].outputs.first, model[output].graphOutputCount == 0
    else { return [.other(transpose, why: "Transpose takes it, which is not before a MatMul")] }
    let users = model[output].uses.sorted { $0.node < $1.node }
    guard !users.isEmpty,
      users.allSatisfy({
        model[$0.node].opType == "MatMul" && model[$0.node].domain == "" && $0.inputIndex == 1
      })
    else { return [.other(transpose, why: "Transpose takes it, which is not before a MatMul")] }
    return users.map { .transposedMatMul(transpose: transpose, matMul: $0.node) }
  }
}
