import ByteIO
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors
import Validation
import Whisper

/// A model that was read, with everything that was found while reading it.
struct LoadedModel {
  let path: String
  let graph: ModelGraph
  let description: WhisperModelDescription
  /// With its data files.
  let byteCount: Int
  /// Of the external data, each a sentence.
  let problems: [String]

  init(path: String, followsLinks: Bool) throws(PipelineError) {
    let links: LinkPolicy = followsLinks ? .follow : .refuse
    let external = ExternalDataFiles(modelPath: path, links: links)
    self.path = path
    do {
      let file = try MappedFile(path: path)
      let model = try ModelReader.read(file)
      graph = try ModelGraph.lift(model, external: external, tensors: .noted)
      let health = DataHealth(model, graph, external: external, links: links)
      problems = health.problems
      byteCount = file.byteCount + health.files.reduce(0) { $0 + ($1.byteCount ?? 0) }
    } catch let error as ByteIOError {
      throw PipelineError(error)
    } catch let error as ONNXFileError {
      throw PipelineError(error)
    } catch let error as LiftError {
      throw PipelineError(error)
    } catch {
      throw PipelineError("\(path): \(error)", .internal)
    }
    description = WhisperModelDescription.recognise(graph)
  }

  /// `Whisper tiny.en encoder, Hugging Face Optimum`.
  var title: String {
    guard description.isWhisper else { return "ONNX model" }
    let size = description.size.map { " " + $0.name } ?? ""
    return "Whisper\(size) \(description.part.title), \(description.layout.title)"
  }

  /// Feeds by the request; an array without a name goes to the only input.
  func feeds(_ request: FeedRequest) throws(PipelineError) -> ModelFeeds {
    var request = request
    if let lone = request.given.removeValue(forKey: "") {
      let names = graph.requiredInputs.map { graph[$0].name }
      guard names.count == 1 else {
        throw PipelineError(
          "\(path): the model has \(names.count) inputs (\(names.joined(separator: ", "))); name the array's, as in "
            + "--input \(names.first ?? "name")=file.npy", .usage)
      }
      request.given[names[0]] = lone
    }
    do { return try ModelFeeds(for: graph, request) } catch {
      throw PipelineError("\(path): \(error.message)", .usage)
    }
  }
}

/// The validation of one model of a set.
struct ModelValidation {
  private let target: ValidateTarget
  private let request: ValidateRequest
  private let feedRequest: FeedRequest
  private let gate: TimingGate
  private(set) var report: ModelReport

  init(
    _ target: ValidateTarget, _ request: ValidateRequest, _ feeds: FeedRequest, _ gate: TimingGate
  ) {
    self.target = target
    self.request = request
    feedRequest = feeds
    self.gate = gate
    report = ModelReport(path: target.path, title: "", byteCount: 0)
  }

  mutating func run() {
    do throws(PipelineError) {
      try validate()
    } catch {
      report.objections.append(.init(error))
    }
  }

  private mutating func validate() throws(PipelineError) {
    let (order, notes) = try request.backends.order(for: target.entry)
    let target = target
    let links = request.followsLinks
    let model = try gate.working { () throws(PipelineError) in
      try LoadedModel(path: target.path, followsLinks: links)
    }
    report = ModelReport(path: target.path, title: model.title, byteCount: model.byteCount)
    report.notes = notes
    checkStructure(model, order)
    guard request.depth != .structure, report.objections.isEmpty else { return }
    let feeds = try model.feeds(feedRequest)
    let candidate = try evaluate(model, order, feeds)
    let reference = try compareWithReference(feeds, order)
    let findings = candidate.outputs.map { output in
      finding(output.name, output.content, reference)
    }
    let run = RunReport(
      engine: candidate.engine,
      inputs: feeds.names.compactMap { name in feeds.tensors[name].map { .init(name, $0) } },
      outputs: candidate.outputs.map { .init($0.name, $0.content) }, findings: findings,
      loadSeconds: candidate.loadSeconds, seconds: candidate.seconds, reference: reference?.report)
    report.run = run
    judge(run)
    settleRefusals(run.engine)
    if request.depth == .layers { try compareLayers(model, feeds) }
  }

  /// A model that ran whole on the NPU was not refused, whatever the rules expected of single operators.
  private mutating func settleRefusals(_ engine: EngineReport) {
    let shares = engine.placement.shares
    guard !shares.isEmpty, shares.allSatisfy({ $0.provider == Provider.qnn.runtimeName }) else { return }
    let expected = report.findings.count { $0.severity == .refused }
    guard expected > 0 else { return }
    report.findings.removeAll { $0.severity == .refused }
    report.notes.append("QNN took every node, also where the rules expected a refusal (\(expected) findings)")
  }

  // MARK: Structure

