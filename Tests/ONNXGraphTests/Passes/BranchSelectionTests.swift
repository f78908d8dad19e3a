import CPUBackend
import ONNXFile
import ONNXGraph
import Tensors
import Testing

@Suite("Choosing a branch replaces the If")
struct BranchSelectionTests {
  /// `y` is `x + past` with the past and `-x` without; `z` is `x` in both.
  private static func merged() -> ModelProto {
    var model = ModelProto.sketch(opset: 17)
    model.input("x", [2])
    model.input("past", [2])
    model.input("use_cache_branch", .bool, [1])
    func output(_ name: String) -> ValueInfoProto { ValueInfoProto(name, .float32, [2]) }
    let cached = GraphProto(
      "cached", [NodeProto("Add", ["x", "past"], ["sum"])], outputs: [output("sum"), output("x")])
    let first = GraphProto(
      "first", [NodeProto("Neg", ["x"], ["negative"]), NodeProto("Identity", ["x"], ["same"])],
      outputs: [output("negative"), output("same")])
    model.node(
      "If", ["use_cache_branch"], ["y", "z"],
      [.graph("then_branch", cached), .graph("else_branch", first)])
    model.output("y", [2])
    model.output("z", [2])
    return model
  }

  private func outputs(_ model: ModelProto, _ feeds: [String: TensorContent]) throws -> [[Float]] {
    let found = try CPUBackend.session(try model.lifted()).run(feeds, outputs: ["y", "z"])
    return ["y", "z"].compactMap { found[$0]?.floats }
  }

  @Test("The branch computes what the If did, and only its own inputs stay", arguments: [true, false])
  func choice(isCached: Bool) throws {
    let (chosen, count) = try BranchSelection(choices: ["use_cache_branch": isCached])
      .select(Self.merged(), path: "model.onnx")
    #expect(count == 1)
    #expect(chosen.graph?.input.compactMap(\.name) == (isCached ? ["x", "past"] : ["x"]))
    var feeds: [String: TensorContent] = ["x": .floats([1, 2], shape: [2])]
    if isCached { feeds["past"] = .floats([10, 20], shape: [2]) }
    let wanted: [[Float]] = isCached ? [[11, 22], [1, 2]] : [[-1, -2], [1, 2]]
    #expect(try outputs(chosen, feeds) == wanted)
  }

  @Test("A constant condition needs no choice, and the model's inputs stay")
  func constant() throws {
    var model = Self.merged()
    model.graph?.input.removeLast()
    model.constant(
      "use_cache_branch", TensorContent(elementType: .bool, shape: Shape([1])!, bytes: .owned([0])))
    let (chosen, count) = try BranchSelection().select(model, path: "model.onnx")
    #expect(count == 1)
    #expect(chosen.graph?.input.compactMap(\.name) == ["x", "past"])
    let feeds: [String: TensorContent] = [
      "x": .floats([1, 2], shape: [2]), "past": .floats([0, 0], shape: [2]),
    ]
    #expect(try outputs(chosen, feeds) == [[-1, -2], [1, 2]])
  }

  @Test("Without a choice the If stays, and a choice that no If takes is refused")
  func refusal() throws {
    #expect(try BranchSelection().select(Self.merged(), path: "model.onnx").count == 0)
    let error = try #require(throws: PassError.self) {
      try BranchSelection(choices: ["use_cache": true]).select(Self.merged(), path: "model.onnx")
    }
    #expect(error.reason == .noBranch(condition: "use_cache"))
  }
}
