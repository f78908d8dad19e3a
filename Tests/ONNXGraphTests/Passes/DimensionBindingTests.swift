import ONNXFile
import ONNXGraph
import Tensors
import Testing

@Suite("Binding dimensions fixes every input")
struct DimensionBindingTests {
  private static func decoder() -> ModelProto {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    // Extents below zero are the symbols d1, d2, …
    model.input("input_ids", .int64, [-1, -2])
    model.input("encoder_hidden_states", [-3, 1500, 8])
    model.node("Cast", ["input_ids"], ["y"], [.int("to", 1)])
    model.output("y", [-1, -2])
    return model
  }

  private func bound(_ model: ModelProto, _ pass: DimensionBinding) throws -> [String: [Int]] {
    var graph = try model.lifted()
    _ = try pass.run(&graph, PassOracle.context)
    return Dictionary(
      uniqueKeysWithValues: graph.requiredInputs.map { value in
        (graph[value].name, graph.declaredShape(of: value)!.map { $0.extent! })
      })
  }

  private func refusal(_ model: ModelProto, _ pass: DimensionBinding) throws -> PassError {
    var graph = try model.lifted()
    return try #require(throws: PassError.self) { try pass.run(&graph, PassOracle.context) }
  }

  @Test("A length is given by name, by input and axis, or by a shape; the batch is 1 unless said otherwise")
  func ways() throws {
    let wanted = ["input_ids": [1, 4], "encoder_hidden_states": [1, 1500, 8]]
    #expect(try bound(Self.decoder(), DimensionBinding(lengths: ["d2": 4])) == wanted)
    #expect(try bound(Self.decoder(), DimensionBinding(lengths: ["input_ids.1": 4])) == wanted)
    #expect(try bound(Self.decoder(), DimensionBinding(shapes: ["input_ids": [1, 4]])) == wanted)
    let two = try bound(Self.decoder(), DimensionBinding(lengths: ["d1": 2, "d2": 4, "d3": 2]))
    #expect(two == ["input_ids": [2, 4], "encoder_hidden_states": [2, 1500, 8]])
  }

  @Test("Mel frames are 3000 and the encoder's positions 1500 when nobody says otherwise")
  func defaults() throws {
    var encoder = ModelProto.sketch()
    encoder.input("input_features", [-1, 80, -2])
    encoder.node("Identity", ["input_features"], ["y"])
    encoder.output("y")
    #expect(try bound(encoder, DimensionBinding()) == ["input_features": [1, 80, 3000]])
    var decoder = ModelProto.sketch()
    decoder.input("encoder_hidden_states", [-1, -2, 8])
    decoder.node("Identity", ["encoder_hidden_states"], ["y"])
    decoder.output("y")
    #expect(try bound(decoder, DimensionBinding()) == ["encoder_hidden_states": [1, 1500, 8]])
  }

  @Test("A dimension that nothing fixes is named with its input and the option that fixes it")
  func open() throws {
    let error = try refusal(Self.decoder(), DimensionBinding())
    #expect(error.reason == .openDimension(input: "input_ids", dimension: "d2", axis: 1))
    #expect(error.message.contains("--dim 'd2=N'"))
  }

  @Test("A length for a dimension that the model does not have is refused with those that it has")
  func unknown() throws {
    let error = try refusal(Self.decoder(), DimensionBinding(lengths: ["d2": 4, "length": 3]))
    #expect(error.reason == .otherDimension(name: "length", known: ["d1", "d2", "d3"]))
  }

  @Test("What the file said of open shapes inside is forgotten")
  func forgets() throws {
    var graph = try Self.decoder().lifted()
    _ = try DimensionBinding(lengths: ["d2": 4]).run(&graph, PassOracle.context)
    #expect(graph.declaredShape(of: graph.value("y")!) == nil)
    _ = try ShapeWriting().run(&graph, PassOracle.context)
    #expect(graph.declaredShape(of: graph.value("y")!) == [.extent(1), .extent(4)])
  }
}
