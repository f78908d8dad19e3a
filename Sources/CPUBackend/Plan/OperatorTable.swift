import ModelBackend

/// How a node is evaluated, made once per session from the node's attributes.
enum Evaluation {
  case tensors((Call) throws(BackendError) -> [RunTensor])
  case values((Call) throws(BackendError) -> [RunValue])
}

/// What happens to float16 and bfloat16 operands.
enum HalfPolicy: Sendable {
  /// The operator handles them itself.
  case own
  /// They become float32, and float32 results become what the operands were, rounded once.
  case widened
  /// The same, but only the first result is rounded.
  case widenedFirst
}

/// An operator that the engine claims.
struct OperatorEntry: Sendable {
  let domain: String
  let name: String
  /// Versions of the operator set of `domain` in which the engine knows the operator.
  let versions: ClosedRange<Int>
  let half: HalfPolicy
  let make: @Sendable (NodeFacts) throws(BackendError) -> Evaluation

  init(
    _ name: String, domain: String = "", versions: ClosedRange<Int> = 1...OperatorTable.newestVersion,
    half: HalfPolicy = .own, _ make: @escaping @Sendable (NodeFacts) throws(BackendError) -> Evaluation
  ) {
    self.domain = domain
    self.name = name
    self.versions = versions
    self.half = half
    self.make = make
  }
}

/// All operators that the engine claims.
enum OperatorTable {
  /// The newest version of the `ai.onnx` operator set whose definitions were compared with the evaluations.
  static let newestVersion = 28
  static let contrib = "com.microsoft"

  static let entries: [OperatorEntry] =
    unaryEntries + binaryEntries + comparisonEntries + castEntries + shapeEntries + moveEntries
    + gatherEntries
    + scatterEntries + reductionEntries + normalizationEntries + matrixEntries + convolutionEntries
    + quantizationEntries + constantEntries + orderEntries + controlEntries + sequenceEntries
    + attentionEntries
    + contribEntries + blockedEntries

  private static let byName: [String: OperatorEntry] = Dictionary(
    entries.map { ("\($0.domain).\($0.name)", $0) }
  ) { first, _ in preconditionFailure("\(first.name) is there twice") }

  static func entry(domain: String, name: String) -> OperatorEntry? { byName["\(domain).\(name)"] }
}
