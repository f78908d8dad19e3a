import ModelBackend
import Tensors

/// One run of a program.
final class Execution {
  private(set) var values: [RunValue?]
  private let program: Program
  private let schedule: Schedule
  private let context: RunContext
  private let observe: TensorObserver?
  private let timing: ((NodeTiming) -> Void)?
  private let fold: (Int, RunValue) -> Void

  init(
    program: Program, schedule: Schedule, context: RunContext, values: [RunValue?], observe: TensorObserver?,
    timing: ((NodeTiming) -> Void)?, fold: @escaping (Int, RunValue) -> Void
  ) {
    self.program = program
    self.schedule = schedule
    self.context = context
    self.values = values
    self.observe = observe
    self.timing = timing
    self.fold = fold
  }

  func run(graph number: Int) throws(BackendError) {
    let outerRun = context.runGraph
    context.runGraph = { [unowned self] inner throws(BackendError) in
      try run(graph: inner)
      var results: [RunValue] = []
      for slot in program.graphs[inner].outputs {
        guard let value = values[slot] else {
          throw BackendError(
            .badModel, "'\(program.names[slot])' is an output of a branch but was not computed")
        }
        results.append(value)
      }
      return results
    }
    defer { context.runGraph = outerRun }
    for (step, releases) in zip(schedule.steps[number], schedule.releases[number]) {
      if !step.isConstant || step.outputs.contains(where: { $0.map { values[$0] == nil } ?? false }) {
        try time(step)
      }
      for slot in releases { values[slot] = nil }
    }
  }

  private func time(_ step: Step) throws(BackendError) {
    guard let timing else { return try run(step) }
    let start = ContinuousClock.now
    try run(step)
    timing(
      NodeTiming(
        operatorName: step.facts.operatorName, node: step.facts.label, duration: ContinuousClock.now - start))
  }

  private func run(_ step: Step) throws(BackendError) {
    var inputs: [RunValue?] = []
    inputs.reserveCapacity(step.inputs.count)
    for slot in step.inputs {
      guard let slot else {
        inputs.append(nil)
        continue
      }
      guard let value = values[slot] else {
        throw step.facts.fail("its input '\(program.names[slot])' was not fed or computed")
      }
      inputs.append(value)
    }
    let results = try evaluate(step, inputs)
    for (slot, value) in zip(step.outputs, results) {
      guard let slot else { continue }
      values[slot] = value
      if step.isConstant { fold(slot, value) }
      if let observe, case .tensor(let tensor) = value { try observe(program.names[slot], tensor.content) }
    }
    if results.count < step.outputs.count, step.outputs[results.count...].contains(where: { $0 != nil }) {
      throw step.facts.unsupported("output \(results.count)")
    }
  }

  private func evaluate(_ step: Step, _ inputs: [RunValue?]) throws(BackendError) -> [RunValue] {
    let call = Call(node: step.facts, inputs: inputs, context: context)
    let evaluate: (Call) throws(BackendError) -> [RunTensor]
    switch step.evaluation {
    case .values(let evaluate): return try evaluate(call)
    case .tensors(let function): evaluate = function
    }
    guard step.half != .own, let half = Self.halfType(inputs) else {
      return try evaluate(call).map { .tensor($0) }
    }
    var wide: [RunValue?] = []
    for input in inputs {
      if case .tensor(let tensor)? = input {
        wide.append(.tensor(try call.withoutHalf(tensor)))
      } else {
        wide.append(input)
      }
    }
    var results: [RunValue] = []
    let wideCall = Call(node: step.facts, inputs: wide, context: context)
    for (index, tensor) in try evaluate(wideCall).enumerated() {
      let narrows = tensor.elementType == .float32 && (index == 0 || step.half == .widened)
      results.append(.tensor(narrows ? try call.converted(tensor, to: half) : tensor))
    }
    return results
  }

  private static func halfType(_ inputs: [RunValue?]) -> ElementType? {
    for case .tensor(let tensor)? in inputs
    where tensor.elementType == .float16 || tensor.elementType == .bfloat16 {
      return tensor.elementType
    }
    return nil
  }
}
