import ONNXFile
import ONNXGraph
import Tensors
import Testing

@Suite("Fusions keep the function")
struct FusionTests {
  private static func gelu(_ build: (inout ModelProto) -> Void) -> ModelProto {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [3, 5])
    model.floats("root", [Float(2).squareRoot()], [])
    model.floats("inverse", [1 / Float(2).squareRoot()], [])
    model.floats("one", [1], [])
    model.floats("half", [0.5], [])
    model.floats("two", [2], [])
    build(&model)
    model.output("y")
    return model
  }

  /// The orders in which exporters write the factors.
  static let orders: [(scale: [String], factors: [[String]])] = [
    (["Div", "x", "root"], [["Mul", "x", "a", "m"], ["Mul", "m", "half", "y"]]),
    (["Div", "x", "root"], [["Mul", "half", "a", "m"], ["Mul", "x", "m", "y"]]),
    (["Mul", "x", "inverse"], [["Mul", "x", "half", "m"], ["Mul", "m", "a", "y"]]),
    (["Mul", "inverse", "x"], [["Div", "a", "two", "m"], ["Mul", "m", "x", "y"]]),
    (["Div", "x", "root"], [["Div", "x", "two", "m"], ["Mul", "a", "m", "y"]]),
  ]

  @Test("Gelu from its parts, in every order", arguments: 0..<5)
  func geluParts(index: Int) throws {
    let order = Self.orders[index]
    let model = Self.gelu { model in
      model.node(order.scale[0], [order.scale[1], order.scale[2]], ["d"])
      model.node("Erf", ["d"], ["e"])
      model.node("Add", index % 2 == 0 ? ["e", "one"] : ["one", "e"], ["a"])
      for factor in order.factors { model.node(factor[0], [factor[1], factor[2]], [factor[3]]) }
    }
    let (graph, reports) = try PassOracle.run(model, [GeluFusion(), DeadCode()])
    #expect(graph.lines == ["y = Gelu(x)"])
    #expect(reports[0].changeCount == 1)
  }

  @Test("What only looks like a Gelu stays")
  func notGelu() throws {
    let shared = Self.gelu { model in
      model.node("Div", ["x", "root"], ["d"])
      model.node("Erf", ["d"], ["e"])
      model.node("Add", ["e", "one"], ["a"])
      model.node("Mul", ["x", "a"], ["m"])
      model.node("Mul", ["m", "half"], ["y"])
      model.output("e")
    }
    #expect(try PassOracle.run(shared, [GeluFusion()]).graph.operators["Gelu"] == nil)
    let other = Self.gelu { model in
      model.node("Div", ["x", "two"], ["d"])
      model.node("Erf", ["d"], ["e"])
      model.node("Add", ["e", "one"], ["a"])
      model.node("Mul", ["x", "a"], ["m"])
      model.node("Mul", ["m", "half"], ["y"])
    }
    #expect(try PassOracle.run(other, [GeluFusion()]).graph.operators["Gelu"] == nil)
  }

  @Test(
    "ONNX Runtime's Gelu and BiasGelu become ONNX's",
    arguments: [("Gelu", 0), ("BiasGelu", 1), ("FastGelu", 1)])
  func contribGelu(opType: String, biases: Int) throws {
    let model = Self.gelu { model in
      model.importing("com.microsoft", 1)
      model.floats("bias", [1, -1, 0.5, 0, 2], [5])
      model.node(opType, ["x"] + (biases > 0 ? ["bias"] : []), ["y"], domain: "com.microsoft")
    }
    let (graph, _) = try PassOracle.run(model, [GeluFusion()], tolerance: 2e-6)
    #expect(graph.operators == (biases > 0 ? ["Add": 1, "Gelu": 1] : ["Gelu": 1]))
  }

  private static func normalization(
    square: String, _ tail: (inout ModelProto) -> Void
  ) -> ModelProto {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [2, 3, 8])
    model.constant("axes", .int64s([-1], shape: [1]))
    model.floats("two", [2], [])
    model.floats("epsilon", [1e-5], [])
    model.floats("gamma", PassOracle.weights(8, seed: 3), [8])
    model.floats("beta", PassOracle.weights(8, seed: 4), [8])
    model.node("ReduceMean", ["x", "axes"], ["mean"])
    model.node("Sub", ["x", "mean"], ["d"])
    model.node(square, square == "Pow" ? ["d", "two"] : ["d", "d"], ["s"])
    model.node("ReduceMean", ["s", "axes"], ["variance"])
    model.node("Add", ["variance", "epsilon"], ["v"])
    model.node("Sqrt", ["v"], ["r"])
    model.node("Div", ["d", "r"], ["n"])
    tail(&model)
    model.output("y")
    return model
  }

  @Test("LayerNormalization from its parts, squared by Pow or Mul", arguments: ["Pow", "Mul"])
  func layerNormalization(square: String) throws {
    let model = Self.normalization(square: square) { model in
      model.node("Mul", ["n", "gamma"], ["g"])
      model.node("Add", ["g", "beta"], ["y"])
    }
    let (graph, _) = try PassOracle.run(model, [LayerNormalizationFusion(), DeadCode()])
    #expect(graph.lines == ["y = LayerNormalization(x, gamma, beta)"])
  }

  @Test("A normalization without scale and shift gets a scale of ones")
  func bareNormalization() throws {
    let model = Self.normalization(square: "Pow") { $0.node("Identity", ["n"], ["y"]) }
    let (graph, _) = try PassOracle.run(model, [LayerNormalizationFusion(), NoOpRemoval()])
    #expect(graph.operators == ["LayerNormalization": 1])
  }

  @Test("A skip connection is taken apart, its sum still given out")
  func skip() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.importing("com.microsoft", 1)
    for name in ["x", "skip"] { model.input(name, [1, 3, 8]) }
    for (name, seed) in [("gamma", UInt64(3)), ("beta", 4), ("bias", 5)] {
      model.floats(name, PassOracle.weights(8, seed: seed), [8])
    }
    model.node(
      "SkipLayerNormalization", ["x", "skip", "gamma", "beta", "bias"], ["y", "", "", "sum"],
      domain: "com.microsoft", [.float("epsilon", 1e-5)])
    model.output("y")
    model.output("sum")
    let (graph, _) = try PassOracle.run(model, [LayerNormalizationFusion()])
    #expect(graph.operators == ["Add": 2, "LayerNormalization": 1])
  }
}
