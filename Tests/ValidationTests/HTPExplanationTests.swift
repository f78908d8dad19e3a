import ONNXGraph
import QuantPlan
import Tensors
import Testing
import Validation

@Suite("Where nodes will run on the NPU")
struct HTPExplanationTests {
  /// The place and rule of the node that makes each value.
  private static func places(
    _ graph: TestGraph, binding dimensions: [String: Int] = [:]
  ) throws -> [String: NodePlace] {
    let model = try graph.lifted()
    let places = Explanation.of(model, target: .snapdragonXElite, binding: dimensions)
    #expect(places.count == model.allNodes.count)
    return Dictionary(uniqueKeysWithValues: places.map { (String($0.node.dropFirst(5)), $0) })
  }

  /// x → pair → operator → pair → y.
  private static func unary(
    _ name: String, _ input: ElementType?, _ output: ElementType?
  ) -> TestGraph {
    var graph = TestGraph()
    graph.input("x", ["2", "2"])
    if let input { graph.pair("x", "a", input) }
    graph.node(name, [input == nil ? "x" : "a"], [output == nil ? "y" : "b"])
    if let output { graph.pair("b", "y", output) }
    graph.output("y", ["2", "2"])
    return graph
  }

  @Test("One type around an operator is integers; a mix, or a float on either side, is fp16")
  func types() throws {
    for name in ["Gelu", "Softmax", "Relu", "Tanh", "ReduceMean"] {
      for (input, output, place, rule) in [
        (.uint8, .uint8, .integers, "quantized"), (.uint16, .uint16, .integers, "quantized"),
        (.uint16, .uint8, .float, "same-type"), (.uint8, .uint16, .float, "same-type"),
        (nil, .uint16, .float, "float"), (.uint16, nil, .float, "float-result"), (nil, nil, .float, "float"),
      ] as [(ElementType?, ElementType?, NodePlace.Place, String)] {
        let found = try #require(
          try Self.places(Self.unary(name, input, output))[output == nil ? "y" : "b"])
        #expect(found.place == place && found.rule == rule, "\(name): \(found)")
        #expect((found.change == nil) == (place == .integers))
      }
    }
  }

  @Test("A refused operator takes its pairs to the processor with it")
  func refused() throws {
    let places = try Self.places(Self.unary("Erf", .uint8, .uint8))
    #expect(places["b"]?.place == .processor && places["b"]?.rule == "lone-erf")
    for pair in ["a_q", "a", "y_q", "y"] {
      #expect(places[pair]?.place == .processor && places[pair]?.rule == "with-its-node", "\(pair)")
    }
  }

  @Test("A weight per channel beside a float activation stays on the processor, its MatMul does not")
  func weightOnly() throws {
    for (scales, axis, place, rule) in [
      ([0.1], nil, .float, "pair-alone"), ([0.1, 0.2], 1, .processor, "weight-only"),
    ] as [([Double], Int?, NodePlace.Place, String)] {
      var graph = TestGraph()
      graph.input("x", ["1", "2"])
      graph.weight("w", [2, 2], .int8, scales: scales, axis: axis)
      graph.node("MatMul", ["x", "w"], ["y"])
      graph.output("y", ["1", "2"])
      let places = try Self.places(graph)
      #expect(places["w"]?.place == place && places["w"]?.rule == rule)
      #expect(places["y"]?.place == .float && places["y"]?.rule == "float")
    }
  }

  @Test("Weights in blocks are multiplied in fp16")
  func blocks() throws {
    var graph = TestGraph()
    graph.input("x", ["1", "32"])
    graph.pair("x", "a", .uint16)
    graph.constant("w_q", Array(repeating: 1, count: 64), [32, 2], .int4)
    graph.constant("w_s", Array(repeating: 0.1, count: 4), [2, 2])
    graph.node(
      "DequantizeLinear", ["w_q", "w_s"], ["w"], [.int("axis", 0), .int("block_size", 16)])
    graph.node("MatMul", ["a", "w"], ["b"])
    graph.pair("b", "y", .uint16)
    graph.output("y", ["1", "2"])
    let places = try Self.places(graph)
    #expect(places["b"]?.place == .float && places["b"]?.rule == "block-weights")
    #expect(places["w"]?.place == .integers)
  }

  @Test("Moved elements keep their scale, or are floats on the way")
  func scales() throws {
    for (scale, rule) in [(0.05, "quantized"), (0.06, "moved-scale")] {
      var graph = TestGraph()
      graph.input("x", ["2", "2"])
      graph.pair("x", "a", .uint16)
      graph.node("Transpose", ["a"], ["b"], [.ints("perm", [1, 0])])
      graph.pair("b", "y", .uint16, scale: scale)
      graph.output("y", ["2", "2"])
      #expect(try Self.places(graph)["b"]?.rule == rule)
    }
  }

  @Test("An open dimension leaves everything on the processor, until it is bound")
  func openShapes() throws {
    var graph = TestGraph()
    graph.input("x", ["batch", "2"])
    graph.node("Relu", ["x"], ["y"])
    graph.output("y", ["batch", "2"])
    let open = try #require(try Self.places(graph)["y"])
    #expect(open.place == .processor && open.rule == "fixed-shapes" && open.reason.contains("'batch'"))
    #expect(try Self.places(graph, binding: ["batch": 1])["y"]?.place == .float)
  }

  @Test("What is constant is folded, and integers of the graph count as integers")
  func constants() throws {
    var graph = TestGraph()
    graph.input("x", ["2", "2"])
    graph.input("i", ["2"], .int64)
    graph.constant("c", [1, 2], [2])
    graph.node("Neg", ["c"], ["d"])
    graph.node("Add", ["i", "i"], ["j"])
    graph.node("Mul", ["x", "d"], ["y"])
    graph.output("y", ["2", "2"])
    graph.output("j", ["2"], .int64)
    let places = try Self.places(graph)
    #expect(places["d"]?.place == .folded && places["j"]?.rule == "integer-data")
    #expect(places["y"]?.place == .float)
    let counts = Explanation.counts(Array(places.values))
    #expect(counts[.folded] == 1 && counts[.integers] == 1 && counts[.float] == 1)
  }
}
