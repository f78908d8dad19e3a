import Foundation
import TestSupport
import Testing

/// What ONNX Runtime says about a prepared model beside its source.
struct PreparedComparison: Decodable {
  let error: String?
  /// The largest difference relative to an output's largest value.
  let worst: Double?
  let operators: [String: Int]?
  /// Values whose shape the model does not say.
  let open: [String]?

  static func run(_ pairs: [(source: String, prepared: String)]) throws -> [PreparedComparison] {
    let request = try JSONEncoder().encode(pairs.map { [$0.source, $0.prepared] })
    let answer = try PythonOracle.output(script: "compare_prepared.py", stdin: [UInt8](request))
    return try JSONDecoder().decode([PreparedComparison].self, from: Data(answer.utf8))
  }
}

@Suite("whisperq prepare")
struct PrepareTests {
  /// The document that `prepare --json` prints.
  private struct Document: Decodable {
    struct Pass: Decodable {
      let name: String
      let changes: Int
      let notes: [String]
    }
    let output: String
    let seconds: Double
    let inputs: [String]
    let operatorsBefore: [String: Int]
    let operatorsAfter: [String: Int]
    let passes: [Pass]
  }

  private static func prepare(
    _ source: String, _ output: String, _ options: [String] = []
  ) throws -> SpawnResult {
    try WhisperQBinary.run(["prepare", source, "-o", output, "--quiet"] + options)
  }

  private static func document(_ result: SpawnResult) throws -> Document {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    return try decoder.decode(Document.self, from: Data(result.stdoutBytes))
  }

  /// A model, how it is prepared, and what must be there afterwards.
  private static let layouts: [(model: String, options: [String], counts: [String: Int])] = [
    ("optimum/encoder_model.onnx", [], ["Gemm": 12, "Gelu": 4, "MatMul": 4]),
    ("torchscript/encoder_model.onnx", [], ["Gemm": 12, "Gelu": 4, "MatMul": 4]),
    ("dynamo/encoder_model.onnx", [], ["Gemm": 12, "Gelu": 4, "MatMul": 4]),
    ("dynamo-external/encoder_model.onnx", [], ["Gemm": 12, "Gelu": 4, "MatMul": 4]),
    ("aihub/HfWhisperEncoder.onnx", [], ["Conv": 28, "Gelu": 4]),
    ("aihub/HfWhisperDecoder.onnx", [], ["Conv": 25, "Gelu": 2]),
    ("genai/whisper-small-form_encoder.onnx", [], ["Gemm": 16, "Gelu": 4]),
    ("genai-fused/whisper-small-form_encoder_fp32.onnx", [], ["Gemm": 16, "LayerNormalization": 5]),
    ("sherpa/small-encoder.onnx", [], ["Gemm": 16, "LayerNormalization": 5]),
    ("optimum/decoder_model.onnx", ["--dim", "decoder_sequence_length=3"], ["Gemm": 21]),
    ("optimum/decoder_model.onnx", ["--dim", "input_ids.1=1"], ["Gemm": 21]),
    ("torchscript/decoder_model.onnx", ["--dim", "decoder_sequence_length=3"], ["Gemm": 21]),
    ("dynamo/decoder_model.onnx", ["--dim", "input_ids.1=3"], ["Gemm": 21]),
    (
      "optimum/decoder_model_merged.onnx",
      ["--decoder-branch", "no-past", "--dim", "decoder_sequence_length=3"], ["Gemm": 21]
    ),
    (
      "optimum/decoder_model_merged.onnx",
      ["--decoder-branch", "with-past", "--dim", "decoder_sequence_length=1", "--dim"]
        + ["past_decoder_sequence_length=5"], ["Softmax": 4]
    ),
  ]

  /// What no NPU takes, or what a pass should have removed.
  private static let forbidden = [
    "Shape", "Constant", "If", "Erf", "Where", "IsNaN", "Identity", "Range", "Expand", "Pow", "Sqrt",
    "ReduceMean",
    "SkipLayerNormalization", "BiasGelu", "Mul", "Div",
  ]

