public import ONNXFile
public import Tensors

/// Editing verbs of the passes: they change edges, order and descriptions of a whole graph.
extension ModelGraph {
  // MARK: Removing

  /// Removes a node; its outputs have no producer afterwards, so nobody may use them any more.
  public mutating func remove(_ node: NodeID) { remove([node]) }

  /// Removes nodes of any graphs in one walk.
  public mutating func remove(_ nodes: Set<NodeID>) {
    for node in nodes { cutEdges(of: node) }
    for graph in graphIDs { self[graph].nodes.removeAll { nodes.contains($0) } }
    for node in nodes { nodeStorage[node.index] = nil }
  }

  private mutating func cutEdges(of node: NodeID) {
    let record = self[node]
    for (index, input) in record.inputs.enumerated() {
      guard let input else { continue }
      self[input].uses.removeAll { $0.node == node && $0.inputIndex == index }
    }
    for case let output? in record.outputs where self[output].producer == node { self[output].producer = nil }
  }

  /// Removes initializers and inputs that nothing takes.
  public mutating func removeIdle(initializers values: Set<ValueID>) {
    let idle = values.filter { self[$0].uses.isEmpty && self[$0].graphOutputCount == 0 }
    for graph in graphIDs {
      self[graph].initializers.removeAll { idle.contains($0) }
      self[graph].inputs.removeAll { idle.contains($0) }
      self[graph].descriptions.removeAll { $0.value.map(idle.contains) ?? false }
    }
    for value in idle {
      self[value].initializer = nil
      self[value].isGraphInput = false
    }
  }

  /// Takes inputs that no node takes out of the interface of the main graph.
  public mutating func removeUnusedInputs(_ values: Set<ValueID>) {
    removeIdle(initializers: values.filter { self[$0].isGraphInput })
  }

  /// Gives a new node the name of one that it takes the place of, which must be gone.
  mutating func inherit(_ name: String, by node: NodeID) {
    if !name.isEmpty { self[node].message.name = name }
  }

  // MARK: Edges

  /// Lets everybody who takes `old` take `new`, the graph's outputs included, whose names stay.
  ///
  /// False, with nothing changed, when both are names of the interface that must stay apart.
  @discardableResult
  public mutating func substitute(_ old: ValueID, by new: ValueID) -> Bool {
    if self[old].graphOutputCount > 0 {
      guard self[new].graphOutputCount == 0, !self[new].isGraphInput, self[new].initializer == nil,
        let producer = self[new].producer, self[new].graph == self[old].graph,
        let place = self[producer].outputs.firstIndex(of: new)
      else { return false }
      if let before = self[old].producer, let index = self[before].outputs.firstIndex(of: old) {
        self[before].outputs[index] = nil
      }
      moveUses(of: new, to: old)
      setOutput(place, of: producer, to: old)
      return true
    }
    moveUses(of: old, to: new)
    return true
  }

  /// Moves all inputs that take a value to another one; the graph's outputs stay.
  public mutating func moveUses(of old: ValueID, to new: ValueID) {
    let uses = self[old].uses
    self[old].uses = []
    for use in uses { self[use.node].inputs[use.inputIndex] = new }
    self[new].uses.append(contentsOf: uses)
  }

  /// Replaces a node's inputs, whose number may change.
  public mutating func setInputs(of node: NodeID, to values: [ValueID?]) {
    for (index, input) in self[node].inputs.enumerated() {
      if let input { self[input].uses.removeAll { $0.node == node && $0.inputIndex == index } }
    }
    self[node].inputs = values
    for (index, value) in values.enumerated() {
      if let value { self[value].uses.append(Use(node: node, inputIndex: index)) }
    }
  }

  /// Makes a computed value a constant; the node that computed it goes.
  public mutating func makeConstant(_ value: ValueID, _ content: TensorContent) {
    guard let producer = self[value].producer, self[producer].outputs.compactMap({ $0 }) == [value] else {
      preconditionFailure("a value that becomes constant is its node's only result")
    }
    remove(producer)
    becomeInitializer(value, content)
  }

  /// Gives a value that nothing computes any more its contents.
  mutating func becomeInitializer(_ value: ValueID, _ content: TensorContent) {
    self[value].initializer = Initializer(
      message: TensorProto(name: self[value].name, content), content: content)
    self[self[value].graph].initializers.append(value)
  }

  // MARK: Descriptions

  /// Says a value's type and fixed shape in the file: as an input, an output or in `value_info`.
  public mutating func describe(_ value: ValueID, _ elementType: ElementType, _ dimensions: [Int]) {
    let info = ValueInfoProto(tensor: self[value].name, elementType, dimensions, like: self[value].info)
    let graph = self[value].graph
    self[value].info = info
    if self[value].graphOutputCount > 0 {
      for index in self[graph].outputs.indices where self[graph].outputs[index] == value {
        self[graph].message.output[index] = info
      }
    }
  }

  /// Replaces a graph's `value_info` by what is known of the values that exist.
  public mutating func describeValues(of graph: GraphID, _ values: [ValueID]) {
    self[graph].descriptions = values.filter { self[$0].info != nil }.map { .value($0) }
  }

  // MARK: Order

  /// The nodes of a graph so that each comes after what it takes; file order where that does.
  public func order(of graph: GraphID) -> [NodeID] {
    let nodes = self[graph].nodes
    var isDone = Set<NodeID>(minimumCapacity: nodes.count)
    let own = Set(nodes)
    var result: [NodeID] = []
    result.reserveCapacity(nodes.count)
    for node in nodes where !isDone.contains(node) {
      // Depth first without recursion: a node is taken when all before it are.
      var stack = [node]
      while let top = stack.last {
        if isDone.contains(top) {
          stack.removeLast()
          continue
        }
        let before = needs(of: top).compactMap { self[$0].producer }
          .filter { own.contains($0) && !isDone.contains($0) }
        if before.isEmpty {
          isDone.insert(top)
          result.append(top)
          stack.removeLast()
        } else {
          stack.append(contentsOf: before)
        }
      }
    }
    return result
  }

  /// Puts a graph's nodes into an order in which they can run.
  public mutating func sortNodes(of graph: GraphID) { self[graph].nodes = order(of: graph) }

  /// What a node takes, itself or in the graphs inside it.
  private func needs(of node: NodeID) -> [ValueID] {
    let own = self[node].inputs.compactMap { $0 }
    let bodies = self[node].attributes.flatMap { attribute -> [GraphID] in
      switch attribute {
      case .plain: []
      case .graph(_, let graph): [graph]
      case .graphs(_, let graphs): graphs
      }
    }
    return own
      + bodies.flatMap { body in self[body].outputs + self[body].nodes.flatMap { needs(of: $0) } }
  }
}

extension ValueInfoProto {
  /// A tensor's description with fixed extents; documentation and metadata as in `other`.
  public init(
    tensor name: String, _ elementType: ElementType, _ dimensions: [Int], like other: ValueInfoProto? = nil
  ) {
    self.init()
    self.name = name
    var tensor = TypeProto.TensorType()
    tensor.elemType = elementType.rawValue
    var shape = TensorShapeProto()
    shape.dim = dimensions.map { extent in
      var dimension = TensorShapeProto.Dimension()
      dimension.value = .value(Int64(extent))
      return dimension
    }
    tensor.shape = shape
    var type = TypeProto()
    type.value = .tensor(tensor)
    self.type = type
    docString = other?.docString
    metadataProps = other?.metadataProps ?? []
  }
}
