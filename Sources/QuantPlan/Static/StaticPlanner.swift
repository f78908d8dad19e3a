public import ONNXGraph
import Tensors

/// Makes a static plan from a prepared model, a policy and observed ranges; changes nothing.
///
/// Requires: all values described with type and fixed shape, floats in float32 (`whisperq prepare` makes that form).
/// Source of the rules: docs/npu.md.
public struct StaticPlanner {
  let model: ModelGraph
  let policy: StaticPolicy
  let ranges: (String, IntegerType) -> ClosedRange<Float>?
  let kinds: [NodeID: NodeKind]
  let floats: Set<ValueID>
  var groups = ValueGroups()
  /// The type of a group of moved values; values outside of groups have their producer's.
  var groupTypes: [ValueID: IntegerType] = [:]
  var groupRanges: [ValueID: ClosedRange<Float>] = [:]
  var moved: Set<ValueID> = []
  /// Excluded nodes that run in integers all the same.
  var enclosed: Set<NodeID> = []
  var plan: StaticPlan

  /// Decides for every value, operand and constant.
  ///
  /// `ranges` gives what was observed of a value, by name and the type that it will have.
  public static func plan(
    _ model: ModelGraph, policy: StaticPolicy, ranges: @escaping (String, IntegerType) -> ClosedRange<Float>?
  ) throws(StaticPlanError) -> StaticPlan {
    let start = StaticPlanner(model, policy, ranges)
    var enclosed: Set<NodeID> = []
    while true {
      var planner = start
      planner.enclosed = enclosed
      planner.formGroups()
      planner.chooseGroupTypes()
      planner.measureGroups()
      try planner.planActivations()
      try planner.planOperands()
      let more = planner.newlyEnclosed
      if more.isEmpty { return planner.plan }
      enclosed.formUnion(more)
    }
  }

  /// The names of the values whose ranges a plan of this model needs.
  public static func observedValues(_ model: ModelGraph, policy: StaticPolicy) -> [String] {
    let planner = StaticPlanner(model, policy) { _, _ in nil }
    return planner.activations.filter { planner.fixedRange($0) == nil }.map { model[$0].name }
  }

  /// Patterns of the policy that match no node of the model.
  public static func idlePatterns(_ model: ModelGraph, policy: StaticPolicy) -> [String] {
    policy.exclude.filter { pattern in !model.allNodes.contains { matches(pattern, $0, in: model) } }
  }

  /// Whether a pattern means a node, by its name, its operator or a constant that it takes.
  static func matches(_ pattern: String, _ node: NodeID, in model: ModelGraph) -> Bool {
    let weights = model[node].inputs.compactMap { $0 }.filter { model.constantContent(of: $0) != nil }
    return Pattern(pattern).matches(
      weights: weights.map { model[$0].name }, nodes: [model.label(of: node)],
      operators: [model[node].opType])
  }

  init(
    _ model: ModelGraph, _ policy: StaticPolicy,
    _ ranges: @escaping (String, IntegerType) -> ClosedRange<Float>?
  ) {
    self.model = model
    self.policy = policy
    self.ranges = ranges
    let types = ElementTypeInference(model)
    func isFloat(_ value: ValueID) -> Bool {
      [.float32, .float16, .bfloat16, .float64].contains(types[value])
    }
    var kinds: [NodeID: NodeKind] = [:]
    var floats: Set<ValueID> = []
    for node in model.allNodes {
      kinds[node] = NodeKind(node, in: model, target: policy.target, isFloat: isFloat)
      for case let value? in model[node].inputs + model[node].outputs where isFloat(value) {
        floats.insert(value)
      }
    }
    self.kinds = kinds
    self.floats = floats
    plan = StaticPlan(scheme: policy.scheme, target: policy.target.name)
  }

  // MARK: Questions

  func name(_ value: ValueID) -> String { model[value].name }
  func isConstant(_ value: ValueID) -> Bool { model.constantContent(of: value) != nil }

