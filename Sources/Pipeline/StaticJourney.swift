import ByteIO
import Calibration
import Kernels
import ModelStore
import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import Validation

/// One prepared model on its way to integers.
struct StaticJourney {
  /// Runs that equalization looks at.
  private static let equalizingRunCount = 4

  let request: StaticRequest
  let prepared: PreparedModel
  /// The prepared model, equalized as far as the request wants it.
  private(set) var graph: ModelGraph
  /// The request's, with the layers that keep 16-bit activations.
  private(set) var policy: StaticPolicy
  /// The ranges of equalized outputs, by name.
  private var clips: [String: ClosedRange<Float>] = [:]
  private var equalization = Equalization()
  private let threadCount: Int
  /// Of the source's bytes; empty when no ranges are kept that must belong to them.
  private let sourceDigest: String
  /// Where weights go that equalization changes.
  private let disk: ConstantsOnDisk

  /// - Parameter isWriting: whether the output will be there, beside which there is room for weights.
  init(_ request: StaticRequest, _ prepared: PreparedModel, isWriting: Bool) throws(PipelineError) {
    disk = ConstantsOnDisk(outputPath: isWriting ? request.outputPath : "")
    self.request = request
    self.prepared = prepared
    graph = prepared.graph
    policy = request.policy
    if let plan = request.plan {
      guard plan.scheme == policy.scheme else {
        throw PipelineError(
          "the plan is for \(plan.scheme.rawValue), not for --scheme \(policy.scheme.rawValue); leave --scheme out, or make "
            + "a plan for it with --dry-run --json", .usage)
      }
      guard plan.target == policy.target.name else {
        throw PipelineError(
          "the plan is for the target '\(plan.target)', not for '\(policy.target.name)'; give --target that, or make a "
            + "plan with --dry-run --json", .usage)
      }
      policy.floatNodes = Set(plan.floatNodes.map(\.node))
      policy.areFunctionsNarrow = plan.activations.contains { $0.producer == "Gelu" && $0.type == .u8 }
    }
    threadCount = request.threadCount > 0 ? request.threadCount : Machine.threadCount
    sourceDigest = request.rangesPath == nil ? "" : try Self.sourceDigest(request.inputPath)
  }

  /// What was changed before quantizing, and how long finding it out took.
  private struct Equalization {
    var attentionCount = 0
    /// Of the sizes of channels that it went by.
    var basis: String?
    var seconds = 0.0
  }

  /// Makes the float model easier to hold in few bits, without changing what it computes, and chooses which layers
  /// keep 16-bit activations.
  ///
  /// An edited plan belongs to a model that was equalized in the same way, so it is equalized again; which layers
  /// keep 16 bits is then what the plan says.
  mutating func equalize(_ observer: WorkObserver) throws(PipelineError) {
    if request.plan?.isAttentionEqualized ?? false, request.calibration == nil, request.rangesPath == nil {
      throw PipelineError(
        "this plan is for a model whose keys and values are equalized, which needs the data that it was made with; "
          + "give the same --calibration again", .usage)
    }
    let clock = ContinuousClock()
    let start = clock.now
    defer { equalization.seconds = (clock.now - start) / .seconds(1) }
    let isRotated =
      request.plan?.isAttentionEqualized ?? (policy.keysAndValues == .u8 && request.equalizesAttention)
    if isRotated { equalization.attentionCount = AttentionEqualization.rotate(&graph) }
    try moveWeights()
    let width = StaticWidth(graph, policy, request.width)
    if let layer = width.contradiction {
      throw PipelineError(
        "--wide and --narrow both mean the layer '\(layer)'; leave it to one of them", .usage)
    }
    if let pattern = width.idlePattern {
      throw PipelineError("no linear layer is named by '\(pattern)'", .usage)
    }
    var wishes = ObservationWishes()
    if isRotated {
      for name in AttentionEqualization.observedValues(graph) { wishes.add(.channels, of: name) }
    }
    if request.smoothing != .off {
      for name in NormalizationSmoothing.observedValues(graph) { wishes.add(.channels, of: name) }
    }
    if policy.scheme == .w8a8 {
      for layer in outputLayers(width.layers) { wishes.add(.channels, of: graph[layer.output].name) }
      if width.isMeasured, request.plan == nil {
        if request.calibration == nil, request.rangesPath != nil {
          throw PipelineError(
            "which layers keep 16 bits is found by running the model; give --calibration again, or use ranges that were "
              + "made with --narrow-share 100 and give that, too", .usage)
        }
        for layer in width.candidates {
          wishes.add(.range, of: graph[layer.input].name)
          wishes.add(.channels, of: graph[layer.output].name)
        }
      }
    }
    if wishes.tensors.isEmpty { return }
    var first = try calibration(wishes)
    // Sizes of channels need no more, for ranges are found anew behind them; those of w8a8 are final.
    if policy.scheme != .w8a8 { first.data = first.data.spread(Self.equalizingRunCount) }
    first.rangesPath = request.rangesPath.map { $0 + ".channels" }
    // Another scheme looks at other tensors and runs, which must not get into the same file.
    first.modelDigest = FileDigest.sha256(of: "\(digest) \(policy.scheme == .w8a8 ? "outputs" : "inputs")")
    let table = try CalibratePipeline.ranges(graph, first, observer: observer).table
    if first.rangesPath != nil {
      equalization.basis = FileDigest.sha256(of: try CalibrationRangesFile.text(table))
    }
    func channels(_ name: String) -> (minima: [Float], maxima: [Float])? {
      table.statistics[name]?.channels.map { ($0.minima, $0.maxima) }
    }
    if isRotated { _ = AttentionEqualization.equalize(&graph, channels: channels) }
    if policy.scheme == .w8a8 {
      try chooseWidth(width, table, first.data, channels)
    }
    let types = Dictionary(
      StaticPlanner.linearLayers(graph, policy: policy).map { (graph[$0.input].name, $0.type) },
      uniquingKeysWith: { first, _ in first })
    _ = NormalizationSmoothing.smooth(
      &graph, request.smoothing, channels: channels, levels: { (types[$0] ?? .u16).levels.count })
    let layers = outputLayers(StaticPlanner.linearLayers(graph, policy: policy).filter { $0.type == .u8 })
    clips = OutputEqualization.equalize(&graph, layers, channels: channels).ranges
    try moveWeights()
  }

