public import Tensors

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
  /// Operators that run in integers when all their operands and results are quantized in one type.
  public var operators: [String]
  /// Operators that only move elements: result and data operand share type, scale and zero point.
  public var movements: [String]
  /// Operators that run in floating point (fp16) only.
  public var floatOperators: [String]
  /// Operators that the runtime computes once, while it loads a model of fixed shapes.
  public var foldedOperators: [String]
  /// Operators that Whisper graphs and quantizers bring and that are refused, with what to do.
  public var refusedOperators: [String: String]
  /// Types of a constant weight, by operator (MatMul, Gemm, Conv) and the type of the activation.
  public var weights: [String: [String: [OperandType]]]
  /// Pairs of types of the two operands of a product of activations; the result has the first one's type.
  public var products: [[OperandType]]
  /// Pairs that are taken with the second operand made narrower without a word.
  public var narrowedProducts: [[OperandType]]
  /// Types of LayerNormalization's gamma by the type of the activation.
  public var gammas: [String: [OperandType]]
  /// Block lengths of 4-bit weights.
  public var blockSizes: [Int]
  /// The operators that take blocks; they compute in fp16 on integers that stay in 4 bits.
  public var blockOperators: [String]
  /// The width of an additive operand's or a score's range above which a mask must have got into it.
  public var widestRange: Float
  /// What stands in the place of −infinity in an additive mask.
  public var maskFill: Float

  enum CodingKeys: String, CodingKey, CaseIterable {
    case name, title
    case socModel = "soc_model"
    case architecture
    case qairtVersion = "qairt_version"
    case opset, operators, movements
    case floatOperators = "float_operators"
    case foldedOperators = "folded_operators"
    case refusedOperators = "refused_operators"
    case weights, products
    case narrowedProducts = "narrowed_products"
    case gammas
    case blockSizes = "block_sizes"
    case blockOperators = "block_operators"
    case widestRange = "widest_range"
    case maskFill = "mask_fill"
  }

  /// The targets that are built in.
  public static let known: [Target] = [snapdragonXElite]
}

extension Target {
  /// A type in which an operand may be stored, more than whisperq itself writes.
  public enum OperandType: String, Sendable, Codable, CaseIterable {
    case s4, u4, s8, u8, s16, u16, s32

    public var elementType: ElementType {
      switch self {
      case .s4: .int4
      case .u4: .uint4
      case .s8: .int8
      case .u8: .uint8
      case .s16: .int16
      case .u16: .uint16
      case .s32: .int32
      }
    }

    public init?(_ type: ElementType) {
      guard let found = Self.allCases.first(where: { $0.elementType == type }) else { return nil }
      self = found
    }
  }

  /// What is wrong with the values of a target that someone wrote, or nil.
  public var objection: String? {
    for (key, text) in [("name", name), ("title", title), ("architecture", architecture)] where text.isEmpty {
      return "'\(key)' is empty"
    }
    if socModel < 1 { return "'soc_model' is \(socModel), expected QNN's number of the chip" }
    if !(21...23).contains(opset) {
      return "'opset' is \(opset), expected 21 to 23: 16-bit QuantizeLinear came with 21"
    }
    if operators.isEmpty { return "'operators' is empty, so nothing could be quantized" }
    if let size = blockSizes.first(where: { $0 < 2 || $0 & ($0 - 1) != 0 }) {
      return "'block_sizes' has \(size), expected powers of two from 2"
    }
    let pairs = [("products", products), ("narrowed_products", narrowedProducts)]
    for (key, list) in pairs where list.contains(where: { $0.count != 2 }) {
      return "'\(key)' has an entry that is no pair of types"
    }
    for (key, types) in weights.flatMap({ [("weights", Array($0.value.keys))] }) + [
      ("gammas", Array(gammas.keys))
    ] {
      if let type = types.sorted().first(where: { OperandType(rawValue: $0) == nil }) {
        return "'\(key)' has '\(type)' in the place of an activation's type, such as u16"
      }
    }
    if widestRange <= 0 { return "'widest_range' is \(widestRange), expected a number above 0" }
    if maskFill >= 0 { return "'mask_fill' is \(maskFill), expected a number below 0" }
    return nil
  }

  /// The types of weight that an operator takes with an activation; nil when the activation itself is not taken.
  public func weightTypes(of operatorName: String, activation: ElementType) -> [ElementType]? {
    OperandType(activation).flatMap { weights[operatorName]?[$0.rawValue] }?.map(\.elementType)
  }

  /// Whether an operator, with its domain in front unless that is ai.onnx, runs on the NPU in some form.
  public func takes(_ operatorName: String) -> Bool {
    operators.contains(operatorName) || movements.contains(operatorName)
      || floatOperators.contains(operatorName)
  }

  /// What is said of a model with shapes that are not fixed.
  public static let openShapes = "a dynamic shape in the graph: the NPU takes fixed shapes only; bind them"
}
