import ArgumentParser
import Console
import Pipeline
import QuantPlan

/// The policy and plan that a command line asks for.
struct QuantizeSettings {
  let choices: QuantizeChoices
  let planPath: String?

  init(scheme: String?, weights: WeightOptions, selection: SelectionOptions) throws {
    var choices = QuantizeChoices()
    choices.scheme = try scheme ?? selection.plan.flatMap { try SettingsFile.staticScheme(ofPlan: $0) }
    choices.isPerChannel = weights.perChannel
    choices.isPerTensor = weights.perTensor
    choices.blockSize = weights.blockSize
    choices.isAsymmetric = weights.asymmetric
    choices.range = weights.range
    choices.format = weights.format
    choices.borderTypes = weights.io
    choices.include = selection.include
    choices.exclude = selection.exclude
    choices.convolutions = selection.conv
    choices.leavesEmbeddings = selection.noEmbeddings
    choices.minimumElementCount = selection.minimumElements
    choices.policyPath = selection.policy
    self.choices = choices
    planPath = selection.plan
  }

  /// The files of settings, without the plan.
  var paths: [String] { [choices.policyPath].compactMap { $0 } }
}

/// One run of `quantize` over a model or a folder.
struct QuantizeSession {
  let settings: QuantizeSettings
  let running: RunOptions
  let recording: RecordingOptions
  let notes: Notes
  let rendering: QuantizeRendering

  /// Runs with a path or key as input; without an output a key has its usual one.
  func run(input word: String, output wanted: String?) throws {
    let source = try ModelReference.resolve(word, manifestPath: recording.manifest)
    let input = source.path
    let usual = try ManifestPipeline.usualOutput(
      of: source, scheme: settings.choices.policy().scheme.rawValue)
    let output = wanted ?? usual ?? ""
    if try FolderPipeline.isFolder(input) {
      try runFolder(source, output)
      return
    }
    let request = try request(input, FolderPipeline.outputPath(for: input, output: output))
    if running.dryRun || running.debugDump != nil {
      try show(look(request))
      return
    }
    try recording.check(source)
    let report: QuantizeReport
    do {
      report = try quantize(request)
    } catch let error as PipelineError where running.json {
      try show(rendering.result([.failed(input, error.message)]))
      throw error
    }
    var entries: [ManifestPipeline.Outcome] = []
    var failure: (any Error)?
    // The model is there, whatever becomes of its entry.
    do { entries = try recording.record(report.outputPath, of: source) } catch { failure = error }
    try show(rendering.result([.done(report)], entries: entries))
    if let failure { throw failure }
  }

  private func runFolder(_ source: ModelReference, _ output: String) throws {
    let input = source.path
    let contents = try FolderPipeline.contents(of: input, except: output)
    if running.dryRun || running.debugDump != nil {
      let requests = try contents.models.map { try request(joinedPath(input, $0), joinedPath(output, $0)) }
      if running.json, running.debugDump == nil {
        let plans = try requests.map { (input: $0.inputPath, plan: try QuantizePipeline.plan($0)) }
        try show(SettingsFile.text(plans))
      } else {
        for request in requests { try show(look(request)) }
      }
      return
    }
    try FolderPipeline.refuseSameFolder(input, output)
    try FolderPipeline.refuseOthers(contents.sidecars, from: input, to: output)
    try recording.checkFolder(source)
    var entries: [ManifestPipeline.Outcome] = []
    var results: [QuantizeResult] = []
    var failure: PipelineError?
    for model in contents.models {
      do {
        let report = try quantize(request(joinedPath(input, model), joinedPath(output, model)))
        results.append(.done(report))
        entries += try recording.record(
          report.outputPath, madeFrom: report.inputPath, of: source, in: output)
      } catch let error as PipelineError where error.status == .unsupported {
        // The set must stay whole: what cannot be quantized comes along as it is, and the report says so.
        try FolderPipeline.carryModel(
          request(joinedPath(input, model), joinedPath(output, model)))
        results.append(.carried(model, error.message))
        notes.warning(Printable.name(error.message))
      } catch let error as PipelineError {
        results.append(.failed(model, error.message))
        notes.error(Printable.name(error.message))
        failure = failure ?? error
      }
    }
    let written = results.compactMap { if case .done(let report) = $0 { report.outputDataPath } else { nil } }
    // A leftover of the name that a result's data file took belongs to no model and stays behind.
    let sidecars = contents.sidecars.filter { !written.contains(joinedPath(output, $0)) }
    for file in sidecars { try FolderPipeline.carry(file, from: input, to: output) }
    try show(rendering.result(results, sidecars: sidecars, entries: entries))
    if let failure { throw ExitCode(failure.status.rawValue) }
    if !results.contains(where: { if case .done = $0 { true } else { false } }) {
      throw PipelineError("\(input): no model in this folder could be quantized", .unsupported)
    }
  }

  private func request(_ input: String, _ output: String) throws -> QuantizeRequest {
    var request = QuantizeRequest(inputPath: input, outputPath: output)
    request.policy = try settings.choices.policy()
    if settings.planPath != nil, !settings.choices.isEmpty {
      throw PipelineError(
        "--plan says everything about the weights; leave out --scheme, --policy, patterns and the like",
        .usage)
    }
    if let planPath = settings.planPath {
      request.plan = try SettingsFile.plan(path: planPath)
      request.planPath = planPath
    }
    request.settingsPaths = settings.paths
    request.externalData = try QuantizeChoices.word(running.externalData, "--external-data")
    request.threadCount = running.threads
    request.followsLinks = running.followLinks
    request.allowsUnchanged = running.allowUnchanged
    return request
  }

  private func quantize(_ request: QuantizeRequest) throws -> QuantizeReport {
    let progress = ProgressSlot()
    let label = "quantizing \(Printable.name(request.inputPath))"
    let notes = notes
    let observer = WorkObserver(
      began: { progress.begin(label, $0, notes) }, advanced: { progress.advance(by: $0) })
    do {
      let report = try QuantizePipeline.run(request, observer: observer)
      progress.finish()
      return report
    } catch {
      progress.abandon()
      throw error
    }
  }

  private func look(_ request: QuantizeRequest) throws -> String {
    switch running.debugDump {
    case "graph": return try QuantizePipeline.graphText(request)
    case nil, "plan":
      let plan = try QuantizePipeline.plan(request)
      return running.json || running.debugDump != nil
        ? try SettingsFile.text(plan) : rendering.plan(plan, of: request.inputPath)
    case let other?:
      throw PipelineError("--debug-dump '\(other)' is unknown; choose graph or plan", .usage)
    }
  }

  private func show(_ text: String) throws { try TerminalStream.standardOutput.write(text) }

  private func joinedPath(_ folder: String, _ name: String) -> String {
    folder.hasSuffix("/") ? folder + name : folder + "/" + name
  }
}
