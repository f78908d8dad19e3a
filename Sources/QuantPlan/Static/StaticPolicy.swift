/// The type of the second operand of a product of two activations: keys and values.
public enum KeyValueType: String, NamedChoice, Sendable {
  case u8, s16

  public var integerType: IntegerType { self == .u8 ? .u8 : .s16 }
}

/// What the user wants of a static model: a scheme, a target, settings and exceptions.
public struct StaticPolicy: Sendable, Equatable {
  public var scheme: Scheme
  public var target: Target
  public var keysAndValues: KeyValueType = .u8
  /// The scales of weights: the largest magnitude or the least squared error.
  public var weightRange: RangeRule = .leastSquares
  /// Convolution kernels of the stem in 16 bits.
  public var isStemWide = true
  public var rounding: Rounding = .errorAware
  /// Of 4-bit weights; nil is one scale per channel.
  public var blockSize: Int? = 32
  /// Linear layers by node or weight that keep 16-bit activations in w8a8, with the reason.
  public var wideLinears: [String: String] = [:]
  /// Gelu between two layers with 8-bit activations computes in 8 bits too.
  public var areFunctionsNarrow = false
  /// What rounding a weight takes from the mean of each output goes into the bias.
  public var correctsBias = true
  /// Nodes, weights or operators that stay in floating point.
  public var exclude: [String] = []
  /// Names of nodes that a given plan leaves in floating point.
  public var floatNodes: Set<String> = []

  public init(scheme: Scheme, target: Target) {
    self.scheme = scheme
    self.target = target
  }
}

/// Why no static plan can be made of a model: one sentence.
public struct StaticPlanError: Error, Sendable, Equatable {
  public let message: String

  public init(_ message: String) { self.message = message }
}
