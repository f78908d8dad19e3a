public import ONNXGraph
public import QuantPlan
import Tensors

/// Where one node of a model will run, on which rule, and what would move it.
public struct NodePlace: Sendable, Equatable {
  public enum Place: String, Sendable, CaseIterable {
    /// On the NPU, in integers.
    case integers = "npu-integers"
    /// On the NPU, in floating point (fp16).
    case float = "npu-float"
    /// Left behind.
    case processor
    /// Computed once while the model is loaded, or merged into another node.
    case folded
  }

  public let node: String
  /// With its domain in front unless that is ai.onnx.
  public let operatorName: String
  public let place: Place
  /// The stable name of the rule.
  public let rule: String
  /// Why, as a sentence without its end.
  public let reason: String
  /// What would bring it to the NPU's integers; nil where it is there.
  public let change: String?

  /// Whether it is a QuantizeLinear or DequantizeLinear.
  public var isPair: Bool {
    ["QuantizeLinear", "DequantizeLinear"].contains(operatorName.split(separator: ".").last.map(String.init))
  }
}

/// Where the nodes of a model will run on a target.
///
/// The prediction needs no runtime; it follows the rules that were measured for the target.
public enum Explanation {
  /// Looks at every node, in the order of the model; reads scales, but no weights.
  ///
  /// `dimensions` are extents that open dimensions get when the model runs, by name.
  public static func of(
    _ model: ModelGraph, target: Target, binding dimensions: [String: Int] = [:]
  ) -> [NodePlace] {
    var explainer = Explainer(QuantizationView(model, dimensions, target))
    return explainer.places()
  }

  /// How many nodes of a kind are at each place.
  public static func counts(_ places: [NodePlace]) -> [NodePlace.Place: Int] {
    Dictionary(places.map { ($0.place, 1) }, uniquingKeysWith: +)
  }
}

private struct Explainer {
  private let view: QuantizationView
  private let model: ModelGraph
  private var refusals: [NodeID: (rule: HTPRule, message: String)] = [:]
  private var wholeRefusal: (rule: HTPRule, message: String)?
  private var constants: Set<ValueID> = []
  private var groupings: [NodeID: Grouping] = [:]

  init(_ view: QuantizationView) {
    self.view = view
    model = view.model
    for rule in HTPRules.all where rule.severity == .refused {
      for hit in rule.find(view) {
        guard let node = hit.node else {
          if rule.name == "fixed-shapes" { wholeRefusal = wholeRefusal ?? (rule, hit.message) }
          continue
        }
        if refusals[node] == nil { refusals[node] = (rule, hit.message) }
      }
    }
  }

  mutating func places() -> [NodePlace] {
    let nodes = model.allNodes
    for node in nodes {
      groupings[node] = view.grouping(of: node)
      let record = model[node]
      let isPair = view.site(node) != nil
      let inputs = record.inputs.compactMap { $0 }
      let isConstant =
        record.opType == "Constant" || view.target.foldedOperators.contains(record.opType)
        || !isPair && !inputs.isEmpty
          && inputs.allSatisfy { constants.contains($0) || model.constantContent(of: $0) != nil }
      if isConstant { for case let output? in record.outputs { constants.insert(output) } }
    }
    return settled(zip(nodes, nodes.map(place)).map { ($0, $1) })
  }

  /// A Q or DQ alone between nodes of the processor is left with them.
  private func settled(_ places: [(node: NodeID, place: NodePlace)]) -> [NodePlace] {
    let there = Set(places.filter { $0.place.place == .integers || $0.place.place == .float }.map(\.node))
    return places.map { node, found in
      guard found.isPair, there.contains(node) else { return found }
      let producers = model[node].inputs.prefix(1).compactMap { $0.flatMap { model[$0].producer } }
      let users = model[node].outputs.compactMap { $0 }.flatMap { model[$0].uses.map(\.node) }
      guard !(producers + users).contains(where: there.contains) else { return found }
      return made(
        node, .processor, "with-its-node", "its neighbours run on the processor",
        "what moves them moves this one")
    }
  }

