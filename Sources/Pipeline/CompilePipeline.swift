import ByteIO
import ModelBackend
import ModelStore
import ONNXFile
import ONNXGraph
import OnnxRuntimeBackend
import Tensors
import Validation
import Whisper

/// What `compile` is asked to do with one model.
public struct CompileRequest: Sendable {
  public var model: String
  /// The compiled model's file; nil is the source's name with `_ctx`, beside it.
  public var outputPath: String?
  public var manifestPath: String?
  /// Whether the binary is inside the model's file; else it is a file beside it.
  public var isEmbedded = false
  /// How long the compiler thinks: 1, 2 or 3.
  public var optimization = 3
  public var backends = BackendChoice()
  /// Whether the result is opened again and compared.
  public var verifies = true
  /// Whether the result is entered into the manifest; nil is when the model was named by its key.
  public var records: Bool?
  public var key: String?

  public init(model: String) { self.model = model }
}

/// A model that was compiled for a chip.
public struct CompileReport: Sendable {
  public let inputPath: String
  public let outputPath: String
  /// The file beside the model; nil when the binary is inside.
  public let binaryPath: String?
  public let inputByteCount: Int
  public let outputByteCount: Int
  public let chip: String
  public let socModel: Int
  public let architecture: Int
  public let qairtVersion: String
  public let optimization: Int
  public let nodeCount: Int
  public let seconds: Double
  public let peakMemoryByteCount: Int
  public let isEmulated: Bool
  /// Nil when it was not compared.
  public let reload: Reload?
  public let entry: ManifestPipeline.Outcome?

  /// The compiled model, opened again and run beside the source.
  public struct Reload: Sendable {
    public let seconds: Double
    public let isBitwiseEqual: Bool
    /// The lowest signal-to-noise ratio of an output against the source on the NPU, in decibels.
    public let sqnr: Double
  }
}

/// The journey of `whisperq compile`: a Q/DQ model in, QNN's context binary in an EPContext model out.
public enum CompilePipeline {
  /// Compiles a model for a chip; every node must be taken. The outputs are complete or not there.
  public static func run(
    _ request: CompileRequest, progress: (String) -> Void = { _ in }
  ) throws(PipelineError) -> CompileReport {
    let reference = try ModelReference.resolve(request.model, manifestPath: request.manifestPath)
    let source = try LoadedModel(path: reference.path, followsLinks: false)
    try refuse(source)
    let output = request.outputPath ?? usualOutput(source.path)
    try ResultFile.checkPlace(output, option: "--output")
    try RunFiles.check(
      [("--output", output), ("the context of --output", binaryPath(output))],
      reading: RunFiles.models([source.path]))
    let isRecorded = request.records ?? (reference.entry != nil || request.key != nil)
    if isRecorded { try ManifestPipeline.checkRecording(reference, key: request.key) }
    let soc = try request.backends.soc()
    guard let finalization = QNNOptions.Finalization(rawValue: request.optimization) else {
      throw PipelineError("--optimization takes 1, 2 or 3", .usage)
    }
    let feeds = try source.feeds(FeedRequest())
    var opener = ModelOpener(places: request.backends.places)
    opener.settings.dimensions = feeds.dimensions
    opener.settings.threadCount = request.backends.threadCount
    opener.qnn.soc = soc
    opener.qnn.finalization = finalization
    opener.qnn.requirement = .allNodes
    opener.qnn.namesRefusedNodes = request.backends.namesRefusedNodes
    opener.qnn.rules = try request.backends.npuWords()
    let staging: StagedFolder
    do { staging = try StagedFolder(beside: output) } catch { throw PipelineError(error) }
    defer { staging.remove() }
    let staged = joined(staging.path, fileName(of: output))
    opener.qnn.contextFile = .init(path: staged, binary: request.isEmbedded ? .embedded : .besideIt)
    progress("compiling for \(soc.name)")
    let clock = ContinuousClock()
    let start = clock.now
    let session = try open(opener, source.path)
    let seconds = (clock.now - start) / .seconds(1)
    guard kind(ofPath: staged) == .file else {
      throw PipelineError("\(source.path): QNN compiled the model but wrote no context", .unsupported)
    }
    let version = try ContextModel(staged).qairtVersion ?? session.qairtVersion ?? "unknown"
    var reload: CompileReport.Reload?
    if request.verifies {
      progress("running the source")
      let expected = try run(session, feeds, source.path)
      progress("opening the compiled model again")
      reload = try verify(staged, opener, feeds, expected)
    }
    let files = try place(staging.path, in: folder(of: output))
    let binary = files.first { $0 != fileName(of: output) }.map { joined(folder(of: output), $0) }
    var report = CompileReport(
      inputPath: source.path, outputPath: output, binaryPath: binary, inputByteCount: source.byteCount,
      outputByteCount: files.reduce(0) {
        $0 + (FileStamp(ofPath: joined(folder(of: output), $1))?.byteCount ?? 0)
      }, chip: soc.name, socModel: soc.number, architecture: soc.architecture, qairtVersion: version,
      optimization: request.optimization,
      nodeCount: session.placement.nodeCount(of: .qnn), seconds: seconds,
      peakMemoryByteCount: Machine.peakMemoryByteCount, isEmulated: session.device == .emulatedNPU,
      reload: reload, entry: nil)
    if isRecorded {
      report = report.recorded(try ManifestPipeline.record(report, source: reference, key: request.key))
    }
    return report
  }