  @Test("Every layout computes the same in ONNX Runtime, with every shape said and only operators of an NPU")
  func layouts() throws {
    let out = try TemporaryFolder()
    var pairs: [(source: String, prepared: String)] = []
    for (index, item) in Self.layouts.enumerated() {
      let source = Quantized.layout(item.model)
      let result = try Self.prepare(source, out.path("\(index).onnx"), item.options)
      #expect(result.exitCode == 0, "\(item.model): \(result.stderr)")
      pairs.append((source, out.path("\(index).onnx")))
    }
    for (item, found) in zip(Self.layouts, try PreparedComparison.run(pairs)) {
      let worst = try #require(found.worst, "\(item.model): \(found.error ?? "")")
      #expect(worst <= 1e-5, "\(item.model): \(worst)")
      #expect(found.open == [], "\(item.model)")
      let operators = try #require(found.operators)
      for (name, count) in item.counts { #expect(operators[name] == count, "\(item.model): \(name)") }
      for name in Self.forbidden { #expect(operators[name] == nil, "\(item.model): \(name)") }
    }
  }

  @Test("Real tiny.en models compute the same within 1e-5")
  func realModels() throws {
    let names = ["encoder.onnx", "whisper-tiny.en-decoder-inputs_embeds.onnx"]
    let out = try TemporaryFolder()
    var pairs: [(source: String, prepared: String)] = []
    for name in names {
      let source = try SharedData.path("whisper-tiny.en/" + name)
      let result = try Self.prepare(source, out.path(name))
      #expect(result.exitCode == 0, "\(name): \(result.stderr)")
      pairs.append((source, out.path(name)))
    }
    let found = try PreparedComparison.run(pairs)
    for (name, item) in zip(names, found) {
      let worst = try #require(item.worst, "\(name): \(item.error ?? "")")
      #expect(worst <= 1e-5, "\(name): \(worst)")
    }
    #expect(found[0].operators?.values.reduce(0, +) == 97)
  }

  @Test("A decoder whose caches are fixed already keeps them, and the report says what was not done")
  func keptCaches() throws {
    let out = try TemporaryFolder()
    let source = Quantized.layout("aihub/HfWhisperDecoder.onnx")
    let own = try Self.document(Self.prepare(source, out.path("a.onnx"), ["--json"]))
    for (options, note) in [
      ([], "stay as they are"), (["--max-tokens", "16"], "not the 16 tokens of --max-tokens"),
    ] {
      let found = try Self.document(
        Self.prepare(source, out.path("b.onnx"), ["--json", "--static-kv"] + options))
      #expect(found.inputs == own.inputs && found.operatorsAfter == own.operatorsAfter)
      let pass = try #require(found.passes.first { $0.name == "static-caches" })
      #expect(pass.changes == 0 && pass.notes.count == 1 && pass.notes[0].hasSuffix(note), "\(pass.notes)")
    }
  }

  @Test("The report names passes, dimensions and operators, as text and as JSON")
  func report() throws {
    let out = try TemporaryFolder()
    let source = Quantized.layout("optimum/encoder_model.onnx")
    let json = try Self.document(Self.prepare(source, out.path("a.onnx"), ["--json"]))
    #expect(json.output == out.path("a.onnx"))
    #expect(json.inputs == ["input_features:float[1,80,3000]"])
    #expect(json.operatorsBefore["Erf"] == 4 && json.operatorsAfter["Gelu"] == 4)
    #expect(json.passes.first { $0.name == "bind-dimensions" }?.notes == ["batch_size = 1"])
    #expect(json.passes.first { $0.name == "fuse-gelu" }?.changes == 4)
    let text = try Self.prepare(source, out.path("b.onnx"))
    #expect(text.exitCode == 0 && text.stderr.isEmpty)
    for word in ["fuse-gelu", "Gemm", "batch_size = 1", out.path("b.onnx")] {
      #expect(text.stdout.contains(word), "\(word)")
    }
    // The same source gives the same bytes.
    #expect(
      try Data(contentsOf: URL(filePath: out.path("a.onnx")))
        == Data(contentsOf: URL(filePath: out.path("b.onnx"))))
  }

  @Test("A folder without a tokenizer is prepared, and only recordings to be written down need one")
  func noTokenizer() throws {
    let out = try TemporaryFolder()
    let folder = Quantized.layout("torchscript")
    let result = try WhisperQBinary.run(["prepare", folder, "--output", out.path("pair")])
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(result.stderr.contains("warning: there is no tokenizer"))
    for name in ["encoder_model.onnx", "decoder_model.onnx"] {
      #expect(FileManager.default.fileExists(atPath: out.path("pair/\(name)")), "\(name)")
    }
    let quantized = try WhisperQBinary.run(
      ["quantize", folder, "--output", out.path("npu"), "--scheme", "w8a16"] + Static.calibration)
    expectFailure(quantized, exitCode: 4, "there is no tokenizer", "put it beside the models")
    #expect(!FileManager.default.fileExists(atPath: out.path("npu")))
  }

  @Test(
    "A float model of a folder goes before a quantized one, and a missing part is asked for where it belongs")
  func floatFirst() throws {
    let folder = try TemporaryFolder()
    for name in ["encoder_model", "decoder_model_merged"] {
      try folder.write(
        Data(contentsOf: URL(filePath: Quantized.layout("optimum/\(name).onnx"))), to: "set/\(name).onnx")
      let quantized = try Quantized.run(
        folder.path("set/\(name).onnx"), folder.path("set/\(name)_quantized.onnx"))
      try #require(quantized.exitCode == 0, "\(quantized.stderr)")
    }
    let result = try WhisperQBinary.run(["prepare", folder.path("set"), "--output", folder.path("pair")])
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(result.stderr.contains("left out, for there is a float model beside it"), "\(result.stderr)")
    #expect(!result.stderr.contains("--variant"), "\(result.stderr)")
    for name in ["encoder_model", "decoder_model_merged"] {
      try FileManager.default.removeItem(atPath: folder.path("set/\(name).onnx"))
    }
    let none = try WhisperQBinary.run(["prepare", folder.path("set"), "--output", folder.path("none")])
    expectFailure(none, exitCode: 3, "quantized already")
    try FileManager.default.removeItem(atPath: folder.path("set/encoder_model_quantized.onnx"))
    let half = try WhisperQBinary.run(["prepare", folder.path("set"), "--output", folder.path("none")])
    expectFailure(half, exitCode: 64, "there is no encoder among", "put it into the folder")
    #expect(!FileManager.default.fileExists(atPath: folder.path("none")))
  }

  @Test("Empty paths are named")
  func emptyPaths() throws {
    let model = Quantized.layout("optimum/encoder_model.onnx")
    let cases: [(arguments: [String], words: String)] = [
      (["prepare", "", "--output", "o.onnx"], "path of the model is empty"),
      (["prepare", model, "--output", ""], "--output is an empty path"),
      (["quantize", "", "--output", "o.onnx"], "model's path is empty"),
      (["quantize", model, "--output", ""], "--output is an empty path"),
      (["quantize", model, "-o", "o.onnx", "--scheme", "w8a16", "--calib", ""], "--calibration is an empty"),
      (["compile", ""], "model's path is empty"),
      (["compile", try StaticModel.path(), "--output", ""], "--output is an empty path"),
      (["validate", model, "--report", ""], "--report is an empty path"),
      (["inspect", ""], "model's path is empty"),
    ]
    for (arguments, words) in cases {
      let result = try WhisperQBinary.run(arguments)
      #expect(result.exitCode == 64 && result.stderr.contains(words), "\(arguments): \(result.stderr)")
    }
  }

  @Test("Preparing what is prepared changes nothing that counts")
  func twice() throws {
    let out = try TemporaryFolder()
    let source = Quantized.layout("optimum/encoder_model.onnx")
    #expect(try Self.prepare(source, out.path("once.onnx")).exitCode == 0)
    let again = try Self.document(Self.prepare(out.path("once.onnx"), out.path("twice.onnx"), ["--json"]))
    #expect(again.operatorsBefore == again.operatorsAfter)
  }

  @Test("What cannot be prepared is refused in one sentence, and nothing is left behind")
  func refusals() throws {
    let decoder = Quantized.layout("optimum/decoder_model.onnx")
    let encoder = Quantized.layout("optimum/encoder_model.onnx")
    let merged = Quantized.layout("optimum/decoder_model_merged.onnx")
    let beams = Quantized.layout("beamsearch/whisper-small-form_beamsearch.onnx")
    let cases: [(source: String, options: [String], code: Int32, word: String)] = [
      (decoder, [], 64, "--dim 'decoder_sequence_length=N'"),
      (decoder, ["--dim", "tokens=4"], 64, "decoder_sequence_length"),
      (
        merged, ["--dim", "decoder_sequence_length=1", "--dim", "past_decoder_sequence_length=1"], 64,
        "--decoder-branch"
      ),
      (
        decoder, ["--decoder-branch", "no-past", "--dim", "decoder_sequence_length=1"], 64, "use_cache_branch"
      ),
      (
        decoder, ["--decoder-branch", "cached", "--dim", "decoder_sequence_length=1"], 64,
        "no-past, with-past"
      ),
      (beams, [], 3, "use an export with separate encoder and decoder"),
      (try StaticModel.path(), [], 3, "quantized already (DequantizeLinear); start from the float model"),
      (encoder, ["--cross-cache", "encoder"], 64, "name the decoder with --decoder FILE"),
      (encoder, ["--cross-cache", "encoder", "--decoder", try StaticModel.path()], 3, "quantized already"),
      (encoder, ["--max-tokens", "3"], 64, "--max-tokens goes with --static-kv"),
      (Quantized.layout("beamsearch"), [], 3, "use an export with separate encoder and decoder"),
      (Quantized.layout("optimum"), ["--static-kv"], 64, "leave them out"),
    ]
    for item in cases {
      let out = try TemporaryFolder()
      let result = try Self.prepare(item.source, out.path("out.onnx"), item.options)
      expectFailure(result, exitCode: item.code, item.word)
      #expect(try out.names() == [])
    }
    for options in [["--dim", "batch_size"], ["--dim", "a=0"], ["--dim", "a=1", "--dim", "a=2"]] {
      let result = try Self.prepare(decoder, "unused.onnx", options)
      #expect(result.exitCode == 64 && result.stderr.contains("--dim"), "\(result.stderr)")
    }
    let options = ["--static-kv", "--decoder-branch", "no-past"]
    let both = try Self.prepare(merged, "unused.onnx", options)
    #expect(both.exitCode == 64 && both.stderr.contains("takes what it needs of both"), "\(both.stderr)")
    let out = try TemporaryFolder()
    try out.write(Data(contentsOf: URL(filePath: decoder)), to: "same.onnx")
    let same = try Self.prepare(out.path("same.onnx"), out.path("same.onnx"), ["--dim", "input_ids.1=1"])
    expectFailure(same, exitCode: 4, "same.onnx")
  }
}
