import ONNXFile
public import ONNXGraph
public import QuantPlan
import Tensors

/// A model whose graph is rewritten and whose integers are still to be made.
public struct RewrittenModel: Sendable {
  public let graph: ModelGraph
  /// The arithmetic that fills the promised payloads.
  public let jobs: [WeightJob]
  /// What the user should know beside the plan.
  public let findings: [String]
}

/// Executes a plan on a graph: new constants, new nodes, old ones gone. Touches no weight.
public struct GraphRewriter {
  var model: ModelGraph
  var jobs: [WeightJob] = []
  var findings: [String] = []
  /// Quantized activations by (graph, value), shared by all nodes that take the same one.
  var quantizedActivations: [ActivationKey: QuantizedActivation] = [:]
  /// Constants that may be idle afterwards.
  var replaced: Set<ValueID> = []
  /// Results of casts behind replaced constants.
  var casts: Set<ValueID> = []
  private var payloadCount = 0

  struct ActivationKey: Hashable {
    let graph: GraphID
    let value: ValueID
  }

  /// Results of DynamicQuantizeLinear.
  struct QuantizedActivation {
    let values: ValueID
    let scale: ValueID
    let zeroPoint: ValueID
  }

  /// The opset that DynamicQuantizeLinear came with.
  static let dynamicOpset: Int64 = 11
  /// The opset with per-axis DequantizeLinear.
  static let perAxisOpset: Int64 = 13
  /// The opset with int4 tensors and blocked DequantizeLinear.
  static let blockedOpset: Int64 = 21

  private init(_ model: ModelGraph) { self.model = model }

  /// Rewrites a model by a plan.
  public static func rewrite(_ model: ModelGraph, plan: QuantPlan) throws(QuantizeError) -> RewrittenModel {
    var rewriter = GraphRewriter(model)
    if plan.scheme == .fp16 {
      try rewriter.convertToHalf(plan)
    } else {
      try rewriter.apply(plan)
    }
    return RewrittenModel(graph: rewriter.model, jobs: rewriter.jobs, findings: rewriter.findings)
  }

  private mutating func apply(_ plan: QuantPlan) throws(QuantizeError) {
    let catalog = WeightCatalog.weights(of: model)
    var byName: [String: [Weight]] = [:]
    for weight in catalog { byName[weight.name, default: []].append(weight) }
    func find(_ name: String, _ graph: String) throws(QuantizeError) -> Weight {
      guard let weight = byName[name]?.first(where: { $0.graphLabel == graph }) else {
        throw QuantizeError(.unknownWeight(name, graph: graph), path: model.path)
      }
      return weight
    }
    var work: [(entry: PlanEntry, treatment: Treatment, weight: Weight, twin: Weight?)] = []
    for entry in plan.entries {
      guard let treatment = entry.treatment else { continue }
      let weight = try find(entry.weight, entry.graph)
      try check(entry, treatment, weight)
      var twin: Weight?
      if let name = entry.twin { twin = try find(name, entry.graph) }
      work.append((entry, treatment, weight, twin))
    }
    try raiseOpset(for: work.map(\.treatment), isDynamic: plan.scheme == .dynamicInt8)
    for item in work {
      try rewrite(item.weight, twin: item.twin, item.treatment, isDynamic: plan.scheme == .dynamicInt8)
    }
    for value in casts where model[value].uses.isEmpty && model[value].graphOutputCount == 0 {
      if let cast = model[value].producer { model.replace(cast, with: []) }
    }
    model.removeIdleConstants(replaced)
    if !jobs.isEmpty, (model.message.irVersion ?? 0) < 4 { model.message.irVersion = 4 }
  }

  private func check(_ entry: PlanEntry, _ treatment: Treatment, _ weight: Weight) throws(QuantizeError) {
    let found = weight.content.shape.dimensions
    if found != entry.shape || weight.content.elementType.name != entry.elementType {
      throw QuantizeError(
        .otherWeight(
          entry.weight, planned: "\(entry.elementType) \(entry.shape)",
          found: "\(weight.content.elementType.name) \(found)"), path: model.path)
    }
    func impossible(_ why: String) -> QuantizeError {
      QuantizeError(.impossible(weight: entry.weight, why: why), path: model.path)
    }
    for case .other(_, let why) in weight.uses { throw impossible(why) }
    if weight.uses.isEmpty { throw impossible("no node takes it") }
    guard treatment.form == .half || [4, 8].contains(treatment.bits) else {
      throw impossible("\(treatment.bits) bits are not possible, 4 and 8 are")
    }
    if treatment.granularity == .block {
      guard let size = treatment.blockSize, QuantPolicy.isBlockSize(size) else {
        throw impossible("block granularity needs a block_size of 16, 32, 64, 128 or 256")
      }
    } else if !treatment.symmetric {
      throw impossible("zero points are for block granularity only")
    }
    let isDynamic = treatment.form == .dynamicMatMul || treatment.form == .dynamicConvolution
    if isDynamic, treatment.bits != 8 || treatment.granularity == .block {
      throw impossible("run-time activations need 8 bits per channel or tensor")
    }
    if treatment.form == .matMulNBits, treatment.granularity != .block {
      throw impossible("MatMulNBits needs block granularity")
    }
  }

