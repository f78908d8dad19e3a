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
  /// Bytes of the constants made so far for the weight in work.
  var storedByteCount = 0
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

  /// The opset that DynamicQuantizeLinear and negative axes came with.
  static let dynamicOpset: Int64 = 11
  /// The opset with per-axis DequantizeLinear.
  static let perAxisOpset: Int64 = 13
  /// The opset with int4 tensors and blocked DequantizeLinear.
  static let blockedOpset: Int64 = 21

  init(_ model: ModelGraph) { self.model = model }

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
    let work = try resolve(plan)
    try raiseOpset(for: work, isDynamic: plan.scheme == .dynamicInt8)
    for item in work {
      rewrite(item.weight, twin: item.twin, item.treatment, isDynamic: plan.scheme == .dynamicInt8)
    }
    for value in casts where model[value].uses.isEmpty && model[value].graphOutputCount == 0 {
      if let cast = model[value].producer { model.replace(cast, with: []) }
    }
    model.removeIdleConstants(replaced)
    if !jobs.isEmpty { model.raiseIRVersion(to: 4) }
  }

  private mutating func raiseOpset(for work: [PlannedWeight], isDynamic: Bool) throws(QuantizeError) {
    var needed: Int64 = 0
    for item in work {
      let treatment = item.treatment
      switch treatment.form {
      case .dynamicMatMul, .dynamicConvolution: needed = max(needed, Self.dynamicOpset)
      case .dequantize:
        let isNew = treatment.bits == 4 || treatment.granularity == .block
        needed = max(needed, isNew ? Self.blockedOpset : Self.perAxisOpset)
      case .gatherRows: needed = max(needed, isDynamic ? Self.dynamicOpset : Self.perAxisOpset)
      case .matMulNBits:
        // Gathered blocks are unsqueezed at a negative axis.
        let isGathered = item.weight.uses.contains { if case .gather = $0 { true } else { false } }
        if isGathered { needed = max(needed, Self.dynamicOpset) }
      case .half: break
      }
    }
    do throws(GraphError) {
      try model.raiseOpset(to: needed)
    } catch {
      throw QuantizeError(.opset(error.message), path: model.path)
    }
  }

  private mutating func rewrite(_ weight: Weight, twin: Weight?, _ treatment: Treatment, isDynamic: Bool) {
    storedByteCount = 0
    for old in [weight, twin].compactMap({ $0 }) {
      replaced.insert(old.value)
      if old.seenValue != old.value { casts.insert(old.seenValue) }
    }
    switch treatment.form {
    case .dynamicMatMul, .dynamicConvolution: rewriteDynamic(weight, treatment)
    case .matMulNBits: rewriteMatMulNBits(weight, twin: twin, treatment)
    case .dequantize: rewriteDequantize(weight, treatment)
    case .gatherRows: rewriteGatherRows(weight, twin: twin, treatment, isDynamic: isDynamic)
    case .half: break
    }
  }

  // MARK: Promised constants

  mutating func promise(_ byteCount: Int) -> TensorBytes {
    payloadCount += 1
    return .promised(PayloadID(payloadCount), byteCount: byteCount)
  }

  /// A constant whose bytes a job will make.
  mutating func promisedConstant(
    _ name: String, _ type: ElementType, _ shape: [Int], in graph: GraphID
  )
    -> (value: ValueID, payload: PayloadID)
  {
    guard let shape = Shape(shape), let byteCount = type.byteCount(elementCount: shape.elementCount) else {
      preconditionFailure("the shape of a weight that exists")
    }
    storedByteCount += byteCount
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
    storedByteCount += byteCount
    let bytes = TensorBytes.owned([UInt8](repeating: 0, count: byteCount))
    return model.makeInitializer(
      name, TensorContent(elementType: type, shape: shape, bytes: bytes), in: graph)
  }

  // MARK: Small things that all forms need

  /// Puts nodes where `value` is first known in a graph: behind its producer, or at the beginning.
  mutating func insert(_ drafts: [NodeDraft], behind value: ValueID, in graph: GraphID) {
    for draft in drafts.reversed() {
      if let producer = model[value].producer, model[producer].graph == graph {
        model.insertAfter(producer, draft)
      } else {
        model.prepend(draft, to: graph)
      }
    }
  }

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
