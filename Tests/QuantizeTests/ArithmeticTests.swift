import Foundation
import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

@Suite("The arithmetic of weights")
struct ArithmeticTests {
  let bench: QuantizeBench
  init() throws { bench = try QuantizeBench() }

  /// Several tiles of every kind: of 2^18 elements by channel, of 2^20 or 2^22 by block; and odd numbers of columns
  /// and of elements behind the last block.
  private static let largeSource = Result { try SourceModel(model(2100, 2051)) }

  /// A MatMul [K, N], a Gemm [N, K] and a gathered table; `change` may spoil the first.
  private static func model(
    _ k: Int = 96, _ n: Int = 41, change: (inout [Float]) -> Void = { _ in }
  ) -> ModelProto {
    var model = ModelProto.sketch()
    model.input("x", [3, k])
    model.input("i", .int64, [3])
    var first = weights(k * n)
    change(&first)
    model.floats("w", first, [k, n])
    model.floats("g", weights(k * n, seed: 2), [n, k])
    let rows = min(n, 200)
    model.floats("table", weights(k * rows, seed: 3), [rows, k])
    model.node("MatMul", ["x", "w"], ["y0"])
    model.node("Gemm", ["x", "g"], ["y1"], [.int("transB", 1)])
    model.node("Gather", ["table", "i"], ["y2"])
    model.output("y0", [3, n])
    model.output("y1", [3, n])
    model.output("y2", [3, k])
    return model
  }

  struct Setting: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let change: @Sendable (inout QuantPolicy) -> Void

