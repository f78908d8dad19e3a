import ArgumentParser
import Console
import Pipeline
import QuantPlan

/// One run of `quantize` for an NPU.
struct StaticSession {
  let settings: QuantizeSettings
  let npu: StaticOptions
  let running: RunOptions
  let recording: RecordingOptions
  let notes: Notes

  func run(input word: String, output wanted: String?) throws {
    let source = try ModelReference.resolve(word, manifestPath: recording.manifest)
    let scheme = try settings.choices.policy().scheme
    let usual = ManifestPipeline.usualOutput(of: source, scheme: scheme.rawValue)
    let output = wanted ?? usual ?? ""
    if try FolderPipeline.isFolder(source.path) { return try runFolder(source, output) }
    if npu.language != nil {
      throw PipelineError(
        "--language is for the recordings that a decoder writes down when a folder is quantized, and '\(source.path)' "
          + "is one model", .usage)
    }
    let request = try request(source.path, FolderPipeline.outputPath(for: source.path, output: output))
    let progress = CountedProgress("quantizing \(Printable.name(source.path))", notes)
    defer { progress.finish() }
    let observer = progress.observer
    if running.dryRun {
      let plan = try StaticPipeline.plan(request, observer: observer)
      progress.finish()
      try show(running.json ? SettingsFile.text(plan) : StaticRendering.plan(plan, of: source.path))
      return
    }
    try recording.check(source)
    let report = try reporting(source.path) { () throws(PipelineError) in
      try StaticPipeline.run(request, observer: observer)
    }
    progress.finish()
    for finding in report.findings { notes.warning(Printable.name(finding)) }
    var entries: [ManifestPipeline.Outcome] = []
    var failure: (any Error)?
    // The model is there, whatever becomes of its entry.
    do { entries = try recording.record(report.outputPath, of: source) } catch { failure = error }
    if running.json {
      try show(JSONValue.object(members(report, entries)).text() + "\n")
    } else {
      try show(text(report) + RecordingOptions.text(entries))
    }
    if let failure { throw failure }
  }

  /// Does the work; with --json a failure is a document, too.
  private func reporting<Report>(
    _ input: String, _ work: () throws(PipelineError) -> Report
  ) throws -> Report {
    do { return try work() } catch {
      if running.json {
        let rendering = QuantizeRendering(
          isJSON: true, showsAll: false, width: TerminalStream.standardOutput.width)
        try show(rendering.result([.failed(input, error.message)]))
      }
      throw error
    }
  }

  /// Encoder and decoder of one Whisper.
  private func runFolder(_ source: ModelReference, _ output: String) throws {
    let input = source.path
    var choice = SpeechChoice()
    choice.models = [input]
    choice.manifestPath = recording.manifest
    var pair = SpeechPairRequest(speech: choice, outputPath: output)
    let settings = try request(input, output)
    pair.maximumTokenCount = npu.maxTokens
    pair.dimensions = settings.prepare.dimensions
    pair.externalData = settings.externalData
    pair.threadCount = running.threads
    pair.followsLinks = running.followLinks
    pair.language = npu.language
    let progress = CountedProgress("quantizing \(Printable.name(input))", notes)
    defer { progress.finish() }
    if running.dryRun {
      let plans = try SpeechPairPipeline.plans(pair, settings, observer: progress.observer)
      progress.finish()
      let text = plans.map { StaticRendering.plan($0.plan, of: $0.input) }.joined(separator: "\n")
      try show(running.json ? SettingsFile.text(plans) : text)
      return
    }
    try recording.checkFolder(source)
    let report = try reporting(input) { () throws(PipelineError) in
      try SpeechPairPipeline.quantize(pair, settings, observer: progress.observer)
    }
    progress.finish()
    let parts = [report.encoder, report.decoder]
    for finding in report.notes + parts.flatMap(\.findings) { notes.warning(Printable.name(finding)) }
    var entries: [ManifestPipeline.Outcome] = []
    var failure: (any Error)?
    do {
      for part in parts {
        entries += try recording.record(
          part.outputPath, madeFrom: part.inputPath, of: source, in: output)
      }
    } catch { failure = error }
    if running.json {
      let document: JSONValue = [
        "models": .array(parts.map { .object(members($0)) }),
        "carried_files": .array(report.carried.map(JSONValue.string)),
        "manifest": RecordingOptions.json(entries),
      ]
      try show(document.text() + "\n")
    } else {
      try show(
        parts.map(text).joined(separator: "\n") + QuantizeRendering.carried(report.carried)
          + RecordingOptions.text(entries))
    }
    if let failure { throw failure }
  }

  private func request(_ input: String, _ output: String) throws -> StaticRequest {
    if settings.planPath != nil, let option = decidedByPlan {
      throw PipelineError(
        "--plan says all about types, scales and rounding; leave out \(option), or change the plan", .usage)
    }
    if running.dryRun, npu.keepPrepared != nil {
      throw PipelineError("--dry-run writes nothing; leave out --keep-prepared", .usage)
    }
    var request = try npu.choices.request(input, output, settings.choices)
    if let path = settings.planPath {
      request.plan = try SettingsFile.staticPlan(path: path)
      request.planPath = path
    }
    request.settingsPaths = settings.paths + [npu.target].compactMap { $0 }
    request.externalData = try QuantizeChoices.word(running.externalData, "--external-data")
    request.threadCount = running.threads
    request.prepare.threadCount = running.threads
    request.prepare.followsLinks = running.followLinks
    return request
  }

