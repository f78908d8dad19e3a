import CPUBackend
import ModelBackend
import OnnxRuntimeBackend
import Tensors
import Validation
import Whisper

/// Measures one model on one provider.
struct BenchRun {
  private let model: LoadedModel
  private let provider: Provider
  private let request: BenchRequest
  private let feedRequest: FeedRequest

  /// Runs before a spread means anything, and after which it is given up.
  private static let runCounts = 5...200
  /// Times are stable when their quartiles are this near to the median.
  private static let stableSpread = 0.01

  init(_ model: LoadedModel, _ provider: Provider, _ request: BenchRequest, _ feedRequest: FeedRequest) {
    self.model = model
    self.provider = provider
    self.request = request
    self.feedRequest = feedRequest
  }

  func measure() throws(PipelineError) -> Measurement {
    let feeds = try model.feeds(feedRequest)
    let canResetPeak = MachineMemory.resetPeak()
    let base = MachineMemory.residentByteCount
    let clock = ContinuousClock()
    var backends = request.backends
    backends.npu = .optional
    // The rest of the nodes may run on the processor; the report says how many.
    let order = ProviderOrder(
      provider == .qnn && request.backends.npu == .optional ? [.qnn, .cpu] : [provider])
    let opened = try backends.open(model.graph, path: model.path, order: order, dimensions: feeds.dimensions)
    if let passed = opened.engine.passedOver.first {
      throw PipelineError("\(model.path): \(passed.error.message)", ExitStatus(passed.error.reason))
    }
    let (seconds, first, isStable) = try time(opened, feeds, clock)
    let peak = canResetPeak ? MachineMemory.peakByteCount : nil
    let profile = request.profile == .byOperator ? try profile(opened, feeds) : []
    let median = Statistics.median(seconds)
    return Measurement(
      engine: opened.engine, loadSeconds: opened.loadSeconds, firstSeconds: first, seconds: seconds,
      isStable: isStable, peakByteCount: peak, baseByteCount: base,
      realTimeFactor: feeds.audioSeconds.map { $0 / median },
      tokensPerSecond: feeds.audioSeconds == nil ? feeds.tokenCount.map { Double($0) / median } : nil,
      profile: profile, threadCount: backends.threadCount ?? Machine.threadCount)
  }

  private func time(
    _ opened: OpenedModel, _ feeds: ModelFeeds, _ clock: ContinuousClock
  ) throws(PipelineError) -> (seconds: [Double], first: Double, isStable: Bool?) {
    func once() throws(PipelineError) -> Double {
      let start = clock.now
      _ = try ModelValidation.run(opened.session, feeds.tensors, model.path)
      return (clock.now - start) / .seconds(1)
    }
    let first = try once()
    // An emulation's time means nothing, so one run is enough.
    if opened.engine.isEmulated, request.runCount == nil { return ([first], first, nil) }
    var seconds: [Double] = []
    let start = clock.now
    while true {
      seconds.append(try once())
      if let wanted = request.runCount {
        if seconds.count >= wanted { break }
        continue
      }
      let isEnough = seconds.count >= Self.runCounts.lowerBound
      if isEnough, Statistics.spread(seconds) <= Self.stableSpread { break }
      if seconds.count >= Self.runCounts.upperBound { break }
      if seconds.count >= 2, (clock.now - start) / .seconds(1) > request.secondLimit { break }
    }
    if request.runCount != nil { return (seconds, first, nil) }
    return (seconds, first, Statistics.spread(seconds) <= Self.stableSpread)
  }

  // MARK: Profile

  private func profile(_ opened: OpenedModel, _ feeds: ModelFeeds) throws(PipelineError) -> [OperatorTime] {
    if let session = opened.session as? any InspectableSession {
      return try EmbeddedProfile(session, model, feeds.tensors).times
    }
    return try RuntimeProfile.times(model, opened.engine.provider, request.backends, feeds)
  }
}