    init(_ name: String, _ change: @escaping @Sendable (inout QuantPolicy) -> Void) {
      testDescription = name
      self.change = change
    }
  }

  static let settings = [
    Setting("dynamic channel") { _ in },
    Setting("dynamic tensor") { $0.granularity = .tensor },
    Setting("dynamic least squares") { $0.range = .leastSquares },
    Setting("dynamic tensor least squares") { ($0.range, $0.granularity) = (.leastSquares, .tensor) },
    Setting("int8 blocks") { $0.scheme = .weightInt8 },
    Setting("int4 blocks") { $0.scheme = .weightInt4 },
    Setting("int4 blocks with zero points") { ($0.scheme, $0.symmetric) = (.weightInt4, false) },
    Setting("int4 qdq blocks with zero points") {
      ($0.scheme, $0.symmetric, $0.format) = (.weightInt4, false, .qdq)
    },
    Setting("int8 qdq blocks with zero points") {
      ($0.scheme, $0.symmetric, $0.format) = (.weightInt8, false, .qdq)
    },
    Setting("int4 channels") { ($0.scheme, $0.granularity) = (.weightInt4, .channel) },
    Setting("fp16") { $0.scheme = .fp16 },
  ]

  @Test("one thread or four, alone or together on every weight: the same bytes", arguments: settings)
  func threads(_ setting: Setting) throws {
    let source = try Self.largeSource.get()
    let one = try bench.quantize(source, threads: 1, setting.change)
    let expected = try bytes(one)
    for (threads, sharedByteCount) in [(4, Int.max), (4, 0), (1, 0)] {
      let other = try bench.quantize(
        source, threads: threads, sharedByteCount: sharedByteCount, setting.change)
      #expect(try bytes(other) == expected)
      #expect(other.outcomes.map(\.name) == one.outcomes.map(\.name))
      #expect(other.outcomes.map(\.error) == one.outcomes.map(\.error))
      #expect(other.outcomes.map(\.signal) == one.outcomes.map(\.signal))
    }
  }

  private func bytes(_ model: QuantizedModel) throws -> Data {
    try Data(contentsOf: URL(filePath: model.path))
  }

  @Test("a weight of more than one tile is QuantizeLinear's, in every form")
  func largeWeights() throws {
    var oracle = Oracle()
    let model = try Self.largeSource.get()
    let channel = try bench.quantize(model, threads: 2, sharedByteCount: 0)
    oracle.ask(
      "channels", channel, sqnr: 30,
      [.linear("w", axis: 1), .linear("g", axis: 0), .linear("table", axis: 0)])
    let blocks = try bench.quantize(model, threads: 2, sharedByteCount: 0) {
      ($0.scheme, $0.symmetric, $0.range) = (.weightInt4, false, .maximum)
    }
    oracle.ask(
      "MatMulNBits", blocks, sqnr: 12,
      [.blocks("w", bits: 4, 32), .blocks("g", bits: 4, 32, transposed: true)])
    let qdq = try bench.quantize(model, threads: 2, sharedByteCount: 0) {
      ($0.scheme, $0.symmetric, $0.format, $0.range) = (.weightInt4, false, .qdq, .maximum)
    }
    oracle.ask(
      "blocked DequantizeLinear", qdq, sqnr: 12,
      [.linear("w", axis: 0, block: 32, .free), .linear("g", axis: 1, block: 32, .free)])
    try oracle.answers()
  }

  @Test("what the plan and the outcome say of bytes is what is written", arguments: settings)
  func byteCounts(_ setting: Setting) throws {
    for (k, n) in [(96, 41), (100, 7)] {
      let result = try bench.quantize(Self.model(k, n), setting.change)
      let made = result.graph.allInitializers.filter { value in
        !["_axes", "_middle", "_row_length", "_shape"].contains { result.graph[value].name.hasSuffix($0) }
      }
      for entry in result.plan.entries {
        let parts = made.filter {
          let name = result.graph[$0].name
          return name == entry.weight || name.hasPrefix(entry.weight + "_")
        }
        let written = parts.reduce(0) { $0 + (result.graph[$1].initializer?.content?.bytes.byteCount ?? 0) }
        #expect(entry.bytesAfter == written, "\(entry.weight) \(k)x\(n)")
        let outcome = try #require(result.outcomes.first { $0.name == entry.weight })
        #expect(outcome.bytesAfter == written && outcome.bytesBefore == entry.bytesBefore)
      }
    }
  }

  @Test("bytes of a table with its logits, in every scheme")
  func tiedByteCounts() throws {
    var tied = ModelProto.sketch()
    tied.input("i", .int64, [3])
    tied.input("q", [3, 32])
    tied.floats("table", weights(200 * 32), [200, 32])
    tied.node("Gather", ["table", "i"], ["e"])
    tied.node("Transpose", ["table"], ["t"])
    tied.node("MatMul", ["q", "t"], ["z"])
    tied.output("e", [3, 32])
    tied.output("z", [3, 200])
    for (scheme, format) in [
      (Scheme.dynamicInt8, BlockOperator.contrib), (.weightInt8, .contrib), (.weightInt8, .qdq),
    ] {
      let result = try bench.quantize(tied) { ($0.scheme, $0.format) = (scheme, format) }
      let parts = result.graph.allInitializers.filter { result.graph[$0].name.hasPrefix("table_") }
      let written = parts.reduce(0) { $0 + (result.graph[$1].initializer?.content?.bytes.byteCount ?? 0) }
      #expect(result.plan.entries[0].bytesAfter == written, "\(scheme) \(format)")
      #expect(result.outcomes[0].bytesAfter == written, "\(scheme) \(format)")
    }
  }

  @Test("zero rows and columns get the scale 1, and zero integers")
  func zeros() throws {
    var oracle = Oracle()
    var model = Self.model(64, 8) { values in
      for row in 0..<64 {
        values[row * 8 + 3] = 0
        values[row * 8 + 5] = row % 2 == 0 ? -0.0 : .leastNonzeroMagnitude
      }
    }
    // The second row of the Gemm's weight and of the table.
    for place in [1, 2] {
      var bytes = try #require(model.graph?.initializer[place].rawData).copied()
      for index in (64 * 4)..<(2 * 64 * 4) { bytes[index] = 0 }
      model.graph?.initializer[place].rawData = .owned(bytes)
    }
    let dynamic = try bench.quantize(model)
    oracle.ask(
      "channels", dynamic, sqnr: 30,
      [.linear("w", axis: 1), .linear("g", axis: 0), .linear("table", axis: 0)])
    let blocks = try bench.quantize(model) { ($0.scheme, $0.format) = (.weightInt8, .qdq) }
    oracle.ask(
      "blocks", blocks, sqnr: 30, [.linear("w", axis: 0, block: 32), .linear("g", axis: 1, block: 32)])
    for scheme in [Scheme.weightInt8, .weightInt4] {
      let nBits = try bench.quantize(model) { $0.scheme = scheme }
      let bits = scheme == .weightInt8 ? 8 : 4
      oracle.ask(
        "MatMulNBits \(bits)", nBits, sqnr: 12,
        [.blocks("w", bits: bits, 32), .blocks("g", bits: bits, 32, transposed: true)])
    }
    let verdicts = try oracle.answers()
    #expect(verdicts[0].scales["w"]?[3] == 1)
    #expect(verdicts[0].scales["g"]?[1] == 1)
    #expect(verdicts[0].scales["table"]?[1] == 1)
    #expect(verdicts[1].scales["w"]?[3] == 1)
    for verdict in verdicts { #expect(verdict.scales.values.joined().allSatisfy { $0 != 0 && $0.isFinite }) }
  }

  @Test("NaN and infinity are errors that name the weight and the element", arguments: settings.dropLast())
  func notFinite(_ setting: Setting) throws {
    for (place, value) in [(0, Float.nan), (41 * 96 - 1, .infinity), (1234, -.infinity)] {
      for threads in [1, 3] {
        let error = #expect(throws: QuantizeError.self) {
          _ = try bench.quantize(
            Self.model(change: { $0[place] = value }), threads: threads,
            sharedByteCount: threads == 1 ? nil : 0, setting.change)
        }
        guard case .notFinite("w", elementIndex: let index, value: let found)? = error?.reason else {
          Issue.record("\(String(describing: error))")
          continue
        }
        #expect(index == place)
        #expect(found.isNaN ? value.isNaN : found == value)
        let message = error?.message ?? ""
        #expect(message.contains("holds \(value.isNaN ? "NaN" : "infinity") at element \(place),"))
      }
    }
  }

  @Test("the first of several bad elements is named, whatever tile and thread finds one")
  func firstBadElement() throws {
    let places = [900_000, 300_001, 700_000, 1_000_000]
    for _ in 0..<3 {
      let error = #expect(throws: QuantizeError.self) {
        _ = try bench.quantize(
          Self.model(1030, 1000, change: { values in for place in places { values[place] = .nan } }),
          threads: 4, sharedByteCount: 0)
      }
      guard case .notFinite("w", elementIndex: 300_001, value: _)? = error?.reason else {
        Issue.record("\(String(describing: error))")
        return
      }
    }
    // Nothing is left of what was begun.
    #expect(try bench.folder.names().isEmpty)
  }

  @Test("SQNR is that of the integers which are written")
  func sqnr() throws {
    let result = try bench.quantize(Self.model())
    let source = try SourceModel(Self.model()).graph
    let weight = try #require(source.value("w"))
    let floats = try #require(source.constantContent(of: weight)?.floats)
    let scales = try #require(result.content("w_scale").floats)
    let integers = try #require(result.content("w_quantized").integers)
    var signal = 0.0
    var noise = 0.0
    for (place, value) in floats.enumerated() {
      let error = Double(value) - Double(integers[place]) * Double(scales[place % 41])
      signal += Double(value) * Double(value)
      noise += error * error
    }
    let outcome = try #require(result.outcomes.first { $0.name == "w" })
    #expect(abs(outcome.signal / signal - 1) < 1e-4)
    #expect(abs(outcome.error / noise - 1) < 1e-3)
    #expect(outcome.sqnr > 40 && outcome.sqnr < 50)
  }
}
