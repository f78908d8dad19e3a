import ONNXFile
import ONNXGraph
import Tensors
import Testing

@Suite("Folding computes what does not depend on the inputs")
struct ConstantFoldingTests {
  @Test("A chain from Shape to Reshape becomes one constant")
  func shapeChain() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [1, 6, 8])
    model.constant("zero", .int64s([0], shape: []))
    model.constant("axes", .int64s([0], shape: [1]))
    model.constant("rest", .int64s([-1, 2, 4], shape: [3]))
    model.node("Shape", ["x"], ["s"])
    model.node("Gather", ["s", "zero"], ["g"])
    model.node("Unsqueeze", ["g", "axes"], ["u"])
    model.node("Concat", ["u", "rest"], ["c"], [.int("axis", 0)])
    model.node("Reshape", ["x", "c"], ["y"])
    model.output("y")
    let (graph, reports) = try PassOracle.run(model, [ConstantFolding(), DeadCode()])
    #expect(graph.lines == ["y = Reshape(x, c)"])
    #expect(graph.constantContent(of: graph.value("c")!)?.integers == [1, -1, 2, 4])
    #expect(reports[0].changeCount == 4)
    #expect(graph.allInitializers.map { graph[$0].name } == ["c"])
  }

  @Test("Constants of every kind become initializers, in any order of nodes")
  func constants() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [2])
    model.node("Add", ["x", "sum"], ["y"])
    model.node("Mul", ["a", "b"], ["sum"])
    model.node("Constant", [], ["a"], [.tensor("value", .floats([1, 2], shape: [2]))])
    model.node("Constant", [], ["b"], [.float("value_float", 3)])
    model.output("y")
    let (graph, _) = try PassOracle.run(model, [ConstantFolding(), DeadCode()])
    #expect(graph.lines == ["y = Add(x, sum)"])
    #expect(graph.constantContent(of: graph.value("sum")!)?.floats == [3, 6])
  }

  @Test("A turned weight stays where it is, and so does a result above the limit")
  func limits() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [1, 256])
    model.floats("w", PassOracle.weights(256 * 128, seed: 1), [128, 256])
    model.node("Transpose", ["w"], ["turned"], [.ints("perm", [1, 0])])
    model.node("MatMul", ["x", "turned"], ["y"])
    model.output("y")
    let (graph, _) = try PassOracle.run(model, [ConstantFolding()])
    #expect(graph.operators == ["Transpose": 1, "MatMul": 1])
    var wide = ModelProto.sketch(opset: 21, ir: 10)
    wide.input("x", [1, 64])
    wide.constant("shape", .int64s([64, 64], shape: [2]))
    wide.node("ConstantOfShape", ["shape"], ["zeros"])
    wide.node("MatMul", ["x", "zeros"], ["y"])
    wide.output("y")
    var pass = ConstantFolding()
    pass.byteLimit = 64 * 64 * 4 - 1
    #expect(try PassOracle.run(wide, [pass]).graph.operators["ConstantOfShape"] == 1)
    pass.byteLimit += 1
    #expect(try PassOracle.run(wide, [pass]).graph.operators == ["MatMul": 1])
  }

  @Test("A causal mask folds whole")
  func mask() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [1, 3])
    for (name, number) in [("start", Int64(0)), ("step", 1)] {
      model.constant(name, .int64s([number], shape: []))
    }
    model.constant("one", .int64s([1], shape: [1]))
    model.floats("zero", [0], [])
    model.floats("far", [-.infinity], [])
    model.node("Shape", ["x"], ["s"], [.int("start", 1)])
    model.node("Squeeze", ["s"], ["n"])
    model.node("Range", ["start", "n", "step"], ["r"])
    model.node("Unsqueeze", ["r", "one"], ["column"])
    model.node("LessOrEqual", ["r", "column"], ["seen"])
    model.node("Where", ["seen", "zero", "far"], ["mask"])
    model.node("Add", ["x", "mask"], ["scores"])
    model.node("Softmax", ["scores"], ["y"])
    model.output("y")
    let (graph, _) = try PassOracle.run(model, [ConstantFolding(), DeadCode()])
    #expect(graph.lines == ["scores = Add(x, mask)", "y = Softmax(scores)"])
  }
}