  private mutating func moveWeights() throws(PipelineError) {
    do { try disk.moveWeights(of: &graph) } catch { throw PipelineError(error) }
  }

  /// The layers whose outputs are equalized when they have 8 bits.
  private func outputLayers(_ layers: [PlannedLinear]) -> [PlannedLinear] {
    guard request.plan?.areOutputsEqualized ?? request.equalizesOutputs else { return [] }
    return layers.filter {
      OutputEqualization.canEqualize($0, in: graph, heedsGelu: !policy.areFunctionsNarrow)
    }
  }

  private mutating func chooseWidth(
    _ width: StaticWidth, _ table: RangeTable, _ data: CalibrationData,
    _ channels: (String) -> (minima: [Float], maxima: [Float])?
  ) throws(PipelineError) {
    if let plan = request.plan {
      let wide = Set(plan.activations.filter { $0.type == .u16 }.map(\.tensor))
      for layer in width.layers where wide.contains(graph[layer.output].name) {
        let equalized = "\(graph[layer.output].name)_equalized"
        if plan.activations.contains(where: { $0.tensor == equalized }) { continue }
        policy.wideLinears[layer.label] = "16 bits in the plan"
      }
      return
    }
    policy.wideLinears.merge(width.given) { _, given in given }
    guard width.isMeasured else { return }
    let chosen = try width.choose(
      try CalibratePipeline.sampleRuns(graph, data, threadCount: threadCount),
      ranges: { name in table.statistics[name].map { $0.minimum...$0.maximum } }, channels: channels,
      threadCount: threadCount)
    policy.wideLinears.merge(chosen) { given, _ in given }
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
    let names = StaticPlanner.observedValues(graph, policy: policy)
    let wishes = ObservationWishes(Dictionary(uniqueKeysWithValues: names.map { ($0, Observation.range) }))
    var wanted = try calibration(wishes)
    wanted.basis = equalization.basis
    let outcome = try CalibratePipeline.ranges(graph, wanted, observer: observer)
    let seconds = (clock.now - start) / .seconds(1)
    let (method, percentile, clips) = (request.method, request.percentile, self.clips)
    do throws(StaticPlanError) {
      var plan = try StaticPlanner.plan(graph, policy: policy) { name, type in
        // Sizes and middles were made for exactly this range.
        if let range = clips[name] { return range }
        return outcome.table.range(
          of: name, method: method, percentile: percentile, levels: type.levels.count,
          symmetric: type.isSymmetric)
      }
      plan.isAttentionEqualized = equalization.attentionCount > 0
      plan.areOutputsEqualized = !clips.isEmpty
      return Planned(plan: plan, calibration: outcome, seconds: seconds)
    } catch {
      throw PipelineError("\(request.inputPath): \(error.message)", .unsupported)
    }
  }

  private func calibration(_ wishes: ObservationWishes) throws(PipelineError) -> CalibrationRequest {
    let data: CalibrationData
    if let source = request.calibration {
      data = try CalibrationData(source)
    } else if request.rangesPath != nil {
      data = CalibrationData()
    } else {
      throw PipelineError(
        "--scheme \(policy.scheme.rawValue) has fixed scales, which are found by running the model on "
          + "speech; name recordings with --calibration FOLDER (4 to 16 clips are enough)", .usage)
    }
    var result = CalibrationRequest(wishes: wishes, data: data, modelDigest: digest)
    result.rangesPath = request.rangesPath
    result.threadCount = request.threadCount > 0 ? request.threadCount : nil
    return result
  }

