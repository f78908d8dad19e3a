/// A processor that static models are made for, as data: what it accepts in which types.
///
/// One is built in; a file of this form can be given instead.
public struct Target: Sendable, Codable, Equatable {
  /// Operator names with their domain in front unless that is ai.onnx.
  public var name: String
  public var title: String
  /// QNN's number of the system on a chip (`soc_model`).
  public var socModel: Int
  /// The version of the Hexagon architecture.
  public var architecture: String
  /// The version of Qualcomm's SDK whose behaviour the rules were measured with.
  public var qairtVersion: String
  /// The opset of ai.onnx that models for this target have.
  public var opset: Int64
  /// Operators that run in integers when all their operands are quantized.
  public var operators: [String]
  /// Operators that only move elements: result and data operand share type, scale and zero point.
  public var movements: [String]
  /// Types of the constant weight of MatMul and Gemm by the type of the activation.
  public var linearWeights: [String: [IntegerType]]
  /// The same of Conv, channels on axis 0.
  public var convolutionWeights: [String: [IntegerType]]
  /// Pairs of types of the two operands of a product of activations.
  public var products: [[IntegerType]]
  /// Types of LayerNormalization's gamma by the type of the activation.
  public var gammas: [String: [IntegerType]]
  /// Block lengths of 4-bit weights.
  public var blockSizes: [Int]
  /// The operators that take blocks.
  public var blockOperators: [String]
  /// What stands in the place of −infinity in an additive mask.
  public var maskFill: Float

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, title
    case socModel = "soc_model"
    case architecture
    case qairtVersion = "qairt_version"
    case opset, operators, movements
    case linearWeights = "linear_weights"
    case convolutionWeights = "conv_weights"
    case products, gammas
    case blockSizes = "block_sizes"
    case blockOperators = "block_operators"
    case maskFill = "mask_fill"
  }

  /// The targets that are built in.
  public static let known: [Target] = [snapdragonXElite]

  /// Snapdragon X Elite: Hexagon v73, soc_model 60. Measured with QNN's provider 2.7.0 (QAIRT 2.51).
  public static let snapdragonXElite = Target(
    name: "snapdragon-x-elite", title: "Snapdragon X Elite", socModel: 60, architecture: "v73",
    qairtVersion: "2.51", opset: 21,
    operators: [
      "Abs", "Add", "ArgMax", "ArgMin", "AveragePool", "Cast", "Ceil", "Clip", "Conv", "Cos", "Div", "Elu",
      "Equal",
      "Exp", "Floor", "Gather", "GatherElements", "GatherND", "Gelu", "Gemm", "GlobalAveragePool", "Greater",
      "GreaterOrEqual", "HardSigmoid", "HardSwish", "InstanceNormalization", "LayerNormalization",
      "LeakyRelu",
      "Less", "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "MatMul", "Max", "MaxPool", "Mean",
      "Min", "Mul",
      "Neg", "Not", "Or", "And", "PRelu", "Pad", "Pow", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum",
      "Relu",
      "Round", "ScatterElements", "ScatterND", "Sigmoid", "Sign", "Sin", "Softmax", "Sqrt", "Sub", "Sum",
      "Tanh",
      "TopK", "Where", "Xor",
    ],
    movements: [
      "Concat", "DepthToSpace", "Expand", "Flatten", "Identity", "Reshape", "Slice", "SpaceToDepth", "Split",
      "Squeeze",
      "Tile", "Transpose", "Unsqueeze",
    ],
    linearWeights: ["u8": [.s8, .s4, .u8], "u16": [.s8, .s16, .s4, .u8, .u16]],
    convolutionWeights: ["u8": [.s8, .u8, .s4], "u16": [.s8, .s16, .s4, .u8]],
    products: [
      [.u8, .u8], [.u16, .u8], [.u8, .u16], [.u16, .s8], [.u16, .s16], [.s16, .s16], [.s8, .s8],
    ],
    gammas: ["u16": [.s16, .u8], "u8": [.u8]], blockSizes: [16, 32, 64], blockOperators: ["MatMul"],
    maskFill: -100)
}
