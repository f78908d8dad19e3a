public import ONNXGraph
import Tensors

/// Which nodes an exclusion cannot keep in floating point.
///
/// A node whose operands all come out of a DequantizeLinear and whose result goes into one QuantizeLinear is one integer
/// operation to the runtime, whatever a plan calls it. A product of two activations, Softmax or Gelu between quantized
/// neighbours is such a node; one with a constant is none, because its constant stays float.
extension StaticPlanner {
  /// Sentences about patterns that mean nodes which run in integers in a plan all the same.
  public static func enclosedSentences(
    _ model: ModelGraph, policy: StaticPolicy, plan: StaticPlan
  ) -> [String] {
    if policy.exclude.isEmpty { return [] }
    let planner = StaticPlanner(model, policy) { _, _ in nil }
    let floats = Set(plan.floatNodes.map(\.node))
    var found: [String: [NodeID]] = [:]
    for node in model[model.root].nodes where planner.kinds[node] != .integer {
      guard !floats.contains(model.label(of: node)), let pattern = planner.excludingPattern(node) else {
        continue
      }
      found[pattern, default: []].append(node)
    }
    return policy.exclude.compactMap { pattern in
      guard let nodes = found.removeValue(forKey: pattern), let first = nodes.first else { return nil }
      let names = "'\(model.label(of: first))' (\(model[first].opType))"
      let more = nodes.count > 1 ? " and \(nodes.count - 1) more" : ""
      return
        "the pattern '\(pattern)' cannot keep \(names)\(more) in floating point: between quantized neighbours "
        + "a node without constants computes in integers; exclude its neighbours, too"
    }
  }

  /// The pattern that excludes a node.
  func excludingPattern(_ node: NodeID) -> String? {
    policy.exclude.first { Self.matches($0, node, in: model) }
  }

  /// Operators whose further operands may be float constants in an integer operation.
  private static let firstOperandOnly: Set<String> = ["Clip", "Pad", "Resize"]
  /// Operators that move elements and yet take other scales.
  private static let rescaling: Set<String> = ["Concat", "Slice"]

  /// Excluded nodes that the plan, as it is, leaves between pairs which make them integer operations.
  var newlyEnclosed: Set<NodeID> {
    if policy.exclude.isEmpty { return [] }
    struct Operand: Hashable {
      let node: String
      let input: Int
    }
    let activations = Dictionary(plan.activations.map { ($0.tensor, $0) }) { first, _ in first }
    let conversions = Dictionary(
      plan.conversions.map { (Operand(node: $0.node, input: $0.input), $0) }
    ) { first, _ in first }
    let nodes = model[model.root].nodes.filter { node in
      guard let kind = kinds[node], kind != .integer, kind != .foreign, !enclosed.contains(node),
        excludingPattern(node) != nil
      else { return false }
      let record = model[node]
      let count = Self.firstOperandOnly.contains(record.opType) ? 1 : record.inputs.count
      let operands = record.inputs.prefix(count).compactMap { $0 }.filter(floats.contains)
      let given = operands.compactMap { activations[name($0)] }
      guard let first = given.first, given.count == operands.count,
        !operands.contains(where: isConstant)
      else { return false }
      let isMixed = given.contains { $0.type != first.type }
      let isRescaled: Bool
      if case .movement = kind {
        isRescaled = Self.rescaling.contains(record.opType)
      } else {
        isRescaled = true
      }
      guard kind == .product || !isMixed else { return false }
      return record.outputs.compactMap { $0 }.filter(floats.contains).allSatisfy { result in
        let uses = model[result].uses
        let taken = uses.compactMap {
          conversions[Operand(node: model.label(of: $0.node), input: $0.inputIndex)]
        }
        guard let next = taken.first, taken.count == uses.count, model[result].graphOutputCount == 0 else {
          return false
        }
        return next.type == first.type && (isRescaled || next.parameters.scale == first.parameters.scale)
          && taken.allSatisfy { $0.type == next.type && $0.parameters == next.parameters }
      }
    }
    return Set(nodes)
  }
}