  /// Float values that are no constants, inputs first, then in the order of the nodes.
  var activations: [ValueID] {
    let inputs = model[model.root].inputs.filter { floats.contains($0) && !isConstant($0) }
    let computed = model[model.root].nodes.flatMap { model[$0].outputs.compactMap { $0 } }
    return inputs + computed.filter { floats.contains($0) && !isConstant($0) }
  }

  /// Why a node stays in floating point; nil when it runs in integers.
  func floatReason(_ node: NodeID) -> String? {
    if kinds[node] == .foreign {
      return "\(policy.target.title) has no integer form of \(model[node].opType)"
    }
    if policy.floatNodes.contains(model.label(of: node)) { return "in floating point by the plan" }
    if !enclosed.contains(node), let pattern = excludingPattern(node) { return "excluded by '\(pattern)'" }
    return nil
  }

  /// The type of a linear layer's activations, in and out, with the reason.
  func linearType(_ node: NodeID) -> (type: IntegerType, reason: String) {
    guard policy.scheme == .w8a8 else { return (.u16, "16-bit activations") }
    if let reason = policy.wideLinears[model.label(of: node)] { return (.u16, reason) }
    if let output = model[node].outputs.first ?? nil, model[output].graphOutputCount > 0 {
      return (.u16, "an output of the model keeps 16 bits")
    }
    return (.u8, "a linear layer tolerates 8 bits")
  }

  /// The type that a node's operand must have; nil when it is a movement's, which takes any.
  func wantedType(_ node: NodeID, _ input: Int) -> IntegerType? {
    switch kinds[node] {
    case .linear: return linearType(node).type
    case .product: return input == 0 ? .u16 : policy.keysAndValues.integerType
    case .movement, .integer, .foreign, nil: return nil
    default: return isNarrowFunction(node) ? .u8 : .u16
    }
  }

  /// Whether Gelu stays in 8 bits between two layers that have them.
  func isNarrowFunction(_ node: NodeID) -> Bool {
    guard policy.areFunctionsNarrow, kinds[node] == .elementwise, model[node].opType == "Gelu",
      let producer = model[node].inputs.first.flatMap({ $0 }).flatMap({ model[$0].producer }),
      kinds[producer] == .linear, linearType(producer).type == .u8,
      let output = model[node].outputs.first ?? nil, model[output].graphOutputCount == 0
    else { return false }
    return model[output].uses.allSatisfy { kinds[$0.node] == .linear && linearType($0.node).type == .u8 }
  }

  /// The type in which a value is given.
  func givenType(_ value: ValueID) -> IntegerType {
    if moved.contains(value) { return groupTypes[groups.representative(value)] ?? .u16 }
    guard let producer = model[value].producer else {
      // A caller's input is quantized as its movement wants it, or its only users.
      return groupTypes[groups.representative(value)] ?? directType(value)
    }
    if kinds[producer] == .linear { return linearType(producer).type }
    return isNarrowFunction(producer) ? .u8 : .u16
  }

  /// The type that all computing users of a value want, when they agree.
  private func directType(_ value: ValueID) -> IntegerType {
    let wanted = Set(model[value].uses.compactMap { wantedType($0.node, $0.inputIndex) })
    return wanted.count == 1 ? wanted.first ?? .u16 : .u16
  }

  /// Ranges that no run has to tell.
  func fixedRange(_ value: ValueID) -> ClosedRange<Float>? {
    guard let producer = model[value].producer else { return nil }
    switch kinds[producer] {
    case .softmax: return 0...1
    case .lookup:
      guard let table = model[producer].inputs.first ?? nil else { return nil }
      return model.constantContent(of: table).flatMap(ConstantRange.of)
    default: return nil
    }
  }

  // MARK: Groups

  private mutating func formGroups() {
    for node in model[model.root].nodes {
      guard case .movement(let operands)? = kinds[node], floatReason(node) == nil,
        let first = model[node].outputs.compactMap({ $0 }).first, floats.contains(first)
      else { continue }
      for case let output? in model[node].outputs {
        groups.join(first, output)
        moved.insert(output)
      }
      for index in operands {
        guard let operand = model[node].inputs[index], floats.contains(operand), !isConstant(operand) else {
          continue
        }
        groups.join(first, operand)
      }
    }
  }

