import Foundation
import TestSupport
import Testing

/// The JSON of one inspected model, with the keys that the help documents.
struct Inspected: Decodable {
  struct Identity: Decodable {
    let layout: String
    let part: String
    let size: String?
    let mels: Int?
    let staticShapes: Bool
  }
  struct Port: Decodable {
    let name: String
    let type: String?
  }
  struct Named: Decodable {
    let name: String
    let count: Int
  }
  struct Quantization: Decodable {
    let scheme: String
    let linearLayers: Int
    let quantizedLayers: Int
  }
  struct Weights: Decodable {
    struct Tensor: Decodable {
      let name: String
      let shape: [Int]
      let users: [String]
      let location: String?
    }
    let tensors: Int
    let elements: Int
    let bytes: Int
    let largest: [Tensor]
  }
  struct DataFile: Decodable {
    let location: String
    let kind: String
    let bytes: Int?
    let usedBytes: Int
    let trailingBytes: Int
    let tensors: Int
    let brokenTensors: Int
  }
  struct Node: Decodable {
    let inputs: [String]
    let outputs: [String]
  }
  let path: String
  let modelBytes: Int
  let totalBytes: Int
  let identity: Identity
  let inputs: [Port]
  let operators: [Named]
  let weights: Weights
  let quantization: Quantization
  let dataFiles: [DataFile]
  let nodes: [Node]?
  let problems: [String]
  let notes: [String]

  private struct Document: Decodable {
    let models: [Inspected]
  }

  /// The models in a document.
  static func models(_ result: SpawnResult) throws -> [Inspected] {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Document.self, from: Data(result.stdoutBytes)).models
  }

  /// Inspects one path with `--json` and expects one model.
  static func one(_ path: String, _ options: [String] = []) throws -> (model: Inspected, exitCode: Int32?) {
    let result = try WhisperQBinary.run(["inspect", "--json", path] + options)
    #expect(result.stderr.isEmpty)
    let models = try models(result)
    try #require(models.count == 1)
    return (models[0], result.exitCode)
  }

  static func resource(_ name: String) -> String { PackageRoot.path("Tests/Resources/layouts/" + name) }
}

@Suite("whisperq inspect: reports")
struct InspectTests {
  @Test("The text names model, layout, dimensions and weights, and the exit code is 0")
  func text() throws {
    let result = try WhisperQBinary.run(["inspect", Inspected.resource("sherpa/small-decoder.onnx")])
    #expect(result.exitCode == 0)
    #expect(result.stderr.isEmpty)
    for words in [
      "Whisper custom decoder with past", "sherpa-onnx",
      "width 16, 2 decoder layers, 2 heads of 8, 320 tokens",
      "cache of 448 positions", "fp32, 0 of 17 linear layers quantized", "in_n_layer_self_k_cache",
      "[2, n_audio, 448, 16]",
    ] {
      #expect(result.stdout.contains(words), "'\(words)' is missing")
    }
    #expect(!result.stdout.contains("problems"))
    #expect(!result.stdout.split(separator: "\n").contains { $0.hasSuffix(" ") })
  }

  @Test("JSON has the documented keys and the same bytes each time")
  func json() throws {
    let path = Inspected.resource("aihub/HfWhisperEncoder.onnx")
    let (model, exitCode) = try Inspected.one(path)
    #expect(exitCode == 0)
    #expect(model.path == path)
    #expect(model.modelBytes == model.totalBytes)
    #expect(model.identity.layout == "qualcomm-ai-hub")
    #expect(model.identity.part == "encoder")
    #expect(model.identity.staticShapes)
    #expect(model.inputs.map(\.name) == ["input_features"])
    #expect(model.inputs.map(\.type) == ["float"])
    #expect(model.operators.first { $0.name == "Conv" }?.count == 28)
    #expect(model.weights.largest.count == 10)
    #expect(model.nodes == nil)
    let first = try WhisperQBinary.run(["inspect", "--json", path])
    let second = try WhisperQBinary.run(["inspect", "--json", path])
    #expect(first.stdoutBytes == second.stdoutBytes)
  }

