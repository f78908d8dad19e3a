import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import Testing

/// A layer of 3 inputs and 3 outputs behind a normalization, in front of an Add or a Gelu.
private func sketch(user: String, isTransposed: Bool = false) throws -> ModelGraph {
  var model = ModelProto.sketch(opset: 20, ir: 9)
  model.input("x", [4, 3])
  model.input("residual", [4, 3])
  model.output("out", [4, 3])
  model.floats("gamma", [1, 2, 3], [3])
  model.floats("beta", [0, 1, -1], [3])
  model.floats("w", [1, 20, 300, 4, 50, 600, 7, 80, 900], [3, 3])
  model.floats("b", [1, 2, 3], [3])
  model.node("LayerNormalization", ["x", "gamma", "beta"], ["h"], name: "norm")
  model.node("Gemm", ["h", "w", "b"], ["y"], name: "layer", isTransposed ? [.int("transB", 1)] : [])
  if user == "Add" {
    model.node("Add", ["residual", "y"], ["out"], name: "user")
  } else {
    model.node(user, ["y"], ["out"], name: "user")
  }
  for name in ["h", "y"] { model.graph?.valueInfo.append(ValueInfoProto(name, .float32, [4, 3])) }
  return try model.lifted()
}

private func policy() -> StaticPolicy { StaticPolicy(scheme: .w8a8, target: .snapdragonXElite) }

