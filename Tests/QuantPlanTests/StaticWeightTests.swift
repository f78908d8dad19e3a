import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors
import TestSupport
import Testing

@Suite("Static plans: constants")
struct StaticWeightTests {
  /// Stem, LayerNormalization, a linear layer of each form.
  private func sketch() -> StaticSketch {
    StaticSketch { model in
      model.input("mel", [1, 4, 10])
      model.weights("kernel", [8, 4, 3])
      model.weights("kernel_bias", [8])
      for name in ["gamma", "beta"] { model.weights(name, [8]) }
      model.weights("first", [8, 40])
      model.weights("first_bias", [40])
      model.weights("second", [64, 40])
      model.weights("third", [1, 64, 8])
      model.weights("offset", [1])
      model.node("Conv", ["mel", "kernel", "kernel_bias"], ["c"], name: "stem", [.ints("pads", [1, 1])])
      model.node("Transpose", ["c"], ["t"], name: "turn", [.ints("perm", [0, 2, 1])])
      model.node("LayerNormalization", ["t", "gamma", "beta"], ["n"], name: "norm")
      model.int64("rows", [10, 8])
      model.node("Reshape", ["n", "rows"], ["r"], name: "rows_of")
      model.node("Gemm", ["r", "first", "first_bias"], ["f"], name: "fc1")
      model.node("Gelu", ["f"], ["g"], name: "gelu")
      model.node("Gemm", ["g", "second"], ["s"], name: "fc2", [.int("transB", 1)])
      model.node("MatMul", ["s", "third"], ["m"], name: "fc3")
      model.node("Mul", ["m", "offset"], ["y"], name: "scale")
      model.output("y", [1, 10, 8])
    }
  }

