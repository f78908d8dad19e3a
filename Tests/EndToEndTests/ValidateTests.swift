import Foundation
import TestSupport
import Testing

/// A folder with an encoder and what `quantize` makes of it, under names that belong together.
private func encoderPair() throws -> TemporaryFolder {
  let folder = try TemporaryFolder()
  let source = Quantized.layout("optimum/encoder_model.onnx")
  try folder.write(Data(contentsOf: URL(filePath: source)), to: "encoder_model.onnx")
  let made = try Quantized.run(folder.path("encoder_model.onnx"), folder.path("encoder_model_int8.onnx"))
  try #require(made.exitCode == 0, "\(made.stderr)")
  return folder
}

@Suite("whisperq validate")
struct ValidateTests {
  private static let encoder = Quantized.layout("optimum/encoder_model.onnx")

  @Test("A model that runs passes: time, shapes and provider are told, plainly where there is no terminal")
  func text() throws {
    let path = Quantized.layout("torchscript/decoder_with_past_model.onnx")
    let result = try WhisperQBinary.run(["validate", path, "--ep", "embedded"])
    #expect(result.exitCode == 0 && result.stderr.isEmpty, "\(result.stderr)")
    #expect(result.stdout.hasPrefix("ok \(path) (Whisper custom decoder with past"))
    for words in [
      "inference time: ", "median of 3", "output shape: [1, 1, 320] logits",
      "provider: embedded, embedded engine: 302 nodes",
      "The model passes.",
    ] {
      #expect(result.stdout.contains(words), "'\(words)' is not in: \(result.stdout)")
    }
    #expect(!result.stdout.unicodeScalars.contains { $0.properties.isEmojiPresentation })
  }

  @Test("Every layout's models run on the embedded engine, all in one go")
  func layouts() throws {
    let folder = PackageRoot.path("Tests/Resources/layouts")
    let found = try Validated.run([folder, "--ep", "embedded", "--runs", "1", "--no-reference"], exitCode: 3)
    let failed = found.models.filter { !$0.passes }
    #expect(found.models.count >= 23)
    #expect(failed.map(\.exitCode) == [3] && failed[0].path.hasSuffix("beamsearch.onnx"))
    #expect(failed[0].objections[0].message.contains("WhisperBeamSearch"))
    for model in found.models where model.passes {
      let run = try #require(model.run)
      #expect(run.engine.provider == "embedded" && run.engine.shares.map(\.provider) == ["EmbeddedCPU"])
      #expect(run.seconds.count == 1 && !run.engine.emulated)
      #expect(run.results.count == run.outputs.count && run.results.allSatisfy { $0.health != nil })
    }
  }

