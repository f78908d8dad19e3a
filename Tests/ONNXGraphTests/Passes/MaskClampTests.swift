import CPUBackend
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing

@Suite("Clamped masks hide as well as infinite ones")
struct MaskClampTests {
  private static let width = 12

  /// Softmax of x + mask, guarded against NaN.
  private static func model(_ mask: [Float], rows: Int = 12) -> ModelProto {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [rows, width])
    model.floats("mask", mask, [rows, width])
    model.floats("zero", [0], [])
    model.node("Add", ["x", "mask"], ["scores"])
    model.node("Softmax", ["scores"], ["w"])
    model.node("IsNaN", ["w"], ["bad"])
    model.node("Where", ["bad", "zero", "w"], ["y"])
    model.output("y")
    return model
  }

  private static func causal(_ far: Float) -> [Float] {
    (0..<(width * width)).map { $0 % width > $0 / width ? far : 0 }
  }

  @Test(
    "Every weight that is seen is the same bit for bit, whatever the sentinel, while scores span 83",
    arguments: [-Float.infinity, -3.402_823_5e38, -65504, -1e9, -10000])
  func equality(far: Float) throws {
    var random = SplitMix64.forThisRun()
    let before = try Self.model(Self.causal(far)).lifted()
    var after = before
    _ = try MaskClamp().run(&after, PassOracle.context)
    let old = try CPUBackend.session(before)
    let new = try CPUBackend.session(after)
    for spread: Float in [1, 10, 41] {
      let numbers = (0..<(Self.width * Self.width)).map { _ in
        (Float(random.next() >> 40) / Float(1 << 23) - 1) * spread
      }
      let feeds = ["x": TensorContent(floats: numbers, shape: Shape([Self.width, Self.width])!)]
      let a = try #require(old.run(feeds, outputs: ["y"])["y"]?.floats)
      let b = try #require(new.run(feeds, outputs: ["y"])["y"]?.floats)
      for (index, (x, y)) in zip(a, b).enumerated() {
        // What is seen keeps its bits; what is hidden is 0, or too small to be part of a sum.
        let row = index / Self.width
        let isSeen = index % Self.width <= row
        let best = numbers[(row * Self.width)...(row * Self.width + row)].max() ?? 0
        let limit: Float = numbers[index] <= best - 4 ? 0 : spread <= 1 ? 0x1p-126 : 0x1p-24
        #expect(isSeen ? x == y : y <= limit, "seed \(random.seed), spread \(spread), \(index): \(x), \(y)")
      }
    }
  }

  @Test("The guard goes with the infinity, and small constants stay")
  func guards() throws {
    let (graph, reports) = try PassOracle.run(Self.model(Self.causal(-.infinity)), [MaskClamp(), DeadCode()])
    #expect(graph.operators == ["Add": 1, "Softmax": 1])
    #expect(reports[0].changeCount == 2)
    let mask = try #require(graph.value("mask_clamped"))
    #expect(graph.constantContent(of: mask)?.floats.map { Set($0) } == [0, -100])
    let (soft, _) = try PassOracle.run(Self.model(Self.causal(-50)), [MaskClamp()])
    #expect(soft.value("mask_clamped") == nil)
  }

  @Test("A mask that hides a whole row stays with its guard, and the report says so")
  func wholeRow() throws {
    let mask = [Float](repeating: -.infinity, count: Self.width) + [Float](repeating: 0, count: Self.width)
    let (graph, reports) = try PassOracle.run(Self.model(mask, rows: 2), [MaskClamp()])
    #expect(graph.operators["IsNaN"] == 1)
    #expect(reports[0].notes.count == 1 && reports[0].changeCount == 0)
  }

  @Test("A mask that is made while the model runs is clamped where its constant stands, for this use only")
  func computed() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [2, 3])
    model.input("ids", .int64, [2, 3])
    model.constant("one", .int64s([1], shape: []))
    model.floats("zero", [0], [])
    model.floats("far", [-3.402_823_5e38], [1])
    model.node("Less", ["ids", "one"], ["seen"])
    model.node("Where", ["seen", "zero", "far"], ["mask"])
    model.node("Add", ["x", "mask"], ["scores"])
    model.node("Softmax", ["scores"], ["y"])
    model.node("Identity", ["far"], ["z"])
    model.output("y")
    model.output("z")
    var graph = try model.lifted()
    let report = try MaskClamp().run(&graph, PassOracle.context)
    #expect(report.changeCount == 1)
    #expect(graph.lines.contains("mask = Where(seen, zero, far_clamped)"))
    #expect(graph.lines.contains("z = Identity(far)"))
  }
}
