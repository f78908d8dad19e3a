import Kernels
public import ModelBackend
public import ONNXFile
public import ONNXGraph
public import Tensors

/// Computes single nodes with the embedded engine, for passes that fold constants.
public struct EngineEvaluator: ConstantEvaluator {
  private let threadCount: Int

  /// `threadCount` nil is one per processor.
  public init(threadCount: Int? = nil) {
    self.threadCount = max(1, threadCount ?? WorkSharing.processorCount)
  }

  public func evaluate(_ node: ConstantNode) throws(PassError) -> [TensorContent]? {
    guard let entry = OperatorTable.entry(domain: node.domain, name: node.opType),
      entry.versions.contains(node.version)
    else { return nil }
    do {
      return try run(node, entry)
    } catch {
      if case .unsupported = error.reason { return nil }
      throw PassError(
        .shape(opType: node.opType, node: node.label, problem: "cannot be computed: \(error.message)"),
        path: node.path)
    }
  }

  private func run(_ node: ConstantNode, _ entry: OperatorEntry) throws(BackendError) -> [TensorContent] {
    let facts = NodeFacts(
      label: node.label, domain: node.domain, opType: node.opType, version: node.version,
      inputCount: node.inputs.count, usedOutputs: [Bool](repeating: true, count: node.outputCount),
      attributes: node.attributes, graphs: [:], path: node.path)
    let inputSlots = node.inputs.indices.map { index in node.inputs[index] == nil ? nil : index as Int? }
    let outputSlots = (0..<node.outputCount).map { node.inputs.count + $0 }
    let step = Step(
      facts: facts, evaluation: try entry.make(facts), half: entry.half, inputs: inputSlots,
      outputs: outputSlots, captured: [], isConstant: false)
    var program = Program()
    program.names = (0..<(node.inputs.count + node.outputCount)).map { "\(node.label)#\($0)" }
    for (slot, name) in program.names.enumerated() { program.slots[name] = slot }
    program.graphs = [GraphProgram(inputs: [], outputs: outputSlots, steps: [step])]
    let wanted = Set(outputSlots.map { program.names[$0] })
    let values = node.inputs.map { $0.map { RunValue.tensor(RunTensor($0)) } }
    let execution = Execution(
      program: program,
      schedule: try Schedule(program, ScheduleKey(outputs: wanted, showsAll: true), constants: [:]),
      context: RunContext(pool: BufferPool(byteLimit: 4 << 30, idleLimit: 0), threads: threadCount),
      values: values + [RunValue?](repeating: nil, count: node.outputCount), observe: nil, timing: nil,
      fold: { _, _ in })
    try execution.run(graph: 0)
    var results: [TensorContent] = []
    for slot in outputSlots {
      guard let tensor = execution.values[slot]?.tensor else { throw facts.unsupported("a result") }
      results.append(tensor.content)
    }
    return results
  }
}

extension CPUBackend {
  /// The model with its own functions replaced by their nodes; the same when it has none.
  public static func inlineFunctions(_ model: ModelProto) throws(BackendError) -> ModelProto {
    model.functions.isEmpty ? model : try FunctionInlining.inline(model)
  }
}
