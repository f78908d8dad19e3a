import ONNXFile
import ONNXGraph
import Tensors
import Testing

@Suite("Models that are no graphs are refused by name")
struct LiftErrorTests {
  private func reason(
    _ model: ModelProto, _ sourceLocation: SourceLocation = #_sourceLocation
  ) -> GraphError.Reason? {
    do {
      _ = try model.lifted()
    } catch LiftError.graph(let error) {
      #expect(error.message.hasPrefix("model.onnx: "), sourceLocation: sourceLocation)
      return error.reason
    } catch {
      Issue.record("\(error)", sourceLocation: sourceLocation)
    }
    return nil
  }

  private func base() -> ModelProto {
    var model = ModelProto.sketch()
    model.input("x", [4])
    model.floats("w", [1, 2, 3, 4], [4])
    return model
  }

  @Test("a value that nothing defines")
  func undefinedValue() {
    var model = base()
    model.node("Add", ["x", "bias"], ["y"], name: "add")
    #expect(reason(model) == .undefinedValue("bias", node: "add"))
  }

  @Test("a value of a body is not visible outside, nor in the other branch")
  func scopeEnds() {
    let float = ValueInfoProto("inner", .float32, [4])
    let makes = GraphProto("makes", [NodeProto("Relu", ["x"], ["inner"])], outputs: [float])
    let takes = GraphProto(
      "takes", [NodeProto("Neg", ["inner"], ["other"], name: "neg")],
      outputs: [ValueInfoProto("other", .float32, [4])])
    var model = base()
    model.input("flag", .bool, [])
    model.node("If", ["flag"], ["y"], [.graph("then_branch", makes), .graph("else_branch", takes)])
    #expect(reason(model) == .undefinedValue("inner", node: "neg"))
    model.graph?.node = []
    model.node("If", ["flag"], ["y"], [.graph("then_branch", makes), .graph("else_branch", makes)])
    model.node("Neg", ["inner"], ["z"])
    #expect(reason(model) == .undefinedValue("inner", node: "Neg(z)"))
  }

  @Test("an output that nothing defines, in the main graph and in a body")
  func undefinedOutput() {
    var model = base()
    model.node("Relu", ["x"], ["y"])
    model.output("z")
    #expect(reason(model) == .undefinedOutput("z", graph: "main"))
    var inner = base()
    inner.input("flag", .bool, [])
    inner.node(
      "If", ["flag"], ["y"],
      [.graph("then_branch", GraphProto("then", [], outputs: [ValueInfoProto("q", .float32, nil)]))])
    #expect(reason(inner) == .undefinedOutput("q", graph: "then"))
  }

  enum Definition: String, CaseIterable { case input, constant, node, output }

  @Test("a name that is defined twice", arguments: Definition.allCases)
  func duplicate(_ kind: Definition) {
    var model = base()
    model.node("Relu", ["x"], ["y"])
    let name: String
    switch kind {
    case .input:
      model.input("x", [4])
      name = "x"
    case .constant:
      model.floats("w", [1], [1])
      name = "w"
    case .node:
      model.node("Neg", ["x"], ["y"])
      name = "y"
    case .output:
      model.node("Neg", ["x"], ["w"])
      name = "w"
    }
    #expect(reason(model) == .duplicateValue(name, graph: "main"))
  }

  @Test("an initializer for an input is its default, a second one is a duplicate")
  func defaults() throws {
    var model = base()
    model.floats("x", [1, 2, 3, 4], [4])
    let graph = try model.lifted()
    #expect(try graph[#require(graph.value("x"))].isGraphInput)
    model.floats("x", [1, 2, 3, 4], [4])
    #expect(reason(model) == .duplicateValue("x", graph: "main"))
  }

  @Test("a node that takes its own result")
  func selfCycle() {
    var model = base()
    model.node("Add", ["x", "y"], ["y"], name: "add")
    #expect(reason(model) == .cycle(node: "add", value: "y"))
  }

  @Test("a cycle through several nodes, named by one of them and not by those behind it")
  func longCycle() {
    var model = base()
    model.node("Neg", ["d"], ["behind"], name: "behind")
    model.node("Add", ["x", "d"], ["a"], name: "a")
    model.node("Relu", ["a"], ["b"], name: "b")
    model.node("Relu", ["b"], ["c"], name: "c")
    model.node("Relu", ["c"], ["d"], name: "d")
    model.node("Neg", ["d"], ["after"], name: "after")
    let names = ["a": "d", "b": "a", "c": "b", "d": "c"]
    guard case .cycle(let node, let value)? = reason(model) else {
      Issue.record("no cycle was found")
      return
    }
    #expect(names[node] == value)
  }