  @Test("--weights and --nodes list everything")
  func everything() throws {
    let (model, _) = try Inspected.one(
      Inspected.resource("optimum/decoder_model_merged.onnx"), ["--weights", "--nodes"])
    #expect(model.weights.largest.count == model.weights.tensors)
    #expect(model.nodes?.count == model.operators.reduce(0) { $0 + $1.count })
    let embedding = model.weights.largest.first { $0.name.hasPrefix("model.decoder.embed_tokens.weight") }
    #expect(embedding?.shape == [320, 32])
    #expect(embedding?.users == ["Gather"])
  }

  @Test(
    "Weights of half precision are told apart",
    arguments: [
      ("fp16/encoder_model_fp16.onnx", "fp16"), ("fp16/encoder_model_bf16.onnx", "bf16"),
      ("optimum/encoder_model.onnx", "fp32"),
    ])
  func precision(file: String, scheme: String) throws {
    let (model, _) = try Inspected.one(Inspected.resource(file))
    #expect(model.quantization.scheme == scheme)
    #expect(model.quantization.quantizedLayers == 0)
  }

  @Test("A folder stands for the models in it and below it, in the order of their names")
  func folder() throws {
    let result = try WhisperQBinary.run([
      "inspect", "--json", Inspected.resource("sherpa"), Inspected.resource("aihub"),
    ])
    #expect(result.exitCode == 0)
    let parts = try Inspected.models(result).map { $0.identity.layout + " " + $0.identity.part }
    #expect(
      parts == [
        "sherpa-onnx decoder-with-past", "sherpa-onnx encoder", "qualcomm-ai-hub decoder-with-past",
        "qualcomm-ai-hub encoder",
      ])
  }

  @Test("A file that is no model does not keep the others from being inspected")
  func failures() throws {
    let folder = try TemporaryFolder()
    let bytes = try Data(contentsOf: URL(filePath: Inspected.resource("sherpa/small-encoder.onnx")))
    try folder.write(Array("version https://git-lfs.github.com/spec/v1\n".utf8), to: "a.onnx")
    try folder.write(bytes, to: "b/c.onnx")
    let result = try WhisperQBinary.run(["inspect", "--json", folder.path])
    #expect(result.exitCode == 2)
    #expect(result.stderr.contains("a.onnx: this is no ONNX model but a Git LFS pointer"))
    #expect(try Inspected.models(result).map(\.identity.part) == ["encoder"])
  }

  @Test("A path that leads nowhere is an input/output error, a folder without models bad input")
  func nothing() throws {
    let folder = try TemporaryFolder()
    let missing = try WhisperQBinary.run(["inspect", folder.path("none.onnx")])
    #expect(missing.exitCode == 4)
    #expect(missing.stdout.isEmpty)
    #expect(missing.stderr.contains("there is no such file"))
    let empty = try WhisperQBinary.run(["inspect", folder.path])
    #expect(empty.exitCode == 2)
    #expect(empty.stdout.isEmpty)
  }

  @Test("Names in a model cannot drive the terminal", arguments: [[], ["--json"], ["--nodes", "--weights"]])
  func hostileNames(options: [String]) throws {
    let folder = try TemporaryFolder()
    var model = HandMadeModel()
    let name = "\u{1B}[2J\u{1B}]0;owned\u{7}\r\n\u{202E}x\u{9B}1m"
    model.input(name)
    model.initializer("w" + name, type: 1, [2, 2], byteCount: 16)
    model.initializer("lost" + name, type: 1, [1], byteCount: 0, external: (name, "0", "4"))
    model.node("Op" + name, [name, "w" + name], ["y" + name], domain: name, texts: [(name, name)])
    model.output("y" + name)
    let result = try WhisperQBinary.run(["inspect", folder.write(model.bytes, to: "m.onnx")] + options)
    #expect(result.exitCode == 2)
    #expect(result.stdout.contains("owned"))
    let controls = (result.stdout + result.stderr).unicodeScalars.filter {
      ($0.value < 0x20 && $0 != "\n") || (0x7F...0x9F).contains($0.value) || $0.value == 0x202E
    }
    #expect(controls.isEmpty)
  }
}

