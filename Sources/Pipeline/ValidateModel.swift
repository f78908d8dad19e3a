import ModelBackend
import ONNXGraph
import QuantPlan
import Tensors
import Validation
import Whisper

/// The validation of one model of a set.
struct ModelValidation {
  let target: ValidateTarget
  let request: ValidateRequest
  let feedRequest: FeedRequest
  let context: Context
  var report: ModelReport

  /// What the models of a set share.
  struct Context {
    let gate: TimingGate
    /// Whether at least one model has an original; where none has, limits that need one are a mistake.
    let comparesSomething: Bool
    let observer: ValidateObserver
  }

  init(
    _ target: ValidateTarget, _ request: ValidateRequest, _ feeds: FeedRequest, _ context: Context
  ) {
    self.target = target
    self.request = request
    feedRequest = feeds
    self.context = context
    report = ModelReport(path: target.path, title: "", byteCount: 0)
  }

  mutating func run() {
    if let failure = target.failure {
      report.objections.append(.init(failure))
      return
    }
    do throws(PipelineError) {
      try validate()
    } catch {
      report.objections.append(.init(error))
    }
  }

  private mutating func validate() throws(PipelineError) {
    let (order, notes) = try request.backends.order(for: target.entry)
    let (path, links) = (target.path, request.followsLinks)
    let model = try context.gate.working { () throws(PipelineError) in
      try LoadedModel(path: path, followsLinks: links)
    }
    report = ModelReport(path: target.path, title: model.title, byteCount: model.byteCount)
    report.notes = notes
    let steps: Result<FeedSteps, PipelineError>
    do throws(PipelineError) { steps = .success(try model.feedSteps(feedRequest)) } catch {
      steps = .failure(error)
    }
    if try passOver(model, order) { return }
    checkStructure(model, order, (try? steps.get())?.first.dimensions ?? [:])
    if request.depth == .structure, request.inputs.choosesShapes { _ = try steps.get() }
    guard request.depth != .structure, report.objections.isEmpty else { return }
    try checkComparison(model)
    let original = try comparable(try loadedReference(of: model), model)
    let candidate = try evaluate(model, order, try steps.get())
    report.notes += candidate.notes
    let reference = try original.map { (original) throws(PipelineError) in
      try evaluateReference(original, candidate.steps, order)
    }
    let run = report(on: candidate, reference)
    report.run = run
    judge(run)
    settleRefusals(run.engine)
    try compareWithProcessor(model, candidate, reference)
    if request.depth == .layers, let original { try compareLayers(model, original, candidate.steps) }
  }

  /// A model that ran whole on the NPU was not refused, whatever the rules expected of single operators.
  private mutating func settleRefusals(_ engine: EngineReport) {
    let shares = engine.placement.shares
    guard !shares.isEmpty, shares.allSatisfy({ $0.provider == Provider.qnn.runtimeName }) else { return }
    let expected = report.findings.count { $0.severity == .refused }
    guard expected > 0 else { return }
    report.findings.removeAll { $0.severity == .refused }
    report.notes.append(
      "QNN took every node, also where the rules expected a refusal (\(expected) finding\(expected == 1 ? "" : "s"))"
    )
  }

  // MARK: Structure

  private mutating func checkStructure(
    _ model: LoadedModel, _ order: ProviderOrder, _ dimensions: [String: Int]
  ) {
    report.objections += model.problems.map { .init(.file, $0) }
    let structure = StructureCheck.findings(in: model.graph)
    report.findings = structure
    report.objections += structure.map { .init(.file, "\(model.path): \($0.sentence)") }
    let concernsNPU =
      order.providers.contains(.qnn) || request.backends.target != nil || request.backends.npu == .required
    if request.explains {
      let table = (try? request.backends.rules()) ?? .snapdragonXElite
      report.places = Explanation.of(model.graph, target: table, binding: dimensions)
    }
    guard concernsNPU else { return }
    let table = (try? request.backends.rules()) ?? .snapdragonXElite
    let rules = HTPRules.findings(in: model.graph, binding: dimensions, target: table)
    report.findings += rules
    for finding in rules where finding.severity == .error {
      report.objections.append(.init(.verdict, "\(model.path): \(finding.sentence)"))
    }
    // What really runs decides, where something runs.
    if request.depth == .structure, request.backends.npu == .required {
      for finding in rules where finding.severity == .refused {
        report.objections.append(.init(.provider, "\(model.path): \(finding.sentence)"))
      }
    }
  }

