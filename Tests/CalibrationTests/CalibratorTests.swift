import CPUBackend
import Calibration
import Kernels
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing

/// A session of two inner values, without a model.
final class MadeSession: InspectableSession {
  let inputs: [TensorSignature] = []
  let outputs = [TensorSignature(name: "y", elementType: .float32, dimensions: nil)]
  let placement = Placement(shares: [], leftovers: [])
  let innerValues = ["x", "y"]

  func run(
    _ feeds: [String: TensorContent], outputs: [String]
  ) throws(BackendError) -> [String: TensorContent] {
    feeds
  }

  func run(
    _ feeds: [String: TensorContent], outputs: [String], observing observe: TensorObserver
  ) throws(BackendError) -> [String: TensorContent] {
    for (name, content) in feeds.sorted(by: { $0.key < $1.key }) { try observe(name, content) }
    return feeds
  }
}

@Suite("Observing runs")
struct CalibratorTests {
  private func tensor(_ values: [Float], _ dimensions: [Int]) throws -> TensorContent {
    TensorContent(floats: values, shape: try #require(Shape(dimensions)))
  }

  @Test("Two runs give what their values give together, half floats too, and others are not looked at")
  func statistics() throws {
    var generator = SplitMix64(seed: 61)
    let parts = (0..<2).map { _ in generator.normalFloats(600) }
    let calibrator = Calibrator(ObservationWishes(["x": .channels, "h": .range]), threads: 2)
    for values in parts {
      let x = try tensor(values, [2, 30, 10])
      let half = try #require(x.converted(to: .float16))
      try calibrator.run(MadeSession(), ["x": x, "h": half, "unasked": x], clip: "a.wav")
    }
    let seen = calibrator.take()
    #expect(seen.keys.sorted() == ["h", "x"])
    let x = try #require(seen["x"])
    let all = parts.flatMap { $0 }
    #expect(x.count == 1200 && x.runCount == 2 && x.minimum == all.min() && x.maximum == all.max())
    #expect(x.histogram.total == 1200)
    let channel = stride(from: 3, to: 1200, by: 10).map { all[$0] }
    #expect(x.channels?.minima[3] == channel.min() && x.channels?.maxima[3] == channel.max())
    #expect(abs(try #require(seen["h"]).maximum - x.maximum) < 0.01)
    #expect(calibrator.take().isEmpty)
  }

  @Test(
    "Masks, NaN and infinities are errors that name the clip, the tensor and what to do",
    arguments: [
      (Float(-3.4028235e38), "prepare the model first"), (-.infinity, "prepare the model first"),
      (.infinity, "infinite"),
      (.nan, "NaN"), (-.nan, "NaN"),
    ])
  func notFinite(value: Float, words: String) throws {
    let calibrator = Calibrator(ObservationWishes(["x": .range]), threads: 1)
    var values = [Float](repeating: 1, count: 40)
    values[33] = value
    let x = try tensor(values, [40])
    let error = #expect(throws: CalibrationError.self) {
      try calibrator.run(MadeSession(), ["x": x], clip: "jfk.wav")
    }
    let message = try #require(error?.message)
    #expect(message.contains("jfk.wav") && message.contains("'x'") && message.contains(words), "\(message)")
    #expect(message.contains("1 ") && message.contains("40"))
  }

  @Test("A tensor that no run shows is named")
  func missing() throws {
    let calibrator = Calibrator(ObservationWishes(["x": .range, "z": .range, "ids": .range]), threads: 1)
    let ids = TensorContent(
      elementType: .int64, shape: try #require(Shape([1])), bytes: .owned([1, 0, 0, 0, 0, 0, 0, 0]))
    try calibrator.run(MadeSession(), ["x": tensor([1], [1]), "ids": ids], clip: "a")
    let error = #expect(throws: CalibrationError.self) { try calibrator.checkComplete(calibrator.take()) }
    #expect(error?.message.hasPrefix("'ids' and 1 more tensors were to be observed") == true)
  }

  @Test("An observing session gives what its session gives, and every run counts")
  func observingSession() throws {
    let calibrator = Calibrator(ObservationWishes(["x": [.range, .gram]]), threads: 1)
    let session = ObservingSession(MadeSession(), calibrator)
    for turn in 1...3 {
      let x = try tensor([Float(turn), 2], [1, 2])
      #expect(try session.run(["x": x], outputs: ["x"])["x"]?.floats == [Float(turn), 2])
    }
    #expect(calibrator.statistics["x"]?.runCount == 3)
    let matrix = try #require(calibrator.grams["x"])
    #expect(matrix.rowCount == 3 && matrix[0, 0] == 14 && matrix[1, 0] == 12 && matrix[1, 1] == 12)
    #expect(matrix.means == [2, 2])
    #expect(throws: CalibrationError.self) {
      try calibrator.run(MadeSession(), ["x": tensor([1, 2, 3], [1, 3])], clip: "a")
    }
  }

