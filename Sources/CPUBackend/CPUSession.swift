import Kernels
public import ModelBackend
import ONNXFile
public import ONNXGraph
public import Tensors

/// The embedded engine: it runs models on the processor, needs no set-up, and shows every inner tensor.
public enum CPUBackend {
  /// The name in reports.
  public static let providerName = "EmbeddedCPU"

  /// How a session runs.
  public struct Options: Sendable {
    /// Threads that work, the caller's among them; nil is one per processor.
    public var threadCount: Int?
    /// Bytes that the tensors of a run may take together, weights not counted.
    public var memoryLimit = 16 << 30

    public init(threadCount: Int? = nil) { self.threadCount = threadCount }
  }

  /// Opens a lifted model; weights stay where they are.
  ///
  /// Operators that the engine does not have are named in the error, all at once.
  public static func session(
    _ model: ModelGraph, options: Options = Options()
  ) throws(BackendError) -> CPUSession {
    try CPUSession(model, options)
  }

  /// The operators that the engine has, for documentation and tests.
  public static var operators: [OperatorClaim] {
    OperatorTable.entries.map { OperatorClaim(domain: $0.domain, name: $0.name, versions: $0.versions) }
  }
}

/// An operator that the engine has.
public struct OperatorClaim: Hashable, Sendable {
  /// "" is `ai.onnx`.
  public let domain: String
  public let name: String
  /// Versions of the domain's operator set.
  public let versions: ClosedRange<Int>
}

/// How long a node took.
public struct NodeTiming: Sendable {
  /// The operator, with its domain unless that is `ai.onnx`; fused nodes have the last one's.
  public let operatorName: String
  public let node: String
  public let duration: Duration
}

/// A model that the embedded engine has opened.
public final class CPUSession: InspectableSession {
  public let inputs: [TensorSignature]
  public let outputs: [TensorSignature]
  public let placement: Placement
  public let innerValues: [String]

  /// Called after each node of a run, when set.
  public var timing: ((NodeTiming) -> Void)?

  private let program: Program
  private let context: RunContext
  private var schedules: [ScheduleKey: Schedule] = [:]
  /// Values that are the same in every run, by slot: the file's constants and what was folded from them.
  private var constants: [RunValue?]
  private var foldedByteCount = 0
  /// Constants that no feed can override.
  private let fixedConstants: [Int: RunTensor]

  /// Bytes of folded constants that are kept.
  private static let foldedByteLimit = 256 << 20

  init(_ model: ModelGraph, _ options: CPUBackend.Options) throws(BackendError) {
    var model = model
    if !model.message.functions.isEmpty {
      let inlined = try FunctionInlining.inline(model.lower())
      do {
        model = try ModelGraph.lift(inlined, external: ExternalDataFiles(modelPath: model.path))
      } catch {
        throw BackendError(.badModel, error.message)
      }
    }
    program = try ProgramBuilder.build(model)
    inputs = model[model.root].inputs.map { Self.signature($0, model) }
    outputs = model[model.root].outputs.map { Self.signature($0, model) }
    placement = Placement(
      shares: [
        Placement.Share(
          provider: CPUBackend.providerName, nodeCount: program.nodeCount, operators: program.operatorCounts)
      ], leftovers: [])
    let steps = program.graphs.flatMap(\.steps)
    innerValues = steps.flatMap { $0.outputs.compactMap { $0 } }.map { [program] in program.names[$0] }
    context = RunContext(
      pool: BufferPool(byteLimit: max(options.memoryLimit, 1 << 20)),
      threads: max(1, options.threadCount ?? WorkSharing.processorCount))
    constants = [RunValue?](repeating: nil, count: program.names.count)
    let overridable = Set(program.graphs[0].inputs)
    var fixed: [Int: RunTensor] = [:]
    for (slot, value) in program.constants {
      let tensor = Self.aligned(value)
      constants[slot] = .tensor(tensor)
      if !overridable.contains(slot) { fixed[slot] = tensor }
    }
    fixedConstants = fixed
  }

  /// Small constants move to aligned memory; large ones stay in their file.
  private static func aligned(_ tensor: RunTensor) -> RunTensor {
    if tensor.isAligned || tensor.bytes.count > 1 << 18 { return tensor }
    let bytes = TensorBuffer(byteCount: tensor.bytes.count) { out in
      copyBytes(tensor.bytes, from: 0, to: &out, at: 0, count: out.count)
    }
    return RunTensor(elementType: tensor.elementType, shape: tensor.shape, buffer: bytes)
  }