  // MARK: Comparison

  /// Says before anything runs whether what was asked for can be judged.
  private mutating func checkComparison(_ model: LoadedModel) throws(PipelineError) {
    guard target.referencePath == nil else { return }
    let isQuantized = QuantizationTraces.exist(in: model.graph)
    var wishes: [String] = []
    if request.limits.minimumSQNR != nil { wishes.append("--min-sqnr") }
    if request.limits.minimumCosine != nil { wishes.append("--min-cosine") }
    if request.depth == .layers { wishes.append("--layers") }
    guard !wishes.isEmpty else {
      if isQuantized, request.findsReference {
        report.notes.append(
          "no original was found, so nothing was compared; name it with --reference, or --no-reference if that is "
            + "how it should be")
      }
      return
    }
    guard context.comparesSomething, !isQuantized else {
      throw PipelineError(
        "\(target.path): there is nothing to compare with for \(wishes.joined(separator: ", ")); name the original "
          + "with --reference", .usage)
    }
    report.notes.append(
      "\(wishes.joined(separator: ", ")): left out, for this is an original itself (not quantized, and no reference)"
    )
  }

  /// The original, when there is one and it is of the same kind.
  private func loadedReference(of model: LoadedModel) throws(PipelineError) -> LoadedModel? {
    guard let path = target.referencePath else { return nil }
    let links = request.followsLinks
    let reference = try context.gate.working { () throws(PipelineError) in
      try LoadedModel(path: path, followsLinks: links)
    }
    if let problem = reference.problems.first { throw PipelineError(problem, .badInput) }
    if let (width, other) = Self.both(model, reference, \.width), width != other {
      throw Self.otherModel(model, reference, "its width is \(other), the model's is \(width)")
    }
    return reference
  }

  private static func both(
    _ model: LoadedModel, _ reference: LoadedModel, _ key: KeyPath<WhisperDimensions, Int?>
  ) -> (Int, Int)? {
    guard model.description.isWhisper, reference.description.isWhisper,
      let first = model.description.dimensions[keyPath: key],
      let second = reference.description.dimensions[keyPath: key]
    else { return nil }
    return (first, second)
  }

  private static func otherModel(
    _ model: LoadedModel, _ reference: LoadedModel, _ why: String
  ) -> PipelineError {
    PipelineError(
      "\(reference.path) is no reference for \(model.path): \(why); name another one with --reference, or leave it out "
        + "with --no-reference", .usage)
  }

  // MARK: Running

  /// What came out of a model, and how fast.
  struct Evaluation {
    let engine: EngineReport
    let steps: [ModelFeeds]
    /// For each step.
    let outputs: [[(name: String, content: TensorContent)]]
    let loadSeconds: Double
    let seconds: [Double]
    let notes: [String]
  }

  /// Seconds after which no further timed run begins.
  private static let timeLimit = 60.0