  private func place(_ node: NodeID) -> NodePlace {
    if let wholeRefusal {
      return made(node, .processor, wholeRefusal.rule.name, wholeRefusal.message, wholeRefusal.rule.remedy)
    }
    if let output = model[node].outputs.first ?? nil, constants.contains(output) {
      return made(node, .folded, "constant", "its operands are constant, so it is computed once", nil)
    }
    if model[node].opType == "EPContext" {
      return made(node, .integers, "compiled", "it is compiled for the NPU already", nil)
    }
    if let refusal = refusals[node] {
      return made(node, .processor, refusal.rule.name, refusal.message, refusal.rule.remedy)
    }
    if let site = view.site(node) { return pair(node, site) }
    if model[node].opType == "Transpose", let output = model[node].outputs.first ?? nil,
      view.weight(of: output) != nil, model[output].graphOutputCount == 0
    {
      return made(node, .folded, "weight-transpose", "the weight is turned while the model is loaded", nil)
    }
    return computed(node)
  }

  private func computed(_ node: NodeID) -> NodePlace {
    let name = HTPRules.operatorName(node, model)
    let grouping = groupings[node] ?? .integers
    switch grouping {
    case .integers: return made(node, .integers, "integer-data", "no float goes in or out", nil)
    case .oneOperation:
      if view.target.floatOperators.contains(name) {
        return made(
          node, .float, "float-operator", "HTP computes \(name) in floating point only",
          "use another operator")
      }
      if let site = view.weight(of: view.input(1, of: node))?.site, site.blockSize > 0 {
        return made(
          node, .float, "block-weights",
          "weights in blocks stay in 4 bits, and are multiplied in fp16",
          "one scale per channel (--per-channel) is computed in integers, and is less exact")
      }
      return made(node, .integers, "quantized", grouping.words, nil)
    case .apart(let reason):
      let (rule, change): (String, String)
      switch reason {
      case .float: (rule, change) = ("float", "quantize operands and result (quantize --scheme w8a16)")
      case .operand(let name):
        (rule, change) = ("float-operand", "quantize '\(name)' in the type of the others")
      case .result(let name):
        (rule, change) = (
          "float-result", "let one QuantizeLinear take '\(name)', and all its users what that makes"
        )
      case .types: (rule, change) = ("same-type", "change the type in a pair of its own before or after it")
      case .scales: (rule, change) = ("moved-scale", "give the result the scale of what is moved")
      }
      return made(node, .float, rule, grouping.words, change)
    }
  }

  private func pair(_ node: NodeID, _ site: QuantizationSite) -> NodePlace {
    let neighbours: [NodeID]
    if model[node].opType == "DequantizeLinear" {
      neighbours = view.users(of: node)
    } else {
      neighbours = model[site.input].producer.map { [$0] } ?? []
    }
    let groups = neighbours.filter { isGroup($0) }
    if let refused = groups.first(where: { refusals[$0] != nil }) {
      return made(
        node, .processor, "with-its-node", "it belongs to \(model.label(of: refused)), which is refused",
        "what moves that node moves this one")
    }
    if !groups.isEmpty || neighbours.allSatisfy({ view.site($0) != nil }) {
      return made(node, .integers, "pair", "a part of the integer operation beside it", nil)
    }
    return made(node, .float, "pair-alone", "it changes between integers and floats by itself", nil)
  }

  /// Whether a node and its pairs are taken or refused together.
  private func isGroup(_ node: NodeID) -> Bool {
    groupings[node]?.isOneOperation == true && view.site(node) == nil
      || refusals[node]?.rule.name == "gemm-result"
  }

  private func made(
    _ node: NodeID, _ place: NodePlace.Place, _ rule: String, _ reason: String, _ change: String?
  ) -> NodePlace {
    NodePlace(
      node: model.label(of: node), operatorName: HTPRules.operatorName(node, model), place: place, rule: rule,
      reason: reason, change: change)
  }
}
