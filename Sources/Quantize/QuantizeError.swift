public import ONNXFile

/// A plan that cannot be executed on a model.
public struct QuantizeError: Error, Sendable {
  public enum Reason: Sendable {
    /// A weight holds NaN or infinity.
    case notFinite(weight: String, elementIndex: Int, value: Float)
    /// The plan names a weight that the model does not have.
    case unknownWeight(String, graph: String)
    /// The plan's shape or type is not the model's.
    case otherWeight(String, planned: String, found: String)
    /// The plan asks for something that this weight or its users cannot have.
    case impossible(weight: String, why: String)
    /// The model needs a newer operator set than it has, and cannot be raised.
    case opset(String)
    /// Reading or writing failed.
    case file(ONNXFileError)
  }

  public let reason: Reason
  /// The model file.
  public let path: String

  public init(_ reason: Reason, path: String) {
    self.reason = reason
    self.path = path
  }

  /// One sentence: what, where, what was expected, what to do.
  public var message: String {
    switch reason {
    case .notFinite(let weight, let index, let value):
      let what = value.isNaN ? "NaN" : "infinity"
      return "\(path): tensor '\(weight)' holds \(what) at element \(index), expected finite numbers; "
        + "export the model again, or leave this weight with --exclude 'weight:\(weight)'"
    case .unknownWeight(let weight, let graph):
      let place = graph.isEmpty ? "" : " in graph '\(graph)'"
      return "\(path): the plan names the weight '\(weight)'\(place), which the model does not have; "
        + "make a plan for this model with --dry-run --json"
    case .otherWeight(let weight, let planned, let found):
      return "\(path): the plan takes '\(weight)' for \(planned), but it is \(found); "
        + "make a plan for this model with --dry-run --json"
    case .impossible(let weight, let why):
      return "\(path): '\(weight)' cannot be done: \(why)"
    case .opset(let text): return text
    case .file(let error): return error.message
    }
  }
}
