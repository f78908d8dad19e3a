/// What becomes of a model's weights and activations.
public enum Scheme: String, NamedChoice, Sendable {
  /// 8-bit weights, activations quantized at run time; for CPUs.
  case dynamicInt8 = "dynamic-int8"
  /// 8-bit weights, float activations.
  case weightInt8 = "weight-int8"
  /// 4-bit weights, float activations.
  case weightInt4 = "weight-int4"
  /// Weights and activations in binary16.
  case fp16
  /// 8-bit weights and 16-bit activations, static Q/DQ for an NPU.
  case w8a16
  /// 8-bit weights, 8-bit activations where linear layers tolerate them and 16 bits elsewhere; static Q/DQ.
  case w8a8
  /// 4-bit weights and 16-bit activations, static Q/DQ.
  case w4a16

  /// Whether activations have fixed scales, which calibration finds, for an NPU.
  public var isStatic: Bool { [.w8a16, .w8a8, .w4a16].contains(self) }
}

/// How many elements share a scale.
public enum Granularity: String, NamedChoice, Sendable {
  /// One scale for the tensor.
  case tensor
  /// One scale per output channel.
  case channel
  /// One scale per run of `blockSize` elements along the reduction axis of one output channel.
  case block
}

/// How the range of a scale is chosen.
public enum RangeRule: String, NamedChoice, Sendable {
  /// The largest magnitude.
  case maximum
  /// The range that gives the least squared error among a few candidates.
  case leastSquares = "least-squares"
}

/// Which operators carry block-wise weights.
public enum BlockOperator: String, NamedChoice, Sendable {
  /// `com.microsoft.MatMulNBits`.
  case contrib
  /// `DequantizeLinear` of ai.onnx 21, with `block_size`.
  case qdq
}

/// Whether convolutions are quantized.
public enum ConvolutionPolicy: String, NamedChoice, Sendable {
  /// Where it pays: 1x1 convolutions in the weight-only schemes; none in dynamic-int8, where ONNX Runtime's
  /// ConvInteger is slower than float.
  case auto
  case always
  case never
}

/// The types at the model's borders in the fp16 scheme.
public enum BorderTypes: String, NamedChoice, Sendable {
  /// Inputs and outputs keep their types; casts stand inside.
  case keep
  /// float32 inputs and outputs become float16.
  case fp16
}
