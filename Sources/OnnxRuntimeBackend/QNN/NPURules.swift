/// What is known of operators that the NPU refuses, for where the runtime is silent.
///
/// The words come from outside: the rules of a target stand in one place, and that is not here.
public struct NPURules: Sendable {
  /// What to do, by operator; those outside ONNX's own domain have it in front: `com.microsoft.BiasGelu`.
  public var refusedOperators: [String: String]
  /// What is said of a graph with shapes that are not fixed.
  public var openShapes: String?

  public init(refusedOperators: [String: String] = [:], openShapes: String? = nil) {
    self.refusedOperators = refusedOperators
    self.openShapes = openShapes
  }

  func objection(toOperator name: String, hasOpenShapes: Bool) -> String? {
    hasOpenShapes ? openShapes : refusedOperators[name]
  }
}
