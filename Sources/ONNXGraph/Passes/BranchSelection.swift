public import ONNXFile
import Tensors

/// Replaces each `If` whose condition is known by the branch that it takes.
///
/// A merged decoder keeps a decoder without and one with caches in the two branches of an `If` over the input
/// `use_cache_branch`; `choices` says which one is meant. Works on messages, because a branch's nodes move to
/// another graph. Inputs that only the choice or the other branch took leave the interface.
public struct BranchSelection: Sendable {
  /// Values of conditions by the name of the graph's input or value.
  public var choices: [String: Bool]

  public init(choices: [String: Bool] = [:]) { self.choices = choices }

  /// The model after the selection, and the number of `If` nodes that went.
  ///
  /// An `If` with an unknown condition stays. A choice that no `If` has as its condition is an error.
  public func select(_ model: ModelProto, path: String) throws(PassError) -> (model: ModelProto, count: Int) {
    guard var graph = model.graph else { return (model, 0) }
    var state = State(choices: choices, path: path)
    for tensor in graph.initializer { state.learn(tensor) }
    for node in graph.node { state.learn(node) }
    graph.node = state.flattened(graph.node, into: &graph.initializer, &graph.valueInfo)
    for name in choices.keys.sorted() where !state.met.contains(name) {
      throw PassError(.noBranch(condition: name), path: path)
    }
    if state.count == 0 { return (model, 0) }
    let used = Self.names(takenBy: graph.node).union(graph.output.compactMap(\.name))
    let chosen = state.met.intersection(choices.keys)
    if !chosen.isEmpty { graph.input.removeAll { !used.contains($0.name ?? "") } }
    graph.initializer.removeAll { !used.contains($0.name ?? "") }
    var result = model
    result.graph = graph
    return (result, state.count)
  }

  private static func names(takenBy nodes: [NodeProto]) -> Set<String> {
    var result: Set<String> = []
    for node in nodes {
      result.formUnion(node.input)
      for attribute in node.attribute {
        for graph in [attribute.g?.value].compactMap({ $0 }) + attribute.graphs {
          result.formUnion(names(takenBy: graph.node))
          result.formUnion(graph.output.compactMap(\.name))
        }
      }
    }
    return result
  }

  /// What is known of conditions while a graph is walked.
  private struct State {
    let choices: [String: Bool]
    let path: String
    var constants: [String: Bool] = [:]
    var met: Set<String> = []
    var count = 0

    mutating func learn(_ tensor: TensorProto) {
      guard tensor.dataType == ElementType.bool.rawValue, tensor.dims.allSatisfy({ $0 == 1 }),
        let name = tensor.name
      else { return }
      let content = try? TensorContent(tensor, external: ExternalDataFiles(modelPath: path))
      if let first = content?.integers?.first { constants[name] = first != 0 }
    }

    mutating func learn(_ node: NodeProto) {
      guard node.opType == "Constant", let output = node.output.first,
        var tensor = node.attribute.first(where: { $0.name == "value" })?.t?.value
      else { return }
      tensor.name = output
      learn(tensor)
    }

    mutating func flattened(
      _ nodes: [NodeProto], into initializers: inout [TensorProto], _ infos: inout [ValueInfoProto]
    ) -> [NodeProto] {
      var result: [NodeProto] = []
      for node in nodes {
        guard node.opType == "If", let condition = node.input.first,
          let isThen = choices[condition] ?? constants[condition],
          let branch = node.attribute.first(where: {
            $0.name == (isThen ? "then_branch" : "else_branch")
          })?.g?.value
        else {
          result.append(node)
          continue
        }
        met.insert(condition)
        count += 1
        for tensor in branch.initializer { learn(tensor) }
        for inner in branch.node { learn(inner) }
        initializers += branch.initializer
        infos += branch.valueInfo
        result += outputs(of: branch, named: node.output, flattened(branch.node, into: &initializers, &infos))
      }
      return result
    }

    /// The branch's nodes, whose results take the names of the node's outputs.
    private func outputs(
      of branch: GraphProto, named names: [String], _ nodes: [NodeProto]
    ) -> [NodeProto] {
      var result = nodes
      var renamed: [String: String] = [:]
      let made = Set(nodes.flatMap(\.output))
      for (index, info) in branch.output.enumerated() where index < names.count && !names[index].isEmpty {
        let inner = info.name ?? ""
        if made.contains(inner), renamed[inner] == nil {
          renamed[inner] = names[index]
        } else {
          var copy = NodeProto()
          copy.opType = "Identity"
          copy.name = "\(names[index])/Identity"
          copy.input = [inner]
          copy.output = [names[index]]
          result.append(copy)
        }
      }
      return result.map { Self.renaming($0, renamed) }
    }

    private static func renaming(_ node: NodeProto, _ names: [String: String]) -> NodeProto {
      var result = node
      result.input = node.input.map { names[$0] ?? $0 }
      result.output = node.output.map { names[$0] ?? $0 }
      for index in result.attribute.indices {
        guard var graph = result.attribute[index].g?.value else { continue }
        graph.node = graph.node.map { renaming($0, names) }
        for place in graph.output.indices {
          graph.output[place].name = graph.output[place].name.map { names[$0] ?? $0 }
        }
        result.attribute[index].g = Boxed(graph)
      }
      return result
    }
  }
}