@Suite("Equalization of outputs")
struct StaticEqualizationTests {
  @Test("What the layer gives, times the sizes, is what it gave", arguments: [false, true])
  func exactness(isTransposed: Bool) throws {
    var model = try sketch(user: "Add", isTransposed: isTransposed)
    let layer = try #require(StaticPlanner.linearLayers(model, policy: policy()).first)
    #expect(OutputEqualization.canEqualize(layer, in: model))
    let site = try #require(LinearSite(layer.node, in: model))
    let before = LinearValues(site, in: model)
    let outcome = OutputEqualization.equalize(&model, [layer]) { name in
      name == "y" ? ([-1, 0, -300], [3, 40, 100]) : nil
    }
    #expect(outcome.layers == ["layer"])
    let after = LinearValues(try #require(LinearSite(layer.node, in: model)), in: model)
    let mul = try #require(model[layer.output].producer)
    #expect(model[mul].opType == "Mul")
    let sizes = model.constantContent(of: try #require(model[mul].inputs[1]))?.floats ?? []
    for (size, wanted) in zip(sizes, [3, 40, 300] as [Float]) { #expect(abs(size / wanted - 1) < 1e-3) }
    for output in 0..<3 {
      for input in 0..<3 {
        let whole = after.weight[input * 3 + output] * sizes[output]
        #expect(abs(whole / before.weight[input * 3 + output] - 1) < 1e-6)
      }
      #expect(abs(after.bias[output] * sizes[output] - before.bias[output]) < 1e-4)
    }
    let range = try #require(outcome.ranges["y_equalized"])
    #expect(abs(range.lowerBound + 1) < 0.01 && abs(range.upperBound - 1) < 0.01)
  }

  @Test("Sizes are whole levels of the 16 bits that hold them, so quantizing them changes nothing")
  func levels() {
    let condition = OutputEqualization.Condition(([-1, -0.001, -7], [2, 0.0003, 3]), isGelu: false)
    let largest = condition.sizes.max() ?? 0
    let parameters = ScaleAndZeroPoint(holding: 0...largest, as: .u16)
    for size in condition.sizes {
      let level = parameters.level(of: size, as: .u16)
      #expect(level >= 64)
      #expect(abs(Float(level) * parameters.scale / size - 1) < 1e-6)
    }
  }

  @Test("In front of Gelu, half of what Gelu makes zero counts for sizes")
  func gelu() throws {
    var model = try sketch(user: "Gelu")
    let layer = try #require(StaticPlanner.linearLayers(model, policy: policy()).first)
    #expect(!OutputEqualization.canEqualize(layer, in: model, heedsGelu: false))
    let outcome = OutputEqualization.equalize(&model, [layer]) { _ in ([-100, -2, -3], [7, 1, 6]) }
    let mul = try #require(model[layer.output].producer)
    #expect(model[mul].opType == "Mul")
    let sizes = model.constantContent(of: try #require(model[mul].inputs[1]))?.floats ?? []
    for (size, wanted) in zip(sizes, [50, 2, 6] as [Float]) { #expect(abs(size / wanted - 1) < 1e-3) }
    let range = try #require(outcome.ranges["y_equalized"])
    #expect(abs(range.lowerBound + 1) < 0.01)
  }

  @Test("A plan holds the equalized output in 8 bits and the sizes in 16, each change of type its own pair")
  func plan() throws {
    var model = try sketch(user: "Add")
    let layers = StaticPlanner.linearLayers(model, policy: policy())
    _ = OutputEqualization.equalize(&model, layers) { _ in ([-1, -2, -3], [1, 2, 3]) }
    let plan = try StaticPlanner.plan(model, policy: policy()) { _, _ in -4...4 }
    let types = Dictionary(uniqueKeysWithValues: plan.activations.map { ($0.tensor, $0.type) })
    #expect(types["h"] == .u16)
    #expect(types["y_equalized"] == .u8)
    #expect(types["y"] == .u16)
    let conversions = plan.conversions.map { "\($0.node) \($0.tensor) \($0.type.rawValue)" }
    #expect(conversions == ["layer h u8", "y_Mul y_equalized u16"])
    #expect(plan.weights.first { $0.weight == "y_channel_sizes" }?.type == .u16)
  }
}

@Suite("Smoothing of normalizations")
struct StaticSmoothingTests {
  @Test("What a normalization's channels lose, the rows of the matrix behind gain")
  func exactness() throws {
    var model = try sketch(user: "Add")
    let layer = try #require(StaticPlanner.linearLayers(model, policy: policy()).first)
    let before = LinearValues(try #require(LinearSite(layer.node, in: model)), in: model)
    let powers = NormalizationSmoothing.smooth(
      &model, .power(0.5), channels: { _ in ([-1, -4, -16], [0.5, 1, 2]) }, levels: { _ in 256 })
    #expect(powers == ["h": 0.5])
    let after = LinearValues(try #require(LinearSite(layer.node, in: model)), in: model)
    let norm = try #require(model[layer.input].producer)
    let gamma = model.constantContent(of: try #require(model[norm].inputs[1]))?.floats ?? []
    let beta = model.constantContent(of: try #require(model[norm].inputs[2]))?.floats ?? []
    // Square roots of 1, 4, 16 over their geometric mean.
    for (index, size) in ([0.5, 1, 2] as [Float]).enumerated() {
      #expect(abs(gamma[index] * size - [1, 2, 3][index]) < 1e-5)
      #expect(abs(beta[index] * size - [0, 1, -1][index]) < 1e-5)
      for output in 0..<3 {
        #expect(abs(after.weight[index * 3 + output] / before.weight[index * 3 + output] / size - 1) < 1e-5)
      }
    }
    #expect(after.bias == before.bias)
  }

  @Test("A power of zero, and a normalization that others see too, change nothing")
  func untouched() throws {
    var model = try sketch(user: "Add")
    let layer = try #require(StaticPlanner.linearLayers(model, policy: policy()).first)
    let before = LinearValues(try #require(LinearSite(layer.node, in: model)), in: model)
    _ = NormalizationSmoothing.smooth(
      &model, .power(0), channels: { _ in ([-1, -4, -16], [0, 0, 0]) }, levels: { _ in 256 })
    #expect(LinearValues(try #require(LinearSite(layer.node, in: model)), in: model).weight == before.weight)
    let user = try #require(model[model.root].nodes.last)
    model.setInput(0, of: user, to: layer.input)
    #expect(NormalizationSmoothing.observedValues(model).isEmpty)
  }
}
