import ByteIO
import CPUBackend
import ModelBackend
public import ONNXFile
public import ONNXGraph
import Quantize
import Tensors
import Whisper

/// The journey from an export to a float model that an NPU compiles whole: read → widen → inline → choose branches →
/// lift → fix → fold → fuse → shape.
///
/// Weights stay in their file; the few that change are made anew in memory, those of half precision on the disk.
public enum PreparePipeline {
  /// Prepares a model and writes nothing.
  public static func prepare(
    _ inputPath: String, _ options: PrepareOptions = PrepareOptions()
  ) throws(PipelineError) -> PreparedModel {
    let source = try QuantizePipeline.open(request(inputPath, "", options))
    return try prepare(source, inputPath, "", options)
  }

  /// Prepares a model for an output that must not be one of the files that are read; writes nothing.
  static func prepare(
    _ inputPath: String, for outputPath: String, _ options: PrepareOptions
  ) throws(PipelineError) -> PreparedModel {
    let source = try QuantizePipeline.open(request(inputPath, outputPath, options))
    try QuantizePipeline.refuseOverwriting(source, inputPath, outputPath)
    try refuseDecoder(options, outputPath)
    return try prepare(source, inputPath, outputPath, options)
  }

  /// Refuses a model whose float weights are gone.
  static func requireFloat(_ graph: ModelGraph, _ path: String) throws(PipelineError) {
    if let sentence = NothingToDo.alreadyQuantized(path, graph) {
      throw PipelineError(sentence, .unsupported)
    }
  }

  /// Refuses a model whose encoder and decoder are one graph, which no form of an NPU is made of.
  private static func requireParts(_ graph: ModelGraph, _ path: String) throws(PipelineError) {
    guard WhisperModelDescription.recognise(graph).part == .allInOne else { return }
    let search = graph.allNodes.first { graph[$0].opType.hasSuffix("BeamSearch") }
    let what = search.map {
      "the operator \(graph[$0].domain).\(graph[$0].opType) holds encoder, decoder and beam search"
    }
    throw PipelineError(
      "\(path): \(what ?? "encoder and decoder are one graph here"), which no NPU takes; use an export with separate "
        + "encoder and decoder", .unsupported)
  }

  /// Writes a prepared model; the output is complete or not there.
  static func write(
    _ graph: ModelGraph, to path: String, _ policy: ExternalDataPolicy
  ) throws(PipelineError) {
    do {
      let home = folder(of: path)
      if !home.isEmpty { try makeFolders(home) }
    } catch { throw PipelineError(error) }
    do {
      let output = try ModelOutput(graph.lower(), path: path, policy: policy)
      for job in output.copyJobs { try output.run(job) }
      try output.commit()
    } catch { throw PipelineError(error) }
  }

  /// Prepares a model and writes it; the output is complete or not there.
  public static func run(
    _ inputPath: String, outputPath: String, externalData: ExternalDataPolicy = .auto,
    _ options: PrepareOptions = PrepareOptions(), observer: WorkObserver = WorkObserver()
  ) throws(PipelineError) -> PrepareReport {
    let finished = try finish(
      inputPath, outputPath: outputPath, externalData: externalData, options, observer: observer)
    try finished.commit()
    return finished.report
  }

  /// Prepares a model and writes it, up to giving the output its name.
  static func finish(
    _ inputPath: String, outputPath: String, externalData: ExternalDataPolicy, _ options: PrepareOptions,
    observer: WorkObserver
  ) throws(PipelineError) -> FinishedModel<PrepareReport> {
    let source = try QuantizePipeline.open(request(inputPath, outputPath, options))
    try QuantizePipeline.refuseOverwriting(source, inputPath, outputPath)
    try refuseDecoder(options, outputPath)
    let prepared = try prepare(source, inputPath, outputPath, options)
    let output: ModelOutput
    do {
      output = try ModelOutput(prepared.graph.lower(), path: outputPath, policy: externalData)
    } catch { throw PipelineError(error) }
    observer.began(output.copyJobs.reduce(0) { $0 + $1.bytes.byteCount })
    do {
      for job in output.copyJobs {
        try output.run(job)
        observer.advanced(job.bytes.byteCount)
      }
    } catch { throw PipelineError(error) }
    let report = PrepareReport(
      prepared: prepared, outputPath: outputPath, outputDataPath: output.dataPath,
      outputByteCount: output.byteCount, peakMemoryByteCount: Machine.peakMemoryByteCount)
    return FinishedModel(report: report, output: output)
  }

  /// The decoder whose projections are taken must not be replaced.
  private static func refuseDecoder(_ options: PrepareOptions, _ outputPath: String) throws(PipelineError) {
    guard case .crossCaches(let decoder?) = options.encoderForm else { return }
    try RunFiles.check(RunFiles.model("--output", outputPath), reading: RunFiles.models([decoder]))
  }

