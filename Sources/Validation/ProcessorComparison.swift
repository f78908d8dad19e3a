/// A static model on the NPU beside the same model on the processor: what a validation on the processor alone would
/// not have seen.
public struct ProcessorComparison: Sendable {
  /// One output.
  public struct Output: Sendable {
    public let name: String
    /// Of the NPU against the processor, in decibels; nil when they cannot be compared.
    public let agreement: Double?
    /// Of each against the float reference; nil without one.
    public let npuSQNR: Double?
    public let processorSQNR: Double?

    public init(name: String, agreement: Double?, npuSQNR: Double?, processorSQNR: Double?) {
      self.name = name
      self.agreement = agreement
      self.npuSQNR = npuSQNR
      self.processorSQNR = processorSQNR
    }

    /// Whether the processor's numbers say little about the NPU's.
    public var differsMuch: Bool {
      if let agreement, agreement < ProcessorComparison.leastAgreement { return true }
      guard let npuSQNR, let processorSQNR else { return false }
      return processorSQNR - npuSQNR > ProcessorComparison.largestLoss
    }
  }

  /// Decibels below which the two differ much.
  public static let leastAgreement = 40.0
  /// Decibels that the NPU may be worse than the processor, both against the float reference.
  public static let largestLoss = 3.0

  public let engine: EngineReport
  public let seconds: Double
  public let outputs: [Output]

  public init(engine: EngineReport, seconds: Double, outputs: [Output]) {
    self.engine = engine
    self.seconds = seconds
    self.outputs = outputs
  }

  /// The output that differs most, among those that differ much.
  public var worst: Output? {
    outputs.filter(\.differsMuch).min { ($0.agreement ?? .infinity) < ($1.agreement ?? .infinity) }
  }
}
