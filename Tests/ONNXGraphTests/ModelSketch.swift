import ONNXFile
import ONNXGraph
import Tensors

/// Small models made by hand; shared by the tests of graph, plan and quantization.
extension ModelProto {
  /// A model with an empty graph.
  static func sketch(opset: Int64 = 17, ir: Int64 = 8) -> ModelProto {
    var model = ModelProto()
    model.irVersion = ir
    model.producerName = "sketch"
    model.importing("", opset)
    model.graph = GraphProto()
    model.graph?.name = "main"
    return model
  }

  mutating func importing(_ domain: String, _ version: Int64) {
    var entry = OperatorSetIdProto()
    entry.domain = domain
    entry.version = version
    opsetImport.append(entry)
  }

  mutating func input(_ name: String, _ shape: [Int]) { input(name, .float32, shape) }

  mutating func input(_ name: String, _ type: ElementType, _ shape: [Int]) {
    graph?.input.append(ValueInfoProto(name, type, shape))
  }

  mutating func output(_ name: String, _ shape: [Int]? = nil) { output(name, .float32, shape) }

  mutating func output(_ name: String, _ type: ElementType, _ shape: [Int]? = nil) {
    graph?.output.append(ValueInfoProto(name, type, shape))
  }

  mutating func constant(_ name: String, _ content: TensorContent) {
    graph?.initializer.append(TensorProto(name: name, content))
  }

  mutating func floats(_ name: String, _ values: [Float], _ shape: [Int]) {
    // Floats have no padding, and every machine that runs this is little-endian; the array is a copy.
    let bytes = unsafe values.withUnsafeBytes { unsafe [UInt8]($0) }
    constant(name, TensorContent(elementType: .float32, shape: Shape(shape)!, bytes: .owned(bytes)))
  }

  mutating func node(
    _ opType: String, _ inputs: [String], _ outputs: [String], name: String? = nil, domain: String? = nil,
    _ attributes: [AttributeProto] = []
  ) {
    graph?.node.append(
      NodeProto(opType, inputs, outputs, name: name, domain: domain, attributes))
  }

  /// The graph of this model.
  func lifted(path: String = "model.onnx", tensors: TensorPolicy = .required) throws -> ModelGraph {
    try ModelGraph.lift(self, external: ExternalDataFiles(modelPath: path), tensors: tensors)
  }

  /// Writes the model, promised bytes left out.
  func write(to path: String) throws {
    let output = try ModelOutput(self, path: path, policy: .never)
    for job in output.copyJobs { try output.run(job) }
    try output.commit()
  }
}

extension NodeProto {
  init(
    _ opType: String, _ inputs: [String], _ outputs: [String], name: String? = nil, domain: String? = nil,
    _ attributes: [AttributeProto] = []
  ) {
    self.init()
    self.opType = opType
    self.name = name
    self.domain = domain
    input = inputs
    output = outputs
    attribute = attributes
  }
}

extension ValueInfoProto {
  /// A tensor's description; extents below zero are symbols `d1`, `d2`, …, and no shape is no known rank.
  init(_ name: String, _ elementType: ElementType, _ shape: [Int]?) {
    self.init()
    self.name = name
    var tensor = TypeProto.TensorType()
    tensor.elemType = elementType.rawValue
    if let shape {
      var proto = TensorShapeProto()
      proto.dim = shape.map { extent in
        var dimension = TensorShapeProto.Dimension()
        dimension.value = extent < 0 ? .parameter("d\(-extent)") : .value(Int64(extent))
        return dimension
      }
      tensor.shape = proto
    }
    type = TypeProto()
    type?.value = .tensor(tensor)
  }
}

extension AttributeProto {
  /// A `GRAPH` attribute.
  static func graph(_ name: String, _ graph: GraphProto) -> AttributeProto {
    var attribute = AttributeProto()
    attribute.name = name
    attribute.g = Boxed(graph)
    attribute.type = Kind.graph.rawValue
    return attribute
  }

  /// A `TENSOR` attribute.
  static func tensor(_ name: String, _ content: TensorContent) -> AttributeProto {
    var attribute = AttributeProto()
    var tensor = TensorProto(name: "", content)
    tensor.name = nil
    attribute.name = name
    attribute.t = Boxed(tensor)
    attribute.type = Kind.tensor.rawValue
    return attribute
  }
}

extension GraphProto {
  /// A graph in a node's attribute.
  init(_ name: String, inputs: [ValueInfoProto] = [], _ nodes: [NodeProto], outputs: [ValueInfoProto]) {
    self.init()
    self.name = name
    input = inputs
    node = nodes
    output = outputs
  }
}

extension TensorContent {
  /// Bits of 2-byte floats.
  static func halves(_ patterns: [UInt16], _ type: ElementType, shape: [Int]) -> TensorContent {
    let bytes = patterns.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
    return TensorContent(elementType: type, shape: Shape(shape)!, bytes: .owned(bytes))
  }
}

extension ModelGraph {
  /// A value by name, the first of them.
  func value(_ name: String) -> ValueID? {
    let produced = allNodes.flatMap { self[$0].outputs.compactMap { $0 } }
    return (graphIDs.flatMap { self[$0].inputs } + allInitializers + produced).first { self[$0].name == name }
  }

  /// A node by name.
  func node(_ name: String) -> NodeID? { allNodes.first { self[$0].name == name } }

  /// A line per node: `outputs = Op(inputs)`, graphs inside after the nodes of their owner's graph.
  var lines: [String] {
    graphIDs.flatMap { self[$0].nodes }.map { node in
      func names(_ values: [ValueID?]) -> String {
        values.map { $0.map { self[$0].name } ?? "" }.joined(separator: ", ")
      }
      return "\(names(self[node].outputs)) = \(self[node].opType)(\(names(self[node].inputs)))"
    }
  }
}
