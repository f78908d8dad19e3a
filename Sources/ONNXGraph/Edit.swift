public import ONNXFile
public import Tensors

/// What a new node is: operator, inputs, outputs and attributes.
public struct NodeDraft: Sendable {
  public var opType: String
  public var domain: String
  /// The base of the node's name; the name authority makes it unique.
  public var name: String
  public var inputs: [ValueID?]
  public var outputs: [ValueID]
  public var attributes: [AttributeProto]

  public init(
    _ opType: String, domain: String = "", name: String, inputs: [ValueID?], outputs: [ValueID],
    attributes: [AttributeProto] = []
  ) {
    self.opType = opType
    self.domain = domain
    self.name = name
    self.inputs = inputs
    self.outputs = outputs
    self.attributes = attributes
  }
}

extension AttributeProto {
  /// An `INT` attribute.
  public static func int(_ name: String, _ value: Int64) -> AttributeProto {
    var attribute = AttributeProto()
    attribute.name = name
    attribute.i = value
    attribute.type = Kind.int.rawValue
    return attribute
  }

  /// An `INTS` attribute.
  public static func ints(_ name: String, _ values: [Int64]) -> AttributeProto {
    var attribute = AttributeProto()
    attribute.name = name
    attribute.ints = values
    attribute.type = Kind.ints.rawValue
    return attribute
  }

  /// A `STRING` attribute.
  public static func string(_ name: String, _ value: String) -> AttributeProto {
    var attribute = AttributeProto()
    attribute.name = name
    attribute.s = Array(value.utf8)
    attribute.type = Kind.string.rawValue
    return attribute
  }

  /// A `FLOAT` attribute.
  public static func float(_ name: String, _ value: Float) -> AttributeProto {
    var attribute = AttributeProto()
    attribute.name = name
    attribute.f = value
    attribute.type = Kind.float.rawValue
    return attribute
  }
}

extension TensorProto {
  /// A tensor message with raw data.
  public init(name: String, _ content: TensorContent) {
    self.init()
    self.name = name
    dims = content.shape.dimensions.map(Int64.init)
    dataType = content.elementType.rawValue
    rawData = content.bytes
  }
}

extension TensorContent {
  /// A float32 constant.
  public static func floats(_ values: [Float], shape: [Int]) -> TensorContent {
    make(values.flatMap { littleEndian($0.bitPattern) }, .float32, shape)
  }

  /// An int64 constant.
  public static func int64s(_ values: [Int64], shape: [Int]) -> TensorContent {
    make(values.flatMap { littleEndian(UInt64(bitPattern: $0)) }, .int64, shape)
  }

  private static func make(_ bytes: [UInt8], _ type: ElementType, _ shape: [Int]) -> TensorContent {
    guard let shape = Shape(shape), type.byteCount(elementCount: shape.elementCount) == bytes.count else {
      preconditionFailure("a constant's values fill its shape")
    }
    return TensorContent(elementType: type, shape: shape, bytes: .owned(bytes))
  }

  private static func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    (0..<(value.bitWidth / 8)).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }
}

extension ModelGraph {
  // MARK: Making

  /// A new value that a node will compute.
  public mutating func makeValue(_ baseName: String, in graph: GraphID) -> ValueID {
    let id = ValueID(index: valueStorage.count)
    valueStorage.append(Value(name: names.make(baseName), graph: graph))
    return id
  }

  /// A new constant at the end of a graph's initializers.
  public mutating func makeInitializer(
    _ baseName: String, _ content: TensorContent, in graph: GraphID
  )
    -> ValueID
  {
    let id = makeValue(baseName, in: graph)
    self[id].initializer = Initializer(
      message: TensorProto(name: self[id].name, content), content: content)
    self[graph].initializers.append(id)
    return id
  }

