import Tensors

/// Convolutions: a dequantized weight for 1x1 in the weight-only schemes, ConvInteger only when asked.
struct ConvolutionRule: PlanRule {
  func decide(_ subject: Subject, _ policy: QuantPolicy) -> Decision {
    guard subject.role == .convolution else { return .pass }
    let isPointwise = subject.weight.uses.allSatisfy {
      if case .convolution(_, true) = $0 { true } else { false }
    }
    switch (policy.convolutions, policy.scheme) {
    case (.never, _):
      return .leave(why: "convolutions are left by the policy")
    case (.auto, .dynamicInt8):
      return .leave(
        why: isPointwise
          ? "a 1x1 Conv is faster in float than as ConvInteger (--conv always quantizes it)"
          : "ConvInteger costs accuracy and gains no time (--conv always quantizes it)")
    case (.auto, _) where !isPointwise:
      return .leave(why: "the stem's Conv costs accuracy and holds few weights (--conv always quantizes it)")
    default: break
    }
    let settings = Settings(subject, policy)
    if policy.scheme == .dynamicInt8 {
      let treatment = Treatment(
        form: .dynamicConvolution, bits: 8, granularity: settings.granularity, blockSize: nil,
        symmetric: true, range: settings.range)
      return .quantize(treatment, why: settings.why(treatment))
    }
    // Blocks run along the input channels, which 4-bit weights need to keep their accuracy.
    let canBlock =
      policy.format == .qdq && settings.granularity == .block && isPointwise
      && subject.reductionCount % settings.blockSize == 0
    let treatment = Treatment(
      form: .dequantize, bits: canBlock ? settings.bits : 8, granularity: canBlock ? .block : .channel,
      blockSize: canBlock ? settings.blockSize : nil, symmetric: canBlock ? settings.symmetric : true,
      range: settings.range)
    return .quantize(
      treatment,
      why: settings.why(treatment)
        + (settings.bits == 4 && !canBlock ? "; Conv has no 4-bit operator in this format" : ""))
  }
}
