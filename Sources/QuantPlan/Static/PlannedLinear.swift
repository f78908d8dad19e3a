public import ONNXGraph
import Tensors

/// A layer with a constant matrix, as the choice of its activations' type sees it.
public struct PlannedLinear: Sendable {
  public let node: NodeID
  public let label: String
  public let weight: String
  public let input: ValueID
  public let output: ValueID
  /// Of one run; 0 when the output's shape is not known.
  public let multiplicationCount: Int
  /// Whether its input comes from an elementwise function such as Gelu, whose few large values 8 bits hold badly.
  public let isBehindFunction: Bool
  /// Whether its output goes to Gelu.
  public let isBeforeFunction: Bool
  /// The type of its activations under the policy that was asked.
  public let type: IntegerType

  /// Whether a pattern names the layer: its node, its weight or its operator.
  public func matches(_ pattern: String, in model: ModelGraph) -> Bool {
    Pattern(pattern).matches(weights: [weight], nodes: [label], operators: [model[node].opType])
  }
}

extension StaticPlanner {
  /// The linear layers that will run in integers, in the order of the graph.
  public static func linearLayers(_ model: ModelGraph, policy: StaticPolicy) -> [PlannedLinear] {
    let planner = StaticPlanner(model, policy) { _, _ in nil }
    return model[model.root].nodes.compactMap { node in
      let record = model[node]
      guard planner.kinds[node] == .linear, planner.floatReason(node) == nil,
        let input = record.inputs.first ?? nil, let output = record.outputs.first ?? nil,
        let weight = record.inputs[1], let content = model.constantContent(of: weight)
      else { return nil }
      let isTransposed = model.integer("transB", of: node) == 1
      let depth = content.shape.dimensions[content.shape.rank - (isTransposed ? 1 : 2)]
      let extents = model.declaredShape(of: output)?.compactMap(\.extent) ?? []
      let rank = model.declaredShape(of: output)?.count ?? -1
      let count = extents.count == rank ? extents.reduce(depth, *) : 0
      let producer = model[input].producer
      return PlannedLinear(
        node: node, label: model.label(of: node), weight: model[weight].name, input: input, output: output,
        multiplicationCount: count,
        isBehindFunction: producer.map { planner.kinds[$0] == .elementwise } ?? false,
        isBeforeFunction: model[output].uses.contains { model[$0.node].opType == "Gelu" },
        type: planner.linearType(node).type)
    }
  }
}
