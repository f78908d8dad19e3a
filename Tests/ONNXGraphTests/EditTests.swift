import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing

@Suite("Editing keeps edges, order and names in agreement")
struct EditTests {
  /// x → Relu a → Neg b → y, with an unused constant.
  private func chain() throws -> ModelGraph {
    var model = ModelProto.sketch()
    model.input("x", [4])
    model.floats("w", [1, 2, 3, 4], [4])
    model.floats("idle", [1], [1])
    model.node("Relu", ["x"], ["a"], name: "relu")
    model.node("Add", ["a", "w"], ["b"], name: "add")
    model.node("Neg", ["b"], ["y"], name: "neg")
    model.output("y", [4])
    model.graph?.valueInfo = [ValueInfoProto("a", .float32, [4]), ValueInfoProto("b", .float32, [4])]
    return try model.lifted()
  }

  /// What every graph must satisfy: uses and producers mirror inputs and outputs.
  private func requireConsistent(
    _ graph: ModelGraph, _ sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var uses: Set<Use> = []
    for node in graph.allNodes {
      for case (let index, let value?) in graph[node].inputs.enumerated() {
        let use = graph[value].uses.filter { $0.node == node && $0.inputIndex == index }
        #expect(use.count == 1, "\(graph.label(of: node)) input \(index)", sourceLocation: sourceLocation)
        uses.formUnion(use)
      }
      for case let value? in graph[node].outputs {
        #expect(graph[value].producer == node, "\(graph[value].name)", sourceLocation: sourceLocation)
      }
    }
    let inputs = graph.graphIDs.flatMap { graph[$0].inputs }
    let outputs = graph.allNodes.flatMap { graph[$0].outputs.compactMap { $0 } }
    for value in Set(inputs + graph.allInitializers + outputs) {
      #expect(
        graph[value].uses.allSatisfy(uses.contains), "\(graph[value].name)", sourceLocation: sourceLocation)
    }
    let again = try graph.lower().lifted()
    #expect(again.lower().serialized() == graph.lower().serialized(), sourceLocation: sourceLocation)
  }

  @Test("replace puts new nodes in the old one's place, and its output keeps name, description and users")
  func replace() throws {
    var graph = try chain()
    let add = try #require(graph.node("add"))
    let output = try #require(graph[add].outputs[0])
    let middle = graph.makeValue("middle", in: graph.root)
    let ids = graph.replace(
      add,
      with: [
        NodeDraft("Mul", name: "add", inputs: graph[add].inputs, outputs: [middle]),
        NodeDraft("Abs", name: "abs", inputs: [middle], outputs: [output]),
      ])
    #expect(graph.lines == ["a = Relu(x)", "middle = Mul(a, w)", "b = Abs(middle)", "y = Neg(b)"])
    #expect(ids.map { graph[$0].name } == ["add", "abs"], "a new node by the old name keeps it")
    #expect(graph.lower().graph?.valueInfo.map(\.name) == ["a", "b"])
    try requireConsistent(graph)
  }

  @Test("replace by nothing leaves no trace of a node or of its description")
  func removal() throws {
    var graph = try chain()
    let (relu, add) = try (#require(graph.node("relu")), #require(graph.node("add")))
    graph.setInput(0, of: add, to: graph[relu].inputs[0])
    graph.replace(relu, with: [])
    #expect(graph.lines == ["b = Add(x, w)", "y = Neg(b)"])
    #expect(graph.lower().graph?.valueInfo.map(\.name) == ["b"])
    try requireConsistent(graph)
  }

  @Test("insert, insertAfter, prepend and append put a node exactly there")
  func insertion() throws {
    var graph = try chain()
    let add = try #require(graph.node("add"))
    func draft(_ name: String, _ graph: inout ModelGraph) -> NodeDraft {
      NodeDraft(
        "Abs", name: name, inputs: [graph.value("x")],
        outputs: [graph.makeValue("\(name) result", in: graph.root)])
    }
    graph.insert(draft("before", &graph), before: add)
    graph.insertAfter(add, draft("after", &graph))
    graph.prepend(draft("first", &graph), to: graph.root)
    graph.append(draft("last", &graph), to: graph.root)
    #expect(
      graph[graph.root].nodes.map { graph[$0].name } == [
        "first", "relu", "before", "add", "after", "neg", "last",
      ])
    try requireConsistent(graph)
  }

  @Test("setInput moves one use, also when a node takes a value twice")
  func setInput() throws {
    var model = ModelProto.sketch()
    model.input("x", [4])
    model.input("z", [4])
    model.node("Add", ["x", "x"], ["y"], name: "add")
    model.output("y")
    var graph = try model.lifted()
    let add = try #require(graph.node("add"))
    graph.setInput(1, of: add, to: graph.value("z"))
    #expect(graph.lines == ["y = Add(x, z)"])
    #expect(try graph[#require(graph.value("x"))].uses.map(\.inputIndex) == [0])
    try requireConsistent(graph)
    graph.setInput(1, of: add, to: nil)
    #expect(try graph[#require(graph.value("z"))].uses.isEmpty)
    try requireConsistent(graph)
  }

  @Test("setOutput gives an output away")
  func setOutput() throws {
    var graph = try chain()
    let neg = try #require(graph.node("neg"))
    let (output, inner) = (try #require(graph.value("y")), graph.makeValue("inner", in: graph.root))
    graph.setOutput(0, of: neg, to: inner)
    graph.append(NodeDraft("Abs", name: "abs", inputs: [inner], outputs: [output]), to: graph.root)
    #expect(graph.lines.suffix(2) == ["inner = Neg(b)", "y = Abs(inner)"])
    try requireConsistent(graph)
  }

  @Test("attributes are set, replaced and removed")
  func attributes() throws {
    var graph = try chain()
    let neg = try #require(graph.node("neg"))
    graph.setAttribute(.int("k", 1), of: neg)
    graph.setAttribute(.ints("l", [1, 2]), of: neg)
    graph.setAttribute(.int("k", 2), of: neg)
    #expect(graph.integer("k", of: neg) == 2)
    #expect(graph.integers("l", of: neg) == [1, 2])
    #expect(graph[neg].attributes.count == 2)
    graph.removeAttribute("l", of: neg)
    #expect(graph[neg].attributes.map(\.name) == ["k"])
    graph.setAttribute(.string("s", "é"), of: neg)
    #expect(graph.text("s", of: neg) == "é")
  }

  @Test("removeIdleConstants takes only candidates that nothing uses, initializers and Constant nodes")
  func idleConstants() throws {
    var model = ModelProto.sketch(ir: 3)
    model.input("x", [4])
    model.input("w", [4])
    for name in ["w", "kept", "result"] { model.floats(name, [1, 2, 3, 4], [4]) }
    model.node("Constant", [], ["k"], name: "const", [.tensor("value", .floats([1], shape: [1]))])
    model.node("Add", ["x", "kept"], ["y"])
    model.output("y")
    model.output("result")
    model.graph?.valueInfo = [ValueInfoProto("k", .float32, [1]), ValueInfoProto("kept", .float32, [4])]
    var graph = try model.lifted()
    let candidates = try ["w", "kept", "result", "k"].map { try #require(graph.value($0)) }
    #expect(graph.removeIdleConstants(candidates.dropFirst()) == ["k"])
    #expect(graph.removeIdleConstants(candidates) == ["w"])
    let lowered = try #require(graph.lower().graph)
    #expect(lowered.initializer.map(\.name) == ["kept", "result"])
    #expect(lowered.input.map(\.name) == ["x"])
    #expect(lowered.valueInfo.map(\.name) == ["kept"])
    #expect(lowered.node.count == 1)
    try requireConsistent(graph)
  }

  @Test("setContent changes type, shape and bytes, and keeps name and documentation")
  func setContent() throws {
    var model = ModelProto.sketch()
    model.floats("w", [1, 2], [2])
    model.graph?.initializer[0].docString = "kept"
    model.graph?.valueInfo = [ValueInfoProto("w", .float32, [2])]
    var graph = try model.lifted()
    graph.setContent(.halves([0x3C00, 0x4000], .float16, shape: [2]), of: try #require(graph.value("w")))
    let lowered = try #require(graph.lower().graph)
    #expect(lowered.initializer[0].docString == "kept")
    #expect(lowered.initializer[0].dataType == ElementType.float16.rawValue)
    #expect(lowered.initializer[0].rawData?.copied() == [0, 0x3C, 0, 0x40])
    #expect(lowered.valueInfo.map { $0.serialized() } == [ValueInfoProto("w", .float16, [2]).serialized()])
  }

  @Test("importOpset raises a version, never lowers it, and adds a domain once")
  func importOpset() throws {
    var graph = try ModelProto.sketch(opset: 17).lifted()
    graph.importOpset(domain: "", version: 13)
    #expect(graph.opsetVersion() == 17)
    graph.importOpset(domain: "", version: 21)
    graph.importOpset(domain: "com.microsoft", version: 1)
    graph.importOpset(domain: "com.microsoft", version: 1)
    #expect(graph.message.opsetImport.map(\.domain) == ["", "com.microsoft"])
    #expect(graph.opsetVersion() == 21)
  }

  @Test("new names never meet old ones, in any graph, of values, nodes or descriptions")
  func freshNames() throws {
    var random = SplitMix64.forThisRun()
    let bases = ["x", "x_1", "x_1_1", "x_2", "", "a/b", "w_quantized", "é"]
    for _ in 0..<60 {
      var model = ModelProto.sketch()
      var taken: Set<String> = []
      for number in 0..<12 {
        let name =
          bases.randomElement(using: &random)! + ["", "_1", "_2", "_3", "_10"].randomElement(using: &random)!
        if name.isEmpty || !taken.insert(name).inserted { continue }
        switch number % 4 {
        case 0: model.input(name, [1])
        case 1: model.floats(name, [1], [1])
        case 2: model.graph?.valueInfo.append(ValueInfoProto(name, .float32, [1]))
        default: model.node("Constant", [], ["made \(number)"], name: name, [.float("value_float", 1)])
        }
      }
      var graph = try model.lifted()
      for _ in 0..<60 {
        let value = graph.makeValue(bases.randomElement(using: &random)!, in: graph.root)
        #expect(taken.insert(graph[value].name).inserted, "\(graph[value].name), seed \(random.seed)")
      }
      for _ in 0..<10 {
        let base = bases.randomElement(using: &random)!
        let node = graph.append(NodeDraft("Relu", name: base, inputs: [], outputs: []), to: graph.root)
        #expect(taken.insert(graph[node].name).inserted, "\(graph[node].name), seed \(random.seed)")
      }
    }
  }

  @Test("names of bodies count for the main graph, and the other way round")
  func namesAcrossGraphs() throws {
    var graph = try CarriedPartsTests.nested().lifted()
    for (base, made) in [("inner", "inner_1"), ("state", "state_1"), ("own", "own_1"), ("scan", "scan_1")] {
      let value = graph.makeValue(base, in: graph.root)
      #expect(graph[value].name == made)
    }
    let body = try #require(graph.graphIDs.last)
    let value = graph.makeValue("w", in: body)
    #expect(graph[value].name == "w_1")
  }
}
