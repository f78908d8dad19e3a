import Foundation
import TestSupport
import Testing

@Suite("whisperq quantize: plans and reports")
struct PlanTests {
  private let source = Quantized.layout("optimum/encoder_model.onnx")

  @Test("--dry-run prints a line for each weight, with the reason, and writes nothing")
  func dryRunText() throws {
    let folder = try TemporaryFolder()
    let result = try Quantized.run(source, folder.path("out.onnx"), ["--dry-run"])
    #expect(result.exitCode == 0)
    #expect(result.stderr.isEmpty)
    #expect(try folder.names() == [])
    #expect(result.stdout.hasPrefix("plan for \(source), scheme dynamic-int8: weights "))
    let header = try #require(result.stdout.split(separator: "\n").dropFirst().first)
    for word in ["weight", "shape", "becomes", "before", "after", "reason"] { #expect(header.contains(word)) }
    let line = try #require(result.stdout.split(separator: "\n").first { $0.contains("onnx::MatMul_242") })
    for word in ["[32, 32]", "s8 channel", "4.10 kB", "activations quantized at run time"] {
      #expect(line.contains(word), "\(line)")
    }
    let left = try #require(result.stdout.split(separator: "\n").first { $0.contains("conv1.weight") })
    #expect(left.contains("–") && left.contains("ConvInteger"))
    // Without an output, too.
    #expect(try WhisperQBinary.run(["quantize", source, "--dry-run"]).stdoutBytes == result.stdoutBytes)
  }

  @Test("The plan of --dry-run --json, executed by --plan, gives the same bytes as the run itself")
  func planRoundTrip() throws {
    let folder = try TemporaryFolder()
    for options in [[], ["--scheme", "weight-int4", "--asymmetric"], ["--scheme", "fp16", "--io", "fp16"]] {
      let plan = try WhisperQBinary.run(["quantize", source, "--dry-run", "--json"] + options)
      #expect(plan.exitCode == 0 && plan.stderr.isEmpty)
      let path = try folder.write(plan.stdoutBytes, to: "plan.json")
      #expect(try Quantized.run(source, folder.path("a.onnx"), options).exitCode == 0)
      let planned = try Quantized.run(source, folder.path("b.onnx"), ["--plan", path])
      #expect(planned.exitCode == 0, "\(planned.stderr)")
      #expect(try folder.read("a.onnx") == folder.read("b.onnx"), "\(options)")
    }
  }

  @Test("An edited plan is executed to the letter")
  func editedPlan() throws {
    let folder = try TemporaryFolder()
    let printed = try WhisperQBinary.run(["quantize", source, "--dry-run", "--json"])
    var plan = try #require(
      JSONSerialization.jsonObject(with: Data(printed.stdoutBytes)) as? [String: Any])
    var entries = try #require(plan["entries"] as? [[String: Any]])
    let treated = entries.indices.filter { entries[$0]["treatment"] is [String: Any] }
    try #require(treated.count == 12)
    // All but three stay; one of the three gets a scale for the whole tensor, one another form.
    for place in treated.dropFirst(3) { entries[place]["treatment"] = nil }
    func edit(_ place: Int, _ changes: [String: Any]) throws {
      let old = try #require(entries[place]["treatment"] as? [String: Any])
      entries[place]["treatment"] = old.merging(changes) { $1 }
    }
    try edit(treated[1], ["granularity": "tensor"])
    try edit(treated[2], ["form": "matmul-nbits", "granularity": "block", "block_size": 16, "bits": 4])
    plan["entries"] = entries
    let path = try folder.write(JSONSerialization.data(withJSONObject: plan), to: "plan.json")
    let result = try Quantized.run(source, folder.path("out.onnx"), ["--plan", path, "--json"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    let report = try #require(QuantizeDocument(result).models.first)
    let names = treated.prefix(3).compactMap { entries[$0]["weight"] as? String }
    #expect(report.weights?.map(\.name) == names)
    #expect(report.weights?.map(\.form) == ["s8 channel", "s8 tensor", "s4 block 16"])
    let found = try ModelComparison.run(source, folder.path("out.onnx"))
    #expect(found.error == nil, "\(found.error ?? "")")
    #expect(found.operators?["MatMulInteger"] == 2)
    #expect(found.operators?["MatMulNBits"] == 1)
  }

  struct Edit: Sendable, CustomTestStringConvertible {
    let from: String
    let to: String
    let words: [String]
    var testDescription: String { to }
  }

  static let edits: [Edit] = [
    Edit(from: #""version" : 1"#, to: #""version" : 2"#, words: ["plan version 2"]),
    Edit(
      from: #""weight" : "onnx::MatMul_242""#, to: #""weight" : "gone""#, words: ["'gone'", "does not have"]),
    Edit(from: #""reason" :"#, to: #""raeson" :"#, words: ["unknown key 'raeson'"]),
    Edit(
      from: #""element_type" : "float""#, to: #""element_type" : "float16""#,
      words: ["float16", "is float ["]),
    Edit(from: #""bits" : 8"#, to: #""bits" : 3"#, words: ["3 bits"]),
    Edit(from: #""granularity" : "channel""#, to: #""granularity" : "block""#, words: ["block"]),
    Edit(from: #""form" : "dynamic-matmul""#, to: #""form" : "half""#, words: ["binary16"]),
    Edit(from: #""form" : "dynamic-matmul""#, to: #""form" : "gather-rows""#, words: ["MatMul"]),
    Edit(from: #""form" : "dynamic-matmul""#, to: #""form" : "dynamic-conv""#, words: ["MatMul"]),
    Edit(from: #""form" : "dynamic-matmul""#, to: #""form" : "matmul-nbits""#, words: ["block"]),
  ]

  @Test("A plan that does not fit is bad input, and nothing is written", arguments: edits)
  func badPlan(_ edit: Edit) throws {
    let folder = try TemporaryFolder()
    let plan = try WhisperQBinary.run(["quantize", source, "--dry-run", "--json"]).stdout
    try #require(plan.contains(edit.from), "\(edit.from)")
    let text = plan.replacingOccurrences(of: edit.from, with: edit.to)
    let path = try folder.write(Array(text.utf8), to: "plan.json")
    let result = try Quantized.run(source, folder.path("out/out.onnx"), ["--plan", path])
    expectFailure(result, exitCode: 2)
    for word in edit.words { #expect(result.stderr.contains(word), "\(result.stderr)") }
    #expect(try folder.names() == ["plan.json"])
  }

  @Test("A plan of another model is refused")
  func otherModel() throws {
    let folder = try TemporaryFolder()
    let plan = try WhisperQBinary.run([
      "quantize", Quantized.layout("torchscript/encoder_model.onnx"), "--dry-run", "--json",
      "--minimum-elements", "0",
    ])
    let path = try folder.write(plan.stdoutBytes, to: "plan.json")
    expectFailure(
      try Quantized.run(source, folder.path("out.onnx"), ["--plan", path]), exitCode: 2, "plan")
  }

  @Test("The JSON report is strict JSON with the documented numbers")
  func jsonReport() throws {
    let folder = try TemporaryFolder()
    let result = try Quantized.run(source, folder.path("out.onnx"), ["--json", "--threads", "2"])
    #expect(result.exitCode == 0)
    let keys = try PythonOracle.output(script: "parse_json.py", stdin: result.stdoutBytes)
    #expect(keys == "carried_files\nmanifest\nmodels\n")
    let report = try #require(QuantizeDocument(result).models.first)
    let before = try Data(contentsOf: URL(filePath: source)).count
    let after = try folder.read("out.onnx").count
    #expect(report.status == "quantized" && report.scheme == "dynamic-int8")
    #expect(report.input == source && report.output == folder.path("out.onnx") && report.outputData == nil)
    #expect(report.bytesBefore == before && report.bytesAfter == after)
    #expect(abs((report.reduction ?? 0) - (1 - Double(after) / Double(before))) < 1e-9)
    #expect((report.seconds ?? 0) > 0 && (report.bytesPerSecond ?? 0) > 0)
    #expect(
      (report.peakMemoryBytes ?? 0) > 1 << 20 && report.threads == 2 && report.processor?.isEmpty == false)
    let weights = try #require(report.weights)
    #expect(weights.count == 12)
    for weight in weights {
      #expect((weight.sqnrDb ?? 0) > 30 && weight.bytesBefore == 4 * weight.elements)
      #expect(weight.bytesAfter > weight.elements && weight.bytesAfter < weight.bytesBefore)
      #expect(weight.overflows == 0 && weight.underflows == 0)
    }
    let groups = try #require(report.quantized)
    #expect(groups.map(\.weights).reduce(0, +) == weights.count)
    #expect(groups.map(\.bytesBefore).reduce(0, +) == weights.map(\.bytesBefore).reduce(0, +))
    #expect(groups.map(\.bytesAfter).reduce(0, +) == weights.map(\.bytesAfter).reduce(0, +))
    #expect(report.left?.allSatisfy { !$0.reason.isEmpty && $0.weights > 0 } == true)
    #expect(report.notes?.contains { $0.contains("convolutions") } == true)
  }

  @Test("Weights of zeros lose nothing, and JSON has no infinity for it")
  func zeros() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(
      Quantized.small(weights: [Float](repeating: 0, count: 2048)).bytes, to: "model.onnx")
    for scheme in ["dynamic-int8", "weight-int8", "weight-int4", "fp16"] {
      let result = try Quantized.run(path, folder.path("out.onnx"), ["--json", "--scheme", scheme])
      #expect(result.exitCode == 0, "\(result.stderr)")
      #expect(try QuantizeDocument(result).models.first?.weights?.first?.sqnrDb == nil)
      let found = try ModelComparison.run(path, folder.path("out.onnx"))
      #expect(found.error == nil && found.worst == nil, "\(scheme): \(found.error ?? "") \(found.worst ?? 0)")
    }
  }

  @Test("fp16 counts the values that do not fit, and the result is finite")
  func overflow() throws {
    let folder = try TemporaryFolder()
    var weights = (0..<2048).map { Float($0 % 7) }
    weights[5] = 1e6
    weights[6] = -1e6
    weights[7] = 1e-9
    let path = try folder.write(Quantized.small(weights: weights).bytes, to: "model.onnx")
    let result = try Quantized.run(path, folder.path("out.onnx"), ["--json", "--scheme", "fp16"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    let report = try #require(QuantizeDocument(result).models.first)
    #expect(report.weights?.first?.overflows == 2)
    #expect(report.weights?.first?.underflows == 1)
    #expect(report.notes?.contains { $0.contains("65504") && $0.contains("'w'") } == true)
    #expect(try ModelComparison.run(path, folder.path("out.onnx")).error == nil)
  }

  @Test("The result goes to stdout alone, progress to stderr, and --quiet has none")
  func streams() throws {
    let folder = try TemporaryFolder()
    let loud = try Quantized.run(source, folder.path("out.onnx"))
    #expect(loud.exitCode == 0)
    #expect(loud.stdout.contains("quantized") && loud.stdout.contains("lowest SQNR"))
    #expect(!loud.stdout.contains("quantizing"))
    #expect(loud.stderr.contains("quantizing") && loud.stderr.hasSuffix("\n"))
    #expect(
      !loud.stderr.contains("\u{1B}") && !loud.stderr.contains("\r"), "no terminal, no control characters")
    let quiet = try Quantized.run(source, folder.path("out.onnx"), ["--quiet"])
    #expect(quiet.stderr.isEmpty)
    #expect(quiet.stdout.contains("lowest SQNR"))
    let verbose = try Quantized.run(source, folder.path("out.onnx"), ["--verbose"])
    #expect(verbose.stdout.split(separator: "\n").count > loud.stdout.split(separator: "\n").count)
    for name in ["onnx::MatMul_242", "onnx::MatMul_279"] { #expect(verbose.stdout.contains(name)) }
  }

  @Test(
    "Names in a model cannot drive the terminal", arguments: [[], ["--json"], ["--dry-run"], ["--verbose"]])
  func hostileNames(options: [String]) throws {
    let folder = try TemporaryFolder()
    let name = "\u{1B}[2J\u{7}\r\n\u{202E}x"
    var model = HandMadeModel()
    model.input("x", [4, 64])
    model.initializer("w" + name, [64, 32], floats: (0..<2048).map { Float($0 % 7) })
    model.initializer("v" + name, type: 1, [4, 4], byteCount: 64)
    model.node("MatMul", ["x", "w" + name], ["y" + name])
    model.node("Odd" + name, ["v" + name], ["z"], domain: name)
    model.output("y" + name, [4, 32])
    let path = try folder.write(model.bytes, to: "model.onnx")
    let result = try Quantized.run(path, folder.path("out.onnx"), options)
    #expect(result.exitCode == 0, "\(result.stderr)")
    let controls = (result.stdout + result.stderr).unicodeScalars.filter {
      ($0.value < 0x20 && $0 != "\n") || (0x7F...0x9F).contains($0.value) || $0.value == 0x202E
    }
    #expect(controls.isEmpty)
  }

  @Test("A model without anything to quantize is unsupported, unless the user wants it written all the same")
  func nothing() throws {
    let folder = try TemporaryFolder()
    var model = HandMadeModel()
    model.input("x", [4])
    model.node("Relu", ["x"], ["y"])
    model.output("y", [4])
    let path = try folder.write(model.bytes, to: "model.onnx")
    expectFailure(
      try Quantized.run(path, folder.path("out.onnx")), exitCode: 3, "no float weights", "--allow-unchanged")
    #expect(try folder.names() == ["model.onnx"])
    let allowed = try Quantized.run(path, folder.path("out.onnx"), ["--allow-unchanged"])
    #expect(allowed.exitCode == 0, "\(allowed.stderr)")
    #expect(try folder.read("out.onnx") == model.bytes)
  }

  @Test(
    "A quantized model is not quantized again", arguments: ["dynamic-int8", "weight-int8", "weight-int4"])
  func twice(scheme: String) throws {
    let folder = try TemporaryFolder()
    let options = ["--scheme", scheme, "--minimum-elements", "0", "--conv", "always"]
    #expect(try Quantized.run(source, folder.path("a.onnx"), options).exitCode == 0)
    expectFailure(
      try Quantized.run(folder.path("a.onnx"), folder.path("b.onnx"), options), exitCode: 3,
      "quantized already")
    #expect(try folder.names() == ["a.onnx"])
    let allowed = try Quantized.run(
      folder.path("a.onnx"), folder.path("b.onnx"), options + ["--allow-unchanged"])
    #expect(allowed.exitCode == 0, "\(allowed.stderr)")
    #expect(try folder.read("a.onnx") == folder.read("b.onnx"))
  }
}