@Suite("whisperq inspect: quantization")
struct InspectQuantizationTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let scheme: String
    let build: @Sendable (inout HandMadeModel) -> Void
    var testDescription: String { scheme }
  }

  /// ONNX's numbers of element types.
  private static let (float, uint8, int8, uint16, int32, float16, int4) = (1, 2, 3, 4, 6, 10, 22)

  static let cases: [Case] = [
    Case(scheme: "fp32") { model in
      model.initializer("w", type: float, [4, 8], byteCount: 128)
      model.node("MatMul", ["x", "w"], ["y"])
    },
    Case(scheme: "dynamic-int8") { model in
      model.initializer("w", type: int8, [4, 8], byteCount: 32)
      model.node("DynamicQuantizeLinear", ["x"], ["q", "s", "z"])
      model.node("MatMulInteger", ["q", "w", "z"], ["y"])
    },
    Case(scheme: "weight-int4") { model in
      model.initializer("w", type: uint8, [8, 1, 8], byteCount: 64)
      model.node(
        "MatMulNBits", ["x", "w"], ["y"], domain: "com.microsoft",
        integers: [("K", 16), ("N", 8), ("bits", 4)])
    },
    Case(scheme: "weight-int8") { model in
      model.initializer("w", type: int8, [4, 8], byteCount: 32)
      model.initializer("s", type: float, [8], byteCount: 32)
      model.node("DequantizeLinear", ["w", "s"], ["f"])
      model.node("MatMul", ["x", "f"], ["y"])
    },
    Case(scheme: "w8a16") { model in
      quantizeDequantize(&model, weight: int8, byteCount: 32, activation: uint16)
    },
    Case(scheme: "w8a8") { model in quantizeDequantize(&model, weight: int8, byteCount: 32, activation: uint8)
    },
    Case(scheme: "w4a16") { model in
      quantizeDequantize(&model, weight: int4, byteCount: 16, activation: uint16)
    },
    Case(scheme: "w8a8") { model in
      model.initializer("w", type: int8, [4, 8], byteCount: 32)
      model.node("QLinearMatMul", ["x", "", "", "w"], ["y"])
    },
    Case(scheme: "none") { model in model.node("Relu", ["x"], ["y"]) },
  ]

  private static func quantizeDequantize(
    _ model: inout HandMadeModel, weight: Int, byteCount: Int, activation: Int
  ) {
    model.initializer("w", type: weight, [4, 8], byteCount: byteCount)
    model.initializer("s", type: float, [], byteCount: 4)
    model.initializer("z", type: activation, [], byteCount: activation == uint16 ? 2 : 1)
    // A large table of another type is no weight of a layer.
    model.initializer("table", type: uint16, [100, 4], byteCount: 800)
    model.node("DequantizeLinear", ["table", "s"], ["rows"])
    model.node("QuantizeLinear", ["x", "s", "z"], ["q"])
    model.node("DequantizeLinear", ["q", "s", "z"], ["a"])
    model.node("DequantizeLinear", ["w", "s"], ["f"])
    model.node("MatMul", ["a", "f"], ["y"])
  }

  @Test("The scheme is read from operators and types", arguments: cases)
  func scheme(_ example: Case) throws {
    let folder = try TemporaryFolder()
    var model = HandMadeModel()
    model.input("x")
    example.build(&model)
    model.output("y")
    let (found, exitCode) = try Inspected.one(folder.write(model.bytes, to: "m.onnx"))
    #expect(exitCode == 0)
    #expect(found.quantization.scheme == example.scheme)
    let isFloat = ["fp32", "none"].contains(example.scheme)
    #expect(found.quantization.quantizedLayers == (isFloat ? 0 : 1))
  }

  @Test("A compiled package names its program, which must be there")
  func compiled() throws {
    let folder = try TemporaryFolder()
    var model = HandMadeModel()
    model.input("x")
    model.node(
      "EPContext", ["x"], ["y"], domain: "com.microsoft", integers: [("embed_mode", 0), ("main_context", 1)],
      texts: [("ep_cache_context", "m_qnn.bin")])
    model.output("y")
    let path = try folder.write(model.bytes, to: "m.onnx")
    let (lost, lostCode) = try Inspected.one(path)
    #expect(lostCode == 2)
    #expect(lost.problems.count == 1)
    #expect(lost.identity.layout == "ep-context")
    try folder.write([1, 2, 3], to: "m_qnn.bin")
    let (whole, wholeCode) = try Inspected.one(path)
    #expect(wholeCode == 0)
    #expect(whole.quantization.scheme == "compiled")
    #expect(whole.dataFiles.map(\.kind) == ["compiled-program"])
    #expect(whole.dataFiles.map(\.bytes) == [3])
    #expect(whole.totalBytes == whole.modelBytes + 3)
  }
}
