import ONNXFile
import ONNXGraph
import Tensors
import Testing

@Suite("Idle nodes and dead code go, the interface stays")
struct GraphCleaningTests {
  private static func model(_ shape: [Int], _ build: (inout ModelProto) -> Void) -> ModelProto {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", shape)
    model.floats("one", [1], [])
    model.floats("zero", [0], [])
    build(&model)
    model.output("y")
    return model
  }

  @Test("Identity, casts to the same type, products with 1, sums with 0 and idle moves go")
  func idle() throws {
    let model = Self.model([1, 2, 3]) { model in
      model.constant("same", .int64s([1, 2, -1], shape: [3]))
      model.node("Identity", ["x"], ["a"])
      model.node("Cast", ["a"], ["b"], [.int("to", 1)])
      model.node("Mul", ["one", "b"], ["c"])
      model.node("Add", ["c", "zero"], ["d"])
      model.node("Reshape", ["d", "same"], ["e"])
      model.node("Transpose", ["e"], ["f"], [.ints("perm", [0, 1, 2])])
      model.node("Div", ["f", "one"], ["g"])
      model.node("Erf", ["g"], ["y"])
    }
    #expect(try PassOracle.run(model, [NoOpRemoval()]).graph.lines == ["y = Erf(x)"])
  }

  @Test("An idle node before an output gives its name to what it took, but not to an input")
  func outputs() throws {
    let inner = Self.model([2]) { model in
      model.node("Erf", ["x"], ["e"])
      model.node("Identity", ["e"], ["y"])
      model.node("Abs", ["e"], ["z"])
      model.output("z")
    }
    #expect(try PassOracle.run(inner, [NoOpRemoval()]).graph.lines == ["y = Erf(x)", "z = Abs(y)"])
    let through = Self.model([2]) { $0.node("Identity", ["x"], ["y"]) }
    #expect(try PassOracle.run(through, [NoOpRemoval()]).graph.lines == ["y = Identity(x)"])
  }

  @Test("A product with 1 that also stretches stays")
  func stretching() throws {
    let model = Self.model([1, 3]) { model in
      model.floats("ones", [1], [1, 1, 1])
      model.node("Mul", ["x", "ones"], ["y"])
    }
    #expect(try PassOracle.run(model, [NoOpRemoval()]).graph.operators == ["Mul": 1])
  }

  @Test("Reshapes in a row become one, and Transposes too")
  func chains() throws {
    let model = Self.model([2, 3, 4]) { model in
      model.constant("flat", .int64s([-1], shape: [1]))
      model.constant("axes", .int64s([0], shape: [1]))
      model.constant("back", .int64s([4, 6], shape: [2]))
      model.node("Transpose", ["x"], ["a"], [.ints("perm", [2, 0, 1])])
      model.node("Transpose", ["a"], ["b"], [.ints("perm", [1, 0, 2])])
      model.node("Reshape", ["b", "flat"], ["c"])
      model.node("Unsqueeze", ["c", "axes"], ["d"])
      model.node("Reshape", ["d", "back"], ["y"])
    }
    let (graph, _) = try PassOracle.run(model, [NoOpRemoval()], tolerance: 0)
    #expect(graph.operators == ["Transpose": 1, "Reshape": 1])
  }

  @Test("A Transpose around folded heads is one Transpose, and one of dimensions of length 1 a Reshape")
  func folded() throws {
    let heads = Self.model([1, 2, 3, 4]) { model in
      model.constant("fold", .int64s([-1, 3, 4], shape: [3]))
      model.constant("unfold", .int64s([1, 2, 4, 3], shape: [4]))
      model.node("Reshape", ["x", "fold"], ["a"])
      model.node("Transpose", ["a"], ["b"], [.ints("perm", [0, 2, 1])])
      model.node("Reshape", ["b", "unfold"], ["y"])
    }
    #expect(try PassOracle.run(heads, [NoOpRemoval()], tolerance: 0).graph.operators == ["Transpose": 1])
    let token = Self.model([1, 1, 2, 4]) { model in
      model.node("Transpose", ["x"], ["y"], [.ints("perm", [0, 2, 1, 3])])
    }
    #expect(try PassOracle.run(token, [NoOpRemoval()], tolerance: 0).graph.operators == ["Reshape": 1])
  }

  @Test("Dead nodes and constants go, unused inputs stay")
  func deadCode() throws {
    var model = Self.model([2]) { model in
      model.node("Erf", ["x"], ["y"])
      model.node("Abs", ["x"], ["lost"])
      model.node("Add", ["lost", "one"], ["lost2"])
    }
    model.input("unused", [3])
    let (graph, reports) = try PassOracle.run(model, [DeadCode()])
    #expect(graph.lines == ["y = Erf(x)"])
    #expect(graph.allInitializers.isEmpty)
    #expect(graph.requiredInputs.map { graph[$0].name } == ["x", "unused"])
    #expect(reports == [PassReport(name: "remove-dead-code", changeCount: 4)])
  }

  @Test("Nodes in any order are sorted, and every value's shape is written")
  func shapes() throws {
    let model = Self.model([2, 3]) { model in
      model.node("Softmax", ["e"], ["y"])
      model.node("Erf", ["x"], ["e"])
    }
    let (graph, _) = try PassOracle.run(model, [ShapeWriting()])
    #expect(graph.lines == ["e = Erf(x)", "y = Softmax(e)"])
    let written = try #require(graph.lower().graph)
    #expect(written.valueInfo.compactMap(\.name) == ["e"])
    #expect(graph.declaredShape(of: graph.value("y")!) == [.extent(2), .extent(3)])
  }

  @Test("Every pass says what it requires, does and ensures")
  func sentences() {
    let passes =
      StandardPasses.groundwork(DimensionBinding(), opset: 21).passes + StandardPasses.form().passes
    for pass in passes {
      for sentence in [pass.requires, pass.does, pass.ensures] {
        #expect(sentence.hasSuffix("."), "\(pass.name)")
      }
      #expect(pass.name.wholeMatch(of: /[a-z]+(-[a-z]+)*/) != nil)
    }
  }
}