  @Test("The original beside a quantized model is found; outputs and inner tensors are compared")
  func reference() throws {
    let folder = try encoderPair()
    let found = try Validated.run([folder.path("encoder_model_int8.onnx"), "--ep", "embedded", "--layers"])
    let model = try #require(found.models.first)
    let run = try #require(model.run)
    #expect(run.reference?.path == folder.path("encoder_model.onnx"))
    let difference = try #require(run.results.first?.difference)
    #expect(
      (20...60).contains(difference.sqnrDb ?? 0) && (difference.cosine ?? 0) > 0.99 && !difference.equal)
    #expect(model.layers.count > 50)
    #expect(model.layers.contains { $0.name.contains("Softmax") })
    // A quantized layer ends in a Mul; its name and its operator are the original's.
    #expect(model.layers.contains { $0.name.hasSuffix("fc2/MatMul_output_0") && $0.operator == "MatMul" })
    let equal = try Validated.run(
      [folder.path("encoder_model.onnx"), "--reference", Self.encoder, "--ep", "embedded", "--runs", "1"])
    #expect(equal.models[0].run?.results[0].difference?.equal == true)
  }

  @Test("A limit that is missed is a sentence and exit code 1; one that is reached is not")
  func limits() throws {
    let folder = try encoderPair()
    let base = [folder.path("encoder_model_int8.onnx"), "--ep", "embedded", "--runs", "1"]
    _ = try Validated.run(base + ["--min-sqnr", "15", "--min-cosine", "0.9", "--max-latency", "600000"])
    for (limit, words) in [
      (["--min-sqnr", "90"], "at least 90 dB"), (["--min-cosine", "1"], "at least 1 is asked for"),
      (["--max-latency", "0.001"], "at most"),
    ] {
      let found = try Validated.run(base + limit, exitCode: 1)
      #expect(found.models[0].objections.map(\.kind) == ["verdict"])
      #expect(found.models[0].objections[0].message.contains(words))
    }
    let alone = try Validated.run(
      [Self.encoder, "--ep", "embedded", "--runs", "1", "--min-sqnr", "1"], exitCode: 64)
    #expect(alone.models[0].objections[0].message.contains("--reference"))
  }

  @Test("Outputs that are NaN, zeros or one value everywhere fail")
  func sickOutputs() throws {
    let folder = try TemporaryFolder()
    for (name, weights, words) in [
      ("nan", [Float](repeating: .nan, count: 2048), "NaN"),
      ("zero", [Float](repeating: 0, count: 2048), "all zeros"),
      ("infinite", [Float](repeating: .infinity, count: 2048), "infinite"),
    ] {
      let path = try folder.write(Quantized.small(weights: weights).bytes, to: "\(name).onnx")
      let result = try WhisperQBinary.run(["validate", path, "--ep", "embedded"])
      #expect(result.exitCode == 1 && result.stdout.contains("FAILED"), "\(result.stdout)")
      #expect(result.stdout.contains(words) && result.stdout.contains("The model does not pass."))
      #expect(result.stdout.components(separatedBy: path).count == 2, "the path stands there once")
    }
    let lost = folder.path("nan.onnx")
    let found = try Validated.run([lost, "--ep", "embedded", "--reference", lost], exitCode: 1)
    let result = try #require(found.models[0].run?.results.first)
    #expect(result.health?.mean == nil && result.health?.minimum == nil)
    #expect(result.difference?.comparable == false && result.difference?.equal == false)
    #expect(result.difference?.sqnrDb == nil)
  }

  @Test("What breaks the rules of ONNX is exit code 2 before anything runs")
  func structure() throws {
    let folder = try TemporaryFolder()
    var model = Quantized.small()
    model.node("Teleport", ["y"], ["z"])
    let path = try folder.write(model.bytes, to: "odd.onnx")
    let found = try Validated.run([path, "--ep", "embedded"], exitCode: 2)
    #expect(found.models[0].findings.map(\.rule).contains("operator"))
    #expect(found.models[0].run == nil && found.models[0].objections[0].kind == "file")
    try folder.write([1, 2, 3], to: "junk.onnx")
    #expect(try Validated.run([folder.path("junk.onnx")], exitCode: 2).models[0].objections.count == 1)
  }

  @Test(
    "--static runs nothing; for an NPU it says what HTP refuses, and with --require-npu that is exit code 3")
  func staticCheck() throws {
    let folder = try encoderPair()
    let path = folder.path("encoder_model_int8.onnx")
    let plain = try Validated.run([path, "--static"])
    #expect(plain.models[0].run == nil && plain.models[0].findings.isEmpty)
    let looked = try Validated.run([path, "--static", "--target", "snapdragon-x-elite"])
    let rules = Set(looked.models[0].findings.map(\.rule))
    // The batch is bound when the model runs, and the whole pattern of dynamic-int8 is taken.
    #expect(rules == ["dynamic-pattern"])
    #expect(looked.models[0].findings.allSatisfy { $0.severity == "warning" && $0.remedy != nil })
    #expect(try Validated.run([path, "--static", "--require-npu", "--dim", "batch_size=1"]).passes)
    #expect(
      try Validated.run([path, "--static", "--dim", "batch=1"], exitCode: 64).models[0].objections[0].message
        .contains("'batch_size'"))
    let fused = Quantized.layout("genai-fused/whisper-small-form_encoder_fp32.onnx")
    let required = try Validated.run([fused, "--static", "--require-npu"], exitCode: 3)
    #expect(required.models[0].objections.allSatisfy { $0.kind == "provider" })
    #expect(required.models[0].findings.contains { $0.rule == "operator" && $0.severity == "refused" })
    let text = try WhisperQBinary.run(["validate", fused, "--static", "--require-npu"])
    #expect(!text.stdout.contains("the NPU refuses"), "what is among the reasons is not said twice")
    let whole = try Validated.run(
      [Quantized.layout("aihub/HfWhisperEncoder.onnx"), "--static", "--require-npu"])
    #expect(whole.models[0].passes)
  }

  @Test("A provider that is not there is passed over and named; asked for alone it is exit code 3")
  func absence() throws {
    let machine = try BareMachine()
    let path = Quantized.layout("torchscript/decoder_model.onnx")
    let found = try machine.validate([path, "--ep", "qnn,cpu,embedded", "--runs", "1"])
    let engine = try #require(found.models[0].run?.engine)
    #expect(engine.provider == "embedded" && engine.passedOver.map(\.provider) == ["qnn", "cpu"])
    #expect(engine.passedOver.allSatisfy { $0.reason.contains("It was looked for in") })
    let text = try machine.run(["validate", path, "--ep", "cpu,embedded"])
    #expect(text.stdout.contains("cpu was passed over: "))
    #expect(try machine.validate([path, "--runs", "1"]).models[0].run?.engine.provider == "embedded")
    for extra in [["--ep", "cpu"], ["--ep", "qnn"], ["--require-npu"]] {
      let failed = try machine.validate([path] + extra, exitCode: 3)
      #expect(failed.models[0].objections[0].message.contains("was not found"), "\(extra)")
    }
  }

  @Test("A shape that does not fit says what is given, what is expected, and which option sets it")
  func shapes() throws {
    let found = try Validated.run(
      [Self.encoder, "--ep", "embedded", "--shape", "input_features=1,80,2999"], exitCode: 64)
    let message = try #require(found.models[0].objections.first).message
    #expect(message.contains("[1, 80, 2999]") && message.contains("[batch_size, 80, 3000]"), "\(message)")
    let two = try Validated.run([Self.encoder, "--ep", "embedded", "--dim", "batch_size=2", "--runs", "1"])
    #expect(two.models[0].run?.outputs[0].shape == [2, 1500, 32])
    for wrong in [
      ["--dim", "batch_size"], ["--shape", "x=1,b"], ["--ep", "gpu"], ["--target", "abacus"],
      ["--runs", "0"],
    ] {
      let result = try WhisperQBinary.run(["validate", Self.encoder] + wrong)
      #expect(result.exitCode == 64 && result.stdout.isEmpty, "\(wrong)")
    }
  }

  @Test("Arrays of NumPy are fed by name, and a lone one to the only input")
  func arrays() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Quantized.small().bytes, to: "small.onnx")
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 64), }"
    let array =
      [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.utf8.count), 0] + Array(header.utf8)
      + [UInt8](repeating: 0, count: 1024)
    let file = try folder.write(array, to: "x.npy")
    // Zeros go in, so zeros come out.
    for word in [file, "x=" + file] {
      let found = try Validated.run([path, "--ep", "embedded", "--input", word], exitCode: 1)
      #expect(found.models[0].run?.results[0].health?.faults == ["zero"])
    }
    let other = try Validated.run([path, "--ep", "embedded", "--input", "z=" + file], exitCode: 64)
    #expect(other.models[0].objections[0].message.contains("no input 'z'; it has 'x'"))
    let broken = try folder.write([1, 2], to: "broken.npy")
    expectFailure(
      try WhisperQBinary.run(["validate", path, "--input", broken]), exitCode: 2, "broken.npy",
      "does not begin")
  }

  @Test("Keys of a manifest lead to the model, its providers and its original; no word means all entries")
  func manifest() throws {
    let folder = try encoderPair()
    let entry = { (file: String) in "{\"path\": \"\(file)\", \"ep\": [\"QNN\", \"CUDA\", \"CPU\"]}" }
    let manifest = """
      {"tiny": \(entry("encoder_model.onnx")), "tiny_quantized": \(entry("encoder_model_int8.onnx"))}
      """
    let path = try folder.write(Array(manifest.utf8), to: "manifest.json")
    let machine = try BareMachine()
    let options = ["--manifest", path, "--runs", "1"]
    let one = try machine.validate(["tiny_quantized"] + options)
    let run = try #require(one.models[0].run)
    #expect(run.reference.map { URL(filePath: $0.path).lastPathComponent } == "encoder_model.onnx")
    #expect(run.engine.passedOver.map(\.provider) == ["qnn", "cpu"])
    #expect(one.models[0].notes == ["the manifest also names CUDA, which whisperq does not run"])
    #expect(try machine.validate(options).models.count == 2)
  }

  @Test("In a set one damaged model does not hide the others, and its exit code counts")
  func sets() throws {
    let folder = try encoderPair()
    try folder.write([1, 2, 3], to: "broken.onnx")
    let found = try Validated.run([folder.path, "--ep", "embedded", "--runs", "1"], exitCode: 2)
    #expect(found.models.map(\.passes) == [false, true, true])
    let text = try WhisperQBinary.run([
      "validate", folder.path, "--ep", "embedded", "--runs", "1", "--jobs", "3",
    ])
    #expect(text.stdout.contains("1 of 3 models does not pass.") && text.exitCode == 2)
  }

  @Test("The page is written whole, and a place where it cannot be is known before the work")
  func page() throws {
    let folder = try encoderPair()
    let page = folder.path("report.html")
    let result = try WhisperQBinary.run(
      ["validate", folder.path("encoder_model_int8.onnx"), "--ep", "embedded", "--layers", "--report", page])
    #expect(result.exitCode == 0)
    let text = String(decoding: try folder.read("report.html"), as: UTF8.self)
    #expect(
      text.hasPrefix("<!doctype html>") && text.contains("SQNR of inner tensors")
        && text.hasSuffix("</html>\n"))
    let missing = try WhisperQBinary.run(
      ["validate", Self.encoder, "--ep", "embedded", "--report", folder.path("none/report.html")])
    expectFailure(missing, exitCode: 4, "none")
    #expect(missing.elapsed < .seconds(20))
  }

  @Test("An interrupt ends the run and leaves nothing behind")
  func interrupt() throws {
    let folder = try encoderPair()
    let before = try folder.names()
    let result = try WhisperQBinary.run(
      [
        "validate", folder.path, "--ep", "embedded", "--runs", "1000", "--report", folder.path("report.html"),
      ],
      signal: SpawnSignal(SIGINT, after: .milliseconds(500)))
    #expect(result.end != .exited(0) && result.elapsed < .seconds(30))
    #expect(try folder.names() == before)
  }

  @Test("Examples in the help are whole lines, and every key and option that they use is known")
  func help() throws {
    var environment = TestEnvironment.all
    environment["COLUMNS"] = "80"
    for command in ["validate", "bench", "doctor"] {
      let help = try WhisperQBinary.run([command, "--help"], environment: environment)
      let lines = help.stdout.split(separator: "\n", omittingEmptySubsequences: false)
      let start = try #require(lines.firstIndex(of: "EXAMPLES"))
      let examples = lines[(start + 1)...].prefix { !$0.isEmpty }
      #expect(
        examples.count >= 4 && examples.allSatisfy { $0.hasPrefix("  whisperq \(command)") }, "\(examples)")
      let options = Set(examples.joined(separator: " ").matches(of: /--[a-z-]+/).map { String($0.output) })
      for option in options {
        #expect(help.stdout.contains("  \(option)") || help.stdout.contains(", \(option)"), "\(option)")
      }
    }
  }
}

