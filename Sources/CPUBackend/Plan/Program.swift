import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors

/// One node, ready to run: its slots and how it is evaluated.
struct Step {
  let facts: NodeFacts
  let evaluation: Evaluation
  let half: HalfPolicy
  /// Slots; nil is an input that is left out.
  let inputs: [Int?]
  let outputs: [Int?]
  /// Slots of outer values that the node's graphs take.
  let captured: [Int]
  /// Whether the results are the same in every run.
  let isConstant: Bool
}

/// One graph of a model in the order in which it runs.
struct GraphProgram {
  var inputs: [Int] = []
  var outputs: [Int] = []
  var steps: [Step] = []
}

/// A model as steps over numbered slots; all graphs share the slots, so an inner graph sees outer values.
struct Program {
  /// The first graph is the model's own.
  var graphs: [GraphProgram] = []
  /// The name of each slot's value.
  var names: [String] = []
  /// Constants of the file: initializers and `Constant` nodes.
  var constants: [(slot: Int, value: RunTensor)] = []
  /// Slots of the model's own graph by name, and of inner ones where no outer value has the name.
  var slots: [String: Int] = [:]
  var operatorCounts: [String: Int] = [:]
  var nodeCount = 0
}

/// Builds the program of a lifted model.
struct ProgramBuilder {
  private let model: ModelGraph
  private var program = Program()
  private var slotOf: [ValueID: Int] = [:]
  private var constantSlots: Set<Int> = []
  private var numberOf: [GraphID: Int] = [:]
  private var unsupported: [String] = []

  static func build(_ model: ModelGraph) throws(BackendError) -> Program {
    var builder = ProgramBuilder(model)
    try builder.build()
    return builder.program
  }

  private init(_ model: ModelGraph) { self.model = model }

  private mutating func build() throws(BackendError) {
    for (number, id) in model.graphIDs.enumerated() { numberOf[id] = number }
    program.graphs = [GraphProgram](repeating: GraphProgram(), count: numberOf.count)
    for id in model.graphIDs { try addValues(of: id) }
    for (number, id) in model.graphIDs.enumerated() { program.graphs[number] = try steps(of: id) }
    if !unsupported.isEmpty {
      let few = unsupported.prefix(8).joined(separator: "; ")
      let more = unsupported.count > 8 ? "; and \(unsupported.count - 8) more nodes" : ""
      throw BackendError(
        .unsupported,
        "\(model.path): the embedded CPU engine has no \(few)\(more) (docs/operators.md lists what it has)")
    }
  }

  private mutating func slot(_ value: ValueID) -> Int {
    if let slot = slotOf[value] { return slot }
    let slot = program.names.count
    slotOf[value] = slot
    program.names.append(model[value].name)
    if program.slots[model[value].name] == nil { program.slots[model[value].name] = slot }
    return slot
  }

  private mutating func addValues(of id: GraphID) throws(BackendError) {
    let graph = model[id]
    for value in graph.inputs { _ = slot(value) }
    for value in graph.initializers {
      let number = slot(value)
      guard let content = model[value].initializer?.content else {
        throw BackendError(.badModel, "\(model.path): the data of '\(model[value].name)' is not there")
      }
      if case .promised = content.bytes {
        throw BackendError(.badModel, "\(model.path): '\(model[value].name)' is not computed yet")
      }
      program.constants.append((number, RunTensor(content)))
      if !model[value].isGraphInput { constantSlots.insert(number) }
    }
  }

  private mutating func steps(of id: GraphID) throws(BackendError) -> GraphProgram {
    var result = GraphProgram()
    result.inputs = model[id].inputs.map { slot($0) }
    for node in try ordered(id) {
      if let step = try step(node) { result.steps.append(step) }
    }
    result.outputs = model[id].outputs.map { slot($0) }
    return result
  }

