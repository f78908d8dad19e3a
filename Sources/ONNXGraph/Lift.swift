public import ONNXFile
import Tensors

/// What lifting does with a tensor whose data is missing or contradicts its shape.
public enum TensorPolicy: Sendable {
  /// It is an error.
  case required
  /// It is noted in `ModelGraph.problems`, and the tensor has no content.
  case noted
}

/// Why a model could not be lifted: its tensors or its edges.
public enum LiftError: Error, Sendable {
  case file(ONNXFileError)
  case graph(GraphError)

  public var message: String {
    switch self {
    case .file(let error): return error.message
    case .graph(let error): return error.message
    }
  }
}

extension ModelGraph {
  /// Builds the graph of a model: resolves names, checks edges and tensors.
  ///
  /// Nodes may come in any order, as long as no value depends on itself.
  public static func lift(
    _ model: ModelProto, external: ExternalDataFiles, tensors: TensorPolicy = .required
  ) throws(LiftError) -> ModelGraph {
    var header = model
    header.graph = nil
    var lifted = ModelGraph(message: header, path: external.modelPath)
    var lifter = Lifter(external: external, policy: tensors)
    _ = try lifter.lift(model.graph ?? GraphProto(), parent: nil, into: &lifted)
    if tensors == .required {
      do { try external.checkOverlaps() } catch { throw .file(error) }
    }
    return lifted
  }
}

/// The state of one lifting: the chain of scopes in which names are looked up.
private struct Lifter {
  let external: ExternalDataFiles
  let policy: TensorPolicy
  var scopes: [[String: ValueID]] = []

  init(external: ExternalDataFiles, policy: TensorPolicy) {
    self.external = external
    self.policy = policy
  }

  func find(_ name: String) -> ValueID? {
    for scope in scopes.reversed() {
      if let value = scope[name] { return value }
    }
    return nil
  }

  mutating func define(_ name: String, in graph: GraphID, _ model: inout ModelGraph) -> ValueID {
    let id = ValueID(index: model.valueStorage.count)
    model.valueStorage.append(Value(name: name, graph: graph))
    model.names.reserve(name)
    scopes[scopes.count - 1][name] = id
    return id
  }

  mutating func lift(
    _ source: GraphProto, parent: GraphID?, into model: inout ModelGraph
  )
    throws(LiftError) -> GraphID
  {
    let id = GraphID(index: model.graphs.count)
    var shell = source
    shell.node = []
    shell.initializer = []
    shell.input = []
    shell.output = []
    shell.valueInfo = []
    let graphName = source.name ?? ""
    model.graphs.append(Graph(parent: parent, message: shell))
    scopes.append([:])
    defer { scopes.removeLast() }

    for info in source.input {
      let name = info.name ?? ""
      guard scopes[scopes.count - 1][name] == nil else {
        throw .graph(GraphError(.duplicateValue(name, graph: graphName), path: model.path))
      }
      let value = define(name, in: id, &model)
      model[value].info = info
      model[value].isGraphInput = true
      model[id].inputs.append(value)
    }
    for tensor in source.initializer {
      let name = tensor.name ?? ""
      let value: ValueID
      if let existing = scopes[scopes.count - 1][name] {
        guard model[existing].isGraphInput, model[existing].initializer == nil else {
          throw .graph(GraphError(.duplicateValue(name, graph: graphName), path: model.path))
        }
        value = existing
      } else {
        value = define(name, in: id, &model)
      }
      var content: TensorContent?
      do {
        content = try TensorContent(tensor, external: external)
      } catch {
        if policy == .required { throw .file(error) }
        model.problems.append(error)
      }
      model[value].initializer = Initializer(message: tensor, content: content)
      model[id].initializers.append(value)
    }
    for tensor in source.sparseInitializer {
      let name = tensor.values?.name ?? ""
      guard !name.isEmpty, scopes[scopes.count - 1][name] == nil else { continue }
      let value = define(name, in: id, &model)
      model[value].isSparse = true
    }
    try defineNodes(source, in: id, graphName: graphName, &model)
    for info in source.output {
      let name = info.name ?? ""
      guard let value = find(name) else {
        throw .graph(GraphError(.undefinedOutput(name, graph: graphName), path: model.path))
      }
      if model[value].info == nil { model[value].info = info }
      model[value].graphOutputCount += 1
      model[id].outputs.append(value)
      model[id].message.output.append(info)
    }
    describe(source, in: id, &model)
    return id
  }

  private func describe(_ source: GraphProto, in graph: GraphID, _ model: inout ModelGraph) {
    var described: Set<ValueID> = []
    for info in source.valueInfo {
      guard let name = info.name, let value = scopes[scopes.count - 1][name] else {
        // A new value of this name would be described wrongly.
        if let name = info.name { model.names.reserve(name) }
        model[graph].descriptions.append(.dangling(info))
        continue
      }
      if !model[value].isGraphInput, described.insert(value).inserted {
        model[value].info = info
        model[graph].descriptions.append(.value(value))
      } else {
        model[graph].descriptions.append(.repeated(info, value))
      }
    }
  }

