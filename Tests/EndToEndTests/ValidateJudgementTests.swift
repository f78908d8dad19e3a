import Foundation
import TestSupport
import Testing

/// What is run, what is compared, and what a set or a wish without an answer ends in.
@Suite("whisperq validate: what is judged")
struct ValidateJudgementTests {
  private static let merged = Quantized.layout("optimum/decoder_model_merged.onnx")
  private static let quick = ["--ep", "embedded", "--runs", "1"]

  /// The merged decoder with the last addition of its branch without a past turned into a subtraction.
  private static func broken(in folder: TemporaryFolder) throws -> String {
    var bytes = try Data(contentsOf: URL(filePath: merged))
    let start = try #require(bytes.range(of: Data("else_branch".utf8)))
    let end = try #require(bytes.range(of: Data("then_branch".utf8)))
    try #require(start.upperBound < end.lowerBound)
    // The field op_type (number 4, a text of three letters).
    let field = Data([0x22, 3] + Array("Add".utf8))
    let place = try #require(
      bytes.range(of: field, options: .backwards, in: start.upperBound..<end.lowerBound))
    bytes.replaceSubrange(place, with: Data([0x22, 3] + Array("Sub".utf8)))
    return try folder.write(bytes, to: "broken.onnx")
  }

  private static func npy(_ description: String, _ shape: String, _ bytes: [UInt8]) -> [UInt8] {
    let header = "{'descr': '\(description)', 'fortran_order': False, 'shape': \(shape), }"
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8) + bytes
  }

  @Test("Both branches of a merged decoder run and are judged, each by its name; --past 0 runs one alone")
  func branches() throws {
    let folder = try TemporaryFolder()
    let path = try Self.broken(in: folder)
    let options = [path, "--reference", Self.merged, "--min-sqnr", "30"] + Self.quick
    let found = try Validated.run(options, exitCode: 1)
    #expect(found.models[0].objections.count >= 1)
    #expect(found.models[0].objections.allSatisfy { $0.message.contains("[no past]") })
    let results = try #require(found.models[0].run?.results)
    #expect(Set(results.compactMap(\.branch)) == ["with-past", "no-past"])
    let logits = results.filter { $0.name.hasPrefix("logits") }
    #expect(logits.map(\.name) == ["logits", "logits [no past]"])
    #expect(logits[0].difference?.equal == true && logits[1].difference?.sqnrDb ?? 99 < 10)
    // Four tokens begin a text.
    #expect(
      found.models[0].run?.inputs.first { $0.name == "input_ids [no past]" }?.shape == [1, 4])
    let alone = try Validated.run(options + ["--past", "0"], exitCode: 1)
    let branches = try #require(alone.models[0].run?.results).compactMap(\.branch)
    #expect(Set(branches) == ["no-past"])
    // Who gives the choice as an input gets what was chosen.
    let file = try folder.write(Self.npy("|b1", "(1,)", [1]), to: "true.npy")
    let given = try Validated.run(options + ["--input", "use_cache_branch=" + file])
    #expect(given.models[0].run?.results.allSatisfy { $0.branch == nil } == true)
  }

  @Test("Empty outputs are not compared, and a cache by its new positions alone, however long its past")
  func caches() throws {
    let folder = try TemporaryFolder()
    let quantized = folder.path("int8.onnx")
    try #require(try Quantized.run(Self.merged, quantized).exitCode == 0)
    var levels: [Double] = []
    for past in ["4", "400"] {
      let found = try Validated.run(
        [quantized, "--reference", Self.merged, "--past", past, "--min-sqnr", "10"] + Self.quick)
      let results = try #require(found.models[0].run?.results)
      let empty = results.filter { $0.health?.elements == 0 }
      #expect(empty.count == 4)
      #expect(empty.allSatisfy { $0.difference == nil && $0.notCompared == "empty, not compared" })
      levels.append(try #require(results.first { $0.name == "present.0.decoder.key" }?.difference?.sqnrDb))
    }
    // Inner tensors of both branches, also where an original and its quantized model differ in one's shape.
    let deep = try Validated.run([quantized, "--reference", Self.merged, "--layers"] + Self.quick)
    #expect(deep.models[0].layers.contains { !$0.name.hasSuffix("[no past]") })
    #expect(deep.models[0].layers.contains { $0.name.hasSuffix("MatMul_output_0 [no past]") })
    #expect(deep.models[0].layers.allSatisfy { $0.difference.comparable }, "masks of -inf too")
    // Copied positions would add 20 dB.
    #expect(abs(levels[0] - levels[1]) < 8, "\(levels)")
  }

  @Test(
    "In a set the originals are left out of limits that need one; nothing to compare at all is exit code 64")
  func originals() throws {
    let folder = try TemporaryFolder()
    let source = Quantized.layout("optimum/encoder_model.onnx")
    try folder.write(Data(contentsOf: URL(filePath: source)), to: "set/enc.onnx")
    let made = try Quantized.run(folder.path("set/enc.onnx"), folder.path("set/enc_int8.onnx"))
    try #require(made.exitCode == 0, "\(made.stderr)")
    let limits = ["--min-sqnr", "15"] + Self.quick
    let found = try Validated.run([folder.path("set")] + limits)
    #expect(found.models.map { $0.run?.reference != nil } == [false, true])
    #expect(found.models[0].notes.contains { $0.hasPrefix("--min-sqnr: left out") })
    let none = try Validated.run([folder.path("set/enc.onnx")] + limits, exitCode: 64)
    #expect(none.models[0].run == nil, "found before anything runs")
    // A quantized model without its original is no original.
    try FileManager.default.copyItem(
      atPath: folder.path("set/enc_int8.onnx"), toPath: folder.path("set/other_int8.onnx"))
    let orphan = try Validated.run([folder.path("set")] + limits, exitCode: 64)
    #expect(orphan.models.map(\.passes) == [true, true, false])
    let text = try WhisperQBinary.run(["validate", folder.path("set/other_int8.onnx")] + Self.quick)
    #expect(text.exitCode == 0 && text.stdout.contains("The model runs; nothing was compared."))
    for limit in [["--min-sqnr", "20"], ["--min-cosine", "0.9"], ["--max-latency", "9"]] {
      let refused = try WhisperQBinary.run(["validate", folder.path("set/enc.onnx"), "--static"] + limit)
      #expect(refused.exitCode == 64 && refused.stderr.contains(limit[0]))
    }
  }

  @Test("A library that somebody named must be right, whatever else could run the model")
  func namedLibraries() throws {
    let folder = try TemporaryFolder()
    let path = Quantized.layout("torchscript/decoder_model.onnx")
    let text = try folder.write(Array("no library".utf8), to: "text.so")
    for library in [folder.path("none.so"), text] {
      let options = [path, "--runs", "1", "--ort-library", library]
      let found = try Validated.run(options, exitCode: 3)
      #expect(found.models[0].run == nil && found.models[0].objections[0].message.contains(library))
      #expect(found.models[0].objections[0].kind == "provider")
      #expect(try Validated.run(options + ["--ep", "cpu,embedded"], exitCode: 3).models[0].run == nil)
      #expect(try Validated.run(options + ["--ep", "embedded"]).passes, "nobody opens it")
      let plugin = [path, "--runs", "1", "--qnn-library", library, "--ep", "qnn,embedded"]
      #expect(try Validated.run(plugin, exitCode: 3).models[0].objections[0].message.contains(library))
    }
    var environment = TestEnvironment.all
    environment["WHISPERQ_ORT_LIBRARY"] = folder.path("none.so")
    let found = try Validated.run([path, "--runs", "1"], exitCode: 3, environment: environment)
    #expect(found.models[0].objections[0].message.contains("WHISPERQ_ORT_LIBRARY names"))
  }

  @Test("What is missing is an entry with its reason, and the others go on")
  func missing() throws {
    let folder = try TemporaryFolder()
    let path = Quantized.layout("torchscript/decoder_model.onnx")
    let found = try Validated.run([path, folder.path("none.onnx")] + Self.quick, exitCode: 4)
    #expect(found.models.map(\.passes) == [true, false])
    #expect(found.models[1].objections[0].kind == "input-output")
    let manifest = """
      {"here": {"path": "a.onnx", "ep": ["CPU"]}, "gone": {"path": "b.onnx", "ep": ["CPU"]}}
      """
    try folder.write(Quantized.small().bytes, to: "a.onnx")
    let file = try folder.write(Array(manifest.utf8), to: "manifest.json")
    let listed = try Validated.run(["--manifest", file] + Self.quick, exitCode: 4)
    #expect(listed.models.map(\.passes) == [true, false] && listed.models[1].path == "gone")
    // A folder of references without a partner for one of the models.
    try folder.write(Quantized.small().bytes, to: "references/a.onnx")
    try folder.write(Quantized.small().bytes, to: "references/c.onnx")
    let partners = try Validated.run(
      [path, folder.path("a.onnx"), "--reference", folder.path("references")] + Self.quick, exitCode: 64)
    #expect(partners.models.map(\.passes) == [false, true])
    #expect(partners.models[0].objections[0].message.contains("no reference for"))
    let bare = try BareMachine()
    for words in [["validate"], ["validate", "KEY"]] {
      let result = try bare.run(words)
      #expect(
        result.exitCode == 4 && (result.stdout + result.stderr).contains("models/manifest.json"), "\(words)")
    }
    let inspected = try WhisperQBinary.run(["inspect", file, folder.path("none.onnx")])
    #expect(inspected.exitCode == 4, "the gravest failure, not the first")
  }

  @Test(
    "Inputs that do not fit are exit code 64 before anything runs, and files that are not there exit code 4")
  func misfits() throws {
    let folder = try TemporaryFolder()
    let encoder = Quantized.layout("optimum/encoder_model.onnx")
    let token: [UInt8] = [0x9f, 0x86, 1, 0, 0, 0, 0, 0]
    let file = try folder.write(Self.npy("<i8", "(1, 1)", token), to: "token.npy")
    for (arguments, words) in [
      ([Self.merged, "--input", "input_ids=" + file], "the token 99999, but the vocabulary has 320"),
      ([Self.merged, "--past", "100000"], "448 positions"),
      ([encoder, "--dim", "batch_size=0"], "0 is no extent"),
      ([encoder, "--reference", Quantized.layout("torchscript/encoder_model.onnx")], "its width is 16"),
    ] {
      let found = try Validated.run(arguments + Self.quick, exitCode: 64)
      #expect(found.models[0].run == nil)
      #expect(found.models[0].objections[0].message.contains(words), "\(found.models[0].objections)")
    }
    expectFailure(
      try WhisperQBinary.run(["validate", encoder, "--input", folder.path("none.npz")]), exitCode: 4,
      "none.npz")
  }

  @Test("Inputs with NaN are refused, and a reference that is not finite is no reference")
  func strangeNumbers() throws {
    let folder = try TemporaryFolder()
    let encoder = Quantized.layout("optimum/encoder_model.onnx")
    let nan = try folder.write(
      Static.npz([("input_features", [1, 80, 3000])]) { $1 == 9004 ? .nan : 0.25 }, to: "nan.npz")
    expectFailure(
      try WhisperQBinary.run(["validate", encoder, "--input", nan] + Self.quick), exitCode: 2,
      "NaN at [0, 3, 4]", "save finite numbers")
    // The logarithm of numbers below zero is none.
    var model = HandMadeModel()
    model.input("x", [4, 64])
    model.node("Log", ["x"], ["y"])
    model.output("y", [4, 64])
    let path = try folder.write(model.bytes, to: "log.onnx")
    try folder.write(model.bytes, to: "original.onnx")
    let found = try Validated.run(
      [path, "--reference", folder.path("original.onnx")] + Self.quick, exitCode: 1)
    let words = found.models[0].objections.map(\.message)
    #expect(words.contains { $0.contains("of the reference are NaN or infinite") }, "\(words)")
  }

  @Test("Nodes that the NPU refuses are counted by operator; --verbose names them")
  func refusals() throws {
    let runtime = try FetchedRuntime.options(needsQNN: true)
    let arguments = ["validate", Self.merged, "--ep", "qnn", "--no-reference"] + runtime
    let brief = try WhisperQBinary.run(arguments)
    #expect(brief.exitCode == 3 && brief.stdout.contains(/\d+ MatMul/), "\(brief.stdout)")
    #expect(brief.stdout.split(separator: "\n").allSatisfy { $0.count < 400 }, "\(brief.stdout)")
    let full = try WhisperQBinary.run(arguments + ["--verbose"])
    #expect(full.stdout.contains("MatMul \"/model/decoder/"))
    #if arch(x86_64)
      #expect(brief.stderr.contains("compiling for the emulated NPU"))
    #endif
  }
}
