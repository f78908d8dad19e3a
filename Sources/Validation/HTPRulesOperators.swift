import ONNXGraph
import QuantPlan
import Tensors

extension HTPRules {
  // MARK: Shapes

  static let shapeRules: [HTPRule] = [
    HTPRule(
      "fixed-shapes", .refused,
      remedy:
        "give them extents (--dim name=1), or export the model with fixed shapes, as Qualcomm AI Hub does; one "
        + "open dimension sends the whole graph to the processor"
    ) { view in
      view.model.requiredInputs.compactMap { value in
        let name = view.model[value].name
        guard let shape = view.model.declaredShape(of: value) else {
          return HTPRule.Hit(place: name, message: "input '\(name)' has no shape")
        }
        let open = shape.filter { dimension in
          if case .symbol(let name) = dimension { return view.dimensions[name] == nil }
          return dimension.extent == nil
        }.map { "'\($0)'" }
        if open.isEmpty { return nil }
        return HTPRule.Hit(
          place: name,
          message: "input '\(name)' has the open dimension\(open.count > 1 ? "s" : "") "
            + open.joined(separator: ", "))
      }
    },
    .eachNode(
      "last-axis", .refused, of: ["Softmax", "LogSoftmax", "LayerNormalization"],
      remedy: "normalize over the last axis"
    ) { node, view in
      let axis = view.model.integer("axis", of: node) ?? -1
      if axis == -1 { return nil }
      guard let value = view.input(0, of: node), let rank = view.model.declaredShape(of: value)?.count,
        Int(clamping: axis) != rank - 1
      else { return nil }
      return "\(view.model[node].opType) works on axis \(axis) of \(rank) dimensions, not on the last"
    },
  ]

  // MARK: Operators

  static let operatorRules: [HTPRule] = [
    .eachNode(
      "run-time-int8", .refused, of: runTimeQuantized,
      remedy: "for an NPU use static Q/DQ (w8a16); dynamic-int8 is for the processor"
    ) { node, view in
      isWholeDynamic(node, view)
        ? nil : "\(view.model[node].opType) quantizes while the model runs, which HTP has no operator for"
    },
    .eachNode(
      "dynamic-pattern", .warning, of: ["DynamicQuantizeLinear", "MatMulInteger"],
      remedy: "for an NPU use static Q/DQ (w8a16); dynamic-int8 is for the processor"
    ) { node, view in
      guard isWholeDynamic(node, view) else { return nil }
      return
        "\(view.model[node].opType) quantizes while the model runs; QNN's emulation takes the whole pattern, "
        + "what a device does with it was not measured"
    },
    .eachNode(
      "block-operator", .refused, of: blockOperators,
      remedy: "for an NPU write the weights in Q/DQ form (--format qdq)"
    ) { node, view in
      // Taken with activations of three dimensions, [batch, tokens, width].
      if view.model[node].opType == "MatMulNBits",
        view.input(0, of: node).flatMap({ view.model.declaredShape(of: $0)?.count }) == 3
      {
        return nil
      }
      return "\(view.model[node].opType) is an operator of ONNX Runtime that HTP does not have"
    },
    .eachNode(
      "control-flow", .refused, of: controlFlow,
      remedy: "use the plain decoder with past instead of the merged one"
    ) { node, view in
      "\(view.model[node].opType) chooses its graph while the model runs, which HTP takes in small cases only"
    },
    .eachNode(
      "lone-erf", .refused, of: ["Erf"],
      remedy: "fuse it to Gelu, or keep the whole pattern x * 0.5 * (1 + Erf(x / sqrt 2)) together"
    ) { node, view in
      isGelu(node, view) ? nil : "Erf stands alone; HTP takes it only as a part of Gelu"
    },
    .eachNode(
      "operator", .refused, remedy: "replace the operator, or let the node run on the processor"
    ) { node, view in
      let record = view.model[node]
      let named = [runTimeQuantized, blockOperators, controlFlow, ["Erf", "EPContext", "Constant"]]
      if named.contains(where: { $0.contains(record.opType) }) { return nil }
      if record.opType == "QuantizeLinear" || record.opType == "DequantizeLinear" { return nil }
      let name = operatorName(node, view.model)
      if view.target.takes(name) || view.target.foldedOperators.contains(name) { return nil }
      if let words = view.target.refusedOperators[name] { return "\(name): \(words)" }
      switch record.domain {
      case "", "ai.onnx": return "HTP has no operator \(record.opType)"
      case "com.microsoft": return "\(record.opType) is an operator of ONNX Runtime that HTP does not have"
      default: return "HTP has no operators of the domain '\(record.domain)'"
      }
    },
  ]

  /// An operator's name with its domain in front unless that is ai.onnx.
  static func operatorName(_ node: NodeID, _ model: ModelGraph) -> String {
    let record = model[node]
    return record.domain.isEmpty || record.domain == "ai.onnx"
      ? record.opType : "\(record.domain).\(record.opType)"
  }

  /// Whether a node belongs to the pattern of dynamic quantization that QNN takes as a whole: DynamicQuantizeLinear,
  /// MatMulInteger, Cast to float, Mul by the scales. Alone, each of the first two is refused.
  static func isWholeDynamic(_ node: NodeID, _ view: QuantizationView) -> Bool {
    let model = view.model
    func users(_ value: ValueID?) -> [NodeID] { value.map { model[$0].uses.map(\.node) } ?? [] }
    func only(_ node: NodeID, _ name: String) -> NodeID? {
      let found = users(model[node].outputs.first ?? nil)
      return found.count == 1 && model[found[0]].opType == name ? found[0] : nil
    }
    switch model[node].opType {
    case "DynamicQuantizeLinear":
      let products = users(model[node].outputs.first ?? nil)
      return !products.isEmpty
        && products.allSatisfy { model[$0].opType == "MatMulInteger" && isWholeDynamic($0, view) }
    case "MatMulInteger":
      guard let producer = view.input(0, of: node).flatMap({ model[$0].producer }),
        model[producer].opType == "DynamicQuantizeLinear",
        let cast = only(node, "Cast"), only(cast, "Mul") != nil
      else { return false }
      return true
    default: return false
    }
  }

  /// Whether an Erf is inside x * 0.5 * (1 + Erf(x / √2)), in any order of the factors; Q/DQ pairs may stand
  /// between the nodes.
  private static func isGelu(_ node: NodeID, _ view: QuantizationView) -> Bool {
    let model = view.model
    func before(_ value: ValueID?) -> NodeID? {
      guard let producer = value.flatMap({ model[$0].producer }) else { return nil }
      guard ["QuantizeLinear", "DequantizeLinear"].contains(model[producer].opType) else { return producer }
      return before(model[producer].inputs.first ?? nil)
    }
    func after(_ node: NodeID) -> [NodeID] {
      let uses = model[node].outputs.compactMap { $0 }.flatMap { model[$0].uses.map(\.node) }
      return uses.flatMap { user in
        ["QuantizeLinear", "DequantizeLinear"].contains(model[user].opType) ? after(user) : [user]
      }
    }
    guard let scaled = before(view.input(0, of: node)), ["Div", "Mul"].contains(model[scaled].opType),
      let sum = after(node).first, model[sum].opType == "Add", after(node).count == 1,
      let product = after(sum).first, model[product].opType == "Mul"
    else { return false }
    return true
  }
}
