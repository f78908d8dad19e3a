import ByteIO
import ONNXFile
import ONNXGraph
import Tensors
import Testing

/// What the graph does not understand, or only looks into, is carried through unchanged.
@Suite("Every part of a model survives lifting")
struct CarriedPartsTests {
  private func isUnchanged(_ model: ModelProto, _ sourceLocation: SourceLocation = #_sourceLocation) throws {
    let lowered = try model.lifted().lower()
    #expect(lowered.serialized() == model.serialized(), sourceLocation: sourceLocation)
  }

  private func entry(_ key: String, _ value: String) -> StringStringEntryProto {
    var entry = StringStringEntryProto()
    entry.key = key
    entry.value = value
    return entry
  }

  private func small() -> ModelProto {
    var model = ModelProto.sketch()
    model.input("x", [1, 4])
    model.floats("w", [1, 2, 3, 4], [4, 1])
    model.node("MatMul", ["x", "w"], ["y"], name: "mm")
    model.output("y", [1, 1])
    return model
  }

  @Test("documentation and metadata of model, graph, node, tensor and value")
  func texts() throws {
    var model = small()
    model.docString = "a model"
    model.metadataProps = [entry("b", "2"), entry("a", "1"), entry("b", "3")]
    model.graph?.docString = "a graph"
    model.graph?.metadataProps = [entry("g", "")]
    model.graph?.node[0].docString = "a node"
    model.graph?.node[0].metadataProps = [entry("n", "1")]
    model.graph?.node[0].overload = "o"
    model.graph?.initializer[0].docString = "a tensor"
    model.graph?.initializer[0].metadataProps = [entry("t", "1")]
    model.graph?.input[0].docString = "an input"
    model.graph?.input[0].metadataProps = [entry("v", "1")]
    model.graph?.output[0].docString = "an output"
    var annotation = TensorAnnotation()
    annotation.tensorName = "w"
    annotation.quantParameterTensorNames = [entry("SCALE_TENSOR", "w")]
    model.graph?.quantizationAnnotation = [annotation]
    try isUnchanged(model)
  }

  @Test("the order of value_info: of inner values, inputs, values that are not there, and repetitions")
  func valueInfoOrder() throws {
    var model = small()
    model.node("Relu", ["y"], ["z"])
    model.node("Relu", ["z"], ["zz"])
    model.graph?.valueInfo = [
      ValueInfoProto("zz", .float32, [1, 1]), ValueInfoProto("gone", .int64, [3]),
      ValueInfoProto("x", .float32, [1, -1]), ValueInfoProto("z", .float32, nil),
      ValueInfoProto("z", .float32, [1, 1]), ValueInfoProto("w", .float32, [4, 1]),
    ]
    model.graph?.valueInfo[1].docString = "describes nothing"
    try isUnchanged(model)
  }

  @Test("names: none, empty, the same for two nodes, and of optional inputs and outputs that are not given")
  func names() throws {
    var model = ModelProto.sketch()
    model.input("x", [2, 4])
    model.floats("upper", [1], [])
    model.node("Clip", ["x", "", "upper"], ["a"], name: "same")
    model.node("Dropout", ["a"], ["b", ""], name: "same")
    model.node("Relu", ["b"], ["c"])
    model.node("Relu", ["c"], ["d"], name: "")
    model.graph?.node[3].domain = "ai.onnx"
    model.output("d", [2, 4])
    model.output("d", [2, 4])
    model.output("x", [2, 4])
    try isUnchanged(model)
    let graph = try model.lifted()
    #expect(graph[graph.root].nodes.map { graph[$0].domain } == ["", "", "", ""])
    #expect(graph[graph[graph.root].nodes[0]].inputs[1] == nil)
  }

  @Test("sparse initializers, which nodes may take, with their descriptions")
  func sparse() throws {
    var model = ModelProto.sketch()
    model.input("x", [1, 4])
    var sparse = SparseTensorProto()
    sparse.values = TensorProto(name: "s", .floats([5, 7], shape: [2]))
    sparse.indices = TensorProto(name: "", .int64s([0, 3], shape: [2]))
    sparse.dims = [4]
    model.graph?.sparseInitializer = [sparse]
    model.node("Add", ["x", "s"], ["y"])
    model.output("y", [1, 4])
    model.graph?.valueInfo = [ValueInfoProto("s", .float32, [4])]
    try isUnchanged(model)
  }

  @Test("If, Loop and Scan, one inside the other, with values and constants of outer graphs")
  func bodies() throws {
    try isUnchanged(Self.nested())
  }

