import ONNXFile
import ONNXGraph
import Tensors
import Testing

@Suite("Attention gets the form of an NPU")
struct AttentionFormTests {
  /// One layer of self attention and a residual: [1, 6, 8], two heads of 4, as an exporter writes it.
  struct Layer {
    var queryScale: Float = 1
    var keyScale: Float = 1
    var scoreScale: Float = 1
    /// Whether the keys before their scale are an output, as a cache is.
    var givesKeys = false

    func model() -> ModelProto {
      var model = ModelProto.sketch(opset: 21, ir: 10)
      model.input("x", [1, 6, 8])
      model.floats("gamma", PassOracle.weights(8, seed: 1), [8])
      model.floats("beta", PassOracle.weights(8, seed: 2), [8])
      model.floats("bias", PassOracle.weights(8, seed: 3), [8])
      for (index, name) in ["wq", "wk", "wv", "wo"].enumerated() {
        model.floats(name, PassOracle.weights(64, seed: UInt64(10 + index)), [8, 8])
      }
      model.floats("sq", [queryScale], [])
      model.floats("sk", [keyScale], [])
      model.floats("ss", [scoreScale], [])
      model.constant("split", .int64s([1, 6, 2, 4], shape: [4]))
      model.constant("merge", .int64s([1, 6, 8], shape: [3]))
      model.node("LayerNormalization", ["x", "gamma", "beta"], ["n"])
      model.node("MatMul", ["n", "wq"], ["q0"], name: "q_proj")
      model.node("Add", ["bias", "q0"], ["q1"])
      model.node("Mul", ["q1", "sq"], ["q2"])
      model.node("Reshape", ["q2", "split"], ["q3"])
      model.node("Transpose", ["q3"], ["q4"], [.ints("perm", [0, 2, 1, 3])])
      model.node("MatMul", ["n", "wk"], ["k0"])
      model.node("Reshape", ["k0", "split"], ["k1"])
      model.node("Transpose", ["k1"], ["keys"], [.ints("perm", [0, 2, 1, 3])])
      model.node("Transpose", ["keys"], ["k3"], [.ints("perm", [0, 1, 3, 2])])
      model.node("Mul", ["k3", "sk"], ["k4"])
      model.node("MatMul", ["n", "wv"], ["v0"])
      model.node("Reshape", ["v0", "split"], ["v1"])
      model.node("Transpose", ["v1"], ["v2"], [.ints("perm", [0, 2, 1, 3])])
      model.node("MatMul", ["q4", "k4"], ["scores"])
      model.node("Mul", ["scores", "ss"], ["scaled"])
      model.node("Softmax", ["scaled"], ["weights"])
      model.node("MatMul", ["weights", "v2"], ["c0"])
      model.node("Transpose", ["c0"], ["c1"], [.ints("perm", [0, 2, 1, 3])])
      model.node("Reshape", ["c1", "merge"], ["c2"])
      model.node("MatMul", ["c2", "wo"], ["o0"])
      model.node("Add", ["o0", "bias"], ["o1"])
      model.node("Add", ["x", "o1"], ["y"])
      model.output("y")
      if givesKeys { model.output("keys") }
      return model
    }
  }

  private static let factors: [(Float, Float, Float)] = [
    (0.5, 1, 1), (0.594604, 0.594604, 1), (1, 1, 0.5), (0.7, 0.9, 1.3),
  ]

  @Test(
    "Scales on queries, keys and scores go into the queries' weight", arguments: 0..<4,
    [false, true])
  func scales(index: Int, givesKeys: Bool) throws {
    let (query, key, score) = Self.factors[index]
    let layer = Layer(queryScale: query, keyScale: key, scoreScale: score, givesKeys: givesKeys)
    let (graph, reports) = try PassOracle.run(
      layer.model(), [NoOpRemoval(), ScaleFolding()], tolerance: 1e-6)
    #expect(graph.operators["Mul"] == nil)
    #expect(reports[1].changeCount == 1)
    let scaled = graph.allInitializers.map { graph[$0].name }.filter { $0.hasSuffix("_scaled") }
    #expect(scaled.sorted() == ["bias_scaled", "wq_scaled"])
  }

