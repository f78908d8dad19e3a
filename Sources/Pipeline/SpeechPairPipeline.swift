import ByteIO
import CPUBackend
import ModelStore
public import ONNXFile
import ONNXGraph
public import QuantPlan
import Whisper

/// A whole Whisper on its way to an NPU: an encoder that gives the caches of cross-attention, and a decoder of fixed
/// shapes that takes them.
public struct SpeechPairRequest: Sendable {
  /// A folder, or files and keys of one model.
  public var speech: SpeechChoice
  /// The folder of the result.
  public var outputPath: String
  public var maximumTokenCount: Int?
  public var dimensions: [String: Int] = [:]
  public var externalData: ExternalDataPolicy = .auto
  public var threadCount = 0
  public var followsLinks = false
  /// The language of the calibration's recordings; nil listens to each.
  public var language: String?

  public init(speech: SpeechChoice, outputPath: String) {
    self.speech = speech
    self.outputPath = outputPath
  }
}

/// What became of the two models.
public struct SpeechPairReport<Part: Sendable>: Sendable {
  public let encoder: Part
  public let decoder: Part
  /// Files that came along: tokenizer, settings.
  public let carried: [String]
  public let notes: [String]
}

/// The journeys of both models of a Whisper together: neither is worth anything without the other.
public enum SpeechPairPipeline {
  /// Prepares both and writes them.
  public static func prepare(
    _ request: SpeechPairRequest, observer: WorkObserver = WorkObserver()
  ) throws(PipelineError) -> SpeechPairReport<PrepareReport> {
    let pair = try Pair(request)
    for model in [pair.encoder, pair.decoder] { try PreparePipeline.requireFloat(model.graph, model.path) }
    try pair.refuseOthers()
    let outputs = [pair.encoderOutput, pair.decoderOutput]
    try RunFiles.check(
      outputs.flatMap { RunFiles.model("--output", $0) }, reading: RunFiles.models(request.speech.models))
    let folders = try newFolders(outputs)
    let encoder = try PreparePipeline.finish(
      pair.encoder.path, outputPath: pair.encoderOutput, externalData: request.externalData,
      pair.encoderOptions, observer: observer)
    let decoder = try PreparePipeline.finish(
      pair.decoder.path, outputPath: pair.decoderOutput, externalData: request.externalData,
      pair.decoderOptions, observer: observer)
    return try place(encoder, decoder, pair, folders)
  }

  /// Quantizes both by one request, whose paths are replaced.
  public static func quantize(
    _ request: SpeechPairRequest, _ settings: StaticRequest, observer: WorkObserver = WorkObserver()
  ) throws(PipelineError) -> SpeechPairReport<StaticReport> {
    let pair = try Pair(request)
    for model in [pair.encoder, pair.decoder] { try PreparePipeline.requireFloat(model.graph, model.path) }
    try pair.refuseOthers()
    let parts = try parts(pair, request, settings)
    try RunFiles.check(
      parts.encoder.outputs + parts.decoder.outputs,
      reading: RunFiles.models(request.speech.models) + parts.encoder.inputs)
    let folders = try newFolders(
      [parts.encoder, parts.decoder].flatMap { [$0.outputPath] + [$0.keptPreparedPath].compactMap { $0 } })
    let encoder = try StaticPipeline.finish(parts.encoder, observer: observer)
    let decoder = try StaticPipeline.finish(parts.decoder, observer: observer)
    return try place(encoder, decoder, pair, folders)
  }

  /// Gives both models their names, which neither has before both are complete, and what belongs to them comes along.
  private static func place<Part>(
    _ encoder: FinishedModel<Part>, _ decoder: FinishedModel<Part>, _ pair: Pair, _ folders: NewFolders
  ) throws(PipelineError) -> SpeechPairReport<Part> {
    folders.keep()
    try encoder.commit()
    try decoder.commit()
    return SpeechPairReport(
      encoder: encoder.report, decoder: decoder.report, carried: try pair.carry(), notes: pair.notes)
  }

  private static func newFolders(_ paths: [String]) throws(PipelineError) -> NewFolders {
    do { return try NewFolders(forFiles: paths) } catch { throw PipelineError(error) }
  }

  /// Makes the plans of both, the encoder's first, and writes nothing but ranges.
  public static func plans(
    _ request: SpeechPairRequest, _ settings: StaticRequest, observer: WorkObserver = WorkObserver()
  ) throws(PipelineError) -> [(input: String, plan: StaticPlan)] {
    let parts = try parts(try Pair(request), request, settings)
    var plans: [(input: String, plan: StaticPlan)] = []
    for part in [parts.encoder, parts.decoder] {
      plans.append((part.inputPath, try StaticPipeline.plan(part, observer: observer)))
    }
    return plans
  }

