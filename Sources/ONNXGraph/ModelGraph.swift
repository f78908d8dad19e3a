public import ONNXFile
public import Tensors

/// Names a value in its `ModelGraph`.
public struct ValueID: Hashable, Sendable, Comparable {
  let index: Int
  public static func < (left: Self, right: Self) -> Bool { left.index < right.index }
}

/// Names a node in its `ModelGraph`.
public struct NodeID: Hashable, Sendable, Comparable {
  let index: Int
  public static func < (left: Self, right: Self) -> Bool { left.index < right.index }
}

/// Names a graph in its `ModelGraph`: the main one or one inside a node's attribute.
public struct GraphID: Hashable, Sendable, Comparable {
  let index: Int
  public static func < (left: Self, right: Self) -> Bool { left.index < right.index }
}

/// A node's input that takes a value.
public struct Use: Hashable, Sendable {
  public let node: NodeID
  public let inputIndex: Int
}

/// A tensor in a graph: an input, a constant, or what a node computes.
public struct Value: Sendable {
  public internal(set) var name: String
  /// The graph that defines it; graphs nested in that one may use it too.
  public let graph: GraphID
  /// Type and shape as far as the file says; nil when it says nothing.
  public var info: ValueInfoProto?
  /// The contents when this is an initializer.
  public internal(set) var initializer: Initializer?
  public internal(set) var producer: NodeID?
  public internal(set) var isGraphInput = false
  /// Whether this is a sparse initializer, which the graph carries as a message.
  public internal(set) var isSparse = false
  /// How often it is an output of its graph.
  public internal(set) var graphOutputCount = 0
  /// Inputs that take it, in no particular order.
  public internal(set) var uses: [Use] = []

  /// The element type that the file declares.
  public var declaredElementType: ElementType? {
    guard case .tensor(let type)? = info?.type?.value else { return initializer?.content?.elementType }
    return type.elemType.flatMap(ElementType.init(rawValue:))
  }
}

/// A constant that belongs to a graph.
public struct Initializer: Sendable {
  /// The message as read, for what is carried through: documentation, metadata, unknown fields.
  public var message: TensorProto
  /// Checked type, shape and bytes; nil when the data could not be reached (see `ModelGraph.problems`).
  public var content: TensorContent?
}

/// One application of an operator.
public struct Node: Sendable {
  public let graph: GraphID
  /// All fields as read except inputs, outputs and attributes, which stand below.
  public var message: NodeProto
  /// Nil is an optional input that is not given.
  public internal(set) var inputs: [ValueID?]
  public internal(set) var outputs: [ValueID?]
  public var attributes: [Attribute]

  /// The operator's name, such as `MatMul`.
  public var opType: String { message.opType ?? "" }
  /// The operator's domain; `ai.onnx` is "".
  public var domain: String {
    let domain = message.domain ?? ""
    return domain == "ai.onnx" ? "" : domain
  }
  public var name: String { message.name ?? "" }
}

/// A named parameter of a node; graphs are lifted, everything else is the message.
public enum Attribute: Sendable {
  case plain(AttributeProto)
  case graph(AttributeProto, GraphID)
  case graphs(AttributeProto, [GraphID])

  public var message: AttributeProto {
    switch self {
    case .plain(let message), .graph(let message, _), .graphs(let message, _): return message
    }
  }

  public var name: String { message.name ?? "" }
}

/// A list of nodes in order, with inputs, outputs and constants.
public struct Graph: Sendable {
  /// The node that holds this graph in an attribute; nil for the main graph.
  public internal(set) var owner: NodeID?
  public let parent: GraphID?
  /// Fields that are carried through: name, documentation, metadata, sparse initializers, annotations.
  var message: GraphProto
  public internal(set) var inputs: [ValueID] = []
  public internal(set) var outputs: [ValueID] = []
  public internal(set) var initializers: [ValueID] = []
  public internal(set) var nodes: [NodeID] = []
  /// The file's `value_info`, in order.
  var descriptions: [Description] = []

  public var name: String { message.name ?? "" }
}

/// An entry of `value_info`.
enum Description: Sendable {
  /// `Value.info` holds what it says.
  case value(ValueID)
  /// A second description of a value: of an input, or a repetition.
  case repeated(ValueInfoProto, ValueID)
  /// Of a value that does not exist.
  case dangling(ValueInfoProto)

  var value: ValueID? {
    switch self {
    case .value(let value), .repeated(_, let value): return value
    case .dangling: return nil
    }
  }
}

