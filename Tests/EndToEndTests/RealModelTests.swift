import Foundation
import TestSupport
import Testing

/// Real weights and real speech, from the folder of shared data; the numbers are what the project promises.
@Suite("Real models")
struct RealModelTests {
  private static let clips = ["speech/jfk.wav", "speech/fleurs-pt-001.wav"]

  private struct Accuracy: Decodable {
    struct Row: Decodable {
      let candidate: String
      let clip: String
      let sqnrDb: Double?
    }
    let results: [Row]
  }

  /// SQNR of each candidate on both clips.
  private func accuracy(of candidates: [String], reference: String) throws -> [String: [Double]] {
    let clips = try Self.clips.map { try SharedData.path($0) }
    let output = try PythonOracle.output(
      script: "../../scripts/oracle_accuracy.py",
      arguments: [reference] + candidates + ["--wav"] + clips + ["--json"])
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    var result: [String: [Double]] = [:]
    for row in try decoder.decode(Accuracy.self, from: Data(output.utf8)).results {
      result[row.candidate, default: []].append(try #require(row.sqnrDb, "\(row.candidate): nothing changed"))
    }
    return result
  }

  @Test(
    "The tiny.en encoder keeps the promised accuracy in every scheme, and dynamic-int8 that of ONNX Runtime")
  func encoder() throws {
    let source = try SharedData.path("whisper-tiny.en/encoder.onnx")
    let out = try TemporaryFolder()
    let cases: [(name: String, options: [String], floors: [Double])] = [
      ("dynamic-int8", [], [20.7, 21.9]),
      ("weight-int8", ["--scheme", "weight-int8", "--block-size", "32"], [38.5, 37.3]),
      ("weight-int4", ["--scheme", "weight-int4", "--block-size", "32"], [15.0, 14.2]),
      ("weight-int4-qdq", ["--scheme", "weight-int4", "--format", "qdq"], [15.0, 14.2]),
      // ONNX Runtime runs DequantizeLinear + MatMul with 8-bit activations unless it is told otherwise
      // (session.qdq_matmulnbits_accuracy_level), which costs these weights about 3 dB.
      ("weight-int8-qdq", ["--scheme", "weight-int8", "--format", "qdq"], [36.0, 34.5]),
      ("weight-int8-channel", ["--scheme", "weight-int8", "--per-channel"], [32.0, 31.5]),
      ("fp16", ["--scheme", "fp16"], [60, 60]),
    ]
    for item in cases {
      let result = try Quantized.run(source, out.path(item.name), ["--quiet"] + item.options)
      #expect(result.exitCode == 0, "\(item.name): \(result.stderr)")
    }
    _ = try PythonOracle.output(
      script: "quantize_with_onnxruntime.py", arguments: [source, out.path("onnxruntime")])
    let found = try accuracy(of: (cases.map(\.name) + ["onnxruntime"]).map(out.path), reference: source)
    for item in cases {
      let sqnr = try #require(found[out.path(item.name)])
      for (place, floor) in item.floors.enumerated() {
        #expect(
          sqnr[place] >= floor, "\(item.name) on \(Self.clips[place]): \(sqnr[place]) dB, promised \(floor)")
      }
    }
    let own = try #require(found[out.path("dynamic-int8")])
    let theirs = try #require(found[out.path("onnxruntime")])
    for (place, clip) in Self.clips.enumerated() {
      #expect(own[place] >= theirs[place], "\(clip): \(own[place]) dB, ONNX Runtime \(theirs[place])")
    }
  }

  struct Model: Sendable, CustomTestStringConvertible {
    let path: String
    let floors: [String: Double]
    var testDescription: String { path }
  }

  /// Measured with seeded inputs; the floors are a decibel below.
  static let models: [Model] = [
    Model(
      path: "whisper-tiny.en/whisper-tiny.en-decoder-inputs_embeds.onnx",
      floors: ["dynamic-int8": 33.9, "weight-int8": 43.1, "weight-int4": 17.9, "fp16": 66.7]),
    Model(
      path: "digits/onnx/decoder_model_merged.onnx",
      floors: ["dynamic-int8": 22.9, "weight-int8": 34.3, "weight-int4": 13.7, "fp16": 62.1]),
    Model(
      path: "digits/onnx/decoder_with_past_model.onnx",
      floors: ["dynamic-int8": 33.3, "weight-int8": 40.1, "weight-int4": 17.2, "fp16": 66.0]),
    Model(
      path: "digits/onnx/encoder_model.onnx",
      floors: ["dynamic-int8": 26.5, "weight-int8": 36.7, "weight-int4": 11.7, "fp16": 63.3]),
  ]