  /// Of the bytes of a model and of its external data.
  private static func sourceDigest(_ path: String) throws(PipelineError) -> String {
    do {
      let file = try MappedFile(path: path)
      var text = FileDigest.sha256(of: file)
      for location in Set(try ModelReader.read(file).externalLocations).sorted() {
        text += FileDigest.sha256(of: try MappedFile(path: joined(folder(of: path), location)))
      }
      return text
    } catch let error as ByteIOError {
      throw PipelineError(error)
    } catch let error as ONNXFileError {
      throw PipelineError(error)
    } catch {
      throw PipelineError("\(path): \(error)", .internal)
    }
  }

  /// Of the source's bytes and of what was made of it, so that ranges of another form are refused.
  private var digest: String {
    var text = sourceDigest
    for value in graph[graph.root].nodes.flatMap({ graph[$0].outputs.compactMap { $0 } }) {
      text += " " + graph[value].name
    }
    // What changes numbers without changing names.
    text += " \(equalization.attentionCount > 0) \(request.smoothing)"
    return FileDigest.sha256(of: text)
  }

  // MARK: Run

  func run(_ observer: WorkObserver) throws(PipelineError) -> FinishedModel<StaticReport> {
    let planned = try plan(observer)
    if let sentence = NothingToDo.sentence(request.inputPath, planned.plan, path: request.planPath) {
      throw PipelineError(sentence, .unsupported)
    }
    let clock = ContinuousClock()
    let start = clock.now
    let rewritten: RewrittenModel
    do {
      rewritten = try GraphRewriter.rewrite(graph, plan: planned.plan)
    } catch {
      throw PipelineError(error, plan: request.planPath, model: request.inputPath)
    }
    let steered = rewritten.jobs.filter { $0.rounding?.rounding == .errorAware }
    if !steered.isEmpty, request.calibration == nil {
      throw PipelineError(
        "error-aware rounding runs the model on recordings; give --calibration (the same again), or "
          + (request.plan == nil ? "--rounding nearest" : "change 'rounding' in the plan to nearest"), .usage)
    }
    let output: ModelOutput
    do {
      output = try ModelOutput(
        rewritten.graph.lower(), path: request.outputPath, policy: request.externalData)
    } catch {
      throw PipelineError(error)
    }
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
    let places = Explanation.of(rewritten.graph, target: policy.target)
    var plan = planned.plan
    let enclosed = removeEnclosed(from: &plan, places)
    let report = StaticReport(
      inputPath: request.inputPath, outputPath: request.outputPath, outputDataPath: output.dataPath,
      inputByteCount: prepared.source.byteCount, outputByteCount: output.byteCount, plan: plan,
      outcomes: outcomes, passes: prepared.reports.map { ($0.name, $0.changeCount) },
      clips: planned.calibration?.table.clips.map(\.name) ?? [],
      reusedCount: planned.calibration?.reusedCount ?? 0,
      findings: (planned.calibration?.notes ?? []) + idlePatterns + enclosed + rewritten.findings,
      places: places, prepareSeconds: prepared.seconds,
      calibrationSeconds: planned.seconds + gramSeconds + equalization.seconds,
      quantizeSeconds: (clock.now - start) / .seconds(1) - gramSeconds,
      peakMemoryByteCount: Machine.peakMemoryByteCount)
    return FinishedModel(report: report, output: output)
  }

  /// Patterns of --exclude that name nothing; most often they are misspelt.
  private var idlePatterns: [String] {
    if request.plan != nil { return [] }
    return StaticPlanner.idlePatterns(graph, policy: policy).map { Planner.idleSentence($0) }
  }

  /// Takes nodes out of a plan's float nodes that run in integers all the same; sentences about them.
  private func removeEnclosed(from plan: inout StaticPlan, _ places: [NodePlace]) -> [String] {
    guard request.plan != nil else {
      return StaticPlanner.enclosedSentences(graph, policy: policy, plan: plan)
    }
    let integers = Set(places.filter { $0.place == .integers }.map(\.node))
    let enclosed = plan.floatNodes.map(\.node).filter(integers.contains)
    guard let first = enclosed.first else { return [] }
    plan.floatNodes.removeAll { integers.contains($0.node) }
    let more = enclosed.count > 1 ? " and \(enclosed.count - 1) more" : ""
    return [
      "the plan cannot keep '\(first)'\(more) in floating point (float_nodes): between quantized neighbours a node "
        + "without constants computes in integers; its neighbours must be float, too"
    ]
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
