import Foundation
import TestSupport
import Testing

@Suite("Every layout in every scheme")
struct LayoutTests {
  @Test("The table of floors has every model of the layouts")
  func complete() throws {
    #expect(try Set(Quantized.layouts()) == Set(LayoutFloors.models.keys))
  }

  /// One quantized layout to be judged.
  private struct Candidate {
    let label: String
    let source: String
    let path: String
    let expected: LayoutFloors.Expectation
  }

  private static let partCount = 3

  @Test(
    "The checker accepts each result, ONNX Runtime runs it, and it is as exact as it was measured",
    arguments: 0..<partCount)
  func schemes(part: Int) throws {
    let out = try TemporaryFolder()
    var candidates: [Candidate] = []
    // Parts of the list, because starting Python costs more than comparing; the columns of a model follow each
    // other, because the oracle remembers what the source computes.
    for (place, name) in try Quantized.layouts().enumerated() where place % Self.partCount == part {
      for column in LayoutFloors.columns {
        let candidate = Candidate(
          label: "\(name), \(column)", source: Quantized.layout(name),
          path: out.path("\(column.place)/\(name)"),
          expected: try #require(LayoutFloors.models[name]?[column.place]))
        if try quantize(candidate, column) { candidates.append(candidate) }
      }
    }
    #expect(candidates.count > 40)
    let comparisons = try ModelComparison.run(candidates.map { ($0.source, $0.path) })
    for (candidate, found) in zip(candidates, comparisons) {
      if let error = found.error {
        Issue.record("\(candidate.label): \(error)")
      } else if case .above(let measured) = candidate.expected {
        let sqnr = try #require(found.worst, "\(candidate.label): nothing changed")
        #expect(
          sqnr >= measured - LayoutFloors.margin, "\(candidate.label): \(sqnr) dB, measured \(measured)")
      }
    }
  }

  /// Whether there is a result to compare.
  private func quantize(_ candidate: Candidate, _ column: LayoutFloors.Column) throws -> Bool {
    let result = try Quantized.run(
      candidate.source, candidate.path, ["--minimum-elements", "0", "--quiet"] + column.options)
    if case .refused(let words) = candidate.expected {
      expectFailure(result, exitCode: 3, candidate.source, words)
      #expect(!FileManager.default.fileExists(atPath: candidate.path))
      return false
    }
    #expect(result.exitCode == 0 && result.stderr.isEmpty, "\(candidate.label): \(result.stderr)")
    return result.exitCode == 0
  }

  @Test("Convolutions are quantized on demand, and the result is sorted and runs")
  func convolutions() throws {
    let out = try TemporaryFolder()
    var pairs: [(source: String, candidate: String)] = []
    for name in ["aihub/HfWhisperEncoder.onnx", "aihub/HfWhisperDecoder.onnx", "optimum/encoder_model.onnx"] {
      let result = try Quantized.run(
        Quantized.layout(name), out.path(name), ["--conv", "always", "--minimum-elements", "0"])
      #expect(result.exitCode == 0, "\(name): \(result.stderr)")
      pairs.append((Quantized.layout(name), out.path(name)))
    }
    for (pair, found) in zip(pairs, try ModelComparison.run(pairs)) {
      #expect(found.error == nil, "\(pair.source): \(found.error ?? "")")
      #expect((found.operators?["ConvInteger"] ?? 0) > 0)
      #expect((found.worst ?? 0) > 20, "\(pair.source)")
    }
  }

  @Test(
    "An activation that several nodes take is quantized before the first of them, whatever the order of weights",
    arguments: [["a", "b"], ["b", "a"]])
  func sharedActivation(weights: [String]) throws {
    let folder = try TemporaryFolder()
    var model = HandMadeModel()
    model.input("x", [4, 64])
    for name in weights {
      model.initializer(name, [64, 32], floats: (0..<2048).map { Float(($0 * 37) % 201 - 100) / 64 })
    }
    model.node("Relu", ["x"], ["r"])
    model.node("MatMul", ["r", "a"], ["y"])
    model.node("MatMul", ["r", "b"], ["z"])
    model.output("y", [4, 32])
    model.output("z", [4, 32])
    let path = try folder.write(model.bytes, to: "model.onnx")
    #expect(try Quantized.run(path, folder.path("out.onnx")).exitCode == 0)
    let found = try ModelComparison.run(path, folder.path("out.onnx"))
    #expect(found.error == nil, "\(found.error ?? "")")
    #expect(found.operators?["DynamicQuantizeLinear"] == 1)
    #expect(found.operators?["MatMulInteger"] == 2)
  }