  @Test("a cycle through what a body takes from outside")
  func cycleThroughBody() {
    let body = GraphProto(
      "then", [NodeProto("Relu", ["late"], ["r"])], outputs: [ValueInfoProto("r", .float32, [4])])
    var model = base()
    model.input("flag", .bool, [])
    model.node("If", ["flag"], ["y"], name: "if", [.graph("then_branch", body), .graph("else_branch", body)])
    model.node("Neg", ["y"], ["late"], name: "neg")
    guard case .cycle(let node, _)? = reason(model) else {
      Issue.record("no cycle was found")
      return
    }
    #expect(["if", "neg"].contains(node))
    let own = GraphProto(
      "then", [NodeProto("Relu", ["y"], ["r"])], outputs: [ValueInfoProto("r", .float32, [4])])
    model.graph?.node = []
    model.node("If", ["flag"], ["y"], name: "if", [.graph("then_branch", own)])
    #expect(reason(model) == .cycle(node: "if", value: "y"))
  }

  @Test("a cycle inside a body")
  func cycleInBody() {
    let body = GraphProto(
      "then", [NodeProto("Add", ["x", "q"], ["p"], name: "p"), NodeProto("Neg", ["p"], ["q"], name: "q")],
      outputs: [ValueInfoProto("q", .float32, [4])])
    var model = base()
    model.input("flag", .bool, [])
    model.node("If", ["flag"], ["y"], [.graph("then_branch", body)])
    #expect(reason(model) == .cycle(node: "p", value: "q"))
  }

  @Test("an attribute that a node has twice")
  func duplicateAttribute() {
    var model = base()
    model.node(
      "Gemm", ["x", "w"], ["y"], name: "g", [.int("transB", 1), .float("alpha", 1), .int("transB", 0)])
    #expect(reason(model) == .duplicateAttribute("transB", node: "g"))
  }

  @Test("nodes in any order lift, and keep their order")
  func unsorted() throws {
    var model = base()
    model.input("flag", .bool, [])
    let body = GraphProto(
      "then", [NodeProto("Relu", ["early"], ["r"])], outputs: [ValueInfoProto("r", .float32, [4])])
    model.node("Neg", ["b"], ["c"])
    model.node("If", ["flag"], ["i"], [.graph("then_branch", body), .graph("else_branch", body)])
    model.node("Relu", ["a"], ["b"])
    model.node("Add", ["x", "w"], ["a"])
    model.node("Add", ["c", "a"], ["early"])
    model.output("i")
    let graph = try model.lifted()
    #expect(graph[graph.root].nodes.map { graph[$0].opType } == ["Neg", "If", "Relu", "Add", "Add"])
    #expect(graph.lower().serialized() == model.serialized())
  }

  @Test("a tensor in an attribute whose data is elsewhere")
  func externalAttribute() throws {
    var model = base()
    var attribute = AttributeProto.tensor("value", .floats([1], shape: [1]))
    attribute.t?.value.rawData = nil
    attribute.t?.value.dataLocation = 1
    var location = StringStringEntryProto()
    location.key = "location"
    location.value = "weights.bin"
    attribute.t?.value.externalData = [location]
    model.node("Constant", [], ["k"], name: "const", [attribute])
    let error = #expect(throws: LiftError.self) { try model.lifted() }
    #expect(error?.message.contains("node 'const'") == true)
    let noted = try model.lifted(tensors: .noted)
    #expect(noted.problems.count == 1)
    #expect(noted.lower().serialized() == model.serialized())
  }

  @Test("a constant whose bytes do not fill its shape is an error, or a note without contents")
  func lyingTensor() throws {
    var model = base()
    model.graph?.initializer[0].dims = [5]
    let error = #expect(throws: LiftError.self) { try model.lifted() }
    #expect(error?.message.contains("'w'") == true)
    let noted = try model.lifted(tensors: .noted)
    #expect(noted.problems.count == 1)
    let weight = try #require(noted.value("w"))
    #expect(noted[weight].initializer?.content == nil)
    #expect(noted.lower().serialized() == model.serialized())
  }
}