  /// A group of moved values has the type that its computing users want, when they agree.
  private mutating func chooseGroupTypes() {
    var wanted: [ValueID: Set<IntegerType>] = [:]
    var sources: [ValueID: IntegerType] = [:]
    for value in activations {
      let group = groups.representative(value)
      if moved.contains(value) {
        for use in model[value].uses {
          if let type = wantedType(use.node, use.inputIndex) { wanted[group, default: []].insert(type) }
        }
      } else if let producer = model[value].producer, sources[group] == nil {
        sources[group] = kinds[producer] == .linear ? linearType(producer).type : .u16
      }
    }
    for group in Set(moved.map { groups.representative($0) }) {
      let types = wanted[group] ?? []
      groupTypes[group] = types.count == 1 ? types.first : types.isEmpty ? sources[group] ?? .u16 : .u16
    }
  }

  /// A group holds what any of its values held, constants that join it included.
  private mutating func measureGroups() {
    for value in activations {
      if let range = fixedRange(value) ?? ranges(name(value), givenType(value)) { widen(value, range) }
    }
    for node in model[model.root].nodes {
      guard case .movement(let operands)? = kinds[node],
        let output = model[node].outputs.compactMap({ $0 }).first
      else { continue }
      for index in operands {
        guard let operand = model[node].inputs[index], floats.contains(operand),
          let range = model.constantContent(of: operand).flatMap(ConstantRange.of)
        else { continue }
        widen(output, range)
      }
    }
  }

  private mutating func widen(_ value: ValueID, _ range: ClosedRange<Float>) {
    let group = groups.representative(value)
    let known = groupRanges[group] ?? range
    groupRanges[group] = min(known.lowerBound, range.lowerBound)...max(known.upperBound, range.upperBound)
  }

  /// The range of a value: its group's when it has the group's type, else its own.
  func range(_ value: ValueID) throws(StaticPlanError) -> ClosedRange<Float> {
    guard let range = groupRanges[groups.representative(value)] else {
      throw StaticPlanError(
        "no range of the tensor '\(name(value))' is known; calibrate the model (--calibration FOLDER), or make "
          + "ranges.json again, which belongs to another form of the model")
    }
    return range
  }

  // MARK: Activations

  private mutating func planActivations() throws(StaticPlanError) {
    for value in activations {
      let producer = model[value].producer
      if let producer, floatReason(producer) != nil { continue }
      // An input that only float nodes take stays as it is.
      if producer == nil, model[value].uses.allSatisfy({ floatReason($0.node) != nil }) { continue }
      let type = givenType(value)
      let range = try range(value)
      plan.activations.append(
        ActivationEntry(
          tensor: name(value), producer: producer.map { model[$0].opType } ?? "", type: type,
          parameters: ScaleAndZeroPoint(holding: range, as: type), minimum: range.lowerBound,
          maximum: range.upperBound, reason: reason(value, type)))
    }
  }

  private func reason(_ value: ValueID, _ type: IntegerType) -> String {
    guard let producer = model[value].producer else {
      return moved.isEmpty || groups.representative(value) == value && !moved.contains(value)
        ? "an input of the model" : "an input of the model, in the type of what it is joined with"
    }
    if enclosed.contains(producer), let pattern = excludingPattern(producer) {
      return
        "'\(pattern)' cannot keep \(model[producer].opType) in floating point between quantized neighbours"
    }
    switch kinds[producer] {
    case .movement: return "its elements are only moved, so the scale is that of the source"
    case .softmax: return "probabilities: the range is 0...1, and 8 bits would round most of 1,500 to zero"
    case .lookup: return "rows of the table keep the table's scale"
    case .linear: return linearType(producer).reason
    case .normalization: return "LayerNormalization needs 16 bits on trained weights"
    default: return type == .u16 ? "16-bit activations" : "its users take \(type.rawValue)"
    }
  }
}