  /// Puts new nodes in the place of an old one, in order, and removes the old one.
  ///
  /// The new nodes may compute the old one's outputs, which keep their names, descriptions and users. The first
  /// draft of the old node's name keeps it.
  @discardableResult
  public mutating func replace(_ old: NodeID, with drafts: [NodeDraft]) -> [NodeID] {
    let graph = self[old].graph
    guard let position = self[graph].nodes.firstIndex(of: old) else {
      preconditionFailure("a node stands in its graph")
    }
    detach(old)
    let name = self[old].name
    let ids = drafts.map { make($0, in: graph) }
    if let heir = drafts.firstIndex(where: { $0.name == name }) { inherit(name, by: ids[heir]) }
    self[graph].nodes.replaceSubrange(position...position, with: ids)
    nodeStorage[old.index] = nil
    return ids
  }

  /// Inserts a new node directly before another one.
  @discardableResult
  public mutating func insert(_ draft: NodeDraft, before next: NodeID) -> NodeID {
    let graph = self[next].graph
    guard let position = self[graph].nodes.firstIndex(of: next) else {
      preconditionFailure("a node stands in its graph")
    }
    let id = make(draft, in: graph)
    self[graph].nodes.insert(id, at: position)
    return id
  }

  /// Inserts a new node directly behind another one.
  @discardableResult
  public mutating func insertAfter(_ previous: NodeID, _ draft: NodeDraft) -> NodeID {
    let graph = self[previous].graph
    guard let position = self[graph].nodes.firstIndex(of: previous) else {
      preconditionFailure("a node stands in its graph")
    }
    let id = make(draft, in: graph)
    self[graph].nodes.insert(id, at: position + 1)
    return id
  }

  /// Puts a new node at the end of a graph.
  @discardableResult
  public mutating func append(_ draft: NodeDraft, to graph: GraphID) -> NodeID {
    let id = make(draft, in: graph)
    self[graph].nodes.append(id)
    return id
  }

  /// Puts a new node at the beginning of a graph.
  @discardableResult
  public mutating func prepend(_ draft: NodeDraft, to graph: GraphID) -> NodeID {
    let id = make(draft, in: graph)
    self[graph].nodes.insert(id, at: 0)
    return id
  }

  private mutating func make(_ draft: NodeDraft, in graph: GraphID) -> NodeID {
    let id = NodeID(index: nodeStorage.count)
    var message = NodeProto()
    message.opType = draft.opType
    if !draft.domain.isEmpty { message.domain = draft.domain }
    message.name = names.make(draft.name)
    nodeStorage.append(
      Node(
        graph: graph, message: message, inputs: draft.inputs, outputs: draft.outputs,
        attributes: draft.attributes.map(Attribute.plain)))
    for (index, input) in draft.inputs.enumerated() {
      if let input { self[input].uses.append(Use(node: id, inputIndex: index)) }
    }
    for output in draft.outputs { self[output].producer = id }
    return id
  }

  // MARK: Changing

  /// Lets one input take another value.
  public mutating func setInput(_ index: Int, of node: NodeID, to value: ValueID?) {
    if let old = self[node].inputs[index] {
      self[old].uses.removeAll { $0.node == node && $0.inputIndex == index }
    }
    self[node].inputs[index] = value
    if let value { self[value].uses.append(Use(node: node, inputIndex: index)) }
  }

  /// Lets one output be another value; the old one has no producer afterwards.
  public mutating func setOutput(_ index: Int, of node: NodeID, to value: ValueID) {
    if let old = self[node].outputs[index] { self[old].producer = nil }
    self[node].outputs[index] = value
    self[value].producer = node
  }

  /// Sets or replaces an attribute.
  public mutating func setAttribute(_ attribute: AttributeProto, of node: NodeID) {
    self[node].attributes.removeAll { $0.name == attribute.name }
    self[node].attributes.append(.plain(attribute))
  }

  /// Removes an attribute if it is there.
  public mutating func removeAttribute(_ name: String, of node: NodeID) {
    self[node].attributes.removeAll { $0.name == name }
  }

