/// Our own rules for what the Hexagon NPU takes, as data: they speak where the runtime is silent, and without one.
///
/// Measured operator by operator with onnxruntime-qnn 2.7.0 (QAIRT 2.51) for Snapdragon X Elite.
public enum NPURules {
  /// Operators that Whisper graphs and quantizers bring and that the NPU refuses, with what to do.
  public static let refusedOperators: [String: String] = [
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

  /// What is said of a graph with shapes that are not fixed.
  public static let openShapes = "a dynamic shape in the graph: the NPU takes fixed shapes only; bind them"

  /// What our rules have against an operator, or nil. Operators outside ONNX's own domain have it in front of their
  /// name: `com.microsoft.BiasGelu`.
  public static func objection(toOperator name: String, hasOpenShapes: Bool) -> String? {
    hasOpenShapes ? openShapes : refusedOperators[name]
  }
}