  private func evaluate(
    _ model: LoadedModel, _ order: ProviderOrder, _ steps: FeedSteps
  ) throws(PipelineError) -> Evaluation {
    let backends = request.backends
    let runCount = request.runCount
    let path = model.path
    // What is compiled already opens at once.
    if order.providers.first == .qnn, backends.emulatesNPU, !ContextModel(model.graph).isCompiled {
      context.observer.emulating(path)
    }
    let clock = ContinuousClock()
    let (opened, used, results, first) = try context.gate.working { () throws(PipelineError) in
      let opened = try backends.open(
        model.graph, path: path, order: order, dimensions: steps.first.dimensions,
        sharedDimensions: steps.sharedDimensions)
      let used = steps.all(on: opened.engine.provider)
      let start = clock.now
      var results = [try Self.run(opened.session, used[0].tensors, path)]
      let seconds = (clock.now - start) / .seconds(1)
      for step in used.dropFirst() { results.append(try Self.run(opened.session, step.tensors, path)) }
      return (opened, used, results, seconds)
    }
    let seconds = try context.gate.alone { () throws(PipelineError) in
      let start = clock.now
      // An emulation's time means nothing, so it is not worth waiting for.
      var seconds: [Double] = opened.engine.isEmulated ? [first] : []
      if opened.engine.isEmulated { return seconds }
      while seconds.count < max(1, runCount) {
        let begin = clock.now
        _ = try Self.run(opened.session, used[0].tensors, path)
        seconds.append((clock.now - begin) / .seconds(1))
        if (clock.now - start) / .seconds(1) > Self.timeLimit { break }
      }
      return seconds
    }
    let outputs = results.map { results in
      opened.session.outputs.compactMap { output in
        results[output.name].map { (name: output.name, content: $0) }
      }
    }
    return Evaluation(
      engine: opened.engine, steps: used, outputs: outputs, loadSeconds: opened.loadSeconds, seconds: seconds,
      notes: opened.notes)
  }

  static func run(
    _ session: any ModelSession, _ feeds: [String: TensorContent], _ path: String
  ) throws(PipelineError) -> [String: TensorContent] {
    do {
      return try session.run(feeds, outputs: session.outputs.map(\.name))
    } catch {
      throw PipelineError("\(path): \(error.message)", ExitStatus(error.reason))
    }
  }

  // MARK: Reference

  struct ReferenceResult {
    let report: RunReport.Reference
    /// For each step of the candidate that the reference has too.
    let steps: [OutputComparison.Reference?]
  }

  private func evaluateReference(
    _ model: LoadedModel, _ steps: [ModelFeeds], _ order: ProviderOrder
  ) throws(PipelineError) -> ReferenceResult {
    // The NPU computes floats as fp16; the reference is the processor's.
    let processors = ProviderOrder(order.providers.filter { $0 != .qnn })
    var backends = request.backends
    backends.npu = .optional
    let usual = processors.providers.isEmpty ? ProviderOrder([.cpu, .embedded]) : processors
    let hasChoice = model.description.part == .decoderMerged
    let path = target.path
    return try context.gate.working { () throws(PipelineError) in
      let shared = FeedSteps(steps[0], steps.count > 1 ? steps[1] : nil).sharedDimensions
      let opened = try backends.open(
        model.graph, path: model.path, order: usual, dimensions: shared, sharedDimensions: shared)
      var results: [OutputComparison.Reference?] = []
      var seconds = 0.0
      for (index, step) in steps.enumerated() {
        let tensors = try Self.feeds(step, for: model, candidate: path)
        // A decoder of one kind knows one branch only.
        if index > 0, !hasChoice {
          results.append(nil)
          continue
        }
        let clock = ContinuousClock()
        let start = clock.now
        let outputs = try Self.run(opened.session, tensors, model.path)
        if index == 0 { seconds = (clock.now - start) / .seconds(1) }
        results.append(OutputComparison.Reference(outputs: outputs, fed: tensors))
      }
      return ReferenceResult(
        report: RunReport.Reference(path: model.path, engine: opened.engine, seconds: seconds), steps: results
      )
    }
  }