  @Test("s8 per output channel on the right axis, s32 biases, s16 gamma and stem, u16 operands")
  func forms() throws {
    let plan = try sketch().plan()
    let lines = plan.weights.map {
      "\($0.weight) \($0.role.rawValue) \($0.type.rawValue) \($0.granularity.rawValue) \($0.axis ?? -1)"
    }
    #expect(
      lines == [
        "kernel conv s16 channel 0", "kernel_bias bias s32 channel 0", "gamma gamma s16 tensor -1",
        "beta bias s32 channel 0", "first linear s8 channel 1", "first_bias bias s32 channel 0",
        "second linear s8 channel 0", "third linear s8 tensor -1", "offset operand u16 tensor -1",
      ])
    for entry in plan.weights {
      #expect(entry.blockSize == nil && !entry.reason.isEmpty)
      #expect((entry.parameters != nil) == (entry.role == .operand))
    }
    #expect(plan.weight("kernel")?.shape == [8, 4, 3] && plan.weight("kernel")?.range == .maximum)
    #expect(plan.weight("first")?.rounding == .errorAware && plan.weight("first")?.range == .leastSquares)
    #expect(plan.weight("offset")?.parameters?.scale.isNormal == true)
  }

  @Test("the policy chooses stem, range and rounding")
  func policy() throws {
    let plan = try sketch().plan {
      ($0.isStemWide, $0.weightRange, $0.rounding) = (false, .maximum, .nearest)
    }
    #expect(plan.weight("kernel")?.type == .s8)
    #expect(plan.weight("first")?.range == .maximum && plan.weight("first")?.rounding == .nearest)
  }

  @Test("w4a16: blocks along the reduction axis, one scale per channel where K is no multiple")
  func blocks() throws {
    let plan = try sketch().plan(.w4a16) { $0.blockSize = 16 }
    #expect(plan.weight("kernel")?.type == .s16)
    // K = 8 and K = 40 are no multiples of 16; K = 64 of rank 3 takes one scale.
    for (name, granularity, axis) in [("first", Granularity.channel, 1), ("second", .channel, 0)] {
      let entry = try #require(plan.weight(name))
      #expect(entry.type == .s4 && entry.granularity == granularity && entry.axis == axis, "\(name)")
      #expect(entry.blockSize == nil)
    }
    #expect(plan.weight("third")?.granularity == .tensor && plan.weight("third")?.type == .s4)
    let whole = StaticSketch {
      $0.input("x", [2, 64])
      $0.weights("w", [64, 8])
      $0.weights("t", [8, 64])
      $0.node("MatMul", ["x", "w"], ["y"], name: "a")
      $0.node("Gemm", ["x", "t"], ["z"], name: "b", [.int("transB", 1)])
      $0.output("y", [2, 8])
      $0.output("z", [2, 8])
    }
    let blocked = try whole.plan(.w4a16)
    #expect(blocked.weight("w")?.granularity == .block && blocked.weight("w")?.axis == 0)
    #expect(blocked.weight("t")?.granularity == .block && blocked.weight("t")?.axis == 1)
    #expect(blocked.weight("w")?.blockSize == 32)
    let perChannel = try whole.plan(.w4a16) { $0.blockSize = nil }
    #expect(perChannel.weight("w")?.granularity == .channel && perChannel.weight("w")?.axis == 1)
    // 8-bit weights have no blocks.
    #expect(try whole.plan(.w8a16).weight("w")?.granularity == .channel)
  }

  @Test("w8a8: a linear layer has one type in and out, with conversions at its edges; outputs keep 16 bits")
  func narrow() throws {
    let plan = try sketch().plan(.w8a8)
    #expect(plan.activation("f")?.type == .u8 && plan.activation("s")?.type == .u8)
    for tensor in ["c", "n", "g", "y"] { #expect(plan.activation(tensor)?.type == .u16, "\(tensor)") }
    // LayerNormalization's 16 bits become 8 before the rows are moved.
    #expect(
      plan.conversions.map { "\($0.node) \($0.input) \($0.tensor) \($0.type)" } == [
        "rows_of 0 n u8", "gelu 0 f u16", "fc2 0 g u8", "scale 0 m u16",
      ])
    #expect(plan.activation("r")?.type == .u8)
    for node in ["fc1", "fc2", "fc3"] {
      let (input, output) = [("fc1"): ("r", "f"), "fc2": ("g", "s"), "fc3": ("s", "m")][node]!
      let given = plan.conversion(node, 0)?.type ?? plan.activation(input)?.type
      #expect(given == plan.activation(output)?.type, "\(node)")
    }
    let last = try StaticSketch {
      $0.input("x", [2, 8])
      $0.weights("w", [8, 8])
      $0.node("MatMul", ["x", "w"], ["y"], name: "only")
      $0.output("y", [2, 8])
    }.plan(.w8a8)
    #expect(last.activation("y")?.type == .u16 && last.activation("x")?.type == .u16)
    #expect(last.conversions.isEmpty)
  }

  @Test("w8a8: linear layers that are named keep 16 bits, for the reason that is given")
  func wide() throws {
    let plan = try sketch().plan(.w8a8) { $0.wideLinears = ["fc2": "because"] }
    #expect(plan.activation("s")?.type == .u16 && plan.activation("s")?.reason == "because")
    #expect(plan.conversion("fc2", 0) == nil)
    #expect(plan.conversion("fc3", 0)?.type == .u8)
    #expect(plan.activation("f")?.type == .u8)
  }

  @Test("constants that no scale can hold are refused by name")
  func notFinite() throws {
    for (value, type) in [(Float.infinity, "mask"), (-.infinity, "mask"), (.nan, "mask")] {
      let sketch = StaticSketch {
        $0.input("x", [2])
        $0.floats("mask", [0, value], [2])
        $0.node("Add", ["x", "mask"], ["y"], name: "add")
        $0.output("y", [2])
      }
      let error = try #require(throws: StaticPlanError.self) { try sketch.plan() }
      #expect(error.message.contains("'\(type)'") && error.message.contains("prepare"), "\(error.message)")
    }
    let half = StaticSketch {
      $0.input("x", .float16, [2])
      $0.constant("h", .halves([0, 0x3c00], .float16, shape: [2]))
      $0.node("Add", ["x", "h"], ["y"], name: "add")
      $0.output("y", .float16, [2])
    }
    let error = try #require(throws: StaticPlanError.self) { try half.plan() }
    #expect(error.message.contains("'h'") && error.message.contains("prepare"), "\(error.message)")
  }
}
