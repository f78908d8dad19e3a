public import ONNXGraph
import Tensors

/// What the Hexagon Tensor Processor (QNN HTP) accepts of a model, as data, and the check of a model against it.
///
/// The table was measured with ONNX Runtime 1.31.1 and its QNN provider 2.7.0 (QAIRT 2.51) for v73, the NPU of the
/// Snapdragon X Elite.
public enum HTPRules {
  /// Looks at every node of a model; none of the weights is read.
  ///
  /// - Parameter dimensions: extents that open dimensions get when the model runs, by name.
  public static func findings(in model: ModelGraph, binding dimensions: [String: Int] = [:]) -> [Finding] {
    let view = QuantizationView(model, dimensions)
    return all.flatMap { rule in
      rule.find(view).map {
        Finding(rule.severity, rule: rule.name, place: $0.place, $0.message, remedy: rule.remedy)
      }
    }
  }

  /// The rules with their remedies, for documentation.
  public static var summaries: [(name: String, severity: Finding.Severity, remedy: String)] {
    all.map { ($0.name, $0.severity, $0.remedy) }
  }

  static let all: [HTPRule] = shapeRules + operatorRules + weightRules + arithmeticRules

  // MARK: Operators

  /// Operators that QNN has a translation for; others stay on the processor.
  static let operators: Set<String> = [
    "Abs", "Add", "And", "ArgMax", "ArgMin", "Asin", "Atan", "AveragePool", "BatchNormalization", "Cast",
    "Ceil",
    "Clip", "Concat", "Constant", "Conv", "ConvTranspose", "Cos", "CumSum", "DepthToSpace",
    "DequantizeLinear",
    "Div", "Einsum", "Elu", "Equal", "Exp", "Expand", "Flatten", "Floor", "Gather", "GatherElements",
    "GatherND",
    "Gelu", "Gemm", "GlobalAveragePool", "GlobalMaxPool", "Greater", "GreaterOrEqual", "GridSample",
    "HardSigmoid", "HardSwish", "Identity", "InstanceNormalization", "IsNaN", "LRN", "LayerNormalization",
    "LeakyRelu",
    "Less", "LessOrEqual", "Log", "LogSoftmax", "LpNormalization", "MatMul", "Max", "MaxPool", "Mean", "Min",
    "Mod", "Mul", "Neg", "Not", "Or", "PRelu", "Pad", "Pow", "QuantizeLinear", "Reciprocal", "ReduceL2",
    "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "Relu", "Reshape", "Resize", "Round",
    "ScatterElements", "ScatterND", "Sigmoid", "Sign", "Sin", "Slice", "Softmax", "Softplus", "SpaceToDepth",
    "Split", "Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "ThresholdedRelu", "Tile", "TopK", "Transpose",
    "Unsqueeze", "Upsample", "Where", "Xor",
    // The runtime writes these out in simpler ones.
    "Attention", "Mish", "RMSNormalization", "Selu",
  ]

  /// Of the domain com.microsoft.
  static let contribOperators: Set<String> = ["DequantizeLinear", "Gelu", "QuantizeLinear", "QuickGelu"]

  /// Operators that quantize activations while the model runs.
  static let runTimeQuantized: Set<String> = [
    "DynamicQuantizeLinear", "MatMulInteger", "MatMulInteger16", "ConvInteger", "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul", "QLinearMatMul", "QLinearConv", "QGemm", "QLinearAdd", "QLinearMul",
    "QAttention",
  ]

  /// Operators that hold block-quantized weights of their own.
  static let blockOperators: Set<String> = ["MatMulNBits", "MatMulBnb4", "GatherBlockQuantized"]

  static let controlFlow: Set<String> = ["If", "Loop", "Scan", "SequenceMap"]

  /// Operators that the runtime folds away once shapes are fixed; `fixed-shapes` says when they are not.
  static let folding: Set<String> = ["Shape", "Size", "ConstantOfShape", "Range", "Trilu", "EyeLike"]

  // MARK: Types

  /// Types of the constant weight of a linear layer by the type of its activation.
  static let linearWeights: [ElementType: Set<ElementType>] = [
    .uint8: [.uint8, .int8, .int4, .uint4],
    .uint16: [.uint8, .int8, .int16, .uint16, .int4, .uint4],
  ]
  static let convolutionWeights: [ElementType: Set<ElementType>] = [
    .uint8: [.uint8, .int8, .int4], .uint16: [.uint8, .int8, .int16, .int4],
  ]
  /// Pairs of types that a product of two activations takes as they are.
  static let productPairs: Set<[ElementType]> = [
    [.uint8, .uint8], [.uint16, .uint8], [.uint8, .uint16], [.uint16, .int8], [.uint16, .int16],
    [.int16, .int16], [.int8, .int8],
  ]
  /// Types of LayerNormalization's gamma by the type of its activation.
  static let gammas: [ElementType: Set<ElementType>] = [.uint16: [.uint8, .int16], .uint8: [.uint8]]
  /// Block lengths of 4-bit weights with 16-bit activations.
  static let blockSizes: Set<Int> = [16, 32, 64]
}

/// One thing that HTP refuses, spoils or does badly.
struct HTPRule: Sendable {
  struct Hit {
    let place: String?
    let message: String
  }

  let name: String
  let severity: Finding.Severity
  let remedy: String
  let find: @Sendable (QuantizationView) -> [Hit]

  init(
    _ name: String, _ severity: Finding.Severity, remedy: String,
    _ find: @escaping @Sendable (QuantizationView) -> [Hit]
  ) {
    self.name = name
    self.severity = severity
    self.remedy = remedy
    self.find = find
  }

  /// A rule that looks at each node by itself.
  static func eachNode(
    _ name: String, _ severity: Finding.Severity, of operators: Set<String>? = nil, remedy: String,
    _ message: @escaping @Sendable (NodeID, QuantizationView) -> String?
  ) -> HTPRule {
    HTPRule(name, severity, remedy: remedy) { view in
      view.model.allNodes.compactMap { node in
        if let operators, !operators.contains(view.model[node].opType) { return nil }
        return message(node, view).map { Hit(place: view.model.label(of: node), message: $0) }
      }
    }
  }
}
