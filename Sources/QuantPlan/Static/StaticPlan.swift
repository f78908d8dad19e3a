/// What becomes of every tensor of a model that runs in integers: types, scales, reasons. Printable, editable, and
/// all that `Quantize` knows.
public struct StaticPlan: Sendable, Codable, Equatable {
  /// Version of this form.
  public static let currentVersion = 1

  public var version = Self.currentVersion
  public var scheme: Scheme
  /// The name of the target.
  public var target: String
  /// Whether keys and values were equalized before the ranges were observed: the same must be done to a model that
  /// this plan is executed on.
  public var isAttentionEqualized = false
  /// Whether channels of 8-bit outputs were brought to one size; the same goes for that.
  public var areOutputsEqualized = false
  /// Values that nodes or callers give, in the order of the graph.
  public var activations: [ActivationEntry]
  /// Changes of type in front of one operand, each its own pair of DequantizeLinear and QuantizeLinear.
  public var conversions: [ConversionEntry]
  public var weights: [StaticWeightEntry]
  /// Nodes that stay in floating point.
  public var floatNodes: [FloatNodeEntry]

  public init(
    scheme: Scheme, target: String, activations: [ActivationEntry] = [], conversions: [ConversionEntry] = [],
    weights: [StaticWeightEntry] = [], floatNodes: [FloatNodeEntry] = []
  ) {
    self.scheme = scheme
    self.target = target
    self.activations = activations
    self.conversions = conversions
    self.weights = weights
    self.floatNodes = floatNodes
  }

  enum CodingKeys: String, CodingKey, CaseIterable {
    case version, scheme, target, activations, conversions, weights
    case isAttentionEqualized = "equalized_attention"
    case areOutputsEqualized = "equalized_outputs"
    case floatNodes = "float_nodes"
  }

  public init(from decoder: any Decoder) throws {
    try requireKnownKeys(decoder, CodingKeys.self)
    let values = try decoder.container(keyedBy: CodingKeys.self)
    version = try values.whole(.version)
    guard version == Self.currentVersion else {
      throw DecodingError.dataCorruptedError(
        forKey: .version, in: values,
        debugDescription: "plan version \(version) is unknown, expected \(Self.currentVersion)")
    }
    scheme = try values.decode(Scheme.self, forKey: .scheme)
    target = try values.decode(String.self, forKey: .target)
    isAttentionEqualized = try values.decodeIfPresent(Bool.self, forKey: .isAttentionEqualized) ?? false
    areOutputsEqualized = try values.decodeIfPresent(Bool.self, forKey: .areOutputsEqualized) ?? false
    activations = try values.decode([ActivationEntry].self, forKey: .activations)
    conversions = try values.decode([ConversionEntry].self, forKey: .conversions)
    weights = try values.decode([StaticWeightEntry].self, forKey: .weights)
    floatNodes = try values.decodeIfPresent([FloatNodeEntry].self, forKey: .floatNodes) ?? []
  }
}

/// The integers that stand for a value.
public struct ActivationEntry: Sendable, Codable, Equatable {
  public var tensor: String
  /// The operator that gives it; empty for an input of the model.
  public var producer: String
  public var type: IntegerType
  public var parameters: ScaleAndZeroPoint
  /// Smallest and largest number that the range holds.
  public var minimum: Float
  public var maximum: Float
  public var reason: String

  enum CodingKeys: String, CodingKey, CaseIterable {
    case tensor, producer, type, parameters, minimum, maximum, reason
  }

  public init(
    tensor: String, producer: String, type: IntegerType, parameters: ScaleAndZeroPoint, minimum: Float,
    maximum: Float, reason: String
  ) {
    self.tensor = tensor
    self.producer = producer
    self.type = type
    self.parameters = parameters
    self.minimum = minimum
    self.maximum = maximum
    self.reason = reason
  }
}

/// Another type for one operand of a node.
public struct ConversionEntry: Sendable, Codable, Equatable {
  public var node: String
  public var input: Int
  public var tensor: String
  public var type: IntegerType
  public var parameters: ScaleAndZeroPoint
  public var reason: String

  enum CodingKeys: String, CodingKey, CaseIterable {
    case node, input, tensor, type, parameters, reason
  }

  public init(
    node: String, input: Int, tensor: String, type: IntegerType, parameters: ScaleAndZeroPoint, reason: String
  ) {
    self.node = node
    self.input = input
    self.tensor = tensor
    self.type = type
    self.parameters = parameters
    self.reason = reason
  }
}

/// A node without integers.
public struct FloatNodeEntry: Sendable, Codable, Equatable {
  public var node: String
  public var operatorName: String
  public var reason: String

  enum CodingKeys: String, CodingKey, CaseIterable {
    case node
    case operatorName = "operator"
    case reason
  }

  public init(
    node: String, operatorName: String, reason: String
  ) {
    self.node = node
    self.operatorName = operatorName
    self.reason = reason
  }
}

/// What a constant is for.
public enum ConstantRole: String, NamedChoice, Sendable {
  /// The matrix of a linear layer.
  case linear
  /// The kernel of a convolution.
  case convolution = "conv"
  /// The bias of Gemm, Conv or LayerNormalization: int32 at the product of the operands' scales.
  case bias
  /// LayerNormalization's factor.
  case gamma
  /// A table whose rows Gather picks.
  case table
  /// An operand of an elementwise operator or of a movement.
  case operand
}

/// How integers are chosen for the elements of a weight.
public enum Rounding: String, NamedChoice, Sendable {
  /// To the nearest level.
  case nearest
  /// So that the layer's output on the calibration data changes least (GPTQ).
  case errorAware = "error-aware"
}

/// The integers that stand for a constant at one operand.
public struct StaticWeightEntry: Sendable, Codable, Equatable {
  public var weight: String
  public var role: ConstantRole
  public var node: String
  public var input: Int
  public var shape: [Int]
  public var type: IntegerType
  public var granularity: Granularity
  /// The axis of the channels, or the one that is cut into blocks.
  public var axis: Int?
  public var blockSize: Int?
  public var range: RangeRule
  /// Of a bias, `errorAware` is: corrected by what rounding its weight takes from the mean of each output.
  public var rounding: Rounding
  /// Given for tables and operands; weights find theirs, biases get the product of their operands'.
  public var parameters: ScaleAndZeroPoint?
  public var reason: String

  enum CodingKeys: String, CodingKey, CaseIterable {
    case weight, role, node, input, shape, type, granularity, axis
    case blockSize = "block_size"
    case range, rounding, parameters, reason
  }

  public init(
    weight: String, role: ConstantRole, node: String, input: Int, shape: [Int], type: IntegerType,
    granularity: Granularity, axis: Int?, blockSize: Int?, range: RangeRule, rounding: Rounding,
    parameters: ScaleAndZeroPoint?, reason: String
  ) {
    self.weight = weight
    self.role = role
    self.node = node
    self.input = input
    self.shape = shape
    self.type = type
    self.granularity = granularity
    self.axis = axis
    self.blockSize = blockSize
    self.range = range
    self.rounding = rounding
    self.parameters = parameters
    self.reason = reason
  }
}
