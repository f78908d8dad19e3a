import Tensors

/// fp16 converts every float32 and bfloat16 constant, whatever takes it.
struct HalfPrecisionRule: PlanRule {
  func decide(_ subject: Subject, _ policy: QuantPolicy) -> Decision {
    guard policy.scheme == .fp16 else { return .pass }
    switch subject.weight.content.elementType {
    case .float32, .bfloat16:
      return .quantize(
        Treatment(
          form: .half, bits: 16, granularity: .tensor, blockSize: nil, symmetric: true, range: .maximum),
        why: "all float weights become binary16")
    case .float16: return .leave(why: "it is binary16 already")
    default: return .leave(why: "\(subject.weight.content.elementType.name) stays as it is")
    }
  }
}

/// A weight without elements, or that nothing takes.
struct EmptyRule: PlanRule {
  func decide(_ subject: Subject, _ policy: QuantPolicy) -> Decision {
    if subject.weight.content.shape.elementCount == 0 { return .leave(why: "it has no elements") }
    if subject.weight.uses.isEmpty { return .leave(why: "no node takes it") }
    return .pass
  }
}

/// The user's own patterns come before all other rules.
struct PatternRule: PlanRule {
  func decide(_ subject: Subject, _ policy: QuantPolicy) -> Decision {
    if let pattern = policy.exclude.first(where: subject.matches) {
      return .leave(why: "excluded by '\(pattern)'")
    }
    if !policy.include.isEmpty, !policy.include.contains(where: subject.matches) {
      return .leave(why: "not among the included")
    }
    if let exception = policy.exceptions.first(where: { subject.matches($0.match) }), exception.leave == true
    {
      return .leave(why: "left by the exception '\(exception.match)'")
    }
    return .pass
  }
}

/// Vectors and small tensors save nothing worth a node.
struct SizeRule: PlanRule {
  func decide(_ subject: Subject, _ policy: QuantPolicy) -> Decision {
    let shape = subject.weight.content.shape
    if shape.rank < 2, subject.role == .other || shape.elementCount < policy.minimumElementCount {
      return .leave(why: "\(shape.rank == 0 ? "a scalar" : "a vector") stays float")
    }
    if shape.elementCount < policy.minimumElementCount {
      return .leave(why: "fewer than \(policy.minimumElementCount) elements")
    }
    return .pass
  }
}

/// Last: the weight has a use that needs it as it is.
struct OtherUsesRule: PlanRule {
  func decide(_ subject: Subject, _ policy: QuantPolicy) -> Decision {
    for case .other(_, let why) in subject.weight.uses { return .leave(why: why) }
    return .leave(why: "its users want different forms of it")
  }
}
