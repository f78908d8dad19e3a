import CPUBackend
import ModelBackend
import ONNXFile
import Tensors
import TestSupport
import Testing

/// Joined nodes round once where single ones round often.
private let joinedTolerance: Float = 2e-6

@Suite("Joined nodes")
struct FusionTests {
  private func random(_ dimensions: [Int], _ generator: inout SplitMix64) -> TensorContent {
    floats(generator.normalFloats(dimensions.reduce(1, *)), dimensions)
  }

  /// Runs a model joined and as it is; both must agree, and the joined run must take `operators`.
  private func check(
    _ model: ModelText, _ feeds: [String: TensorContent], _ operators: [String], seed: UInt64
  ) throws {
    let session = try model.session()
    var ran: [String] = []
    session.timing = { ran.append($0.operatorName) }
    let joined = try session.run(feeds, outputs: model.outputs)
    #expect(ran == operators)
    session.timing = nil
    let plain = try session.run(feeds, outputs: model.outputs) { (_, _) throws(BackendError) in }
    for name in model.outputs {
      let (a, b) = (try #require(joined[name]?.floats), try #require(plain[name]?.floats))
      #expect(a.count == b.count)
      let largest = b.map(abs).max() ?? 0
      let worst = zip(a, b).map { abs($0 - $1) }.max() ?? 0
      #expect(worst <= joinedTolerance * max(1, largest), "\(name), seed \(seed)")
    }
  }

  @Test("A linear layer of dynamic INT8 is one step, with and without its bias", arguments: [true, false])
  func integerProduct(hasBias: Bool) throws {
    var generator = SplitMix64.forThisRun()
    let seed = generator.seed
    let (k, n) = (70, 37)
    var model = ModelText()
    model.inputs = [ModelText.input("x", .float32, [2, 9, k])]
    model.nodes = [
      ModelText.constant(
        "w", TensorContent(elementType: .int8, shape: Shape([k, n])!, bytes: .owned(generator.bytes(k * n)))),
      ModelText.constant(
        "zero",
        TensorContent(elementType: .int8, shape: Shape([n])!, bytes: .owned([UInt8](repeating: 0, count: n)))),
      ModelText.constant("scale", floats((0..<n).map { 0.001 + Float($0) * 0.0001 }, [n])),
      ModelText.constant("bias", random([n], &generator)),
      ModelText.node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"]),
      ModelText.node("MatMulInteger", ["q", "w", "z", "zero"], ["sums"]),
      ModelText.node("Cast", ["sums"], ["wide"], [ModelText.attribute("to", 1)]),
      ModelText.node("Mul", ["s", "scale"], ["both"]),
      ModelText.node("Mul", ["wide", "both"], ["y"]),
      ModelText.node("Add", ["bias", "y"], ["shifted"]),
    ]
    if !hasBias { model.nodes.removeLast() }
    model.outputs = [hasBias ? "shifted" : "y"]
    try check(
      model, ["x": random([2, 9, k], &generator)], ["DynamicQuantizeLinear", "Mul", "MatMulInteger"],
      seed: seed)
  }

  @Test("Both spellings of Gelu are one step", arguments: [true, false])
  func gelu(halvesLast: Bool) throws {
    var generator = SplitMix64.forThisRun()
    let seed = generator.seed
    var model = ModelText()
    model.inputs = [ModelText.input("x", .float32, [5, 33])]
    model.nodes = [
      ModelText.constant("root", floats([Float(halvesLast ? 2 : 0.5).squareRoot()], [])),
      ModelText.constant("one", floats([1], [])), ModelText.constant("half", floats([0.5], [1])),
      ModelText.node(halvesLast ? "Div" : "Mul", ["x", "root"], ["a"]),
      ModelText.node("Erf", ["a"], ["b"]), ModelText.node("Add", ["b", "one"], ["c"]),
    ]
    if halvesLast {
      model.nodes += [
        ModelText.node("Mul", ["x", "c"], ["d"]), ModelText.node("Mul", ["d", "half"], ["y"]),
      ]
    } else {
      model.nodes += [
        ModelText.node("Mul", ["half", "x"], ["d"]), ModelText.node("Mul", ["d", "c"], ["y"]),
      ]
    }
    model.outputs = ["y"]
    try check(model, ["x": random([5, 33], &generator)], ["Mul"], seed: seed)
  }

  @Test("A product takes its bias and a transposed operand along")
  func products() throws {
    var generator = SplitMix64.forThisRun()
    let seed = generator.seed
    var model = ModelText()
    model.inputs = [ModelText.input("x", .float32, [2, 3, 6, 8])]
    model.nodes = [
      ModelText.constant("w", random([8, 5], &generator)),
      ModelText.constant("bias", random([5], &generator)),
      ModelText.node("MatMul", ["x", "w"], ["a"]), ModelText.node("Add", ["a", "bias"], ["linear"]),
      ModelText.node("Transpose", ["x"], ["t"], [ModelText.attribute("perm", [0, 1, 3, 2])]),
      ModelText.node("MatMul", ["x", "t"], ["scores"]),
    ]
    model.outputs = ["linear", "scores"]
    try check(model, ["x": random([2, 3, 6, 8], &generator)], ["MatMul", "MatMul"], seed: seed)
  }

  @Test("Nodes are not joined over a value that somebody else needs")
  func sharedValue() throws {
    var generator = SplitMix64.forThisRun()
    let seed = generator.seed
    var model = ModelText()
    model.inputs = [ModelText.input("x", .float32, [4, 8])]
    model.nodes = [
      ModelText.constant("w", random([8, 5], &generator)),
      ModelText.constant("bias", random([5], &generator)),
      ModelText.node("MatMul", ["x", "w"], ["a"]), ModelText.node("Add", ["a", "bias"], ["y"]),
    ]
    model.outputs = ["y", "a"]
    try check(model, ["x": random([4, 8], &generator)], ["MatMul", "Add"], seed: seed)
    model.nodes.append(ModelText.node("Neg", ["a"], ["z"]))
    model.outputs = ["y", "z"]
    try check(model, ["x": random([4, 8], &generator)], ["MatMul", "Add", "Neg"], seed: seed)
  }
}