  private mutating func step(_ id: NodeID) throws(BackendError) -> Step? {
    let node = model[id]
    let label = model.label(of: id)
    let domain = node.domain
    program.nodeCount += 1
    let operatorName = domain.isEmpty ? node.opType : "\(domain).\(node.opType)"
    program.operatorCounts[operatorName, default: 0] += 1
    let version = Int(clamping: model.opsetVersion(domain: domain) ?? 1)
    guard let entry = OperatorTable.entry(domain: domain, name: node.opType) else {
      unsupported.append("operator \(operatorName) (node '\(label)')")
      return nil
    }
    guard entry.versions.contains(version) else {
      unsupported.append("version \(version) of operator \(operatorName) (node '\(label)')")
      return nil
    }
    var graphs: [String: Int] = [:]
    var messages: [AttributeProto] = []
    for attribute in node.attributes {
      switch attribute {
      case .graph(let message, let graph):
        graphs[message.name ?? ""] = numberOf[graph]
      case .plain(let message): messages.append(message)
      case .graphs: throw BackendError(.unsupported, "\(label): a list of graphs in an attribute")
      }
    }
    let facts = NodeFacts(
      label: label, domain: domain, opType: node.opType, version: version, inputCount: node.inputs.count,
      usedOutputs: node.outputs.map { $0 != nil }, attributes: messages, graphs: graphs, path: model.path)
    if node.opType == "Constant", domain.isEmpty, let output = node.outputs.first ?? nil {
      let number = slot(output)
      program.constants.append((number, try OperatorTable.constant(facts)))
      constantSlots.insert(number)
      return nil
    }
    let inputs = node.inputs.map { value in value.map { slot($0) } }
    let outputs = node.outputs.map { value in value.map { slot($0) } }
    let outer = graphs.isEmpty ? [] : captured(by: id).map { slot($0) }
    let isConstant = graphs.isEmpty && inputs.allSatisfy { $0.map(constantSlots.contains) ?? true }
    if isConstant { for case let output? in outputs { constantSlots.insert(output) } }
    return Step(
      facts: facts, evaluation: try entry.make(facts), half: entry.half, inputs: inputs, outputs: outputs,
      captured: outer, isConstant: isConstant)
  }

  /// Values from outside that the graphs of a node take.
  private func captured(by id: NodeID) -> [ValueID] {
    var inside: Set<GraphID> = []
    var bodies: [GraphID] = []
    for attribute in model[id].attributes {
      if case .graph(_, let graph) = attribute { bodies.append(graph) }
    }
    inside.formUnion(bodies)
    for graph in model.graphIDs {
      if let parent = model[graph].parent, inside.contains(parent) { inside.insert(graph) }
    }
    var found: Set<ValueID> = []
    for graph in inside {
      for node in model[graph].nodes { found.formUnion(model[node].inputs.compactMap { $0 }) }
      found.formUnion(model[graph].outputs)
    }
    return found.filter { !inside.contains(model[$0].graph) }.sorted()
  }

  /// The nodes of a graph so that each comes after what it takes; file order where that does.
  private func ordered(_ id: GraphID) throws(BackendError) -> [NodeID] {
    let nodes = model[id].nodes
    var taken: [NodeID: [ValueID]] = [:]
    for node in nodes {
      taken[node] = model[node].inputs.compactMap { $0 } + captured(by: node)
    }
    var position: [NodeID: Int] = [:]
    for (index, node) in nodes.enumerated() { position[node] = index }
    let own = Set(nodes)
    var waiting: [NodeID: Int] = [:]
    var users: [NodeID: [NodeID]] = [:]
    for node in nodes {
      let before = Set((taken[node] ?? []).compactMap { model[$0].producer }).intersection(own)
      waiting[node] = before.count
      for earlier in before { users[earlier, default: []].append(node) }
    }
    if nodes.allSatisfy({ node in
      (users[node] ?? []).allSatisfy { position[$0, default: 0] > position[node, default: 0] }
    }) {
      return nodes
    }
    var ready = nodes.filter { waiting[$0] == 0 }
    var result: [NodeID] = []
    var next = 0
    while next < ready.count {
      let node = ready[next]
      next += 1
      result.append(node)
      for user in (users[node] ?? []).sorted() {
        waiting[user, default: 0] -= 1
        if waiting[user] == 0 { ready.append(user) }
      }
    }
    guard result.count == nodes.count else {
      throw BackendError(.badModel, "\(model.path): a graph has a cycle")
    }
    return result
  }
}