  private static func signature(_ value: ValueID, _ model: ModelGraph) -> TensorSignature {
    let dimensions = model.declaredShape(of: value)?.map { dimension -> Dimension in
      switch dimension {
      case .extent(let extent): .fixed(extent)
      case .symbol(let name): .symbol(name)
      case .unknown: .unknown
      }
    }
    return TensorSignature(
      name: model[value].name, elementType: model[value].declaredElementType, dimensions: dimensions)
  }

  /// Most bytes of run memory (weights not counted) that were in use at one time so far.
  public var peakRunByteCount: Int { context.pool.peakByteCount }

  public func run(
    _ feeds: [String: TensorContent], outputs: [String]
  ) throws(BackendError) -> [String: TensorContent] {
    try run(feeds, outputs: outputs, schedule(for: ScheduleKey(outputs: Set(outputs), showsAll: false)), nil)
  }

  public func run(
    _ feeds: [String: TensorContent], outputs: [String], observing observe: TensorObserver
  ) throws(BackendError) -> [String: TensorContent] {
    try withoutActuallyEscaping(observe) { (observe) throws(BackendError) in
      try run(
        feeds, outputs: outputs, schedule(for: ScheduleKey(outputs: Set(outputs), showsAll: true)), observe)
    }
  }

  private func schedule(for key: ScheduleKey) throws(BackendError) -> Schedule {
    if let known = schedules[key] { return known }
    let made = try Schedule(program, key, constants: fixedConstants)
    schedules[key] = made
    return made
  }

  private func run(
    _ feeds: [String: TensorContent], outputs: [String], _ schedule: Schedule, _ observe: TensorObserver?
  ) throws(BackendError) -> [String: TensorContent] {
    try FeedCheck.check(feeds, inputs, required: requiredInputs)
    var values = constants
    for (name, content) in feeds {
      guard let slot = program.slots[name] else { continue }
      values[slot] = .tensor(RunTensor(content))
      try observe?(name, content)
    }
    let execution = Execution(
      program: program, schedule: schedule, context: context, values: values, observe: observe,
      timing: timing, fold: { [self] slot, value in fold(slot, value) })
    try execution.run(graph: 0)
    var results: [String: TensorContent] = [:]
    for name in outputs {
      guard let slot = program.slots[name], let value = execution.values[slot] else {
        throw BackendError(.badFeed, "'\(name)' was asked for, but this run did not compute it")
      }
      guard let tensor = value.tensor else {
        throw BackendError(
          .unsupported, "the output '\(name)' is a sequence or optional, which has no tensor")
      }
      results[name] = tensor.content
    }
    return results
  }

  /// Runs and gives the outputs whatever their kind, for conformance tests.
  package func runValues(
    _ feeds: [String: [TensorContent]?], sequences: Set<String>, outputs: [String]
  ) throws(BackendError) -> [String: [TensorContent]?] {
    var values = constants
    for (name, items) in feeds {
      guard let slot = program.slots[name] else { continue }
      if let items {
        let tensors = items.map { RunTensor($0) }
        values[slot] = sequences.contains(name) ? .sequence(tensors) : tensors.first.map { .tensor($0) }
      } else {
        values[slot] = .nothing
      }
    }
    let schedule = try schedule(for: ScheduleKey(outputs: Set(outputs), showsAll: false))
    let execution = Execution(
      program: program, schedule: schedule, context: context, values: values, observe: nil,
      timing: nil, fold: { _, _ in })
    try execution.run(graph: 0)
    var results: [String: [TensorContent]?] = [:]
    for name in outputs {
      guard let slot = program.slots[name], let value = execution.values[slot] else { continue }
      switch value {
      case .tensor(let tensor): results[name] = .some([tensor.content])
      case .sequence(let items): results[name] = .some(items.map(\.content))
      case .nothing: results[name] = .some(nil)
      }
    }
    return results
  }

  /// Inputs without a default.
  private var requiredInputs: Set<String> {
    Set(zip(inputs, program.graphs[0].inputs).filter { constants[$1] == nil }.map { $0.0.name })
  }

  private func fold(_ slot: Int, _ value: RunValue) {
    guard case .tensor(let tensor) = value, constants[slot] == nil else { return }
    guard foldedByteCount + tensor.buffer.byteCount <= Self.foldedByteLimit else { return }
    foldedByteCount += tensor.buffer.byteCount
    constants[slot] = value
  }
}
