import ByteIO
import Kernels
public import ONNXFile
import ONNXGraph
public import QuantPlan
import Quantize
import Tensors

/// What `quantize` is asked to do with one model.
public struct QuantizeRequest: Sendable {
  public var inputPath: String
  public var outputPath: String
  public var policy = QuantPolicy()
  /// An edited plan; it replaces the policy.
  public var plan: QuantPlan?
  /// Where it was read, for errors.
  public var planPath: String?
  public var externalData: ExternalDataPolicy = .auto
  public var threadCount = 0
  /// Files of settings, which are read before the run.
  public var settingsPaths: [String] = []
  public var followsLinks = false
  /// Writes the model even when no weight changes.
  public var allowsUnchanged = false

  public init(inputPath: String, outputPath: String) {
    self.inputPath = inputPath
    self.outputPath = outputPath
  }
}

/// Who is told how far the work is; called from any thread.
public struct WorkObserver: Sendable {
  public let began: @Sendable (_ totalByteCount: Int) -> Void
  public let advanced: @Sendable (_ byteCount: Int) -> Void

  public init(
    began: @escaping @Sendable (Int) -> Void = { _ in },
    advanced: @escaping @Sendable (Int) -> Void = { _ in }
  ) {
    self.began = began
    self.advanced = advanced
  }
}

/// The journey of one model: read → lift → plan → rewrite → lower → write, weights streaming through at the
/// end.
public enum QuantizePipeline {
  /// Decides, but writes nothing.
  public static func plan(_ request: QuantizeRequest) throws(PipelineError) -> QuantPlan {
    let source = try open(request)
    return request.plan ?? Planner.plan(source.graph, policy: request.policy)
  }

  /// The lifted graph as text, a line a node, for looking into a journey.
  public static func graphText(_ request: QuantizeRequest) throws(PipelineError) -> String {
    let graph = try open(request).graph
    return graph.graphIDs.map { id in
      let head = "graph '\(graph.label(of: id))' with \(graph[id].initializers.count) initializers\n"
      return graph[id].nodes.reduce(into: head) { text, node in
        func names(_ values: [ValueID?]) -> String {
          values.map { $0.map { graph[$0].name } ?? "" }.joined(separator: ", ")
        }
        let record = graph[node]
        let domain = record.domain.isEmpty ? "" : record.domain + "."
        text += "  \(names(record.outputs)) = \(domain)\(record.opType)(\(names(record.inputs)))\n"
      }
    }.joined()
  }

  /// Quantizes one model; the output is complete or not there.
  public static func run(
    _ request: QuantizeRequest, observer: WorkObserver = WorkObserver()
  )
    throws(PipelineError) -> QuantizeReport
  {
    let clock = ContinuousClock()
    let start = clock.now
    let source = try open(request)
    try refuseOverwriting(source, request.inputPath, request.outputPath)
    try RunFiles.check(
      RunFiles.model("--output", request.outputPath),
      reading: request.settingsPaths + [request.planPath].compactMap { $0 })
    let plan = request.plan ?? Planner.plan(source.graph, policy: request.policy)
    if !request.allowsUnchanged, plan.entries.allSatisfy({ $0.treatment == nil }) {
      throw PipelineError(NothingToDo.sentence(request.inputPath, plan, source.graph), .unsupported)
    }
    let rewritten: RewrittenModel
    do {
      rewritten = try GraphRewriter.rewrite(source.graph, plan: plan)
    } catch {
      throw PipelineError(error, plan: request.planPath, model: request.inputPath)
    }
    let output: ModelOutput
    let sources = try sourcesInSight(source, request)
    do {
      output = try ModelOutput(
        rewritten.graph.lower(), path: request.outputPath, policy: request.externalData, sources: sources)
    } catch {
      throw PipelineError(error)
    }
    let weightBytes = rewritten.jobs.reduce(0) { $0 + $1.byteCount }
    observer.began(weightBytes + output.copyJobs.reduce(0) { $0 + $1.bytes.byteCount })
    let threadCount = request.threadCount > 0 ? request.threadCount : Machine.threadCount
    let outcomes: [WeightOutcome]
    do {
      outcomes = try JobRunner(threadCount: threadCount, progress: observer.advanced)
        .run(rewritten.jobs, into: output)
    } catch {
      // A weight's fault is the source's, whatever was being written.
      throw PipelineError(QuantizeError(error.reason, path: request.inputPath))
    }
    do { try output.commit() } catch { throw PipelineError(error) }
    return QuantizeReport(
      inputPath: request.inputPath, outputPath: request.outputPath, outputDataPath: output.dataPath,
      inputByteCount: source.byteCount, outputByteCount: output.byteCount, plan: plan, outcomes: outcomes,
      findings: references(output) + idlePatterns(source, request) + rewritten.findings
        + Findings.of(outcomes, plan, source.graph),
      seconds: (clock.now - start) / .seconds(1), threadCount: threadCount,
      processorLevel: CPUFeatures.level.name, peakMemoryByteCount: Machine.peakMemoryByteCount)
  }