  @Test("Decoders with external data and merged decoders are quantized, load and run", arguments: models)
  func decoders(_ model: Model) throws {
    let source = try SharedData.path(model.path)
    let out = try TemporaryFolder()
    let schemes = model.floors.keys.sorted()
    for scheme in schemes {
      let result = try Quantized.run(source, out.path(scheme), ["--quiet", "--scheme", scheme])
      #expect(result.exitCode == 0, "\(scheme): \(result.stderr)")
    }
    let found = try ModelComparison.run(schemes.map { (source, out.path($0)) })
    for (scheme, comparison) in zip(schemes, found) {
      #expect(comparison.error == nil, "\(scheme): \(comparison.error ?? "")")
      let sqnr = comparison.worst ?? 0
      #expect(
        sqnr >= model.floors[scheme] ?? 0, "\(scheme): \(sqnr) dB, at least \(model.floors[scheme] ?? 0)")
      let isQuantized = ["MatMulInteger", "MatMulNBits"].contains { (comparison.operators?[$0] ?? 0) > 0 }
      #expect(isQuantized == (scheme != "fp16"))
    }
  }

  @Test("A set of models keeps its files: models are quantized, sidecars carried, data files rewritten")
  func folder() throws {
    let source = try SharedData.path("whisper-tiny.en")
    let out = try TemporaryFolder()
    let result = try Quantized.run(source, out.path("q"), ["--json"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(try QuantizeDocument(result).carriedFiles == [])
    let names = try FileManager.default.contentsOfDirectory(atPath: out.path("q")).sorted()
    #expect(names == ["encoder.onnx", "whisper-tiny.en-decoder-inputs_embeds.onnx"])
  }
}

@Suite("Integers and scales, bit for bit")
struct BitExactnessTests {
  struct Settings: Sendable, CustomTestStringConvertible {
    let options: [String]
    /// How the weights of MatMul must have been compared.
    let kind: String
    var testDescription: String { options.isEmpty ? "dynamic-int8" : options.joined(separator: " ") }
  }

  static let settings: [Settings] = [
    Settings(options: [], kind: "channel"),
    Settings(options: ["--scheme", "weight-int8", "--per-channel"], kind: "channel"),
    Settings(options: ["--scheme", "weight-int8", "--format", "qdq"], kind: "block"),
    Settings(options: ["--scheme", "weight-int8", "--format", "qdq", "--block-size", "128"], kind: "block"),
    Settings(options: ["--scheme", "weight-int8"], kind: "matmul-nbits"),
    Settings(options: ["--scheme", "weight-int8", "--block-size", "16"], kind: "matmul-nbits"),
  ]

  private func check(_ sources: [(path: String, count: Int)], _ settings: Settings) throws {
    let out = try TemporaryFolder()
    var pairs: [(source: String, candidate: String)] = []
    for (index, source) in sources.enumerated() {
      let output = out.path("\(index).onnx")
      let options = ["--minimum-elements", "0", "--conv", "always", "--range", "maximum", "--quiet"]
      let result = try Quantized.run(source.path, output, options + settings.options)
      #expect(result.exitCode == 0, "\(source.path): \(result.stderr)")
      pairs.append((source.path, output))
    }
    for (source, found) in zip(sources, try IntegerComparison.run(pairs)) {
      #expect(found.error == nil, "\(source.path): \(found.error ?? "")")
      #expect(found.compared?.count == source.count, "\(source.path)")
      // The encoder of Qualcomm AI Hub's form has only convolutions, which have no blocks in the contrib format.
      let kind = source.path.contains("aihub") && settings.kind == "matmul-nbits" ? "channel" : settings.kind
      #expect(found.compared?.values.contains(kind) == true, "\(source.path)")
    }
  }

  @Test("The real tiny.en encoder: 24 MatMul weights and two convolutions", arguments: settings)
  func encoder(_ settings: Settings) throws {
    try check([(SharedData.path("whisper-tiny.en/encoder.onnx"), 26)], settings)
  }

  @Test(
    "Small layouts: float32, float16 and bfloat16 sources, tables, transposed weights",
    arguments: settings.filter { !$0.options.contains("128") })
  func layouts(_ settings: Settings) throws {
    try check(
      [
        (Quantized.layout("optimum/decoder_model.onnx"), 22),
        (Quantized.layout("optimum/encoder_model.onnx"), 14),
        (Quantized.layout("dynamo/decoder_model.onnx"), 21),
        (Quantized.layout("fp16/encoder_model_fp16.onnx"), 14),
        (Quantized.layout("fp16/encoder_model_bf16.onnx"), 14),
        (Quantized.layout("aihub/HfWhisperEncoder.onnx"), 28),
      ], settings)
  }
}