  private static func request(
    _ inputPath: String, _ outputPath: String, _ options: PrepareOptions
  ) -> QuantizeRequest {
    var request = QuantizeRequest(inputPath: inputPath, outputPath: outputPath)
    request.followsLinks = options.followsLinks
    return request
  }

  private static func prepare(
    _ source: QuantizePipeline.Source, _ inputPath: String, _ outputPath: String, _ options: PrepareOptions
  ) throws(PipelineError) -> PreparedModel {
    try requireFloat(source.graph, inputPath)
    try requireParts(source.graph, inputPath)
    let clock = ContinuousClock()
    let start = clock.now
    let signature = SourceSignature(source.graph, path: inputPath, byteCount: source.byteCount)
    var reports: [PassReport] = []
    let context = PassContext(
      evaluator: EngineEvaluator(threadCount: options.threadCount > 0 ? options.threadCount : nil),
      keeper: ConstantsOnDisk(outputPath: outputPath))
    let wide = QuantizePipeline.Source(
      graph: try widened(source.graph, context, &reports), external: source.external,
      byteCount: source.byteCount)
    let built = try built(wide, options, context, &reports)
    var graph = try chosen(built, options, context, &reports)
    let shapes: ShapeTable
    do throws(PassError) {
      let binding = DimensionBinding(lengths: options.dimensions)
      reports += try StandardPasses.groundwork(binding, opset: options.opset).run(&graph, context)
      try resolveBranches(&graph, context, &reports)
      reports += try StandardPasses.form().run(&graph, context)
      shapes = try ShapeTable.infer(graph)
    } catch { throw misfit(error, options) }
    return PreparedModel(
      graph: graph, shapes: shapes, reports: reports, source: signature,
      seconds: (clock.now - start) / .seconds(1))
  }

  /// Shapes that contradict each other are the model's fault, unless the caller chose some of them.
  private static func misfit(_ error: PassError, _ options: PrepareOptions) -> PipelineError {
    guard case .shape = error.reason, !options.dimensions.isEmpty else { return PipelineError(error) }
    let given = options.dimensions.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
    let advice = "; check --dim"
    let what =
      error.message.hasSuffix(advice) ? String(error.message.dropLast(advice.count)) : error.message
    return PipelineError(
      "\(what); the model does not go with --dim \(given.joined(separator: " --dim ")): leave it out, or give "
        + "the length that the model was exported for (a batch of 1)", .usage)
  }

  /// The graph with float32 for half precision, so that all that follows finds what it looks for.
  private static func widened(
    _ graph: ModelGraph, _ context: PassContext, _ reports: inout [PassReport]
  ) throws(PipelineError) -> ModelGraph {
    var result = graph
    do throws(PassError) {
      let report = try FloatWidening().run(&result, context)
      if report.changeCount > 0 { reports.append(report) }
    } catch { throw PipelineError(error) }
    return result
  }

  /// Forms that are built anew from the weights of the export, before branches are chosen and shapes fixed.
  private static func built(
    _ source: QuantizePipeline.Source, _ options: PrepareOptions, _ context: PassContext,
    _ reports: inout [PassReport]
  ) throws(PipelineError) -> QuantizePipeline.Source {
    var graph = source.graph
    if case .staticCaches = options.decoderForm, WhisperModelDescription.recognise(graph).part == .encoder {
      throw PipelineError(
        "\(graph.path): this is an encoder, and only a decoder gets caches of fixed length; leave --static-kv and "
          + "--max-tokens out", .usage)
    }
    do throws(StaticSpeechError) {
      if case .staticCaches(let count) = options.decoderForm {
        let isStatic = StaticSpeech.isStaticDecoder(graph)
        graph = try StaticSpeech.decoder(from: graph, maximumTokenCount: count)
        reports.append(
          PassReport(
            name: "static-caches", changeCount: isStatic ? 0 : 1,
            notes: [
              isStatic
                ? keptCaches(graph, count)
                : "the decoder was built anew: one token a step, caches of fixed length"
            ]))
      }
    } catch { throw PipelineError(error) }
    if case .crossCaches(let path) = options.encoderForm {
      var decoder: ModelGraph?
      if let path {
        // The encoder's own report tells of half precision.
        var unsaid: [PassReport] = []
        let other = try QuantizePipeline.open(request(path, "", options)).graph
        try requireFloat(other, path)
        decoder = try widened(other, context, &unsaid)
      }
      do throws(StaticSpeechError) {
        graph = try StaticSpeech.encoder(addingCrossCachesOf: decoder, to: graph)
      } catch {
        guard path == nil, error.reason == .absent else { throw PipelineError(error) }
        throw PipelineError("\(error.message); name the decoder with --decoder FILE", .usage)
      }
      reports.append(
        PassReport(
          name: "cross-caches", changeCount: 1,
          notes: ["the encoder gives the caches of the decoder's cross-attention"]))
    }
    return QuantizePipeline.Source(graph: graph, external: source.external, byteCount: source.byteCount)
  }

