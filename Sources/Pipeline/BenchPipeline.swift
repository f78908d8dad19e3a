import CPUBackend
import ModelBackend
import OnnxRuntimeBackend
import Tensors
public import Validation
import Whisper

/// What `bench` is asked to measure.
public struct BenchRequest: Sendable {
  public enum Profile: Sendable { case omitted, byOperator }

  /// Files, folders and keys of the manifest; empty for all entries of the manifest.
  public var models: [String] = []
  public var manifestPath: String?
  /// Its providers are measured one by one; without them ONNX Runtime's processor provider, where it is, and the
  /// embedded engine.
  public var backends = BackendChoice()
  public var inputs = InputChoice()
  /// Exactly so many timed runs; nil runs until times are stable.
  public var runCount: Int?
  /// Seconds after which no further run of one model begins.
  public var secondLimit = 10.0
  public var profile = Profile.omitted
  public var followsLinks = false

  public init() {}
}

/// One model on one provider.
public struct BenchResult: Sendable {
  public let path: String
  public let title: String
  public let byteCount: Int
  /// The provider that was asked for.
  public let provider: String
  public let outcome: Outcome

  public enum Outcome: Sendable {
    case measured(Measurement)
    /// It could not be run, and why.
    case failed(PipelineError)
  }

  public var measurement: Measurement? {
    if case .measured(let measurement) = outcome { measurement } else { nil }
  }
}

/// Times and memory of one session.
public struct Measurement: Sendable {
  public let engine: EngineReport
  public let loadSeconds: Double
  /// The first run, which is not among `seconds`.
  public let firstSeconds: Double
  public let seconds: [Double]
  /// Whether the times scattered little enough to stop; nil where the number of runs was fixed.
  public let isStable: Bool?
  /// The largest resident size while it was loaded and ran, in bytes, mapped weights included; nil where the system
  /// cannot tell it for one model alone.
  public let peakByteCount: Int?
  /// Of this, what was there before.
  public let baseByteCount: Int
  /// Seconds of audio per second of computing; nil for models that take no audio.
  public let realTimeFactor: Double?
  /// Nil for models that take no tokens.
  public let tokensPerSecond: Double?
  /// Empty when it was not asked for.
  public let profile: [OperatorTime]
  public let threadCount: Int

  public var medianSeconds: Double { Statistics.median(seconds) }
  /// Half the distance of the quartiles over the median; nil for one run.
  public var spread: Double? { seconds.count > 1 ? Statistics.spread(seconds) : nil }
}

/// What the nodes of one operator take in one run.
public struct OperatorTime: Sendable {
  public let name: String
  /// The runtime's name of the provider.
  public let provider: String
  public let nodeCount: Int
  public let seconds: Double

  public init(name: String, provider: String, nodeCount: Int, seconds: Double) {
    self.name = name
    self.provider = provider
    self.nodeCount = nodeCount
    self.seconds = seconds
  }
}

/// The journey of `whisperq bench`.
public enum BenchPipeline {
  /// Measures every model on every provider, one after the other, alone in this process.
  public static func run(
    _ request: BenchRequest, progress: (String) -> Void = { _ in }
  ) throws(PipelineError) -> [BenchResult] {
    try request.backends.validated()
    let feedRequest = try request.inputs.request()
    let targets = try ValidateTargets(manifestPath: request.manifestPath).models(request.models)
    let providers = try providers(request)
    var results: [BenchResult] = []
    for target in targets {
      // What is not there fails once, not on every provider.
      for provider in target.failure == nil ? providers : Array(providers.prefix(1)) {
        progress("\(target.path) on \(provider)")
        results.append(measure(target, provider, request, feedRequest))
      }
    }
    return results
  }

  /// What the results mean for the process: a provider that was asked for must run the model, and of those that
  /// nobody asked for one at least.
  public static func status(of results: [BenchResult], _ request: BenchRequest) -> ExitStatus {
    var failures: [ExitStatus] = []
    let byModel = Dictionary(grouping: results, by: \.path)
    for (_, results) in byModel {
      let failed = results.compactMap { result -> ExitStatus? in
        if case .failed(let error) = result.outcome { error.status } else { nil }
      }
      let isMeant =
        request.backends.providers != nil || LibrarySearch.isNamed(.onnxRuntime, request.backends.places)
      if isMeant || failed.count == results.count { failures += failed }
    }
    return ExitStatus.gravest(of: failures)
  }

  private static func providers(_ request: BenchRequest) throws(PipelineError) -> [Provider] {
    if request.backends.npu == .required { return [.qnn] }
    if let text = request.backends.providers {
      do { return try ProviderOrder(parsing: text).providers } catch {
        throw PipelineError(error.message, .usage)
      }
    }
    let places = request.backends.places
    let isThere =
      LibrarySearch(.onnxRuntime, places).path != nil || LibrarySearch.isNamed(.onnxRuntime, places)
    return isThere ? [.cpu, .embedded] : [.embedded]
  }

  private static func measure(
    _ target: ValidateTarget, _ provider: Provider, _ request: BenchRequest, _ feedRequest: FeedRequest
  ) -> BenchResult {
    var title = ""
    var byteCount = 0
    let outcome: BenchResult.Outcome
    do throws(PipelineError) {
      if let failure = target.failure { throw failure }
      let model = try LoadedModel(path: target.path, followsLinks: request.followsLinks)
      title = model.title
      byteCount = model.byteCount
      if let problem = model.problems.first { throw PipelineError(problem, .badInput) }
      outcome = .measured(try BenchRun(model, provider, request, feedRequest).measure())
    } catch {
      outcome = .failed(error)
    }
    return BenchResult(
      path: target.path, title: title, byteCount: byteCount, provider: provider.rawValue, outcome: outcome)
  }
}
