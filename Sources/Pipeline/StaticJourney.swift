import ByteIO
import Calibration
import Kernels
import ModelStore
import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors

/// One prepared model on its way to integers.
struct StaticJourney {
  let request: StaticRequest
  let prepared: PreparedModel
  /// The prepared model, equalized as far as the request wants it.
  private(set) var graph: ModelGraph
  private var equalization = Equalization()
  private let threadCount: Int

  init(_ request: StaticRequest, _ prepared: PreparedModel) {
    self.request = request
    self.prepared = prepared
    graph = prepared.graph
    threadCount = request.threadCount > 0 ? request.threadCount : Machine.threadCount
  }

  /// What was changed before quantizing, and how long finding it out took.
  private struct Equalization {
    var attentionCount = 0
    var seconds = 0.0
  }

  /// Makes the float model easier to hold in few bits, without changing what it computes.
  mutating func equalize(_ observer: WorkObserver) throws(PipelineError) {
    let isWanted =
      request.plan?.isAttentionEqualized
      ?? (request.policy.keysAndValues == .u8 && request.equalizesAttention)
    guard isWanted else { return }
    if request.plan != nil, request.calibration == nil {
      throw PipelineError(
        "this plan is for a model whose keys and values are equalized, which needs the data that it was made with; "
          + "give the same --calibration again", .usage)
    }
    let clock = ContinuousClock()
    let start = clock.now
    equalization.attentionCount = AttentionEqualization.rotate(&graph)
    let names = AttentionEqualization.observedValues(graph)
    if names.isEmpty { return }
    let wishes = ObservationWishes(Dictionary(uniqueKeysWithValues: names.map { ($0, Observation.channels) }))
    var first = try calibration(wishes)
    first.rangesPath = request.rangesPath.map { $0 + ".channels" }
    let outcome = try CalibratePipeline.ranges(graph, first, observer: observer)
    _ = AttentionEqualization.equalize(&graph) { name in
      guard let channels = outcome.table.statistics[name]?.channels else { return nil }
      return (channels.minima, channels.maxima)
    }
    equalization.seconds = (clock.now - start) / .seconds(1)
  }

  /// A plan with what was observed for it.
  struct Planned {
    let plan: StaticPlan
    /// Nil when the plan was given.
    let calibration: CalibrationOutcome?
    let seconds: Double
  }

  // MARK: Plan

  func plan(_ observer: WorkObserver) throws(PipelineError) -> Planned {
    if let plan = request.plan { return Planned(plan: plan, calibration: nil, seconds: 0) }
    let clock = ContinuousClock()
    let start = clock.now
    let names = StaticPlanner.observedValues(graph, policy: request.policy)
    let wishes = ObservationWishes(Dictionary(uniqueKeysWithValues: names.map { ($0, Observation.range) }))
    let outcome = try CalibratePipeline.ranges(graph, try calibration(wishes), observer: observer)
    let seconds = (clock.now - start) / .seconds(1)
    let (method, percentile) = (request.method, request.percentile)
    do throws(StaticPlanError) {
      var plan = try StaticPlanner.plan(graph, policy: request.policy) { name, type in
        outcome.table.range(
          of: name, method: method, percentile: percentile, levels: type.levels.count,
          symmetric: type.isSymmetric)
      }
      plan.isAttentionEqualized = equalization.attentionCount > 0
      return Planned(plan: plan, calibration: outcome, seconds: seconds)
    } catch {
      throw PipelineError("\(request.inputPath): \(error.message)", .unsupported)
    }
  }

  private func calibration(_ wishes: ObservationWishes) throws(PipelineError) -> CalibrationRequest {
    guard let source = request.calibration else {
      throw PipelineError(
        "--scheme \(request.policy.scheme.rawValue) has fixed scales, which are found by running the model on "
          + "speech; name recordings with --calibration FOLDER (4 to 16 clips are enough)", .usage)
    }
    var result = CalibrationRequest(
      wishes: wishes, data: try CalibrationData(source), modelDigest: try digest())
    result.rangesPath = request.rangesPath
    result.threadCount = request.threadCount > 0 ? request.threadCount : nil
    return result
  }