  /// The requests for the two models, made of one for both.
  private static func parts(
    _ pair: Pair, _ request: SpeechPairRequest, _ settings: StaticRequest
  ) throws(PipelineError) -> (encoder: StaticRequest, decoder: StaticRequest) {
    var (encoder, decoder) = (settings, settings)
    (encoder.inputPath, encoder.outputPath) = (pair.encoder.path, pair.encoderOutput)
    (decoder.inputPath, decoder.outputPath) = (pair.decoder.path, pair.decoderOutput)
    (encoder.prepare, decoder.prepare) = (pair.encoderOptions, pair.decoderOptions)
    encoder.prepare.opset = settings.prepare.opset
    decoder.prepare.opset = settings.prepare.opset
    if let path = settings.rangesPath {
      encoder.rangesPath = named(path, "encoder")
      decoder.rangesPath = named(path, "decoder")
    }
    if let path = settings.keptPreparedPath {
      // In the same places below their folder as the results, so that the one folder is a reference of the other.
      encoder.keptPreparedPath = joined(path, pair.relative(pair.encoderOutput))
      decoder.keptPreparedPath = joined(path, pair.relative(pair.decoderOutput))
    }
    if case .files(let paths)? = settings.calibration {
      let prepared = try PreparePipeline.prepare(encoder.inputPath, encoder.prepare)
      var options = DecodingOptions()
      options.language = request.language
      decoder.calibration = .decoding(
        try DecodingCalibration(
          encoder: prepared.graph, pair.files, paths: paths, options: options,
          threadCount: request.threadCount > 0 ? request.threadCount : nil))
    }
    return (encoder, decoder)
  }

  /// `ranges.json` for the encoder is `ranges-encoder.json`.
  private static func named(_ path: String, _ part: String) -> String {
    guard path.hasSuffix(".json") else { return "\(path)-\(part)" }
    return "\(path.dropLast(5))-\(part).json"
  }
}

/// The files of one Whisper, and where their results go.
private struct Pair {
  let files: SpeechFiles
  let encoder: LoadedModel
  let decoder: LoadedModel
  let encoderOptions: PrepareOptions
  let decoderOptions: PrepareOptions
  let encoderOutput: String
  let decoderOutput: String
  private let source: String?
  private let target: String

  init(_ request: SpeechPairRequest) throws(PipelineError) {
    var choice = request.speech
    choice.followsLinks = request.followsLinks
    choice.prefersFloat = true
    var loader = try SpeechLoader(choice)
    files = try loader.files()
    guard let encoder = files.model(files.plan.encoder), let first = files.model(files.plan.first) else {
      throw PipelineError(
        "\(choice.title): encoder and first step of the decoder are one file here, which no NPU form is made of yet; "
          + "use an export with an encoder of its own", .unsupported)
    }
    self.encoder = encoder
    decoder = first
    var options = PrepareOptions()
    options.dimensions = request.dimensions
    options.threadCount = request.threadCount
    options.followsLinks = request.followsLinks
    (encoderOptions, decoderOptions) = (
      Self.encoderOptions(options, encoder, first), Self.decoderOptions(options, request.maximumTokenCount)
    )
    target = request.outputPath
    let folders = choice.models.filter { kind(ofPath: $0) == .folder }
    source = folders.count == 1 && choice.models.count == 1 ? folders[0] : nil
    encoderOutput = Self.place(encoder.path, source, target, keeping: true)
    decoderOutput = Self.place(first.path, source, target, keeping: false)
    if let source {
      try FolderPipeline.refuseSameFolder(source, target)
      try FolderPipeline.refuseInside(source, target)
    }
  }

  /// What is to be said about the files; without a tokenizer they are a model all the same.
  var notes: [String] {
    guard case .failure(let error) = files.text else { return files.notes }
    return files.notes + [error.message]
  }

  private static func encoderOptions(
    _ options: PrepareOptions, _ encoder: LoadedModel, _ decoder: LoadedModel
  ) -> PrepareOptions {
    var options = options
    let outputs = encoder.graph[encoder.graph.root].outputs.map { encoder.graph[$0].name }
    let hasOwn = outputs.contains { $0.contains("cross") }
    options.encoderForm = .crossCaches(decoderPath: hasOwn ? nil : decoder.path)
    return options
  }

  private static func decoderOptions(_ options: PrepareOptions, _ count: Int?) -> PrepareOptions {
    var options = options
    options.decoderForm = .staticCaches(maximumTokenCount: count)
    return options
  }

  /// A result keeps its place below the folder; a decoder is neither merged nor with a past any more.
  private static func place(_ path: String, _ source: String?, _ target: String, keeping: Bool) -> String {
    var relative = fileName(of: path)
    if let source, path.hasPrefix(source) {
      relative = String(path.dropFirst(source.count).drop { $0 == "/" })
    }
    guard !keeping else { return joined(target, relative) }
    var name = fileName(of: relative)
    for word in ["_merged", "_with_past", "_init"] {
      guard let place = name.firstRange(of: word) else { continue }
      name.removeSubrange(place)
    }
    return joined(joined(target, folder(of: relative)), name)
  }

  /// A result's place below the folder of the results.
  func relative(_ output: String) -> String { String(output.dropFirst(target.count).drop { $0 == "/" }) }

  /// What is no model, tokenizer and settings, and the folder that it is in.
  private func sidecars() throws(PipelineError) -> (names: [String], folder: String) {
    if let source { return (try FolderPipeline.contents(of: source, except: target).sidecars, source) }
    guard case .success(let text) = files.text, kind(ofPath: text.path) == .folder else { return ([], "") }
    let all: [String]
    do { all = try names(inFolder: text.path) } catch { throw PipelineError(error) }
    let wanted = all.filter { name in
      [".json", ".txt", ".tiktoken"].contains { name.hasSuffix($0) } && name != "manifest.json"
    }
    return (wanted, text.path)
  }

  /// Says before the work when what comes along would replace another file.
  func refuseOthers() throws(PipelineError) {
    let (names, folder) = try sidecars()
    try FolderPipeline.refuseOthers(names, from: folder, to: target)
  }

  /// Copies what is no model.
  func carry() throws(PipelineError) -> [String] {
    let (names, folder) = try sidecars()
    for name in names { try FolderPipeline.carry(name, from: folder, to: target) }
    return names
  }
}