  private mutating func checkStructure(_ model: LoadedModel, _ order: ProviderOrder) {
    report.objections += model.problems.map { .init(.file, $0) }
    let structure = StructureCheck.findings(in: model.graph)
    report.findings = structure
    report.objections += structure.map { .init(.file, "\(model.path): \($0.sentence)") }
    let concernsNPU =
      order.providers.contains(.qnn) || request.backends.target != nil || request.backends.npu == .required
    guard concernsNPU else { return }
    let rules = HTPRules.findings(in: model.graph)
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

  // MARK: Running

  /// What came out of a model, and how fast.
  private struct Evaluation {
    let engine: EngineReport
    let outputs: [(name: String, content: TensorContent)]
    let loadSeconds: Double
    let seconds: [Double]
  }

  /// Seconds after which no further timed run begins.
  private static let timeLimit = 60.0

  private func evaluate(
    _ model: LoadedModel, _ order: ProviderOrder, _ feeds: ModelFeeds
  ) throws(PipelineError) -> Evaluation {
    let backends = request.backends
    let runCount = request.runCount
    let path = model.path
    let clock = ContinuousClock()
    let (opened, results, first) = try gate.working { () throws(PipelineError) in
      let opened = try backends.open(model.graph, path: path, order: order, dimensions: feeds.dimensions)
      let start = clock.now
      let results = try Self.run(opened.session, feeds.tensors, path)
      return (opened, results, (clock.now - start) / .seconds(1))
    }
    let seconds = try gate.alone { () throws(PipelineError) in
      let start = clock.now
      // An emulation's time means nothing, so it is not worth waiting for.
      var seconds: [Double] = opened.engine.isEmulated ? [first] : []
      if opened.engine.isEmulated { return seconds }
      while seconds.count < max(1, runCount) {
        let begin = clock.now
        _ = try Self.run(opened.session, feeds.tensors, path)
        seconds.append((clock.now - begin) / .seconds(1))
        if (clock.now - start) / .seconds(1) > Self.timeLimit { break }
      }
      return seconds
    }
    let outputs = opened.session.outputs.compactMap { output in
      results[output.name].map { (name: output.name, content: $0) }
    }
    return Evaluation(
      engine: opened.engine, outputs: outputs, loadSeconds: opened.loadSeconds, seconds: seconds)
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

  private struct ReferenceResult {
    let report: RunReport.Reference
    let outputs: [String: TensorContent]
  }

  private func compareWithReference(
    _ feeds: ModelFeeds, _ order: ProviderOrder
  ) throws(PipelineError) -> ReferenceResult? {
    guard let path = target.referencePath else { return nil }
    let links = request.followsLinks
    let model = try gate.working { () throws(PipelineError) in
      try LoadedModel(path: path, followsLinks: links)
    }
    if let problem = model.problems.first { throw PipelineError(problem, .badInput) }
    let tensors = try Self.feeds(feeds, for: model, candidate: target.path)
    // The NPU computes floats as fp16; the reference is the processor's.
    let processors = ProviderOrder(order.providers.filter { $0 != .qnn })
    var backends = request.backends
    backends.npu = .optional
    let usual = processors.providers.isEmpty ? ProviderOrder([.cpu, .embedded]) : processors
    let (engine, outputs, seconds) = try gate.working { () throws(PipelineError) in
      let opened = try backends.open(model.graph, path: path, order: usual, dimensions: feeds.dimensions)
      let clock = ContinuousClock()
      let start = clock.now
      let outputs = try Self.run(opened.session, tensors, path)
      return (opened.engine, outputs, (clock.now - start) / .seconds(1))
    }
    return ReferenceResult(
      report: RunReport.Reference(path: path, engine: engine, seconds: seconds), outputs: outputs)
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

  private func finding(
    _ name: String, _ content: TensorContent, _ reference: ReferenceResult?
  ) -> OutputFinding {
    let health = TensorHealth(content)
    guard let reference else { return OutputFinding(name: name, health: health, difference: nil) }
    guard let expected = reference.outputs[name] else {
      return OutputFinding(
        name: name, health: health, difference: nil, mismatch: "the reference has no such output")
    }
    guard expected.shape == content.shape else {
      return OutputFinding(
        name: name, health: health, difference: nil,
        mismatch: "its shape is \(content.shape), the reference's is \(expected.shape)")
    }
    return OutputFinding(
      name: name, health: health, difference: TensorDifference(reference: expected, candidate: content))
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
    let wantsReference = request.limits.minimumSQNR != nil || request.limits.minimumCosine != nil
    if wantsReference, run.reference == nil {
      report.objections.append(
        .init(
          .usage, "\(target.path): there is nothing to compare with; name the original with --reference"))
    }
  }

  private mutating func compareLayers(_ model: LoadedModel, _ feeds: ModelFeeds) throws(PipelineError) {
    guard let path = target.referencePath else {
      throw PipelineError(
        "\(target.path): --layers needs the original; name it with --reference", .usage)
    }
    let links = request.followsLinks
    let threads = request.backends.threadCount
    report.layers = try gate.working { () throws(PipelineError) in
      let reference = try LoadedModel(path: path, followsLinks: links)
      return try LayerComparison(
        reference: reference, candidate: model,
        referenceFeeds: Self.feeds(feeds, for: reference, candidate: model.path),
        candidateFeeds: feeds.tensors,
        threadCount: threads
      ).run()
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