  /// Of the source's bytes and of what was made of it, so that ranges of another form are refused.
  private func digest() throws(PipelineError) -> String {
    var text = ""
    do {
      let external = ExternalDataFiles(modelPath: request.inputPath)
      let file = try MappedFile(path: request.inputPath)
      text += FileDigest.sha256(of: file)
      let locations = Set(try ModelReader.read(file).externalLocations).sorted()
      for location in locations {
        let data = try MappedFile(path: joined(folder(of: request.inputPath), location))
        text += FileDigest.sha256(of: data)
      }
      _ = external
    } catch let error as ByteIOError {
      throw PipelineError(error)
    } catch let error as ONNXFileError {
      throw PipelineError(error)
    } catch {
      throw PipelineError("\(request.inputPath): \(error)", .internal)
    }
    for value in graph[graph.root].nodes.flatMap({ graph[$0].outputs.compactMap { $0 } }) {
      text += " " + graph[value].name
    }
    return FileDigest.sha256(of: text)
  }

  // MARK: Run

  func run(_ observer: WorkObserver) throws(PipelineError) -> StaticReport {
    let planned = try plan(observer)
    let clock = ContinuousClock()
    let start = clock.now
    let rewritten: RewrittenModel
    do {
      rewritten = try GraphRewriter.rewrite(graph, plan: planned.plan)
    } catch {
      throw PipelineError(error, plan: request.plan == nil ? .made : .edited)
    }
    let output: ModelOutput
    do {
      output = try ModelOutput(
        rewritten.graph.lower(), path: request.outputPath, policy: request.externalData)
    } catch {
      throw PipelineError(error)
    }
    let steered = rewritten.jobs.filter { $0.rounding?.rounding == .errorAware }
    let plain = rewritten.jobs.filter { $0.rounding?.rounding != .errorAware }
    let runner = JobRunner(threadCount: threadCount, progress: observer.advanced)
    var outcomes: [WeightOutcome]
    do { outcomes = try runner.run(plain, into: output) } catch {
      throw PipelineError(QuantizeError(error.reason, path: request.inputPath))
    }
    var gramSeconds = 0.0
    if !steered.isEmpty {
      let began = clock.now
      outcomes += try round(steered, runner, output, observer)
      gramSeconds = (clock.now - began) / .seconds(1)
    }
    do { try output.commit() } catch { throw PipelineError(error) }
    return StaticReport(
      inputPath: request.inputPath, outputPath: request.outputPath, outputDataPath: output.dataPath,
      inputByteCount: prepared.source.byteCount, outputByteCount: output.byteCount, plan: planned.plan,
      outcomes: outcomes, passes: prepared.reports.map { ($0.name, $0.changeCount) },
      clips: planned.calibration?.table.clips.map(\.name) ?? [],
      reusedCount: planned.calibration?.reusedCount ?? 0,
      findings: (planned.calibration?.notes ?? []) + rewritten.findings, prepareSeconds: prepared.seconds,
      calibrationSeconds: planned.seconds + gramSeconds + equalization.seconds,
      quantizeSeconds: (clock.now - start) / .seconds(1) - gramSeconds,
      peakMemoryByteCount: Machine.peakMemoryByteCount)
  }

  /// Rounds weights with the Gram matrices of what meets them, as many at a time as memory allows.
  private func round(
    _ jobs: [WeightJob], _ runner: JobRunner, _ output: ModelOutput, _ observer: WorkObserver
  ) throws(PipelineError) -> [WeightOutcome] {
    let byInput = Dictionary(grouping: jobs) { $0.rounding?.inputTensor ?? "" }
    let order =
      graph[graph.root].nodes.flatMap { graph[$0].outputs.compactMap { $0 } } + graph[graph.root].inputs
    let widths = order.compactMap { value -> (name: String, width: Int)? in
      guard byInput[graph[value].name] != nil, let width = prepared.shapes[value]?.dimensions.last else {
        return nil
      }
      return (graph[value].name, width)
    }
    let wishes = ObservationWishes(
      Dictionary(uniqueKeysWithValues: widths.map { ($0.name, Observation.gram) }))
    var outcomes: [WeightOutcome] = []
    try CalibratePipeline.grams(graph, try calibration(wishes), widths: widths, observer: observer) {
      (grams) throws(PipelineError) in
      for (name, gram) in grams.sorted(by: { $0.key < $1.key }) {
        do {
          let input = try LayerInput(gram, threads: threadCount)
          for job in byInput[name] ?? [] {
            outcomes.append(try runner.run(job, input: input, into: output))
          }
        } catch let error as CalibrationError {
          throw PipelineError("\(request.inputPath): '\(name)': \(error.message)", .badInput)
        } catch let error as QuantizeError {
          throw PipelineError(QuantizeError(error.reason, path: request.inputPath))
        } catch {
          throw PipelineError("\(request.inputPath): \(error)", .internal)
        }
      }
    }
    return outcomes
  }
}