  @Test(
    "A Gram matrix is that of a plain loop, whatever the threads and pieces",
    arguments: [1, 3, 255, 257, 300])
  func gramMatrix(width: Int) {
    var generator = SplitMix64(seed: 62)
    let rows = generator.normalFloats(90 * width)
    let whole = gram(rows, width: width)
    let shared = gram(rows, width: width, threads: 3)
    let pieces = GramMatrix(width: width)
    pieces.add(rows.span.extracting(first: 40 * width), threads: 2)
    pieces.add(rows.span.extracting((40 * width)...), threads: 2)
    for (i, j) in [(0, 0), (0, width - 1), (width - 1, 0), (width / 2, width / 3), (width - 1, width - 1)] {
      let sum = (0..<90).reduce(0.0) { $0 + Double(rows[$1 * width + i]) * Double(rows[$1 * width + j]) }
      #expect(abs(Double(whole[i, j]) - sum) < 1e-3)
      #expect(shared[i, j] == whole[i, j] && whole[i, j] == whole[j, i])
      #expect(abs(pieces[i, j] - whole[i, j]) < 1e-3)
    }
    let mean = stride(from: width / 2, to: rows.count, by: width).reduce(0.0) { $0 + Double(rows[$1]) } / 90
    #expect(abs(Double(whole.means[width / 2]) - mean) < 1e-5 && whole.rowCount == 90)
  }

  @Test("Sweeps keep the limit, the order and every tensor")
  func gramPlan() {
    let one = GramMatrix.byteCount(width: 100)
    let tensors = [("a", 100), ("b", 100), ("c", 300), ("d", 100), ("e", 100)].map {
      (name: $0.0, width: $0.1)
    }
    let plan = GramPlan(tensors, byteLimit: 2 * one)
    #expect(plan.sweeps == [["a", "b"], ["c"], ["d", "e"]])
    #expect(plan.peakByteCount == GramMatrix.byteCount(width: 300))
    #expect(GramPlan(tensors, byteLimit: .max).sweeps.count == 1)
    #expect(GramPlan([], byteLimit: 1).sweeps.isEmpty)
  }

  @Test("The real tiny encoder is observed whole: its output's range is that of its values")
  func tinyEncoder() throws {
    let path = try SharedData.path("whisper-tiny.en/encoder.onnx")
    let graph = try ModelGraph.lift(
      try ModelReader.read(path: path), external: ExternalDataFiles(modelPath: path))
    let session = try CPUBackend.session(graph, options: CPUBackend.Options(threadCount: 2))
    var generator = SplitMix64(seed: 63)
    let input = try #require(session.inputs.first)
    let mel = try tensor(generator.normalFloats(80 * 3000, deviation: 0.3), [1, 80, 3000])
    let output = try #require(session.outputs.first).name
    let calibrator = Calibrator(ObservationWishes([output: .channels, input.name: .range]), threads: 2)
    let result = try calibrator.run(session, [input.name: mel], clip: "noise")
    let seen = calibrator.take()
    try calibrator.checkComplete(seen)
    let values = try #require(result[output]?.floats)
    let found = try #require(seen[output])
    #expect(found.minimum == values.min() && found.maximum == values.max() && found.count == values.count)
    #expect(found.channels?.minima.count == 384)
    #expect(seen[input.name]?.count == 240_000)
  }
}
