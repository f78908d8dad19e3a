import ONNXFile
import ONNXGraph
import Tensors
import Testing

@Suite("What is constant, and what only looks so")
struct ConstantTests {
  /// A constant `w`, a default `d` for an input, a Constant node `k`, and an If that uses them.
  private func model(ir: Int64?) throws -> ModelGraph {
    var model = ModelProto.sketch()
    model.irVersion = ir
    model.input("x", [1])
    model.input("d", [1])
    model.floats("w", [1], [1])
    model.floats("d", [2], [1])
    model.node("Constant", [], ["k"], [.tensor("value", .floats([3], shape: [1]))])
    model.node("Constant", [], ["f"], [.float("value_float", 3)])
    model.node("Constant", [], ["foreign"], domain: "custom", [.tensor("value", .floats([3], shape: [1]))])
    model.node("Sum", ["x", "d", "w", "k"], ["y"])
    model.output("y")
    return try model.lifted()
  }

  @Test(
    "since IR version 4 an initializer that is an input too is a default and no constant",
    arguments: [4, 8, 13])
  func defaults(ir: Int64) throws {
    let graph = try model(ir: ir)
    #expect(!graph.isConstant(try #require(graph.value("d"))))
    #expect(graph.requiredInputs.map { graph[$0].name } == ["x"])
  }

  @Test(
    "before IR version 4 every initializer is an input too, and a constant",
    arguments: [1, 3, nil] as [Int64?])
  func oldDefaults(ir: Int64?) throws {
    let graph = try model(ir: ir)
    #expect(graph.constantContent(of: try #require(graph.value("d")))?.floats == [2])
  }

  @Test("initializers and tensors of Constant nodes have contents, inputs and results have none")
  func contents() throws {
    let graph = try model(ir: 8)
    func floats(_ name: String) throws -> [Float]? {
      graph.constantContent(of: try #require(graph.value(name)))?.floats
    }
    #expect(try floats("w") == [1])
    #expect(try floats("k") == [3])
    #expect(try floats("x") == nil)
    #expect(try floats("y") == nil)
    #expect(try floats("foreign") == nil)
  }

  @Test("raising the IR version over 4 takes constants out of the inputs, so that they stay constants")
  func raising() throws {
    var graph = try model(ir: 3)
    graph.raiseIRVersion(to: 10)
    let fallback = try #require(graph.value("d"))
    #expect(graph.message.irVersion == 10)
    #expect(graph.constantContent(of: fallback)?.floats == [2])
    let lowered = try #require(graph.lower().graph)
    #expect(lowered.input.map(\.name) == ["x"])
    #expect(lowered.valueInfo.map(\.name) == ["d"])
    #expect(lowered.initializer.map(\.name) == ["w", "d"])
    // A second time, and downwards, nothing happens.
    graph.raiseIRVersion(to: 4)
    #expect(graph.message.irVersion == 10)
  }

  @Test("raising from 4 on changes the number alone")
  func raisingNew() throws {
    var graph = try model(ir: 4)
    graph.raiseIRVersion(to: 8)
    #expect(graph.message.irVersion == 8)
    #expect(graph.requiredInputs.map { graph[$0].name } == ["x"])
    #expect(graph[graph.root].inputs.count == 2)
  }
}