/// A model as graphs of nodes and values with use-def edges; everything that is not understood is carried.
///
/// All graphs of a model live in one arena, so an identifier is valid across them and a value of an outer
/// graph can be an input inside. Copying a model shares its storage until one copy changes.
public struct ModelGraph: Sendable {
  /// The model's own fields; `graph` is nil while lifted. Functions are carried as messages.
  public var message: ModelProto
  /// The model file, for messages.
  public let path: String
  public let root: GraphID
  public internal(set) var graphs: [Graph] = []
  var valueStorage: [Value] = []
  var nodeStorage: [Node?] = []
  var names = NameAuthority()
  /// Tensors whose data could not be reached, when lifting was asked to go on.
  public internal(set) var problems: [ONNXFileError] = []

  init(message: ModelProto, path: String) {
    self.message = message
    self.path = path
    root = GraphID(index: 0)
  }

  public subscript(value: ValueID) -> Value {
    get { valueStorage[value.index] }
    _modify { yield &valueStorage[value.index] }
  }

  /// A node that was not removed.
  public subscript(node: NodeID) -> Node {
    get {
      guard let found = nodeStorage[node.index] else { preconditionFailure("the node was removed") }
      return found
    }
    _modify {
      guard var found = nodeStorage[node.index] else { preconditionFailure("the node was removed") }
      nodeStorage[node.index] = nil
      defer { nodeStorage[node.index] = found }
      yield &found
    }
  }

  public internal(set) subscript(graph: GraphID) -> Graph {
    get { graphs[graph.index] }
    _modify { yield &graphs[graph.index] }
  }

  // MARK: Walks

  /// All graphs: the main one first, then the others in the order in which they were met.
  public var graphIDs: [GraphID] { graphs.indices.map(GraphID.init(index:)) }

  /// All nodes of all graphs, graph by graph, in file order.
  public var allNodes: [NodeID] { graphs.flatMap(\.nodes) }

  /// All initializers of all graphs, in file order.
  public var allInitializers: [ValueID] { graphs.flatMap(\.initializers) }

  // MARK: Questions

  /// The version of an operator set that the model imports, nil when it does not; "" is `ai.onnx`.
  public func opsetVersion(domain: String = "") -> Int64? {
    for entry in message.opsetImport {
      let name = entry.domain ?? ""
      if (name == "ai.onnx" ? "" : name) == domain { return entry.version ?? 0 }
    }
    return nil
  }

  /// The attribute of this name, if the node has it.
  public func attribute(_ name: String, of node: NodeID) -> Attribute? {
    self[node].attributes.first { $0.name == name }
  }

  /// An integer attribute's value.
  public func integer(_ name: String, of node: NodeID) -> Int64? { attribute(name, of: node)?.message.i }

  /// A float attribute's value.
  public func float(_ name: String, of node: NodeID) -> Float? { attribute(name, of: node)?.message.f }

  /// An integer-list attribute's value.
  public func integers(_ name: String, of node: NodeID) -> [Int64]? {
    attribute(name, of: node)?.message.ints
  }

  /// Whether a value is the same in every run: an initializer that no caller can override, or the output of
  /// a `Constant` node.
  public func isConstant(_ value: ValueID) -> Bool { constantContent(of: value) != nil }

  /// Contents of a constant value: an initializer, or the tensor of a `Constant` node.
  ///
  /// Since IR version 4 an initializer that is also a graph input is only a default, and no constant.
  public func constantContent(of value: ValueID) -> TensorContent? {
    let record = self[value]
    if let initializer = record.initializer {
      if record.isGraphInput && (message.irVersion ?? 0) >= 4 { return nil }
      return initializer.content
    }
    guard let producer = record.producer else { return nil }
    let node = self[producer]
    guard node.opType == "Constant", node.domain == "",
      let tensor = attribute("value", of: producer)?.message.t?.value
    else { return nil }
    return try? TensorContent(tensor, external: ExternalDataFiles(modelPath: path))
  }

  /// What a person can call the node: its name, or its operator and first output.
  public func label(of node: NodeID) -> String {
    let record = self[node]
    if !record.name.isEmpty { return record.name }
    let output = record.outputs.compactMap { $0 }.first.map { self[$0].name } ?? ""
    return "\(record.opType)(\(output))"
  }

  /// Where a graph is, in words: "" for the main graph, else owner node and attribute, outermost first.
  public func label(of graph: GraphID) -> String {
    guard let owner = self[graph].owner else { return "" }
    let attribute = self[owner].attributes.first { attribute in
      switch attribute {
      case .plain: return false
      case .graph(_, let id): return id == graph
      case .graphs(_, let ids): return ids.contains(graph)
      }
    }
    let outer = label(of: self[owner].graph)
    let own = "\(label(of: owner))/\(attribute?.name ?? "")"
    return outer.isEmpty ? own : "\(outer)/\(own)"
  }
}