  private mutating func raiseOpset(for treatments: [Treatment], isDynamic: Bool) throws(QuantizeError) {
    var needed: Int64 = 0
    for treatment in treatments {
      switch treatment.form {
      case .dynamicMatMul, .dynamicConvolution: needed = max(needed, Self.dynamicOpset)
      case .dequantize:
        let isNew = treatment.bits == 4 || treatment.granularity == .block
        needed = max(needed, isNew ? Self.blockedOpset : Self.perAxisOpset)
      case .gatherRows: needed = max(needed, isDynamic ? Self.dynamicOpset : Self.perAxisOpset)
      case .matMulNBits, .half: break
      }
    }
    do throws(GraphError) {
      try model.raiseOpset(to: needed)
    } catch {
      throw QuantizeError(.opset(error.message), path: model.path)
    }
  }

  private mutating func rewrite(_ weight: Weight, twin: Weight?, _ treatment: Treatment, isDynamic: Bool)
    throws(QuantizeError)
  {
    for old in [weight, twin].compactMap({ $0 }) {
      replaced.insert(old.value)
      if old.seenValue != old.value { casts.insert(old.seenValue) }
    }
    switch treatment.form {
    case .dynamicMatMul, .dynamicConvolution: rewriteDynamic(weight, treatment)
    case .matMulNBits: rewriteMatMulNBits(weight, twin: twin, treatment)
    case .dequantize: rewriteDequantize(weight, treatment)
    case .gatherRows: rewriteGatherRows(weight, twin: twin, treatment, isDynamic: isDynamic)
    case .half:
      throw QuantizeError(
        .impossible(weight: weight.name, why: "binary16 is for whole models, use --scheme fp16"),
        path: model.path)
    }
  }

  // MARK: Promised constants

  mutating func promise(_ byteCount: Int) -> TensorBytes {
    payloadCount += 1
    return .promised(PayloadID(payloadCount), byteCount: byteCount)
  }

  /// A constant whose bytes a job will make.
  mutating func promisedConstant(_ name: String, _ type: ElementType, _ shape: [Int], in graph: GraphID)
    -> (value: ValueID, payload: PayloadID)
  {
    guard let shape = Shape(shape), let byteCount = type.byteCount(elementCount: shape.elementCount) else {
      preconditionFailure("the shape of a weight that exists")
    }
    let bytes = promise(byteCount)
    guard case .promised(let payload, _) = bytes else { preconditionFailure("just promised") }
    let content = TensorContent(elementType: type, shape: shape, bytes: bytes)
    return (model.makeInitializer(name, content, in: graph), payload)
  }

  /// A constant of zeros, for zero points.
  mutating func zeros(_ name: String, _ type: ElementType, _ shape: [Int], in graph: GraphID) -> ValueID {
    guard let shape = Shape(shape), let byteCount = type.byteCount(elementCount: shape.elementCount) else {
      preconditionFailure("the shape of a weight that exists")
    }
    let bytes = TensorBytes.owned([UInt8](repeating: 0, count: byteCount))
    return model.makeInitializer(
      name, TensorContent(elementType: type, shape: shape, bytes: bytes), in: graph)
  }

  // MARK: Small things that all forms need

  /// A cast node's result; `to` is an element type.
  mutating func cast(_ value: ValueID, to type: ElementType, before node: NodeID) -> ValueID {
    let result = model.makeValue("\(model[value].name)_\(type.name)", in: model[node].graph)
    model.insert(
      NodeDraft(
        "Cast", name: "\(model[value].name)_to_\(type.name)", inputs: [value], outputs: [result],
        attributes: [.int("to", Int64(type.rawValue))]), before: node)
    return result
  }

  /// The value as float32, through a cast when the weight it meets is narrower.
  mutating func asFloat(_ value: ValueID, like type: ElementType, before node: NodeID) -> ValueID {
    type == .float32 ? value : cast(value, to: .float32, before: node)
  }

  func name(of node: NodeID) -> String { model.label(of: node) }
}