  /// The same inputs in the types that the reference takes.
  static func feeds(
    _ feeds: ModelFeeds, for reference: LoadedModel, candidate: String
  ) throws(PipelineError) -> [String: TensorContent] {
    var tensors: [String: TensorContent] = [:]
    for value in reference.graph.requiredInputs {
      let name = reference.graph[value].name
      guard let tensor = feeds.tensors[name],
        let converted = tensor.converted(to: reference.graph[value].declaredElementType ?? tensor.elementType)
      else {
        throw PipelineError(
          "\(reference.path) is no reference for \(candidate): it takes the input '\(name)', which the model does not "
            + "have; name another one with --reference, or leave it out with --no-reference", .usage)
      }
      tensors[name] = converted
    }
    return tensors
  }

  private func report(on candidate: Evaluation, _ reference: ReferenceResult?) -> RunReport {
    var findings: [OutputFinding] = []
    var (inputs, outputs): ([RunReport.Port], [RunReport.Port]) = ([], [])
    for (index, step) in candidate.steps.enumerated() {
      let comparison = OutputComparison(
        step, hasReference: reference != nil, reference: reference.flatMap { $0.steps[index] })
      findings += candidate.outputs[index].map { comparison.finding($0.name, $0.content) }
      outputs += candidate.outputs[index].map { .init(comparison.title($0.name), $0.content) }
      let before = index == 0 ? [:] : candidate.steps[0].tensors
      for name in step.names {
        guard let tensor = step.tensors[name], before[name]?.shape != tensor.shape else { continue }
        inputs.append(.init(comparison.title(name), tensor))
      }
    }
    return RunReport(
      engine: candidate.engine, inputs: inputs, outputs: outputs, findings: findings,
      loadSeconds: candidate.loadSeconds, seconds: candidate.seconds, reference: reference?.report,
      madeUp: madeUp(candidate.steps[0]))
  }

  // MARK: Verdict

  private mutating func judge(_ run: RunReport) {
    // An emulation's time says nothing about a device.
    let latency = run.engine.isEmulated ? nil : run.medianSeconds
    if run.engine.isEmulated, request.limits.maximumLatency != nil {
      report.notes.append(
        "--max-latency is not judged: the NPU is emulated, and its time says nothing about a device")
    }
    let verdict = Verdict(run.findings, latency: latency, limits: request.limits)
    report.objections += verdict.objections.map { .init(.verdict, $0) }
    let limits = request.limits
    let isGated = limits.minimumSQNR != nil || limits.minimumCosine != nil
    if isGated, run.reference != nil, verdict.objections.isEmpty,
      run.findings.allSatisfy({ $0.difference == nil })
    {
      report.objections.append(
        .init(
          .usage, "\(target.path): no output can be compared with \(run.reference?.path ?? "the reference")"))
    }
  }

  private mutating func compareLayers(
    _ model: LoadedModel, _ reference: LoadedModel, _ steps: [ModelFeeds]
  ) throws(PipelineError) {
    let threads = request.backends.threadCount
    let path = target.path
    report.layers = try context.gate.working { () throws(PipelineError) in
      var layers: [LayerReport] = []
      // A reference of one branch has nothing to say about the other.
      for step in reference.description.part == .decoderMerged ? steps : Array(steps.prefix(1)) {
        let comparison = LayerComparison(
          reference: reference, candidate: model,
          referenceFeeds: try Self.feeds(step, for: reference, candidate: path),
          candidateFeeds: step.tensors, threadCount: threads)
        layers += try comparison.run().map { layer in
          LayerReport(
            name: OutputComparison.title(layer.name, step.branch), operatorName: layer.operatorName,
            difference: layer.difference)
        }
      }
      return layers
    }
  }
}

extension RunReport.Port {
  init(_ name: String, _ content: TensorContent) {
    self.init(name: name, elementType: content.elementType, shape: content.shape)
  }
}

extension Finding {
  /// Place, message and remedy.
  var sentence: String {
    (place.map { "'\($0)': " } ?? "") + message + (remedy.map { "; \($0)" } ?? "")
  }
}
