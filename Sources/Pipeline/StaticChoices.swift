import ByteIO
import Calibration
import FoundationEssentials
import QuantPlan

/// What a command line says about quantizing for an NPU.
public struct StaticChoices: Sendable {
  public var calibration: [String] = []
  public var syntheticCount: Int?
  public var rangesPath: String?
  public var observer: String?
  public var percentile: Double?
  public var target = "snapdragon-x-elite"
  public var keysAndValues: String?
  public var rounding: String?
  public var maximumTokenCount: Int?
  public var dimensions: [String] = []
  public var keptPreparedPath: String?

  public init() {}

  /// The first option that was given, by its name; nil when none was.
  public var firstGiven: String? {
    let given: [(String, Bool)] = [
      ("--calibration", !calibration.isEmpty), ("--synthetic", syntheticCount != nil),
      ("--ranges", rangesPath != nil),
      ("--observer", observer != nil), ("--percentile", percentile != nil), ("--kv", keysAndValues != nil),
      ("--rounding", rounding != nil), ("--max-tokens", maximumTokenCount != nil),
      ("--dim", !dimensions.isEmpty),
      ("--keep-prepared", keptPreparedPath != nil),
    ]
    return given.first { $0.1 }?.0
  }

  /// The request for one model.
  public func request(
    _ input: String, _ output: String, _ choices: QuantizeChoices
  ) throws(PipelineError) -> StaticRequest {
    let base = try choices.policy()
    var policy = StaticPolicy(scheme: base.scheme, target: try target(named: target))
    if let keysAndValues { policy.keysAndValues = try QuantizeChoices.word(keysAndValues, "--kv") }
    if let rounding { policy.rounding = try QuantizeChoices.word(rounding, "--rounding") }
    policy.exclude = choices.exclude
    policy.weightRange = base.range ?? policy.weightRange
    if choices.isPerChannel { policy.blockSize = nil }
    if let size = choices.blockSize { policy.blockSize = size }
    if let size = policy.blockSize, !policy.target.blockSizes.contains(size) {
      let sizes = policy.target.blockSizes.map(String.init).joined(separator: ", ")
      throw PipelineError("\(policy.target.title) takes blocks of \(sizes), not of \(size)", .usage)
    }
    var request = StaticRequest(inputPath: input, outputPath: output, policy: policy)
    if let observer { request.method = try QuantizeChoices.word(observer, "--observer") }
    if let percentile {
      guard percentile > 50, percentile <= 100 else {
        throw PipelineError("--percentile takes a number above 50, up to 100", .usage)
      }
      if observer == nil { request.method = .percentile }
      request.percentile = percentile
    }
    if let syntheticCount {
      guard syntheticCount > 0, calibration.isEmpty else {
        throw PipelineError(
          calibration.isEmpty
            ? "--synthetic takes 1 or more" : "--synthetic and --calibration exclude each other",
          .usage)
      }
      request.calibration = .synthetic(count: syntheticCount, seed: 1)
    } else if !calibration.isEmpty {
      request.calibration = .files(calibration)
    }
    request.rangesPath = rangesPath
    request.keptPreparedPath = keptPreparedPath
    for text in dimensions {
      let parts = text.split(separator: "=", maxSplits: 1)
      guard parts.count == 2, let extent = Int(parts[1]), extent > 0 else {
        throw PipelineError("--dim '\(text)' is not of the form name=extent", .usage)
      }
      request.prepare.dimensions[String(parts[0])] = extent
    }
    request.prepare.opset = policy.target.opset
    return request
  }

  private func target(named name: String) throws(PipelineError) -> Target {
    if let known = Target.known.first(where: { $0.name == name.lowercased() }) { return known }
    guard kind(ofPath: name) == .file else {
      let names = Target.known.map(\.name).joined(separator: ", ")
      throw PipelineError("--target '\(name)' is neither \(names) nor a file of a target", .usage)
    }
    return try SettingsFile.target(path: name)
  }
}
