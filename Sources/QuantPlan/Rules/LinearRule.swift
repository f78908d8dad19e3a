import Tensors

/// MatMul and Gemm weights: integers in the form of the scheme.
struct LinearRule: PlanRule {
  func decide(_ subject: Subject, _ policy: QuantPolicy) -> Decision {
    guard subject.role == .matMul || subject.role == .gemm else { return .pass }
    if subject.hasMixedAxes {
      return .leave(why: "it is used both as it is and transposed, so its channels differ by user")
    }
    let settings = Settings(subject, policy)
    let treatment = settings.treatment(isDynamic: policy.scheme == .dynamicInt8, format: policy.format)
    return .quantize(treatment, why: settings.why(treatment))
  }
}

/// The settings for one weight: the policy, with the first matching exception on top.
struct Settings {
  let bits: Int
  let granularity: Granularity
  let blockSize: Int
  let symmetric: Bool
  let range: RangeRule
  let note: String?

  init(_ subject: Subject, _ policy: QuantPolicy) {
    let exception = policy.exceptions.first { subject.matches($0.match) }
    let isDynamic = policy.scheme == .dynamicInt8
    bits = isDynamic ? 8 : exception?.bits ?? (policy.scheme == .weightInt4 ? 4 : 8)
    let wanted = exception?.granularity ?? policy.granularity ?? (isDynamic ? .channel : .block)
    granularity = isDynamic && wanted == .block ? .channel : wanted
    blockSize = exception?.blockSize ?? policy.blockSize
    symmetric = isDynamic || (exception?.symmetric ?? policy.symmetric)
    range = exception?.range ?? policy.range ?? Self.measuredRange(bits: bits, granularity: granularity)
    note = exception.map { "exception '\($0.match)'" }
  }

  /// What whisper-tiny.en shows to be best (docs/accuracy.md).
  static func measuredRange(bits: Int, granularity: Granularity) -> RangeRule {
    bits == 4 && granularity == .block ? .leastSquares : .maximum
  }

  /// MatMulNBits has blocks only, so everything else is a DequantizeLinear.
  func treatment(isDynamic: Bool, format: BlockOperator) -> Treatment {
    let form: WeightForm =
      isDynamic
      ? .dynamicMatMul : granularity == .block && format == .contrib ? .matMulNBits : .dequantize
    return Treatment(
      form: form, bits: bits, granularity: granularity, blockSize: granularity == .block ? blockSize : nil,
      symmetric: symmetric, range: range)
  }

  func why(_ treatment: Treatment) -> String {
    let base: String
    switch treatment.form {
    case .dynamicMatMul, .dynamicConvolution:
      base = "8-bit weights, activations quantized at run time"
    case .matMulNBits: base = "block-wise weights, float activations"
    case .dequantize: base = "integer weights, dequantized before use"
    case .gatherRows: base = "rows are gathered as integers, then scaled"
    case .half: base = "binary16"
    }
    return note.map { "\(base); \($0)" } ?? base
  }
}