  /// Replaces an initializer's contents; name, documentation and metadata stay.
  public mutating func setContent(_ content: TensorContent, of value: ValueID) {
    guard var initializer = self[value].initializer else {
      preconditionFailure("only an initializer has contents")
    }
    var message = TensorProto(name: self[value].name, content)
    message.docString = initializer.message.docString
    message.metadataProps = initializer.message.metadataProps
    message.unknownFields = initializer.message.unknownFields
    initializer.message = message
    initializer.content = content
    self[value].initializer = initializer
    if let shape = self[value].info { self[value].info = shape.withElementType(content.elementType) }
  }

  /// Raises the model's operator set to at least `version`, or adds the domain.
  public mutating func importOpset(domain: String, version: Int64) {
    let index = message.opsetImport.firstIndex {
      let name = $0.domain ?? ""
      return (name == "ai.onnx" ? "" : name) == domain
    }
    if let index {
      message.opsetImport[index].version = max(message.opsetImport[index].version ?? 0, version)
      return
    }
    var entry = OperatorSetIdProto()
    entry.domain = domain
    entry.version = version
    message.opsetImport.append(entry)
  }

  /// Raises the model's IR version to at least `version`.
  ///
  /// Before version 4 every initializer had to be an input too, and was a constant all the same. Those inputs
  /// go, because from version 4 on they would be defaults that a caller can replace.
  public mutating func raiseIRVersion(to version: Int64) {
    let current = message.irVersion ?? 0
    guard current < version else { return }
    message.irVersion = version
    guard current < 4, version >= 4 else { return }
    let constants = self[root].inputs.filter { self[$0].initializer != nil }
    let gone = Set(constants)
    self[root].inputs.removeAll { gone.contains($0) }
    // What the inputs said of the values stays said.
    self[root].descriptions.removeAll { $0.value.map(gone.contains) ?? false }
    for value in constants {
      self[value].isGraphInput = false
      if self[value].info != nil { self[root].descriptions.append(.value(value)) }
    }
  }

  /// Changes the element types that a graph declares for its outputs; nil keeps one.
  public mutating func redescribeOutputs(of graph: GraphID, _ type: (ValueID) -> ElementType?) {
    for (index, value) in self[graph].outputs.enumerated() {
      guard let type = type(value) else { continue }
      self[graph].message.output[index] = self[graph].message.output[index].withElementType(type)
    }
  }

  // MARK: Removing

  private mutating func detach(_ node: NodeID) {
    let record = self[node]
    for (index, input) in record.inputs.enumerated() {
      guard let input else { continue }
      self[input].uses.removeAll { $0.node == node && $0.inputIndex == index }
    }
    for case let output? in record.outputs where self[output].producer == node {
      self[output].producer = nil
    }
  }

  /// Removes initializers and `Constant` nodes that nothing takes any more, with what only they described;
  /// returns the names of the removed constants.
  ///
  /// Only values in `candidates` are looked at, so that a constant that was idle in the source stays.
  @discardableResult
  public mutating func removeIdleConstants(_ candidates: some Sequence<ValueID>) -> [String] {
    var removed: Set<ValueID> = []
    var idleNodes: Set<NodeID> = []
    for value in Set(candidates) where self[value].uses.isEmpty && self[value].graphOutputCount == 0 {
      if self[value].initializer != nil { removed.insert(value) }
      if let producer = self[value].producer, self[producer].opType == "Constant" {
        idleNodes.insert(producer)
        removed.insert(value)
      }
    }
    for node in idleNodes {
      detach(node)
      let graph = self[node].graph
      self[graph].nodes.removeAll { $0 == node }
      nodeStorage[node.index] = nil
    }
    for graph in graphIDs {
      self[graph].initializers.removeAll { removed.contains($0) }
      self[graph].inputs.removeAll { removed.contains($0) }
      self[graph].descriptions.removeAll { $0.value.map(removed.contains) ?? false }
    }
    for value in removed { self[value].initializer = nil }
    return removed.sorted().map { self[$0].name }
  }
}

extension ValueInfoProto {
  /// The same description with another element type.
  public func withElementType(_ elementType: ElementType) -> ValueInfoProto {
    var result = self
    guard case .tensor(var tensor)? = type?.value else { return result }
    tensor.elemType = elementType.rawValue
    result.type?.value = .tensor(tensor)
    return result
  }
}
