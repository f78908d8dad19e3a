import ONNXGraph
import QuantPlan
import Tensors

/// The values and nodes that a static plan names.
struct StaticNames {
  var values: [String: ValueID] = [:]
  var nodes: [String: NodeID] = [:]
  /// Activations that rewriting itself brought in.
  var added: [ActivationEntry] = []
  private let path: String

  /// Refuses a plan that names what the model does not have; a plan may be edited by hand.
  init(_ model: ModelGraph, _ plan: StaticPlan) throws(QuantizeError) {
    path = model.path
    for value in model[model.root].inputs { values[model[value].name] = value }
    for node in model[model.root].nodes {
      guard nodes.updateValue(node, forKey: model.label(of: node)) == nil else {
        throw QuantizeError(
          .impossible(
            weight: model.label(of: node), why: "two nodes have this name; prepare the model first"),
          path: path)
      }
      for case let output? in model[node].outputs { values[model[output].name] = output }
    }
    for entry in plan.activations where values[entry.tensor] == nil { throw unknown("tensor", entry.tensor) }
    for entry in plan.conversions {
      guard let node = nodes[entry.node] else { throw unknown("node", entry.node) }
      guard model[node].inputs.indices.contains(entry.input) else {
        throw unknown("operand \(entry.input) of the node", entry.node)
      }
    }
    var scaleOf: [String: Float] = [:]
    for entry in plan.activations { scaleOf[entry.tensor] = entry.parameters.scale }
    for node in model[model.root].nodes {
      if case let input?? = model[node].inputs.first {
        scales[node] = scaleOf[model[input].name]
        inputs[node] = model[input].name
      }
    }
    for entry in plan.conversions where entry.input == 0 {
      if let node = nodes[entry.node] { scales[node] = entry.parameters.scale }
    }
    for entry in plan.floatNodes where nodes[entry.node] == nil { throw unknown("node", entry.node) }
  }

  private func unknown(_ what: String, _ name: String) -> QuantizeError {
    QuantizeError(
      .impossible(
        weight: name,
        why: "the plan names the \(what) '\(name)', which the model does not have; make a plan for "
          + "this model with --dry-run --json"), path: path)
  }

  /// The node and the constant that a line means.
  func operand(
    _ entry: StaticWeightEntry, _ model: ModelGraph
  ) throws(QuantizeError) -> (node: NodeID, value: ValueID) {
    guard let node = nodes[entry.node] else { throw unknown("node", entry.node) }
    guard model[node].inputs.indices.contains(entry.input), let value = model[node].inputs[entry.input],
      model[value].name == entry.weight
    else { throw QuantizeError(.unknownWeight(entry.weight, graph: ""), path: path) }
    return (node, value)
  }

  /// The scale of what meets a node's weight: input 0 behind its conversion, and LayerNormalization's too.
  func inputScale(of node: NodeID) -> Float? { scales[node] }

  private var scales: [NodeID: Float] = [:]
  private var inputs: [NodeID: String] = [:]

  /// How a linear weight is rounded, by the line of the plan.
  func rounding(_ entry: StaticWeightEntry, _ node: NodeID) -> StaticRounding? {
    guard entry.role == .linear, let tensor = inputs[node] else { return nil }
    return StaticRounding(inputTensor: tensor, rounding: entry.rounding)
  }
}