  /// What no compiler takes is said before it starts.
  private static func refuse(_ source: LoadedModel) throws(PipelineError) {
    if let problem = source.problems.first { throw PipelineError(problem, .badInput) }
    if source.graph.allNodes.contains(where: { source.graph[$0].opType == "EPContext" }) {
      throw PipelineError(
        "\(source.path): this model is compiled already; compile the Q/DQ model that it was made from",
        .unsupported)
    }
    let operators = Set(source.graph.allNodes.map { source.graph[$0].opType })
    if !operators.isSuperset(of: ["QuantizeLinear", "DequantizeLinear"]) {
      let isFloat = !QuantizationTraces.exist(in: source.graph)
      let why = isFloat ? "it is float" : "its activations have no fixed scales"
      throw PipelineError(
        "\(source.path): this is no static Q/DQ model (\(why)); compile what 'whisperq quantize --scheme w8a16' makes "
          + "of the float model",
        .unsupported)
    }
    let open = HTPRules.findings(in: source.graph).first {
      $0.severity == .refused && $0.rule == "fixed-shapes"
    }
    if let open {
      throw PipelineError(
        "\(source.path): \(open.message); quantize the float model with --scheme w8a16, which fixes all shapes",
        .unsupported)
    }
  }

  private static func usualOutput(_ path: String) -> String {
    (path.hasSuffix(".onnx") ? String(path.dropLast(5)) : path) + "_ctx.onnx"
  }

  /// Where ONNX Runtime puts the context that is not in the model.
  private static func binaryPath(_ path: String) -> String {
    let name = fileName(of: path)
    let stem = name.lastIndex(of: ".").map { String(name[..<$0]) } ?? name
    return joined(folder(of: path), stem + "_qnn.bin")
  }

  private static func open(_ opener: ModelOpener, _ path: String) throws(PipelineError) -> OnnxRuntimeSession
  {
    do { return try opener.open(.qnn, model: path) } catch {
      throw PipelineError("\(path): \(error.message)", ExitStatus(error.reason))
    }
  }

  private static func run(
    _ session: OnnxRuntimeSession, _ feeds: ModelFeeds, _ path: String
  ) throws(PipelineError) -> [String: TensorContent] {
    do { return try session.run(feeds.tensors, outputs: session.outputs.map(\.name)) } catch {
      throw PipelineError("\(path): \(error.message)", ExitStatus(error.reason))
    }
  }

  private static func verify(
    _ path: String, _ opener: ModelOpener, _ feeds: ModelFeeds, _ expected: [String: TensorContent]
  ) throws(PipelineError) -> CompileReport.Reload {
    var opener = opener
    opener.qnn.contextFile = nil
    let clock = ContinuousClock()
    let start = clock.now
    let session = try open(opener, path)
    let seconds = (clock.now - start) / .seconds(1)
    let found = try run(session, feeds, path)
    var isEqual = true
    var least = Double.infinity
    for (name, content) in expected {
      guard let other = found[name] else {
        throw PipelineError("\(path): the compiled model has lost its output '\(name)'", .verdict)
      }
      if other.bytes.copied() != content.bytes.copied() { isEqual = false }
      if let difference = TensorDifference(reference: content, candidate: other) {
        least = min(least, difference.sqnr)
      }
    }
    return CompileReport.Reload(seconds: seconds, isBitwiseEqual: isEqual, sqnr: least)
  }

  /// Moves the files to their places, the model last, so that it never points to a binary that is not there.
  private static func place(_ staging: String, in folder: String) throws(PipelineError) -> [String] {
    do throws(ByteIOError) {
      let files = try names(inFolder: staging).sorted { !$0.hasSuffix(".onnx") && $1.hasSuffix(".onnx") }
      for name in files { _ = try FilePlacing.rename(joined(staging, name), to: joined(folder, name)) }
      try FilePlacing.synchronize(folder: folder.isEmpty ? "." : folder)
      return files
    } catch {
      throw PipelineError(error)
    }
  }
}

extension CompileReport {
  fileprivate func recorded(_ outcome: ManifestPipeline.Outcome) -> CompileReport {
    CompileReport(
      inputPath: inputPath, outputPath: outputPath, binaryPath: binaryPath, inputByteCount: inputByteCount,
      outputByteCount: outputByteCount, chip: chip, socModel: socModel, architecture: architecture,
      qairtVersion: qairtVersion, optimization: optimization, nodeCount: nodeCount, seconds: seconds,
      peakMemoryByteCount: peakMemoryByteCount, isEmulated: isEmulated, reload: reload, entry: outcome)
  }
}
