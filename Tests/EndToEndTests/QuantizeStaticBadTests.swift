import Foundation
import TestSupport
import Testing

@Suite("Bad input: quantize for an NPU")
struct QuantizeStaticBadTests {
  private static let small = Quantized.layout("optimum/encoder_model.onnx")
  private static let clip = ["--calibration", Static.speech + "/pt-m5-01.wav"]
  private let data: TemporaryFolder
  init() throws { data = try TemporaryFolder() }

  private func refuse(
    _ options: [String], input: String = small, exitCode: Int32, _ words: [String],
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let out = try TemporaryFolder()
    let result = try Static.run(input, out.path("out.onnx"), ["--scheme", "w8a16", "--quiet"] + options)
    expectFailure(result, exitCode: exitCode, sourceLocation: sourceLocation)
    for word in words {
      #expect(
        result.stderr.contains(word), "'\(word)' is not in: \(result.stderr)", sourceLocation: sourceLocation)
    }
    #expect(try out.names() == [], sourceLocation: sourceLocation)
  }

  /// Wrong options are told with the way to the help behind them.
  private func misuse(
    _ options: [String], _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let out = try TemporaryFolder()
    let result = try Static.run(Self.small, out.path("out.onnx"), options)
    #expect(
      result.end == .exited(64) && result.stdout.isEmpty, "\(result.stderr)", sourceLocation: sourceLocation)
    for word in words {
      #expect(
        result.stderr.contains(word), "'\(word)' is not in: \(result.stderr)", sourceLocation: sourceLocation)
    }
    #expect(try out.names() == [], sourceLocation: sourceLocation)
  }

  @Test("No data, a missing folder, a folder without recordings")
  func noData() throws {
    try refuse([], exitCode: 64, ["--calibration"])
    try refuse(["--calibration", data.path("nowhere")], exitCode: 4, ["nowhere"])
    try refuse(["--calibration", data.path], exitCode: 2, ["no recording", ".npz"])
    try data.write("words".utf8, to: "notes.txt")
    try refuse(["--calibration", data.path], exitCode: 2, ["no recording"])
  }

  @Test("With --json a failure is a document with a failed model, and the exit code says why")
  func document() throws {
    struct Document: Decodable {
      struct Model: Decodable {
        let input: String
        let status: String
        let reason: String
      }
      let models: [Model]
    }
    for input in [Self.small, DemoSpeech.model] {
      let result = try Static.run(
        input, data.path("out"), ["--scheme", "w8a16", "--json", "--calibration", data.path("nowhere")])
      #expect(result.exitCode == 4 && result.stderr.contains("nowhere"), "\(result.stderr)")
      let models = try JSONDecoder().decode(Document.self, from: Data(result.stdoutBytes)).models
      #expect(models.map(\.input) == [input] && models[0].status == "failed")
      #expect(models[0].reason.contains("nowhere"))
    }
    #expect(try data.names() == [])
  }

  @Test("A text in the place of a recording, and one that is cut off")
  func badRecordings() throws {
    let text = try data.write("this is no recording, only words".utf8, to: "words.wav")
    try refuse(["--calibration", text], exitCode: 2, ["words.wav"])
    let short = try data.write(Static.wav(seconds: 1).prefix(30), to: "short.wav")
    try refuse(["--calibration", short], exitCode: 2, ["short.wav"])
    let empty = try data.write([], to: "empty.wav")
    try refuse(["--calibration", empty], exitCode: 2, ["empty.wav"])
  }

  @Test("Archives with other names, other shapes, no arrays, or no archive at all")
  func badArchives() throws {
    func archive(_ name: String, _ bytes: [UInt8]) throws -> [String] {
      ["--calibration", try data.write(bytes, to: name)]
    }
    try refuse(
      archive("names.npz", Static.npz([("mel", [1, 80, 3000])])), exitCode: 2,
      ["names.npz", "mel", "input_features"])
    try refuse(
      archive("shape.npz", Static.npz([("input_features", [1, 80, 100])])), exitCode: 2,
      ["shape.npz", "input_features"])
    try refuse(
      archive("rank.npz", Static.npz([("input_features", [80, 3000])])), exitCode: 2, ["needs 3 dimensions"])
    try refuse(archive("none.npz", Static.npz([])), exitCode: 2, ["none.npz", "numpy.savez"])
    try refuse(archive("text.npz", Array("words".utf8)), exitCode: 2, ["text.npz"])
  }

  @Test("Numbers that no range can hold, and an input of a decoder that was forgotten or is no whole number")
  func strangeNumbers() throws {
    for (name, number) in [("NaN", Float.nan), ("inf", .infinity), ("-inf", -.infinity)] {
      let bytes = Static.npz([("input_features", [1, 80, 3000])]) { $1 == 9004 ? number : 0.25 }
      let path = try data.write(bytes, to: "strange.npz")
      try refuse(
        ["--calibration", path], exitCode: 2,
        ["strange.npz: 'input_features' has \(name) at [0, 3, 4]", "save finite numbers"])
    }
    var decoder = HandMadeModel()
    decoder.input("x", [4, 64])
    decoder.input("place", [4], type: 7)
    decoder.initializer("table", [9, 64], floats: (0..<576).map { Float($0 % 19 - 9) / 9 })
    decoder.node("Gather", ["table", "place"], ["row"])
    decoder.node("Add", ["x", "row"], ["y"])
    decoder.output("y", [4, 64])
    let model = try data.write(decoder.bytes, to: "decoder.onnx")
    func refuseArrays(
      _ arrays: [(name: String, shape: [Int])], _ value: Float, _ words: [String],
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let path = try data.write(Static.npz(arrays) { name, _ in name == "x" ? 0.5 : value }, to: "d.npz")
      try refuse(
        ["--calibration", path], input: model, exitCode: 2, words, sourceLocation: sourceLocation)
    }
    try refuseArrays([("x", [4, 64])], 0, ["no array for the input 'place'", "only 'x'"])
    try refuseArrays([("x", [4, 64]), ("place", [4])], 1.5, ["'place' is given 1.5", "int64"])
  }

  @Test("Options of an NPU with a scheme that is none, and words and numbers that do not exist")
  func options() throws {
    let scheme = ["--scheme", "w8a16"]
    for (option, value) in [
      ("--calibration", "x"), ("--synthetic", "2"), ("--ranges", "r.json"), ("--observer", "mse"),
      ("--kv", "s16"),
      ("--percentile", "99"), ("--rounding", "nearest"), ("--keep-prepared", "p.onnx"), ("--dim", "a=1"),
      ("--target", "snapdragon-x-elite"), ("--language", "en"),
    ] {
      try misuse(["--scheme", "dynamic-int8", option, value], option, "w8a16", "dynamic-int8")
    }
    try misuse(["--target", "snapdragon-x-elite"], "--target", "not for dynamic-int8", "add --scheme w8a16")
    try misuse(scheme + Self.clip + ["--language", "en"], "--language is for", "one model")
    try misuse(scheme + Self.clip + ["--percentile", "3"], "--percentile", "above 50")
    try misuse(scheme + Self.clip + ["--percentile", "101"], "--percentile")
    try misuse(scheme + Self.clip + ["--observer", "guess"], "--observer", "guess", "min-max")
    try misuse(scheme + Self.clip + ["--kv", "u16"], "--kv", "u16", "s16")
    try misuse(scheme + Self.clip + ["--rounding", "up"], "--rounding", "up", "nearest")
    try misuse(scheme + Self.clip + ["--target", "abacus"], "--target", "abacus", "snapdragon-x-elite")
    try misuse(scheme + Self.clip + ["--dim", "batch"], "--dim", "name=extent")
    try misuse(scheme + Self.clip + ["--dim", "batch=0"], "--dim", "name=extent")
    try misuse(scheme + Self.clip + ["--synthetic", "2"], "exclude each other")
    try misuse(scheme + ["--synthetic", "0"], "--synthetic")
    try misuse(["--scheme", "w4a16", "--block-size", "48"] + Self.clip, "48", "16, 32, 64")
    try misuse(["--scheme", "w8a16", "--block-size", "32"] + Self.clip, "error: --block-size", "w4a16")
    let others = [
      ("--include", "*fc*"), ("--conv", "always"), ("--format", "qdq"), ("--minimum-elements", "9"),
    ]
    for (option, value) in others {
      try misuse(scheme + Self.clip + [option, value], "error: \(option) is not for w8a16")
    }
    try misuse(["--scheme", "w2a2"], "error: --scheme 'w2a2' is unknown", "w8a16")
  }

  @Test("A damaged target and ranges that are no ranges")
  func badFiles() throws {
    let target = try data.write("{\"name\": \"mine\"}".utf8, to: "target.json")
    try refuse(Self.clip + ["--target", target], exitCode: 2, ["target.json", "missing"])
    let ranges = try data.write("[1, 2".utf8, to: "ranges.json")
    try refuse(Self.clip + ["--ranges", ranges], exitCode: 2, ["ranges.json: line 1, column 6", "remove"])
    try refuse(Self.clip + ["--ranges", data.path("no/such/ranges.json")], exitCode: 4, ["ranges.json"])
    let plan = try data.write("{}".utf8, to: "plan.json")
    try refuse(Self.clip + ["--plan", plan], exitCode: 2, ["plan.json", "missing"])
    let torn = try data.write("{\n  \"scheme\": \"w8a16\",\n}".utf8, to: "torn.json")
    try refuse(Self.clip + ["--plan", torn], exitCode: 2, ["torn.json: line 2, column", "comma"])
  }

  @Test(
    "A model that is quantized already is refused with the remedy, also in a folder, which then is not made")
  func quantizedAlready() throws {
    let input = data.path("dynamic.onnx")
    try #require(Static.run(Self.small, input).exitCode == 0)
    try refuse(
      ["--synthetic", "1"], input: input, exitCode: 3, ["quantized already", "MatMulInteger", "float"])
    let folder = try TemporaryFolder()
    let demo = PackageRoot.path("models/whisper_demo_onnx")
    try #require(Static.run(demo, folder.path("int8"), ["--scheme", "weight-int8"]).exitCode == 0)
    let result = try Static.run(folder.path("int8"), folder.path("npu"), ["--scheme", "w8a16"] + Self.clip)
    expectFailure(result, exitCode: 3, "quantized already", "start from the float model")
    #expect(try folder.names() == ["int8"])
  }

  @Test("A plan of another scheme or target, or that contradicts itself; without --scheme the plan tells it")
  func plans() throws {
    let common = ["--rounding", "nearest"] + Self.clip
    let made = try WhisperQBinary.run(
      ["quantize", Self.small, "--scheme", "w8a16", "--dry-run", "--json", "--quiet"] + common)
    try #require(made.exitCode == 0, "\(made.stderr)")
    let plan = try data.write(made.stdoutBytes, to: "plan.json")
    let report = try Static.done(Self.small, data.path("out.onnx"), Self.clip + ["--plan", plan])
    #expect(report.scheme == "w8a16")
    try refuse(Self.clip + ["--scheme", "w8a8", "--plan", plan], exitCode: 64, ["the plan is for w8a16"])
    func edited(_ old: String, _ new: String) throws -> [String] {
      #expect(made.stdout.contains(old))
      let text = made.stdout.replacing(old, with: new, maxReplacements: 1)
      return Self.clip + ["--plan", try data.write(text.utf8, to: "edited.json")]
    }
    let other = try edited("\"target\" : \"snapdragon-x-elite\"", "\"target\" : \"snapdragon-9\"")
    try refuse(other, exitCode: 64, ["snapdragon-9"])
    let node = try #require(
      made.stdout.split(separator: "\n").first { $0.contains("\"node\"") && $0.contains("conv1") })
    let name = node.split(separator: "\"")[3]
    let both = try edited(
      "\"float_nodes\" : [\n\n  ]",
      "\"float_nodes\" : [{\"node\": \"\(name)\", \"operator\": \"Conv\", \"reason\": \"mine\"}]")
    try refuse(both, exitCode: 2, ["float_nodes", String(name)])
  }

  @Test("Caches of fixed length for an encoder")
  func encoderWithCaches() throws {
    try refuse(Self.clip + ["--max-tokens", "16"], exitCode: 64, ["an encoder", "--max-tokens"])
  }

  @Test("A dimension that nothing fixes is named with the remedy")
  func openDimension() throws {
    try refuse(
      ["--synthetic", "1"], input: Quantized.layout("optimum/decoder_model.onnx"), exitCode: 64,
      ["decoder_sequence_length", "--dim", "--max-tokens"])
  }

  @Test("A recording cannot calibrate a model that takes no spectrum")
  func wrongModel() throws {
    let path = try data.write(Quantized.small().bytes, to: "model.onnx")
    try refuse(Self.clip, input: path, exitCode: 64, ["no mel spectrum", "'x'", ".npz"])
  }

  @Test("An operator that the target lacks stays float and is named; one that nothing computes is refused")
  func operators() throws {
    var model = HandMadeModel()
    model.input("x", [4, 64])
    model.initializer("w", [64, 32], floats: (0..<2048).map { Float(($0 * 37) % 201 - 100) / 640 })
    model.node("MatMul", ["x", "w"], ["h"])
    model.node("Erf", ["h"], ["y"])
    model.output("y", [4, 32])
    let path = try data.write(model.bytes, to: "erf.onnx")
    let report = try Static.done(path, data.path("out.onnx"), ["--scheme", "w8a16", "--synthetic", "1"])
    #expect(report.floatNodes.map { $0["operator"] } == ["Erf"])
    #expect(report.floatNodes.first?["reason"]?.contains("Snapdragon X Elite") == true)

    var odd = HandMadeModel()
    odd.input("x", [4, 64])
    odd.node("Confuse", ["x"], ["y"], domain: "my.own")
    odd.output("y", [4, 64])
    try refuse(
      ["--synthetic", "1"], input: try data.write(odd.bytes, to: "odd.onnx"), exitCode: 3, ["Confuse"])
  }

  @Test("The model itself and its data are not written over")
  func ownFiles() throws {
    let path = try data.write(Data(contentsOf: URL(filePath: Self.small)), to: "model.onnx")
    let before = try data.read("model.onnx")
    let result = try Static.run(path, path, ["--scheme", "w8a16", "--quiet"] + Self.clip)
    expectFailure(result, exitCode: 4, "model.onnx")
    #expect(try data.read("model.onnx") == before)
  }
}
