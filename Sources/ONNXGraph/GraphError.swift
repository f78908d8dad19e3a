/// A model whose nodes and values do not make a graph.
public struct GraphError: Error, Sendable, Equatable {
  public enum Reason: Sendable, Equatable {
    /// A node takes a value that nothing defines.
    case undefinedValue(String, node: String)
    /// Two nodes, inputs or constants define the same name.
    case duplicateValue(String, graph: String)
    /// A value depends on itself.
    case cycle(node: String, value: String)
    /// A graph's output that nothing defines.
    case undefinedOutput(String, graph: String)
    /// Two attributes of a node have the same name.
    case duplicateAttribute(String, node: String)
    /// An operator that this change of operator set cannot handle.
    case opsetUpgrade(opType: String, node: String, from: Int64, to: Int64, why: String)
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
    case .undefinedValue(let name, let node):
      return "\(path): node '\(node)' takes '\(name)', which no input, constant or node defines; "
        + "the model is incomplete, export it again"
    case .duplicateValue(let name, let graph):
      return "\(path): '\(name)' is defined twice in graph '\(graph)', expected every name once; "
        + "export the model again"
    case .cycle(let node, let value):
      return "\(path): node '\(node)' depends on its own result through '\(value)'; "
        + "a graph must have no cycle, export the model again"
    case .undefinedOutput(let name, let graph):
      return "\(path): graph '\(graph)' promises the output '\(name)', which nothing defines; "
        + "export the model again"
    case .duplicateAttribute(let name, let node):
      return
        "\(path): node '\(node)' has the attribute '\(name)' twice, expected once; export the model again"
    case .opsetUpgrade(let opType, let node, let from, let to, let why):
      return "\(path): the model uses opset \(from) and this scheme needs opset \(to), but \(opType) "
        + "('\(node)') \(why); export the model with opset \(to), or choose --format contrib"
    }
  }
}