  /// The source's data files that the output may go on using: all of them when it is their neighbour.
  private static func sourcesInSight(
    _ source: Source, _ request: QuantizeRequest
  ) throws(PipelineError) -> [FileIdentity: String] {
    guard request.externalData == .reference else { return [:] }
    let here = folder(of: request.inputPath)
    let there = folder(of: request.outputPath)
    guard let home = identity(ofPath: here.isEmpty ? "." : here),
      home == identity(ofPath: there.isEmpty ? "." : there)
    else {
      throw PipelineError(
        "--external-data reference needs the output in the folder of \(request.inputPath), because a model may "
          + "only use data files in its own folder; write it there or leave the option out",
        .usage)
    }
    return source.external.opened.reduce(into: [:]) { found, entry in
      if let identity = entry.file.identity { found[identity] = entry.location }
    }
  }

  private static func references(_ output: ModelOutput) -> [String] {
    output.referencedByteCounts.sorted { $0.key < $1.key }.map {
      "\($0.value) bytes of weights stay in \($0.key); keep that file beside the model"
    }
  }

  private static func idlePatterns(_ source: Source, _ request: QuantizeRequest) -> [String] {
    if request.plan != nil { return [] }
    return Planner.idlePatterns(source.graph, policy: request.policy).map(Planner.idleSentence)
  }

  struct Source {
    let graph: ModelGraph
    let external: ExternalDataFiles
    /// Model file and data files.
    let byteCount: Int
  }

  static func open(_ request: QuantizeRequest) throws(PipelineError) -> Source {
    if let objection = request.policy.objection { throw PipelineError(objection, .usage) }
    let external = ExternalDataFiles(
      modelPath: request.inputPath, links: request.followsLinks ? .follow : .refuse)
    let file: MappedFile
    do { file = try MappedFile(path: request.inputPath) } catch { throw PipelineError(error) }
    let model: ModelProto
    do { model = try ModelReader.read(file) } catch { throw PipelineError(error) }
    let graph: ModelGraph
    do { graph = try ModelGraph.lift(model, external: external) } catch { throw PipelineError(error) }
    let dataBytes = external.opened.reduce(0) { $0 + $1.file.byteCount }
    return Source(graph: graph, external: external, byteCount: file.byteCount + dataBytes)
  }

  /// Neither output file may be one of the files that are read.
  static func refuseOverwriting(
    _ source: Source, _ inputPath: String, _ outputPath: String
  ) throws(PipelineError) {
    let dataPath = joined(folder(of: outputPath), ModelOutput.dataFileName(forModel: outputPath))
    let inputs = [inputPath] + source.external.opened.map { joined(folder(of: inputPath), $0.location) }
    for target in [outputPath, dataPath] {
      guard let id = identity(ofPath: target) else { continue }
      for input in inputs where identity(ofPath: input) == id {
        throw PipelineError(ByteIOError(.sameFile(as: input), path: target))
      }
    }
  }
}