  private var decidedByPlan: String? {
    var choices = settings.choices
    choices.scheme = nil
    return npu.choices.firstDecidedByPlan
      ?? (choices.isEmpty ? nil : "--policy, --exclude and how weights are quantized")
  }

  private func text(_ report: StaticReport) -> String {
    let text = StaticRendering.text(report)
    guard npu.explain else { return text }
    return text
      + ExplainRendering.text(report.places, target: report.plan.target, isVerbose: running.verbose)
  }

  private func members(_ report: StaticReport) -> [String: JSONValue] {
    var members = StaticRendering.members(report)
    if npu.explain { members["places"] = ExplainRendering.json(report.places) }
    return members
  }

  /// A model by itself, with what became of its entry.
  private func members(
    _ report: StaticReport, _ entries: [ManifestPipeline.Outcome]
  ) -> [String: JSONValue] {
    members(report).merging(["manifest": RecordingOptions.json(entries)]) { first, _ in first }
  }

  private func show(_ text: String) throws { try TerminalStream.standardOutput.write(text) }
}

/// What quantizing for an NPU prints.
enum StaticRendering {
  static func text(_ report: StaticReport) -> String {
    var text =
      "\(Printable.name(report.outputPath)): \(report.plan.scheme.rawValue) for \(report.plan.target)\n"
    text += "  size        \(Format.bytes(report.inputByteCount)) → \(Format.bytes(report.outputByteCount))\n"
    text += "  activations \(types(report.plan.activations.map(\.type)))\n"
    text += "  weights     \(types(report.plan.weights.map(\.type)))\n"
    let count = report.plan.floatNodes.count
    if count > 0 {
      text += "  float       \(count) node\(count == 1 ? " stays" : "s stay") in floating point\n"
    }
    // A given plan has its ranges.
    if !report.clips.isEmpty {
      text += "  calibrated  on \(report.clips.count) clip\(report.clips.count == 1 ? "" : "s")"
      text += report.reusedCount > 0 ? ", \(report.reusedCount) of them earlier\n" : "\n"
    }
    text +=
      "  time        prepare \(time(report.prepareSeconds)), calibrate \(time(report.calibrationSeconds)), "
    text +=
      "quantize \(time(report.quantizeSeconds)); peak memory \(Format.bytes(report.peakMemoryByteCount))\n"
    return text
  }

  private static func time(_ seconds: Double) -> String { Format.duration(.seconds(seconds)) }

  private static func types(_ types: [IntegerType]) -> String {
    IntegerType.allCases.compactMap { type in
      let count = types.count { $0 == type }
      return count == 0 ? nil : "\(count) \(type.rawValue)"
    }.joined(separator: ", ")
  }

  static func plan(_ plan: StaticPlan, of path: String) -> String {
    var text = "\(Printable.name(path)): \(plan.scheme.rawValue) for \(plan.target)\n"
    text += "  activations \(types(plan.activations.map(\.type)))\n"
    text += "  conversions \(types(plan.conversions.map(\.type)))\n"
    text += "  weights     \(types(plan.weights.map(\.type)))\n"
    text += reasons("activations", plan.activations.map { ($0.type, $0.reason) })
    text += reasons("conversions", plan.conversions.map { ($0.type, $0.reason) })
    text += reasons("weights", plan.weights.map { ($0.type, $0.reason) })
    for entry in plan.floatNodes {
      text += "  float       \(Printable.name(entry.node)) (\(entry.operatorName)): \(entry.reason)\n"
    }
    return text
  }

  /// How many entries have which type for which reason, in the order in which they come.
  private static func reasons(_ title: String, _ entries: [(type: IntegerType, reason: String)]) -> String {
    struct Group: Hashable {
      let type: IntegerType
      let reason: String
    }
    var counts: [Group: Int] = [:]
    var order: [Group] = []
    for entry in entries {
      let group = Group(type: entry.type, reason: entry.reason)
      if counts[group] == nil { order.append(group) }
      counts[group, default: 0] += 1
    }
    let lines = order.map { "  \(counts[$0] ?? 0) \($0.type.rawValue): \($0.reason)\n" }
    return lines.isEmpty ? "" : "\(title) by reason (--json has each)\n" + lines.joined()
  }

  static func members(_ report: StaticReport) -> [String: JSONValue] {
    [
      "input": .string(report.inputPath), "output": .string(report.outputPath),
      "output_data": .string(ifPresent: report.outputDataPath),
      "scheme": .string(report.plan.scheme.rawValue),
      "target": .string(report.plan.target), "bytes_before": .integer(report.inputByteCount),
      "bytes_after": .integer(report.outputByteCount), "clips": .array(report.clips.map(JSONValue.string)),
      "prepare_seconds": .double(report.prepareSeconds),
      "calibration_seconds": .double(report.calibrationSeconds),
      "quantize_seconds": .double(report.quantizeSeconds),
      "peak_memory_bytes": .integer(report.peakMemoryByteCount),
      "float_nodes": .array(
        report.plan.floatNodes.map {
          ["node": .string($0.node), "operator": .string($0.operatorName), "reason": .string($0.reason)]
        }),
      "notes": .array(report.findings.map(JSONValue.string)),
    ]
  }
}