@Suite("whisperq validate with ONNX Runtime")
struct ValidateRuntimeTests {
  @Test("Every model of the layouts runs on ONNX Runtime")
  func layouts() throws {
    let runtime = try FetchedRuntime.options()
    let folder = PackageRoot.path("Tests/Resources/layouts")
    let found = try Validated.run([folder, "--ep", "cpu", "--runs", "1", "--no-reference"] + runtime)
    #expect(found.models.count >= 23)
    #expect(found.models.allSatisfy { $0.run?.engine.provider == "cpu" })
  }

  @Test("The real tiny.en encoder, quantized, on real speech: both engines agree on how far it is off")
  func realEncoder() throws {
    let runtime = try FetchedRuntime.options()
    let original = try SharedData.path("whisper-tiny.en/encoder.onnx")
    let clip = try SharedData.path("speech/jfk.wav")
    let folder = try TemporaryFolder()
    let inputs = folder.path("jfk.npz")
    _ = try PythonOracle.output(
      script: "whisper_features.py", arguments: [clip, "80", "input_features", inputs])
    let quantized = folder.path("encoder_int8.onnx")
    let made = try Quantized.run(original, quantized)
    try #require(made.exitCode == 0, "\(made.stderr)")
    let inspected = try Inspected.one(original).model
    let name = try #require(inspected.inputs.first?.name)
    let array = name == "input_features" ? inputs : folder.path("named.npz")
    if name != "input_features" {
      _ = try PythonOracle.output(script: "whisper_features.py", arguments: [clip, "80", name, array])
    }
    var levels: [Double] = []
    for options in [["--ep", "embedded"], ["--ep", "cpu"] + runtime] {
      let found = try Validated.run(
        [quantized, "--reference", original, "--input", array, "--runs", "1", "--min-sqnr", "15"] + options)
      levels.append(try #require(found.models[0].run?.results.first?.difference?.sqnrDb))
    }
    #expect(abs(levels[0] - levels[1]) < 0.5, "\(levels)")
    #expect((18...30).contains(levels[0]), "\(levels)")
  }

  @Test("On the NPU's emulation no node stays on the processor, and the report says that it is emulated")
  func emulated() throws {
    let runtime = try FetchedRuntime.options(needsQNN: true)
    let path = Quantized.layout("aihub/HfWhisperDecoder.onnx")
    let found = try Validated.run([path, "--require-npu", "--no-reference"] + runtime)
    let engine = try #require(found.models[0].run?.engine)
    #expect(engine.provider == "qnn" && engine.shares.map(\.provider) == ["QNNExecutionProvider"])
    #if arch(x86_64)
      #expect(engine.emulated && found.models[0].run?.seconds.count == 1)
      let text = try WhisperQBinary.run(["validate", path, "--ep", "qnn,cpu", "--no-reference"] + runtime)
      #expect(text.stdout.contains("qnn (emulated)") && text.stdout.contains("not a device's time"))
      #expect(!text.stdout.contains("LIBNATIVE"))
    #endif
    let dynamic = try Validated.run(
      [Quantized.layout("optimum/decoder_model_merged.onnx"), "--require-npu"] + runtime, exitCode: 3)
    #expect(dynamic.models[0].objections[0].kind == "provider")
  }

  @Test("What ran whole on the NPU is not called refused, whatever the rules expected")
  func settledRefusals() throws {
    let runtime = try FetchedRuntime.options(needsQNN: true)
    let folder = try TemporaryFolder()
    // Taken, although the rules do not know the operator.
    var model = HandMadeModel()
    model.input("x", [4, 64])
    model.node("Tan", ["x"], ["y"])
    model.output("y", [4, 64])
    let path = try folder.write(model.bytes, to: "tan.onnx")
    let found = try Validated.run([path, "--require-npu"] + runtime)
    let engine = try #require(found.models[0].run?.engine)
    #expect(engine.shares.map(\.provider) == ["QNNExecutionProvider"])
    #expect(engine.shares[0].nodes > 0)
    let text = try WhisperQBinary.run(["validate", path, "--static", "--require-npu"] + runtime)
    #expect(
      text.exitCode == 3 && text.stdout.contains("HTP has no operator Tan"), "without a run the rules speak")
    #expect(!found.models[0].findings.contains { $0.severity == "refused" })
    #expect(found.models[0].notes.contains { $0.contains("QNN took every node") })
  }
}
