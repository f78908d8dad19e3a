public import QuantPlan

/// A policy from words: what a command line says on top of what a policy file says.
public struct QuantizeChoices: Sendable {
  public var scheme: String?
  public var isPerChannel = false
  public var isPerTensor = false
  public var blockSize: Int?
  public var isAsymmetric = false
  public var range: String?
  public var format: String?
  public var borderTypes: String?
  public var include: [String] = []
  public var exclude: [String] = []
  public var convolutions: String?
  public var leavesEmbeddings = false
  public var minimumElementCount: Int?
  public var policyPath: String?

  public init() {}

  /// Whether anything is asked for that a plan has decided already.
  public var isEmpty: Bool {
    scheme == nil && !isPerChannel && !isPerTensor && blockSize == nil && !isAsymmetric && range == nil
      && format == nil && borderTypes == nil && include.isEmpty && exclude.isEmpty && convolutions == nil
      && !leavesEmbeddings && minimumElementCount == nil && policyPath == nil
  }

  /// Other names that people use for schemes.
  private static let synonyms = [
    "int8": "dynamic-int8", "dynamic": "dynamic-int8", "int4": "weight-int4", "float16": "fp16",
  ]

  /// The policy, or what is wrong with the words.
  public func policy() throws(PipelineError) -> QuantPolicy {
    var policy = QuantPolicy()
    if let policyPath { policy = try SettingsFile.policy(path: policyPath) }
    if let scheme {
      policy.scheme = try Self.word(Self.synonyms[scheme.lowercased()] ?? scheme.lowercased(), "--scheme")
    }
    if isPerChannel && isPerTensor {
      throw PipelineError("--per-channel and --per-tensor exclude each other", .usage)
    }
    if isPerChannel || isPerTensor, blockSize != nil {
      throw PipelineError(
        "--block-size and --per-\(isPerChannel ? "channel" : "tensor") exclude each other", .usage)
    }
    if isPerChannel { policy.granularity = .channel }
    if isPerTensor { policy.granularity = .tensor }
    if let blockSize, policy.scheme != .w4a16 {
      guard policy.scheme == .weightInt8 || policy.scheme == .weightInt4 else {
        throw PipelineError(
          "--block-size is for weight-int8, weight-int4 and w4a16, not for \(policy.scheme.rawValue)", .usage)
      }
      policy.granularity = .block
      policy.blockSize = blockSize
    }
    if isAsymmetric {
      guard policy.scheme == .weightInt8 || policy.scheme == .weightInt4 else {
        throw PipelineError(
          "--asymmetric is for weight-int8 and weight-int4, not for \(policy.scheme.rawValue)", .usage)
      }
      policy.symmetric = false
    }
    if borderTypes != nil, policy.scheme != .fp16 {
      throw PipelineError("--io is for fp16, not for \(policy.scheme.rawValue)", .usage)
    }
    if let range { policy.range = try Self.word(range, "--range") }
    if let format { policy.format = try Self.word(format, "--format") }
    if let borderTypes { policy.borderTypes = try Self.word(borderTypes, "--io") }
    if let convolutions { policy.convolutions = try Self.word(convolutions, "--conv") }
    if leavesEmbeddings { policy.embeddings = false }
    if let minimumElementCount { policy.minimumElementCount = minimumElementCount }
    policy.include += include
    policy.exclude += exclude
    if let objection = policy.objection { throw PipelineError(objection, .usage) }
    return policy
  }

  /// The value of an option that takes one of a few words.
  public static func word<Value: RawRepresentable & CaseIterable>(
    _ text: String, _ option: String
  )
    throws(PipelineError) -> Value where Value.RawValue == String
  {
    if let value = Value(rawValue: text) { return value }
    let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
    throw PipelineError("\(option) '\(text)' is unknown; choose one of \(known)", .usage)
  }
}