  @Test(
    "In a merged decoder every MatMul with a weight is quantized in both branches, and shared weights stay shared"
  )
  func mergedDecoder() throws {
    let folder = try TemporaryFolder()
    let source = Quantized.layout("optimum/decoder_model_merged.onnx")
    let result = try Quantized.run(source, folder.path("out.onnx"), ["--minimum-elements", "0", "--json"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    let found = try ModelComparison.run(source, folder.path("out.onnx"))
    // Two layers: the first branch has 21 weights, one of them the embedding's twin; the second, which takes keys
    // and values of the encoder from the cache, 17. Each branch has two products of activations per attention.
    #expect(found.operators?["MatMulInteger"] == 21 + 17)
    #expect(found.operators?["MatMul"] == 2 * 8)
    let report = try #require(QuantizeDocument(result).models.first)
    let groups = try #require(report.quantized)
    #expect(groups.filter { $0.role == "matmul" }.map(\.weights) == [20])
    #expect(groups.filter { $0.role == "tied-embedding" }.map(\.weights) == [1])
    // ONNX Runtime's own tool does not look into the branches.
    let own = try PythonOracle.output(
      script: "quantize_with_onnxruntime.py", arguments: [source, folder.path("ort.onnx")])
    let counts = try JSONDecoder().decode([String: Int].self, from: Data(own.utf8))
    #expect(counts["MatMulInteger"] == nil)
    #expect(counts["MatMul"] == 54)
    // Each integer weight is there once, for both branches: weights take as many bytes as the report says, and
    // the rest of the file is nodes.
    let (inspected, _) = try Inspected.one(folder.path("out.onnx"), ["--weights"])
    #expect(inspected.weights.largest.filter { $0.name.hasSuffix("_quantized") }.count == 20 + 2)
    let reported = groups.reduce(0) { $0 + $1.bytesAfter } + (report.left ?? []).reduce(0) { $0 + $1.bytes }
    #expect(
      inspected.weights.bytes < reported + 8000, "\(inspected.weights.bytes) bytes, reported \(reported)")
  }

  @Test(
    "A tied embedding is stored once, also when the export stores it twice",
    arguments: ["dynamic-int8", "weight-int8", "weight-int4"], ["contrib", "qdq"])
  func tiedEmbedding(scheme: String, format: String) throws {
    let folder = try TemporaryFolder()
    // Optimum stores the table of 320 x 32 a second time, transposed; 40,960 bytes each.
    let source = Quantized.layout("optimum/decoder_model.onnx")
    let result = try Quantized.run(
      source, folder.path("out.onnx"), ["--json", "--scheme", scheme, "--format", format])
    #expect(result.exitCode == 0, "\(result.stderr)")
    let report = try #require(QuantizeDocument(result).models.first)
    let tied = try #require(report.quantized?.first { $0.role == "tied-embedding" })
    #expect(tied.weights == 1)
    #expect(tied.bytesBefore == 2 * 320 * 32 * 4)
    // For each row a scale and a zero point, and a scale for the product.
    #expect(tied.bytesAfter <= 320 * 32 + 320 * 9)
    let (inspected, _) = try Inspected.one(folder.path("out.onnx"), ["--weights"])
    let tables = inspected.weights.largest.filter { $0.shape.reduce(1, *) == 320 * 32 }
    #expect(tables.count == 1, "\(tables.map(\.name))")
    let found = try ModelComparison.run(source, folder.path("out.onnx"))
    #expect(found.error == nil, "\(found.error ?? "")")
    #expect((found.worst ?? 0) > (scheme == "weight-int4" ? 6 : 25), "\(found.worst ?? 0) dB")
  }

  @Test("A table that the exporter shares between Gather and logits stays one table")
  func sharedTable() throws {
    let folder = try TemporaryFolder()
    let source = Quantized.layout("dynamo/decoder_model.onnx")
    for scheme in ["dynamic-int8", "weight-int8", "weight-int4"] {
      let output = folder.path(scheme + ".onnx")
      #expect(
        try Quantized.run(source, output, ["--minimum-elements", "0", "--scheme", scheme]).exitCode == 0)
      let (inspected, _) = try Inspected.one(output, ["--weights"])
      let tables = inspected.weights.largest.filter { $0.shape.reduce(1, *) == 320 * 32 }
      #expect(tables.count == 1, "\(scheme): \(tables.map(\.name))")
    }
  }
}
