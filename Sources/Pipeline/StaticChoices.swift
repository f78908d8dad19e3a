import ByteIO
import Calibration
import FoundationEssentials
import QuantPlan
import Quantize

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
  /// On or off: rotating, centring and scaling keys and values, and outputs in 8 bits.
  public var equalize: String?
  /// off, auto, or the power.
  public var smooth: String?
  public var biasCorrection: String?
  public var stemBits: Int?
  public var geluBits: Int?
  public var wide: [String] = []
  public var narrow: [String] = []
  /// Percent.
  public var narrowShare: Double?

  public init() {}

  /// The first option that was given, by its name; nil when none was.
  public var firstGiven: String? {
    let given: [(String, Bool)] = [
      ("--calibration", !calibration.isEmpty), ("--synthetic", syntheticCount != nil),
      ("--ranges", rangesPath != nil),
      ("--observer", observer != nil), ("--percentile", percentile != nil), ("--kv", keysAndValues != nil),
      ("--rounding", rounding != nil), ("--max-tokens", maximumTokenCount != nil),
      ("--dim", !dimensions.isEmpty),
      ("--keep-prepared", keptPreparedPath != nil), ("--equalize", equalize != nil),
      ("--smooth", smooth != nil), ("--bias-correction", biasCorrection != nil),
      ("--stem-bits", stemBits != nil), ("--gelu-bits", geluBits != nil), ("--wide", !wide.isEmpty),
      ("--narrow", !narrow.isEmpty), ("--narrow-share", narrowShare != nil),
    ]
    return given.first { $0.1 }?.0
  }

  /// An option that was given and that a plan has decided already, by its name.
  ///
  /// What a plan does not say are the data, the forms of decoders and dimensions, and smoothing.
  public var firstDecidedByPlan: String? {
    var others = self
    (others.calibration, others.syntheticCount, others.rangesPath) = ([], nil, nil)
    (others.maximumTokenCount, others.dimensions, others.keptPreparedPath) = (nil, [], nil)
    others.smooth = nil
    return others.firstGiven
  }

  /// The request for one model.
  public func request(
    _ input: String, _ output: String, _ choices: QuantizeChoices
  ) throws(PipelineError) -> StaticRequest {
    let base = try choices.policy()
    var policy = StaticPolicy(scheme: base.scheme, target: try Self.target(named: target))
    if let keysAndValues { policy.keysAndValues = try QuantizeChoices.word(keysAndValues, "--kv") }
    if let rounding { policy.rounding = try QuantizeChoices.word(rounding, "--rounding") }
    if let idle = Self.idle(base, choices) {
      throw PipelineError("\(idle) is not for \(base.scheme.rawValue), a scheme with fixed scales", .usage)
    }
    policy.exclude = base.exclude
    policy.weightRange = base.range ?? policy.weightRange
    if base.granularity == .channel { policy.blockSize = nil }
    if let size = choices.blockSize ?? (base.granularity == .block ? base.blockSize : nil) {
      policy.blockSize = size
    }
    if base.scheme == .w4a16, let size = policy.blockSize, !policy.target.blockSizes.contains(size) {
      let sizes = policy.target.blockSizes.map(String.init).joined(separator: ", ")
      throw PipelineError("\(policy.target.title) takes blocks of \(sizes), not of \(size)", .usage)
    }
    if let stemBits { policy.isStemWide = try Self.bits(stemBits, "--stem-bits") == 16 }
    if geluBits != nil, base.scheme != .w8a8 {
      throw PipelineError("--gelu-bits is for w8a8, the scheme with 8-bit activations", .usage)
    }
    if let geluBits { policy.areFunctionsNarrow = try Self.bits(geluBits, "--gelu-bits") == 8 }
    if let biasCorrection { policy.correctsBias = try Self.isOn(biasCorrection, "--bias-correction") }
    var request = StaticRequest(inputPath: input, outputPath: output, policy: policy)
    try equalize(&request)
    try width(&request)
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
        throw PipelineError("--dim '\(text)' is not of the form name=extent, with 1 or more", .usage)
      }
      request.prepare.dimensions[String(parts[0])] = extent
    }
    request.prepare.opset = policy.target.opset
    if let maximumTokenCount {
      request.prepare.decoderForm = .staticCaches(maximumTokenCount: maximumTokenCount)
    }
    return request
  }

  /// A setting of the other schemes that was given: the option, or the key of a policy.
  private static func idle(_ policy: QuantPolicy, _ choices: QuantizeChoices) -> String? {
    let standard = QuantPolicy()
    let given: [(option: String, key: String, isSet: Bool, isOption: Bool)] = [
      ("--per-tensor", "granularity", policy.granularity == .tensor, choices.isPerTensor),
      ("--asymmetric", "symmetric", !policy.symmetric, choices.isAsymmetric),
      ("--format", "format", policy.format != standard.format, choices.format != nil),
      ("--conv", "convolutions", policy.convolutions != standard.convolutions, choices.convolutions != nil),
      ("--no-embeddings", "embeddings", !policy.embeddings, choices.leavesEmbeddings),
      ("--include", "include", !policy.include.isEmpty, !choices.include.isEmpty),
      (
        "--minimum-elements", "minimum_elements",
        policy.minimumElementCount != standard.minimumElementCount, choices.minimumElementCount != nil
      ),
      ("", "exceptions", !policy.exceptions.isEmpty, false),
    ]
    guard let found = given.first(where: { $0.isSet }) else { return nil }
    return found.isOption ? found.option : "\(choices.policyPath ?? "the policy"): '\(found.key)'"
  }

  private func equalize(_ request: inout StaticRequest) throws(PipelineError) {
    switch equalize {
    case nil, "on": break
    case "off": (request.equalizesAttention, request.equalizesOutputs) = (false, false)
    case "attention": request.equalizesOutputs = false
    case "outputs": request.equalizesAttention = false
    case let other?:
      throw PipelineError("--equalize takes on, off, attention or outputs, not '\(other)'", .usage)
    }
    switch smooth {
    case nil, "off": break
    case "auto": request.smoothing = .automatic
    case let text?:
      guard let power = Float(text), power >= 0, power <= 1 else {
        throw PipelineError("--smooth takes off, auto or a number from 0 to 1, not '\(text)'", .usage)
      }
      request.smoothing = .power(power)
    }
  }

  private func width(_ request: inout StaticRequest) throws(PipelineError) {
    let isNarrow = request.policy.scheme == .w8a8
    let given = [
      ("--wide", !wide.isEmpty), ("--narrow", !narrow.isEmpty), ("--narrow-share", narrowShare != nil),
    ]
    if !isNarrow, let option = given.first(where: { $0.1 })?.0 {
      throw PipelineError("\(option) is for w8a8, the scheme with 8-bit activations", .usage)
    }
    request.width.wide = wide
    request.width.narrow = narrow
    guard let narrowShare else { return }
    guard narrowShare >= 0, narrowShare <= 100 else {
      throw PipelineError("--narrow-share takes a percentage from 0 to 100", .usage)
    }
    request.width.narrowShare = narrowShare / 100
  }

  private static func bits(_ value: Int, _ option: String) throws(PipelineError) -> Int {
    guard value == 8 || value == 16 else { throw PipelineError("\(option) takes 8 or 16", .usage) }
    return value
  }

  private static func isOn(_ word: String, _ option: String) throws(PipelineError) -> Bool {
    guard word == "on" || word == "off" else { throw PipelineError("\(option) takes on or off", .usage) }
    return word == "on"
  }

  /// A target as JSON.
  public static func targetText(named name: String) throws(PipelineError) -> String {
    try SettingsFile.text(target(named: name))
  }

  private static func target(named name: String) throws(PipelineError) -> Target {
    try BackendChoice.rules(named: name)
  }
}