  @Test("uses inside bodies are uses of the outer value, and scopes end with their graph")
  func outerScope() throws {
    let graph = try Self.nested().lifted()
    let weight = try #require(graph.value("w"))
    #expect(graph[weight].uses.map { graph[$0.node].opType }.sorted() == ["MatMul", "MatMul", "Mul"])
    #expect(
      graph.graphIDs.map { graph.label(of: $0) } == [
        "", "if/then_branch", "if/else_branch", "if/else_branch/loop/body",
        "if/else_branch/loop/body/scan/body",
      ])
    // Both branches name a value `inner`; they are two values.
    #expect(
      Set(graph.allNodes.flatMap { graph[$0].outputs.compactMap { $0 } }.filter { graph[$0].name == "inner" })
        .count == 2)
    #expect(
      graph.nodes(within: graph.graphIDs[2]).map { graph[$0].opType } == [
        "MatMul", "Loop", "Scan", "Identity", "Mul",
      ])
  }

  /// If(then: x·w, else: Loop(Scan(a · w))) with `w` from the main graph.
  static func nested() -> ModelProto {
    let float = { (name: String) in ValueInfoProto(name, .float32, [4, 4]) }
    let scanBody = GraphProto(
      "scan body", inputs: [float("state"), ValueInfoProto("row", .float32, [4])],
      [NodeProto("Mul", ["state", "w"], ["state_out"])], outputs: [float("state_out")])
    var loopBody = GraphProto(
      "loop body",
      inputs: [ValueInfoProto("i", .int64, []), ValueInfoProto("c", .bool, []), float("carried")],
      [
        NodeProto(
          "Scan", ["carried", "x"], ["scanned"], name: "scan",
          [.graph("body", scanBody), .int("num_scan_inputs", 1)]), NodeProto("Identity", ["c"], ["c_out"]),
      ], outputs: [ValueInfoProto("c_out", .bool, []), float("scanned")])
    loopBody.initializer = [TensorProto(name: "own", .floats([1], shape: []))]
    let thenBranch = GraphProto(
      "then", [NodeProto("MatMul", ["x", "w"], ["inner"], name: "then_mm")], outputs: [float("inner")])
    let elseBranch = GraphProto(
      "else",
      [
        NodeProto("MatMul", ["x", "w"], ["inner"], name: "else_mm"),
        NodeProto("Loop", ["trips", "", "inner"], ["looped"], name: "loop", [.graph("body", loopBody)]),
      ], outputs: [float("looped")])
    var model = ModelProto.sketch()
    model.input("x", [4, 4])
    model.input("flag", .bool, [])
    model.floats("w", (0..<16).map(Float.init), [4, 4])
    model.constant("trips", .int64s([2], shape: []))
    model.node(
      "If", ["flag"], ["y"], name: "if",
      [.graph("then_branch", thenBranch), .graph("else_branch", elseBranch)])
    model.output("y", [4, 4])
    return model
  }

  @Test("lists of graphs in one attribute")
  func graphLists() throws {
    var attribute = AttributeProto()
    attribute.name = "bodies"
    attribute.type = AttributeProto.Kind.graphs.rawValue
    attribute.graphs = ["a", "b"].map { name in
      GraphProto(name, [NodeProto("Relu", ["x"], ["r"])], outputs: [ValueInfoProto("r", .float32, [1])])
    }
    var model = ModelProto.sketch()
    model.importing("custom", 1)
    model.input("x", [1])
    model.node("Switch", [], ["y"], domain: "custom", [attribute])
    model.output("y", [1])
    try isUnchanged(model)
    let graph = try model.lifted()
    #expect(graph.graphIDs.count == 3)
    #expect(try graph[#require(graph.value("x"))].uses.count == 2)
  }

  @Test("functions, training information and device configurations")
  func messages() throws {
    var function = FunctionProto()
    function.name = "Twice"
    function.domain = "local"
    function.input = ["a"]
    function.output = ["b"]
    function.node = [NodeProto("Add", ["a", "a"], ["b"])]
    var training = TrainingInfoProto()
    training.algorithm = GraphProto("step", [NodeProto("Relu", ["w"], ["w2"])], outputs: [])
    training.updateBinding = [entry("w", "w2")]
    var device = DeviceConfigurationProto()
    device.name = "two"
    device.numDevices = 2
    var model = small()
    model.functions = [function]
    model.importing("local", 1)
    model.node("Twice", ["y"], ["t"], domain: "local")
    model.trainingInfo = [training]
    model.configuration = [device]
    try isUnchanged(model)
  }

  @Test("unknown fields of model, graph, node, attribute, tensor and description")
  func unknownFields() throws {
    // Field 2000 with the varint 5, and field 2001 with three bytes.
    let unknown: [UInt8] = [0x80, 0x7D, 5, 0x8A, 0x7D, 3, 1, 2, 3]
    var model = small()
    model.graph?.node[0].attribute = [.int("k", 1)]
    func extended(_ message: some ONNXMessage) -> [UInt8] { message.serialized() + unknown }
    func field(_ number: Int, _ bytes: [UInt8]) -> [UInt8] {
      precondition(bytes.count < 1 << 14)
      return [UInt8(number << 3 | 2)]
        + (bytes.count < 128
          ? [UInt8(bytes.count)] : [UInt8(bytes.count & 127 | 128), UInt8(bytes.count >> 7)]) + bytes
    }
    let graph = try #require(model.graph)
    let attribute = field(5, extended(graph.node[0].attribute[0]))
    var bareNode = graph.node[0]
    bareNode.attribute = []
    let node = field(1, bareNode.serialized() + attribute + unknown)
    let parts =
      node + field(5, extended(graph.initializer[0])) + field(11, extended(graph.input[0]))
      + field(12, extended(graph.output[0]))
    model.graph = nil
    let bytes = [8, 8] + field(7, parts + unknown) + unknown
    let read = try ModelReader.read(MappedFile(copying: bytes, name: "model.onnx"))
    let lowered = try ModelGraph.lift(read, external: ExternalDataFiles(modelPath: "model.onnx")).lower()
      .serialized()
    #expect(lowered == read.serialized())
    var count = 0
    for start in 0...(lowered.count - unknown.count)
    where Array(lowered[start..<(start + unknown.count)]) == unknown {
      count += 1
    }
    #expect(count == 7)
  }
}