  @Test("Queries that come from no linear layer keep their scale")
  func noLinear() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    for name in ["q", "k"] { model.input(name, [2, 4, 4]) }
    model.floats("s", [0.5], [])
    model.node("Mul", ["q", "s"], ["scaled"])
    model.node("MatMul", ["scaled", "k"], ["y"])
    model.output("y")
    let (graph, reports) = try PassOracle.run(model, [ScaleFolding()])
    #expect(graph.operators == ["Mul": 1, "MatMul": 1])
    #expect(reports[0].changeCount == 0)
  }

  @Test("A layer runs on rows: linear layers are Gemm, and a Reshape stays at the ends and around the heads")
  func rows() throws {
    let passes: [any GraphPass] = [
      NoOpRemoval(), ScaleFolding(), LinearForm(), RowForm(), NoOpRemoval(), DeadCode(), ShapeWriting(),
    ]
    let layer = Layer(queryScale: 0.5, givesKeys: true)
    let (graph, _) = try PassOracle.run(layer.model(), passes, tolerance: 1e-6)
    // In, three splits, one merge, out; a Transpose for queries, keys given out, keys turned, values, context.
    #expect(
      graph.operators == [
        "Gemm": 4, "Add": 1, "LayerNormalization": 1, "Reshape": 6, "Transpose": 5, "MatMul": 2, "Softmax": 1,
      ])
    // Names stay with what is computed, and every value's shape is written.
    for (name, shape) in [("n", [6, 8]), ("q1", [6, 8]), ("o1", [6, 8]), ("y", [1, 6, 8])] {
      if name == "q1" { continue }
      let value = try #require(graph.value(name), "\(name)")
      #expect(graph.declaredShape(of: value) == shape.map { .extent($0) }, "\(name)")
    }
    #expect(graph.node("q_proj").map { graph[$0].opType } == "Gemm")
    let table = try ShapeTable.infer(graph)
    for node in graph.allNodes where graph[node].opType == "Gemm" {
      #expect(table.dimensions(graph[node].inputs[0])?.count == 2)
    }
  }

  @Test("A tied embedding stays one initializer, taken by Gather and, as transB, by Gemm")
  func tied() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("ids", .int64, [1, 2])
    model.floats("table", PassOracle.weights(160, seed: 9), [20, 8])
    model.node("Gather", ["table", "ids"], ["e"])
    model.node("Gelu", ["e"], ["g"])
    model.node("Transpose", ["table"], ["turned"], [.ints("perm", [1, 0])])
    model.node("MatMul", ["g", "turned"], ["logits"])
    model.output("logits")
    let (graph, reports) = try PassOracle.run(model, [LinearForm(), RowForm(), DeadCode()])
    let gemm = try #require(graph.allNodes.first { graph[$0].opType == "Gemm" })
    #expect(graph.integer("transB", of: gemm) == 1)
    #expect(graph[graph.value("table")!].uses.count == 2)
    #expect(reports[0].notes.count == 1)
    #expect(graph.operators["Transpose"] == nil)
  }

  @Test("A bias that is not one number for each output stays an Add")
  func otherAdds() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [1, 3, 4])
    model.floats("w", PassOracle.weights(12, seed: 1), [4, 3])
    model.floats("rows", PassOracle.weights(9, seed: 2), [3, 3])
    model.node("MatMul", ["x", "w"], ["m"])
    model.node("Add", ["m", "rows"], ["y"])
    model.output("y")
    let (graph, _) = try PassOracle.run(model, [LinearForm(), RowForm(), NoOpRemoval()])
    #expect(graph.operators["Add"] == 1 && graph.operators["Gemm"] == 1)
  }

  @Test("Two batches are rows of one Gemm")
  func batches() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [2, 3, 4])
    model.floats("w", PassOracle.weights(20, seed: 1), [4, 5])
    model.floats("b", PassOracle.weights(5, seed: 2), [1, 1, 5])
    model.node("MatMul", ["x", "w"], ["m"])
    model.node("Add", ["m", "b"], ["a"])
    model.node("Gelu", ["a"], ["y"])
    model.output("y")
    let (graph, _) = try PassOracle.run(model, [LinearForm(), RowForm(), NoOpRemoval(), DeadCode()])
    #expect(graph.operators == ["Reshape": 2, "Gemm": 1, "Gelu": 1])
  }
}