  /// What became of the caches of a decoder that had them already.
  private static func keptCaches(_ graph: ModelGraph, _ maximumTokenCount: Int?) -> String {
    let sentence = "the decoder has caches of fixed length already, which stay as they are"
    guard let slots = WhisperModelDescription.recognise(graph).dimensions.selfCacheLength,
      let wanted = maximumTokenCount, wanted != slots + 1
    else { return sentence }
    return "\(sentence): \(slots) slots, not the \(wanted) tokens of --max-tokens"
  }

  /// The graph without functions and without the branch that was not chosen.
  private static func chosen(
    _ source: QuantizePipeline.Source, _ options: PrepareOptions, _ context: PassContext,
    _ reports: inout [PassReport]
  ) throws(PipelineError) -> ModelGraph {
    var model = source.graph.lower()
    let functionCount = model.functions.count
    do { model = try CPUBackend.inlineFunctions(model) } catch {
      throw PipelineError(error.message, .unsupported)
    }
    if functionCount > 0 { reports.append(PassReport(name: "inline-functions", changeCount: functionCount)) }
    let choices = options.decoderBranch.map { ["use_cache_branch": $0 == .withPast] } ?? [:]
    let count: Int
    do {
      (model, count) = try BranchSelection(choices: choices).select(model, path: source.graph.path)
    } catch { throw PipelineError(error) }
    if count > 0 { reports.append(PassReport(name: "choose-branches", changeCount: count)) }
    if functionCount == 0, count == 0 { return source.graph }
    let graph: ModelGraph
    do { graph = try ModelGraph.lift(model, external: source.external) } catch { throw PipelineError(error) }
    // Functions hold constants and casts of their own.
    return functionCount > 0 ? try widened(graph, context, &reports) : graph
  }

  /// Folds up to each `If`, so that its condition becomes constant, and takes the branch.
  private static func resolveBranches(
    _ graph: inout ModelGraph, _ context: PassContext, _ reports: inout [PassReport]
  ) throws(PassError) {
    while let open = graph.allNodes.first(where: { graph[$0].opType == "If" }) {
      try ConstantFolding().foldUpToBranches(&graph, context)
      let (model, count) = try BranchSelection().select(graph.lower(), path: graph.path)
      guard count > 0 else {
        let condition = graph[open].inputs.first.flatMap { $0 }.map { graph[$0].name } ?? ""
        throw PassError(.openBranch(node: graph.label(of: open), condition: condition), path: graph.path)
      }
      do {
        graph = try ModelGraph.lift(model, external: ExternalDataFiles(modelPath: graph.path))
      } catch { throw PassError(.graph(error.message), path: graph.path) }
      reports.append(PassReport(name: "choose-branches", changeCount: count))
    }
  }
}

/// What was prepared and written.
public struct PrepareReport: Sendable {
  public let prepared: PreparedModel
  public let outputPath: String
  public let outputDataPath: String?
  public let outputByteCount: Int
  public let peakMemoryByteCount: Int

  /// One pass's name, number of changes and sentences.
  public struct Pass: Sendable {
    public let name: String
    public let changeCount: Int
    public let notes: [String]
  }

  public var passes: [Pass] {
    prepared.reports.map { Pass(name: $0.name, changeCount: $0.changeCount, notes: $0.notes) }
  }
  /// Nodes of the result by operator.
  public var operators: [String: Int] { prepared.graph.operatorCounts }
  /// Inputs and outputs of the result as `name:type[dimensions]`.
  public var inputs: [String] {
    prepared.graph.requiredInputs.map { SourceSignature.text($0, prepared.graph) }
  }
  public var outputs: [String] {
    prepared.graph[prepared.graph.root].outputs.map { SourceSignature.text($0, prepared.graph) }
  }
}

extension PipelineError {
  /// A request that does not fit the model is a matter of usage; everything else a limit of ours.
  init(_ error: StaticSpeechError) {
    self.init(error.message, error.reason == .request ? .usage : .unsupported)
  }

  /// What the model lacks is a limit of ours; what was asked for wrongly is a matter of usage.
  public init(_ error: PassError) {
    switch error.reason {
    case .openDimension, .otherDimension, .openBranch, .noBranch: self.init(error.message, .usage)
    case .unknownOperator, .graph: self.init(error.message, .unsupported)
    case .room: self.init(error.message, .inputOutput)
    case .shape: self.init(error.message, .badInput)
    }
  }
}
