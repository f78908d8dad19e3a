import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

@Suite("Edited static plans are refused with a sentence")
struct StaticRefusalTests {
  let bench: StaticBench
  init() throws { bench = try StaticBench() }

  /// The sentence with which an edited plan is refused; nil when it is taken.
  private func refusal(
    _ model: ModelProto = StaticModels.attention(), _ scheme: Scheme = .w8a16,
    edit: (inout StaticPlan) -> Void
  ) throws -> String? {
    do {
      try bench.quantize("refused", model, scheme, edit: edit)
    } catch let error as QuantizeError {
      #expect(error.message.hasPrefix(error.path) && error.path.hasSuffix(".onnx"))
      #expect(try bench.folder.names() == [])
      return error.message
    }
    return nil
  }

  @Test("names that the model does not have: tensors, nodes, operands, weights")
  func unknownNames() throws {
    let cases: [(words: String, edit: (inout StaticPlan) -> Void)] = [
      ("the tensor 'nobody'", { $0.activations[0].tensor = "nobody" }),
      ("the node 'nobody'", { $0.conversions[0].node = "nobody" }),
      ("operand 9", { $0.conversions[0].input = 9 }),
      ("operand -1", { $0.conversions[0].input = -1 }),
      ("the node 'nobody'", { $0.weights[0].node = "nobody" }),
      ("'nobody'", { $0.weights[0].weight = "nobody" }),
      ("'q_weight'", { $0.weights[0].input = 5 }),
      ("'q_weight'", { $0.weights[0].input = 0 }),
      (
        "the node 'nobody'",
        { $0.floatNodes.append(FloatNodeEntry(node: "nobody", operatorName: "Add", reason: "")) }
      ),
    ]
    for (words, edit) in cases {
      let message = try #require(try refusal(edit: edit), "\(words) was taken")
      #expect(message.contains(words) && message.contains("--dry-run --json"), "\(message)")
    }
  }

  @Test("forms that a weight cannot have: another shape, an axis outside of it, odd blocks")
  func forms() throws {
    let cases: [(words: String, edit: (inout StaticPlan) -> Void)] = [
      ("float [16, 16]", { $0.weights[0].shape = [16, 17] }),
      ("axis", { $0.weights[0].axis = 7 }),
      ("axis", { $0.weights[0].axis = -1 }),
      ("axis", { $0.weights[0].axis = nil }),
      ("axis", { $0.weights[0].axis = 0 }),
      ("block", { ($0.weights[0].granularity, $0.weights[0].blockSize) = (.block, nil) }),
      (
        "block", { ($0.weights[0].granularity, $0.weights[0].blockSize, $0.weights[0].axis) = (.block, 0, 0) }
      ),
      (
        "block",
        { ($0.weights[0].granularity, $0.weights[0].blockSize, $0.weights[0].axis) = (.block, -4, 0) }
      ),
      ("u8", { $0.weights[0].type = .u8 }),
      ("'parameters'", { $0.weights[0].parameters = ScaleAndZeroPoint(scale: 1, zeroPoint: 0) }),
      ("s32", { $0.weights[0].type = .s32 }),
    ]
    for (words, edit) in cases {
      let message = try #require(try refusal(edit: edit), "\(words) was taken")
      #expect(message.contains(words) && message.contains("q_weight"), "\(message)")
    }
  }

  @Test("scales and zero points that no integers can have")
  func numbers() throws {
    for scale in [0, -1, Float.nan, .infinity, .leastNonzeroMagnitude] {
      let message = try #require(
        try refusal { $0.activations[1].parameters.scale = scale }, "the scale \(scale) was taken")
      #expect(message.contains("scale") && message.contains("'q'"), "\(message)")
      #expect(try refusal { $0.conversions[0].parameters.scale = scale }?.contains("scale") == true)
    }
    for zeroPoint in [-1, 65536] {
      let message = try #require(
        try refusal { $0.activations[1].parameters.zeroPoint = zeroPoint }, "\(zeroPoint) was taken")
      #expect(message.contains("zero point") && message.contains("'q'"), "\(message)")
    }
    let table = try #require(
      try refusal(StaticModels.cache()) { $0.weights[0].parameters?.zeroPoint = 70000 }, "taken")
    #expect(table.contains("zero point") && table.contains("'table'"), "\(table)")
  }

  @Test("a tensor that is planned twice")
  func twice() throws {
    for edit in [
      { $0.activations.append($0.activations[0]) }, { $0.conversions.append($0.conversions[0]) },
      { $0.weights.append($0.weights[0]) },
    ] as [(inout StaticPlan) -> Void] {
      let message = try #require(try refusal(edit: edit), "taken")
      #expect(message.contains("twice"), "\(message)")
    }
  }

  @Test("a bias without its weight, its scales or its range")
  func biases() throws {
    let cases: [(edit: (inout StaticPlan) -> Void, words: String)] = [
      ({ $0.weights.removeAll { $0.weight == "q_weight" } }, "q_bias"),
      (
        { plan in
          plan.activations.removeAll { $0.tensor == "context_rows" }
        }, "o_bias"
      ),
    ]
    for (edit, words) in cases {
      #expect(try refusal(edit: edit)?.contains(words) == true, "\(words)")
    }
    let blocked = try refusal(StaticModels.linear(64), .w4a16) {
      $0.activations.removeAll { $0.tensor == "h" }
    }
    #expect(blocked?.contains("range") == true, "\(blocked ?? "taken")")
  }

  @Test("nodes of one name, because lines of a plan name nodes")
  func duplicateNames() throws {
    var model = ModelProto.sketch()
    model.input("x", [4])
    model.node("Relu", ["x"], ["h"], name: "same")
    model.node("Tanh", ["h"], ["y"], name: "same")
    model.output("y", [4])
    let message = try #require(try refusal(model) { _ in }, "taken")
    #expect(message.contains("'same'") && message.contains("prepare"), "\(message)")
  }

  @Test("a weight with NaN is named with the place")
  func notFinite() throws {
    for (type, shape) in [("MatMul", [4, 4]), ("Conv", [4, 4, 1])] {
      var model = ModelProto.sketch()
      model.input("x", type == "Conv" ? [1, 4, 4] : [4, 4])
      var values = [Float](repeating: 1, count: 16)
      values[5] = .nan
      model.floats("w", values, shape)
      model.node(type, ["x", "w"], ["y"], name: "layer")
      model.output("y", type == "Conv" ? [1, 4, 4] : [4, 4])
      let message = try #require(try refusal(model) { _ in }, "taken")
      #expect(message.contains("'w'") && message.contains("NaN at element 5"), "\(message)")
    }
  }
}
