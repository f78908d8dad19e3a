import ONNXGraph
import Tensors

extension StaticPlanner {
  /// Decides for every operand of every node: another type, a constant's integers, or that the node stays float.
  mutating func planOperands() throws(StaticPlanError) {
    for node in model[model.root].nodes {
      guard let kind = kinds[node], kind != .integer else { continue }
      if let reason = floatReason(node) {
        plan.floatNodes.append(
          FloatNodeEntry(node: model.label(of: node), operatorName: model[node].opType, reason: reason))
        continue
      }
      for (index, input) in model[node].inputs.enumerated() {
        guard let input, floats.contains(input) else { continue }
        if isConstant(input) {
          try planConstant(input, node, index, kind)
        } else {
          try planConversion(input, node, index, kind)
        }
      }
    }
  }

  private mutating func planConversion(
    _ value: ValueID, _ node: NodeID, _ index: Int, _ kind: NodeKind
  ) throws(StaticPlanError) {
    let wanted: IntegerType
    if case .movement = kind {
      guard let output = model[node].outputs.compactMap({ $0 }).first else { return }
      wanted = givenType(output)
    } else {
      wanted = wantedType(node, index) ?? .u16
    }
    let isFloat = model[value].producer.map { floatReason($0) != nil } ?? false
    if givenType(value) == wanted && !isFloat { return }
    let reason: String
    if isFloat {
      reason = "the node before stays in floating point"
    } else if case .movement = kind {
      reason = "converted before it is moved: its users take \(wanted.rawValue)"
    } else if kind == .product {
      reason = "the second operand of a product of activations is \(wanted.rawValue)"
    } else {
      reason = "\(model[node].opType) takes \(wanted.rawValue) here"
    }
    plan.conversions.append(
      ConversionEntry(
        node: model.label(of: node), input: index, tensor: name(value), type: wanted,
        parameters: ScaleAndZeroPoint(holding: try range(value), as: wanted), reason: reason))
  }

  // MARK: Constants

  private mutating func planConstant(
    _ value: ValueID, _ node: NodeID, _ index: Int, _ kind: NodeKind
  ) throws(StaticPlanError) {
    guard let content = model.constantContent(of: value) else { return }
    guard content.elementType == .float32 else {
      throw StaticPlanError(
        "tensor '\(name(value))' is \(content.elementType.name), expected float; prepare the model first")
    }
    func entry(
      _ role: ConstantRole, _ type: IntegerType, _ granularity: Granularity, axis: Int? = nil,
      _ reason: String
    ) -> StaticWeightEntry {
      StaticWeightEntry(
        weight: name(value), role: role, node: model.label(of: node), input: index,
        shape: content.shape.dimensions,
        type: type, granularity: granularity, axis: axis, blockSize: nil, range: .maximum, rounding: .nearest,
        parameters: nil, reason: reason)
    }
    switch (kind, index) {
    case (.linear, 1): plan.weights.append(linearWeight(entry, node, content))
    case (.linear, 2), (.convolution, 2), (.normalization, 2):
      var bias = entry(.bias, .s32, .channel, axis: 0, "bias at the product of the operands' scales")
      if kind == .linear, policy.correctsBias { bias.rounding = .errorAware }
      plan.weights.append(bias)
    case (.convolution, 1):
      // A kernel of one element is a linear layer in another spelling.
      let isWide = policy.isStemWide && content.shape.dimensions.dropFirst(2).contains { $0 > 1 }
      var weight = entry(
        .convolution, isWide ? .s16 : .s8, .channel, axis: 0,
        isWide ? "few weights that all the rest hangs on: 16 bits" : "one scale per output channel")
      weight.range = isWide ? .maximum : policy.weightRange
      plan.weights.append(weight)
    case (.normalization, 1):
      plan.weights.append(entry(.gamma, .s16, .tensor, "8 bits cap LayerNormalization at 55 dB, 16 give 82"))
    default: plan.weights.append(try operand(entry, value, node, index, kind, content))
    }
  }

  private func linearWeight(
    _ entry: (ConstantRole, IntegerType, Granularity, Int?, String) -> StaticWeightEntry, _ node: NodeID,
    _ content: TensorContent
  ) -> StaticWeightEntry {
    let isTransposed = model.integer("transB", of: node) == 1
    let rank = content.shape.rank
    let channelAxis = isTransposed ? rank - 2 : rank - 1
    let bits = policy.scheme == .w4a16 ? 4 : 8
    var weight = entry(
      .linear, bits == 4 ? .s4 : .s8, .channel, channelAxis, "one scale per output channel")
    weight.range = policy.weightRange
    weight.rounding = policy.rounding
    let reductionAxis = isTransposed ? rank - 1 : rank - 2
    if bits == 4, let size = policy.blockSize, content.shape.dimensions[reductionAxis] % size == 0 {
      weight.granularity = .block
      weight.axis = reductionAxis
      weight.blockSize = size
      weight.reason = "one scale per \(size) weights of an output channel"
    }
    if rank > 2 {
      weight.granularity = .tensor
      weight.axis = nil
      weight.blockSize = nil
      weight.reason = "constants of rank \(rank) take one scale only"
    }
    return weight
  }

  private func operand(
    _ entry: (ConstantRole, IntegerType, Granularity, Int?, String) -> StaticWeightEntry, _ value: ValueID,
    _ node: NodeID, _ index: Int, _ kind: NodeKind, _ content: TensorContent
  ) throws(StaticPlanError) -> StaticWeightEntry {
    guard let own = ConstantRange.of(content) else {
      throw StaticPlanError(
        "tensor '\(name(value))' of \(model.label(of: node)) holds NaN or infinity, which no scale can hold; "
          + "masks are clamped by 'whisperq prepare'")
    }
    var weight: StaticWeightEntry
    var range = own
    switch kind {
    case .lookup: weight = entry(.table, .u16, .tensor, nil, "gathered rows keep the table's 16 bits")
    case .movement:
      guard let output = model[node].outputs.compactMap({ $0 }).first else {
        throw StaticPlanError("node '\(model.label(of: node))' has no output")
      }
      weight = entry(.operand, givenType(output), .tensor, nil, "it is joined with what has this scale")
      range = try self.range(output)
    default:
      weight = entry(
        .operand, wantedType(node, index) ?? .u16, .tensor, nil, "an operand of \(model[node].opType)")
    }
    weight.parameters = ScaleAndZeroPoint(holding: range, as: weight.type)
    return weight
  }
}
