extension Target {
  /// Snapdragon X Elite: Hexagon v73, soc_model 60. Each line was measured by compiling small models, one for each
  /// combination, with QNN's provider 2.7.0 (QAIRT 2.51), and reading what became of them.
  public static let snapdragonXElite = Target(
    name: "snapdragon-x-elite", title: "Snapdragon X Elite", socModel: 60, architecture: "v73",
    qairtVersion: "2.51", opset: 21,
    operators: [
      "Abs", "Add", "And", "ArgMax", "ArgMin", "AveragePool", "Cast", "Ceil", "Clip", "Conv", "Cos", "Div",
      "Elu", "Equal", "Exp", "Floor", "Gather", "GatherElements", "GatherND", "Gelu", "Gemm",
      "GlobalAveragePool", "Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "InstanceNormalization",
      "LayerNormalization", "LeakyRelu", "Less", "LessOrEqual", "Log", "LogSoftmax", "LpNormalization",
      "MatMul", "Max", "MaxPool", "Mean", "Min", "Mul", "Neg", "Not", "Or", "PRelu", "Pad", "Pow",
      "ReduceMax", "ReduceMean", "ReduceMin", "ReduceSum", "Relu", "Round", "ScatterElements", "ScatterND",
      "Sigmoid", "Sign", "Sin", "Softmax", "Sqrt", "Sub", "Sum", "Tanh", "TopK", "Where", "Xor",
    ],
    movements: [
      "Concat", "DepthToSpace", "Expand", "Flatten", "Identity", "Reshape", "Slice", "SpaceToDepth", "Split",
      "Squeeze", "Tile", "Transpose", "Unsqueeze",
    ],
    floatOperators: [
      "Asin", "Atan", "Attention", "BatchNormalization", "ConvTranspose", "CumSum", "Einsum",
      "GlobalMaxPool", "GridSample", "IsNaN", "LRN", "Mish", "Mod", "RMSNormalization", "Reciprocal",
      "ReduceL2", "ReduceProd", "Resize", "Selu", "Softplus", "ThresholdedRelu", "Upsample",
      "com.microsoft.Gelu", "com.microsoft.QuickGelu",
    ],
    foldedOperators: ["ConstantOfShape", "EyeLike", "Range", "Shape", "Size", "Trilu"],
    refusedOperators: refusals,
    weights: [
      "MatMul": ["u8": [.s8, .s4, .u8, .u4], "u16": [.s8, .s16, .s4, .u8, .u4, .u16], "s8": [.s8]],
      "Gemm": ["u8": [.s8, .s4, .u8, .u4], "u16": [.s8, .s16, .s4, .u8, .u4]],
      "Conv": ["u8": [.s8, .s4, .u8], "u16": [.s8, .s16, .s4, .u8]],
    ],
    products: [
      [.u8, .u8], [.u8, .s8], [.u16, .u8], [.u16, .s8], [.u16, .s16], [.s8, .s8], [.s16, .s16],
      [.s16, .s8],
    ],
    narrowedProducts: [[.u16, .u16]],
    gammas: ["u16": [.s16, .u8], "u8": [.u8]], blockSizes: [16, 32, 64],
    blockOperators: ["MatMul", "Gemm"],
    widestRange: 10_000, maskFill: -100)

  private static let refusals: [String: String] = [
    "Erf": "Erf alone is not taken; the whole Gelu pattern, or Gelu itself, is",
    "MatMulInteger": "taken only inside the whole pattern of dynamic quantization; use static Q/DQ",
    "ConvInteger": "integer convolutions run on processors only; use static Q/DQ",
    "DynamicQuantizeLinear": "taken only inside the whole pattern of dynamic quantization; use static Q/DQ",
    "com.microsoft.DynamicQuantizeMatMul": "dynamic quantization runs on processors only; use static Q/DQ",
    "com.microsoft.MatMulIntegerToFloat": "dynamic quantization runs on processors only; use static Q/DQ",
    "com.microsoft.MultiHeadAttention":
      "fused attention of com.microsoft is not taken; MatMul and Softmax are",
    "com.microsoft.Attention": "fused attention of com.microsoft is not taken; MatMul and Softmax are",
    "com.microsoft.SkipLayerNormalization": "take Add and LayerNormalization in its place",
    "com.microsoft.BiasGelu": "take Add and Gelu in its place",
    "Shape": "shapes must be fixed, so that none is computed",
    "Size": "shapes must be fixed, so that none is computed",
    "Range": "shapes must be fixed, so that none is computed",
    "ConstantOfShape": "shapes must be fixed, so that none is computed",
    "NonZero": "its output has no fixed shape",
    "Trilu": "make the mask an input or a constant",
    "EyeLike": "make it a constant",
    "Loop": "loops are not taken; run one step a call",
  ]
}
