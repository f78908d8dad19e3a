import ByteIO
public import Calibration
import Kernels
public import ONNXFile
import ONNXGraph
public import QuantPlan
public import Quantize
import Tensors
public import Validation

/// What `quantize` is asked to do for an NPU.
public struct StaticRequest: Sendable {
  public var inputPath: String
  public var outputPath: String
  public var policy: StaticPolicy
  public var prepare = PrepareOptions()
  /// What the model is run on to find out ranges; nil when `rangesPath` has them.
  public var calibration: CalibrationSource?
  /// Ranges are read from here when the file is there, and kept here after every run.
  public var rangesPath: String?
  public var method = RangeMethod.minMax
  public var percentile = 99.99
  /// Where the prepared float model goes, when it is wanted.
  public var keptPreparedPath: String?
  /// Whether keys and values are rotated, centred and scaled before they become 8 bits.
  public var equalizesAttention = true
  /// Whether channels of 8-bit outputs are brought to one size (w8a8).
  public var equalizesOutputs = true
  /// How far sizes of normalizations' channels move into the weights behind.
  public var smoothing = Smoothing.off
  /// Which linear layers of w8a8 keep 16-bit activations.
  public var width = WidthRequest()
  /// An edited plan; it replaces policy and ranges.
  public var plan: StaticPlan?
  /// Where it was read, for errors.
  public var planPath: String?
  public var externalData: ExternalDataPolicy = .auto
  public var threadCount = 0
  /// Files of settings, which are read before the run.
  public var settingsPaths: [String] = []

  public init(inputPath: String, outputPath: String, policy: StaticPolicy) {
    self.inputPath = inputPath
    self.outputPath = outputPath
    self.policy = policy
  }
}

extension StaticRequest {
  /// The files that will be written, by option.
  var outputs: [(option: String, path: String?)] {
    RunFiles.model("--output", outputPath) + RunFiles.model("--keep-prepared", keptPreparedPath)
      + RunFiles.ranges(rangesPath)
  }

  /// The files that are read, without the model.
  var inputs: [String] {
    var result = settingsPaths + [planPath].compactMap { $0 }
    switch calibration {
    case .files(let paths)?: result += RunFiles.files(paths)
    case .decoding(let decoding)?: result += RunFiles.files(decoding.paths)
    case .synthetic?, nil: break
    }
    return result
  }
}

/// What was done to one model for an NPU.
public struct StaticReport: Sendable {
  public let inputPath: String
  public let outputPath: String
  public let outputDataPath: String?
  public let inputByteCount: Int
  public let outputByteCount: Int
  public let plan: StaticPlan
  public let outcomes: [WeightOutcome]
  public let passes: [(name: String, changeCount: Int)]
  public let clips: [String]
  /// Clips whose ranges were there already.
  public let reusedCount: Int
  public let findings: [String]
  /// Where each node of the result will run.
  public let places: [NodePlace]
  /// Of preparing, calibrating (ranges and Gram matrices), and the rest.
  public let prepareSeconds: Double
  public let calibrationSeconds: Double
  public let quantizeSeconds: Double
  public let peakMemoryByteCount: Int
}

/// The journey of one model to an NPU: prepare → calibrate → plan → rewrite → round → write.
public enum StaticPipeline {
  /// Makes the plan and writes nothing but ranges.
  public static func plan(
    _ request: StaticRequest, observer: WorkObserver = WorkObserver()
  ) throws(PipelineError) -> StaticPlan {
    let prepared = try PreparePipeline.prepare(request.inputPath, request.prepare)
    var journey = try StaticJourney(request, prepared, isWriting: false)
    try journey.equalize(observer)
    return try journey.plan(observer).plan
  }

  /// Quantizes one model; the output is complete or not there.
  public static func run(
    _ request: StaticRequest, observer: WorkObserver = WorkObserver()
  ) throws(PipelineError) -> StaticReport {
    let finished = try finish(request, observer: observer)
    try finished.commit()
    return finished.report
  }

  /// Quantizes one model up to giving the output its name.
  static func finish(
    _ request: StaticRequest, observer: WorkObserver
  ) throws(PipelineError) -> FinishedModel<StaticReport> {
    let prepared = try PreparePipeline.prepare(request.inputPath, for: request.outputPath, request.prepare)
    try RunFiles.check(request.outputs, reading: RunFiles.models([request.inputPath]) + request.inputs)
    if let path = request.keptPreparedPath {
      try ResultFile.checkPlace(path, option: "--keep-prepared")
      try PreparePipeline.write(prepared.graph, to: path, request.externalData)
    }
    var journey = try StaticJourney(request, prepared, isWriting: true)
    try journey.equalize(observer)
    return try journey.run(observer)
  }
}