  private mutating func defineNodes(
    _ source: GraphProto, in graph: GraphID, graphName: String, _ model: inout ModelGraph
  ) throws(LiftError) {
    var ids: [NodeID] = []
    for message in source.node {
      var shell = message
      shell.input = []
      shell.output = []
      shell.attribute = []
      let id = NodeID(index: model.nodeStorage.count)
      var outputs: [ValueID?] = []
      for name in message.output {
        if name.isEmpty {
          outputs.append(nil)
          continue
        }
        guard scopes[scopes.count - 1][name] == nil else {
          throw .graph(GraphError(.duplicateValue(name, graph: graphName), path: model.path))
        }
        let value = define(name, in: graph, &model)
        model[value].producer = id
        outputs.append(value)
      }
      if let name = message.name { model.names.reserve(name) }
      model.nodeStorage.append(
        Node(graph: graph, message: shell, inputs: [], outputs: outputs, attributes: []))
      ids.append(id)
    }
    model[graph].nodes = ids
    for (id, message) in zip(ids, source.node) {
      for (index, name) in message.input.enumerated() {
        if name.isEmpty {
          model[id].inputs.append(nil)
          continue
        }
        guard let value = find(name) else {
          throw .graph(GraphError(.undefinedValue(name, node: model.label(of: id)), path: model.path))
        }
        model[id].inputs.append(value)
        model[value].uses.append(Use(node: id, inputIndex: index))
      }
    }
    for (id, message) in zip(ids, source.node) {
      var seen: Set<String> = []
      for attribute in message.attribute {
        if let name = attribute.name, !seen.insert(name).inserted {
          throw .graph(GraphError(.duplicateAttribute(name, node: model.label(of: id)), path: model.path))
        }
        let lifted = try lift(attribute, of: id, in: graph, &model)
        model[id].attributes.append(lifted)
      }
    }
    try checkAcyclic(ids, model)
  }

  private mutating func lift(
    _ attribute: AttributeProto, of node: NodeID, in graph: GraphID, _ model: inout ModelGraph
  ) throws(LiftError) -> Attribute {
    if let inner = attribute.g?.value {
      var shell = attribute
      shell.g = nil
      let id = try lift(inner, parent: graph, into: &model)
      model[id].owner = node
      return .graph(shell, id)
    }
    if !attribute.graphs.isEmpty {
      var shell = attribute
      shell.graphs = []
      var ids: [GraphID] = []
      for inner in attribute.graphs {
        let id = try lift(inner, parent: graph, into: &model)
        model[id].owner = node
        ids.append(id)
      }
      return .graphs(shell, ids)
    }
    for tensor in [attribute.t?.value].compactMap({ $0 }) + attribute.tensors where tensor.dataLocation == 1 {
      let error = ONNXFileError(
        .externalData(
          tensor: tensor.name ?? attribute.name ?? "",
          problem: "it is an attribute of node '\(model.label(of: node))', where ONNX allows none; "
            + "export the model again"), path: model.path)
      if policy == .required { throw .file(error) }
      model.problems.append(error)
    }
    return .plain(attribute)
  }

  /// Kahn's algorithm over the nodes of one graph; what a node's bodies take, the node takes.
  private func checkAcyclic(_ ids: [NodeID], _ model: ModelGraph) throws(LiftError) {
    guard let first = ids.first else { return }
    let base = first.index
    let graph = model[first].graph
    func users(of id: NodeID) -> [NodeID] {
      model[id].outputs.compactMap { $0 }.flatMap { value in
        model[value].uses.compactMap { ancestor(of: $0.node, in: graph, model) }
      }
    }
    var waiting = [Int](repeating: 0, count: ids.count)
    for id in ids {
      for user in users(of: id) { waiting[user.index - base] += 1 }
    }
    var ready = ids.filter { waiting[$0.index - base] == 0 }
    var done = 0
    while let id = ready.popLast() {
      done += 1
      for user in users(of: id) {
        waiting[user.index - base] -= 1
        if waiting[user.index - base] == 0 { ready.append(user) }
      }
    }
    if done == ids.count { return }
    // Every node that still waits has one before it that waits too; going back ends in the cycle itself.
    var before: [NodeID: (node: NodeID, value: ValueID)] = [:]
    for id in ids where waiting[id.index - base] > 0 {
      for case let value? in model[id].outputs {
        for use in model[value].uses {
          if let user = ancestor(of: use.node, in: graph, model) { before[user] = (id, value) }
        }
      }
    }
    guard var node = ids.first(where: { waiting[$0.index - base] > 0 }) else { return }
    var seen: Set<NodeID> = []
    while seen.insert(node).inserted, let previous = before[node] { node = previous.node }
    let value = before[node].map { model[$0.value].name } ?? ""
    throw .graph(GraphError(.cycle(node: model.label(of: node), value: value), path: model.path))
  }

  /// The node of `graph` that is, or holds in its bodies, `node`.
  private func ancestor(of node: NodeID, in graph: GraphID, _ model: ModelGraph) -> NodeID? {
    var current = node
    while model[current].graph != graph {
      guard let owner = model[model[current].graph].owner else { return nil }
      current = owner
    }
    return current
  }
}
