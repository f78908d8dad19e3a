import ONNXGraph
import QuantPlan
import Tensors

/// Refuses what no tensor can have. A plan may be edited by hand, so nothing in it is taken for granted.
extension GraphRewriter {
  /// Numbers of activations and conversions, and that nothing is planned twice.
  func requireSound(_ plan: StaticPlan) throws(QuantizeError) {
    struct Operand: Hashable {
      let node: String
      let input: Int
    }
    var tensors: Set<String> = []
    for entry in plan.activations {
      guard tensors.insert(entry.tensor).inserted else { throw twice(entry.tensor) }
      try requireNumbers(entry.parameters, entry.type, entry.tensor)
    }
    var conversions: Set<Operand> = []
    for entry in plan.conversions {
      guard conversions.insert(Operand(node: entry.node, input: entry.input)).inserted else {
        throw twice(entry.tensor)
      }
      try requireNumbers(entry.parameters, entry.type, entry.tensor)
    }
    var weights: Set<Operand> = []
    for entry in plan.weights {
      guard weights.insert(Operand(node: entry.node, input: entry.input)).inserted else {
        throw twice(entry.weight)
      }
      if let parameters = entry.parameters { try requireNumbers(parameters, entry.type, entry.weight) }
    }
    let integers = Set(plan.weights.map(\.node)).union(plan.conversions.map(\.node))
    for entry in plan.floatNodes where integers.contains(entry.node) {
      throw impossible(
        entry.node,
        "the plan has it among float_nodes and has entries for its weights or conversions, too; take those out"
      )
    }
  }

  private func twice(_ name: String) -> QuantizeError { impossible(name, "the plan treats it twice") }

  private func requireNumbers(
    _ parameters: ScaleAndZeroPoint, _ type: IntegerType, _ name: String
  ) throws(QuantizeError) {
    guard parameters.scale.isNormal, parameters.scale > 0 else {
      throw impossible(name, "its scale is \(parameters.scale), expected a normal number above 0")
    }
    guard type.isSymmetric ? parameters.zeroPoint == 0 : type.levels.contains(parameters.zeroPoint) else {
      let expected =
        type.isSymmetric ? "0" : "\(type.levels.lowerBound) to \(type.levels.upperBound)"
      throw impossible(
        name, "its zero point is \(parameters.zeroPoint), expected \(expected) for \(type.rawValue)")
    }
  }

  /// That a conversion's operand is the tensor that its entry names.
  func requireOperands(_ plan: StaticPlan, _ names: StaticNames) throws(QuantizeError) {
    for entry in plan.conversions {
      guard let node = names.nodes[entry.node] else { continue }
      let operand = model[node].inputs[entry.input].map { model[$0].name } ?? ""
      if operand == entry.tensor { continue }
      throw impossible(
        entry.tensor,
        "the plan converts it for operand \(entry.input) of '\(entry.node)', which is '\(operand)'; name that"
      )
    }
  }

  /// Shape, type, axis and blocks of one constant at one operand.
  func requireForm(_ entry: StaticWeightEntry, _ node: NodeID, _ value: ValueID) throws(QuantizeError) {
    guard let content = model.constantContent(of: value) else {
      throw impossible(entry.weight, "it is no constant")
    }
    let dimensions = content.shape.dimensions
    guard dimensions == entry.shape else {
      throw QuantizeError(
        .otherWeight(
          entry.weight, planned: "float \(entry.shape)", found: "\(content.elementType.name) \(dimensions)"),
        path: model.path)
    }
    if let size = entry.blockSize, entry.granularity != .block {
      throw impossible(
        entry.weight,
        "the plan gives it blocks of \(size) and the granularity '\(entry.granularity.rawValue)'; blocks go with 'block'"
      )
    }
    let types = Self.types(entry.role)
    guard types.contains(entry.type) else {
      let words = types.map(\.rawValue).joined(separator: ", ")
      throw impossible(
        entry.weight, "a constant for '\(entry.role.rawValue)' is \(words), not \(entry.type.rawValue)")
    }
    switch entry.role {
    case .operand, .table:
      if entry.parameters == nil {
        throw impossible(entry.weight, "the plan lacks its scale and zero point ('parameters')")
      }
      return
    case .linear, .convolution: try requireAxis(entry, node, dimensions.count)
    case .bias:
      guard dimensions.last == content.shape.elementCount else {
        throw impossible(entry.weight, "a bias has one number per output channel")
      }
    case .gamma: break
    }
    if entry.parameters != nil {
      throw impossible(entry.weight, "its scales follow from its elements, so 'parameters' must not be there")
    }
  }

  private static func types(_ role: ConstantRole) -> [IntegerType] {
    switch role {
    case .linear, .convolution: [.s4, .s8, .s16]
    case .bias: [.s32]
    case .gamma: [.s8, .s16]
    case .table, .operand: [.s8, .u8, .s16, .u16]
    }
  }

  /// Scales stand along the output channels; along the reduction axis HTP takes them and computes garbage.
  private func requireAxis(
    _ entry: StaticWeightEntry, _ node: NodeID, _ rank: Int
  ) throws(QuantizeError) {
    if entry.granularity == .tensor { return }
    let isRows = entry.role == .convolution || model.integer("transB", of: node) == 1
    let channelAxis = isRows ? 0 : rank - 1
    guard entry.granularity == .block else {
      guard entry.axis == channelAxis else {
        throw impossible(
          entry.weight,
          "its scales stand along axis \(word(entry.axis)), expected \(channelAxis), its output channels")
      }
      guard entry.type != .s16 || channelAxis == 0 else {
        throw impossible(entry.weight, "16-bit weights have one scale, or one per row (axis 0)")
      }
      return
    }
    guard rank == 2, entry.type != .s16, entry.role == .linear, entry.axis == 1 - channelAxis,
      let size = entry.blockSize, size > 1
    else {
      throw impossible(
        entry.weight,
        "blocks of \(word(entry.blockSize)) along axis \(word(entry.axis)) are impossible; linear layers take "
          + "blocks of 2 or more along the axis of their inputs")
    }
  }

  private func word(_ number: Int?) -> String { number.map(String.init) ?? "none" }
}
