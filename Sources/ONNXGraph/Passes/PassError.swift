/// Why a model cannot be brought to the form that was asked for.
public struct PassError: Error, Sendable, Equatable {
  public enum Reason: Sendable, Equatable {
    /// An input's dimension that nothing fixes.
    case openDimension(input: String, dimension: String, axis: Int)
    /// A value for a dimension that the model does not have, or fixes otherwise.
    case otherDimension(name: String, known: [String])
    /// An operator whose result's shape is not known.
    case unknownOperator(opType: String, node: String)
    /// A node whose inputs contradict its operator, or whose shape depends on data.
    case shape(opType: String, node: String, problem: String)
    /// A condition that is not constant.
    case openBranch(node: String, condition: String)
    /// A branch was asked for where there is none.
    case noBranch(condition: String)
    /// The model cannot be changed to the operator set.
    case graph(String)
    /// Weights that are made anew have no room; the sentence says where.
    case room(String)
  }

  public let reason: Reason
  public let path: String

  public init(_ reason: Reason, path: String) {
    self.reason = reason
    self.path = path
  }

  /// One sentence: what, where, what was expected, what to do.
  public var message: String {
    switch reason {
    case .openDimension(let input, let dimension, let axis):
      let option = dimension == "?" ? "\(input).\(axis)" : dimension
      return
        "\(path): dimension \(axis) ('\(dimension)') of input '\(input)' has no fixed length, which an NPU "
        + "needs; give it one with --dim '\(option)=N'"
        + (["sequence", "past"].contains { option.contains($0) }
          ? "; a decoder gets caches of fixed length by --static-kv in prepare, and in quantize of the folder of "
            + "both models (or with --max-tokens)"
          : "")
    case .otherDimension(let name, let known):
      let list = known.isEmpty ? "it has no open dimension" : "it has \(known.joined(separator: ", "))"
      return "\(path): --dim \(name): the model has no open dimension of this name (\(list))"
    case .unknownOperator(let opType, let node):
      return "\(path): the shape of what \(opType) ('\(node)') computes is not known here; export the model "
        + "without this operator, or as plain ONNX operators"
    case .shape(let opType, let node, let problem):
      return "\(path): \(opType) ('\(node)') \(problem)"
    case .openBranch(let node, let condition):
      return
        "\(path): If ('\(node)') chooses by '\(condition)', which is not constant; choose the branch with "
        + "--decoder-branch no-past or with-past"
    case .noBranch(let condition):
      return "\(path): no If chooses by the input '\(condition)'; leave --decoder-branch out"
    case .graph(let sentence), .room(let sentence): return sentence
    }
  }
}
