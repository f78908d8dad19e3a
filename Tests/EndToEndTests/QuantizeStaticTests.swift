import Foundation
import TestSupport
import Testing

/// What `compare_static.py` says about a model beside its float source.
private struct StaticComparison: Decodable {
  let error: String?
  /// The worst output in dB.
  let sqnr: Double?
  /// Values without a fixed shape.
  let open: [String]?
  let operators: [String: Int]?
  /// Types of inputs and outputs.
  let types: [String]?
  /// Types of QuantizeLinear with their counts.
  let pairs: [String: Int]?

  static func run(_ pairs: [[String]]) throws -> [StaticComparison] {
    let text = try PythonOracle.output(
      script: "compare_static.py", arguments: [Static.speech + "/en-linda-03.wav"],
      stdin: [UInt8](JSONEncoder().encode(pairs)))
    return try JSONDecoder().decode([StaticComparison].self, from: Data(text.utf8))
  }
}

@Suite("whisperq quantize for an NPU", .serialized)
struct QuantizeStaticTests {
  private let out: TemporaryFolder
  init() throws { out = try TemporaryFolder() }

  /// The small export that most options are tried on, with one short clip.
  private static let small = Quantized.layout("optimum/encoder_model.onnx")
  private static let oneClip = ["--calibration", Static.speech + "/pt-m5-01.wav"]
  private static let nearest = ["--scheme", "w8a16", "--rounding", "nearest"]

  @Test("The demo encoder in each scheme: fixed shapes, valid, and close to float on another clip")
  func schemes() throws {
    // Measured on this clip, error-aware: 43.8, 36.4 and 30.8 dB; to nearest, w8a16: 42.1 dB.
    // Which layers keep 16 bits in w8a8 is measured, so their number is not fixed.
    let cases: [(options: [String], limit: Double, narrow: ClosedRange<Int>)] = [
      (["--scheme", "w8a16"], 40, 12...12),
      (["--scheme", "w8a8", "--rounding", "nearest"], 33, 24...32), (["--scheme", "w4a16"], 27.5, 12...12),
      (["--scheme", "w8a16", "--rounding", "nearest", "--kv", "s16"], 40, 0...0),
    ]
    for (index, item) in cases.enumerated() {
      let report = try Static.done(
        Static.encoder, out.path("\(index).onnx"), item.options + Static.calibration)
      #expect(report.scheme == item.options[1] && report.target == "snapdragon-x-elite")
      #expect(report.clips == ["en-f4-02.wav", "pt-m5-01.wav"])
      #expect(report.floatNodes.isEmpty && report.notes.isEmpty, "\(report.notes)")
      #expect(Double(report.bytesAfter) < 0.42 * Double(report.bytesBefore))
    }
    let found = try StaticComparison.run(cases.indices.map { [Static.encoder, out.path("\($0).onnx")] })
    for (item, answer) in zip(cases, found) {
      let sqnr = try #require(answer.sqnr, "\(item.options): \(answer.error ?? "")")
      #expect(sqnr >= item.limit, "\(item.options): \(sqnr) dB")
      #expect(answer.open == [] && answer.types == ["tensor(float)"], "\(item.options)")
      let narrow = answer.pairs?["UINT8"] ?? 0
      #expect(item.narrow.contains(narrow), "\(item.options): \(answer.pairs ?? [:])")
      #expect(answer.pairs?["INT16"] ?? 0 == (narrow == 0 ? 12 : 0), "\(answer.pairs ?? [:])")
    }
    #expect(try out.names() == cases.indices.map { "\($0).onnx" })
  }

  @Test("Encoders of other exporters")
  func layouts() throws {
    // Random weights and one clip that is not the measured one: 27.6, 17.6 and 25.7 dB.
    let limits = [
      "dynamo/encoder_model.onnx": 24.0, "sherpa/small-encoder.onnx": 14, "aihub/HfWhisperEncoder.onnx": 22,
    ]
    let names = limits.keys.sorted()
    for (index, name) in names.enumerated() {
      let report = try Static.done(
        Quantized.layout(name), out.path("\(index).onnx"), Self.nearest + Self.oneClip)
      #expect(report.floatNodes.isEmpty, "\(name): \(report.floatNodes)")
    }
    let pairs = names.enumerated().map { [Quantized.layout($1), out.path("\($0).onnx")] }
    for (name, answer) in zip(names, try StaticComparison.run(pairs)) {
      let sqnr = try #require(answer.sqnr, "\(name): \(answer.error ?? "")")
      #expect(sqnr >= limits[name] ?? 0, "\(name): \(sqnr) dB")
      #expect(answer.open == [], "\(name)")
    }
  }

  @Test("Ranges are kept, used again, and refused for another model")
  func ranges() throws {
    let options = Self.nearest + Self.oneClip + ["--ranges", out.path("ranges.json"), "--equalize", "off"]
    let first = try Static.run(Self.small, out.path("a.onnx"), options)
    #expect(first.exitCode == 0 && first.stdout.contains("calibrated  on 1 clip\n"), "\(first.stderr)")
    #expect(!first.stdout.contains("earlier"))
    let kept = try out.read("ranges.json")
    let again = try Static.run(Self.small, out.path("b.onnx"), options)
    #expect(again.exitCode == 0 && again.stdout.contains("1 of them earlier"), "\(again.stdout)")
    #expect(try out.read("ranges.json") == kept && out.read("a.onnx") == out.read("b.onnx"))
    // One more clip is added to what is there; where it changes the sizes of channels, all is measured anew.
    let more = try Static.run(
      Self.small, out.path("c.onnx"), options + ["--calibration", Static.speech + "/pt-m5-13.wav"])
    #expect(more.exitCode == 0, "\(more.stderr)")
    #expect(more.stdout.contains("on 2 clips, 1 of them earlier"), "\(more.stdout)")
    let other = try Static.run(Quantized.layout("dynamo/encoder_model.onnx"), out.path("d.onnx"), options)
    expectFailure(other, exitCode: 2, "ranges.json", "belong to another model", "remove")
    #expect(try !out.names().contains("d.onnx"))
    try out.write("{\"version\": 9}".utf8, to: "ranges.json")
    let odd = try Static.run(Self.small, out.path("d.onnx"), options)
    expectFailure(odd, exitCode: 2, "ranges.json", "version 9")
  }

  @Test("Ranges are enough for rounding to nearest, and nothing else is done without recordings")
  func rangesAlone() throws {
    let kept = ["--ranges", out.path("ranges.json")]
    try Static.done(Self.small, out.path("a.onnx"), Self.nearest + Self.oneClip + kept)
    let alone = try Static.run(Self.small, out.path("b.onnx"), Self.nearest + kept)
    #expect(alone.exitCode == 0, "\(alone.stderr)")
    #expect(alone.stdout.contains("calibrated  on 1 clip, 1 of them earlier"), "\(alone.stdout)")
    #expect(try out.read("a.onnx") == out.read("b.onnx"))
    let rounded = try Static.run(Self.small, out.path("c.onnx"), ["--scheme", "w8a16"] + kept)
    expectFailure(rounded, exitCode: 64, "error-aware rounding", "--calibration", "--rounding nearest")
    let narrow = try Static.run(
      Self.small, out.path("c.onnx"), ["--scheme", "w8a8", "--rounding", "nearest"] + kept)
    expectFailure(narrow, exitCode: 64, "which layers keep 16 bits", "--narrow-share 100")
    let none = try Static.run(
      Self.small, out.path("c.onnx"), Self.nearest + ["--ranges", out.path("no.json")])
    expectFailure(none, exitCode: 4, "no.json", "are not there", "--calibration")
    try FileManager.default.removeItem(atPath: out.path("ranges.json.channels"))
    let half = try Static.run(Self.small, out.path("c.onnx"), Self.nearest + kept)
    expectFailure(half, exitCode: 4, "ranges.json.channels", "--calibration")
    #expect(try out.names().sorted() == ["a.onnx", "b.onnx", "ranges.json"])
  }

  @Test("A pattern that names nothing and a recording that was cut are told")
  func tellsOddities() throws {
    let whole = Static.wav(seconds: 2)
    let cut = try out.write(whole.dropLast(1000), to: "cut.wav")
    let report = try Static.done(
      Self.small, out.path("a.onnx"), Self.nearest + ["--calibration", cut, "--exclude", "*nothing*"])
    #expect(report.notes.contains { $0.contains("'*nothing*' matches no weight, node or operator") })
    #expect(report.notes.contains { $0.contains("cut.wav ends 1000 bytes before its header says") })
    #expect(report.notes.count == 2, "\(report.notes)")
  }

  @Test("The plan of --dry-run gives the same bytes as no plan, and is refused for another model")
  func plan() throws {
    for kv in [["--kv", "u8"], ["--kv", "s16"]] {
      let options = Self.nearest + Self.oneClip + kv
      try Static.done(Self.small, out.path("a.onnx"), options)
      let plan = try WhisperQBinary.run(["quantize", Self.small, "--dry-run", "--json", "--quiet"] + options)
      #expect(plan.exitCode == 0 && plan.stderr.isEmpty, "\(plan.stderr)")
      try out.write(plan.stdoutBytes, to: "plan.json")
      try Static.done(Self.small, out.path("b.onnx"), Self.oneClip + ["--plan", out.path("plan.json")])
      #expect(try out.read("a.onnx") == out.read("b.onnx"), "\(kv)")
    }
    let plan = ["--plan", out.path("plan.json")]
    let other = try Static.run(
      Quantized.layout("dynamo/encoder_model.onnx"), out.path("c.onnx"), Self.oneClip + plan)
    expectFailure(other, exitCode: 2, "plan.json, the plan for ", "the plan names", "--dry-run --json")
    let text = String(decoding: try out.read("plan.json"), as: UTF8.self)
    try out.write(text.replacing("\"tensor\"", with: "\"tensr\"", maxReplacements: 1).utf8, to: "plan.json")
    let odd = try Static.run(Self.small, out.path("c.onnx"), Self.oneClip + plan)
    expectFailure(odd, exitCode: 2, "plan.json", "unknown key 'tensr'")
    #expect(try !out.names().contains("c.onnx"))
  }

  @Test("--dry-run of a folder prints both plans and writes nothing; --plan of a folder is refused")
  func folderPlans() throws {
    struct Plans: Decodable {
      struct Plan: Decodable { let scheme: String }
      struct Model: Decodable {
        let input: String
        let plan: Plan
      }
      let models: [Model]
    }
    let options = Self.nearest + Self.oneClip
    let model = DemoSpeech.model
    let result = try WhisperQBinary.run(["quantize", model, "--dry-run", "--json", "--quiet"] + options)
    #expect(result.exitCode == 0 && result.stderr.isEmpty, "\(result.stderr)")
    let plans = try JSONDecoder().decode(Plans.self, from: Data(result.stdoutBytes))
    #expect(
      plans.models.map(\.input)
        == ["encoder", "decoder"].map { "\(model)/\($0)/whisper_\($0).onnx" })
    #expect(plans.models.allSatisfy { $0.plan.scheme == "w8a16" })
    let text = try Static.run(model, out.path("pair"), options + ["--dry-run", "--quiet"])
    #expect(text.exitCode == 0, "\(text.stderr)")
    for line in ["whisper_encoder.onnx: w8a16 for snap", "\n\n", "whisper_decoder.onnx: w8a16 for snap"] {
      #expect(text.stdout.contains(line), "\(text.stdout)")
    }
    try out.write(result.stdoutBytes, to: "plan.json")
    let plan = try Static.run(
      model, out.path("pair"), options + ["--plan", out.path("plan.json"), "--quiet"])
    expectFailure(plan, exitCode: 64, "--plan is for one model, but '\(model)' is a folder")
    #expect(try out.names() == ["plan.json"])
  }

  @Test("Every word of --observer, and --percentile alone, is taken")
  func observers() throws {
    let common = Self.nearest + Self.oneClip + ["--ranges", out.path("ranges.json")]
    let variants = [
      ["--observer", "min-max"], ["--observer", "percentile"], ["--percentile", "99"], ["--observer", "mse"],
    ]
    var seen: Set<[UInt8]> = []
    for options in variants {
      try Static.done(Self.small, out.path("a.onnx"), common + options)
      seen.insert(try out.read("a.onnx"))
    }
    #expect(seen.count == variants.count, "each gives a model of its own")
    // Entropy has nothing to say about 16 bits, and may choose the whole range of the others.
    try Static.done(Self.small, out.path("a.onnx"), common + ["--observer", "entropy"])
    // With one run, the average of the runs is that run.
    try Static.done(Self.small, out.path("a.onnx"), common + ["--observer", "moving"])
    #expect(seen.contains(try out.read("a.onnx")))
  }

  @Test("Arrays, long recordings, and made-up data, which is warned of")
  func sources() throws {
    let tone = try out.write(Static.wav(seconds: 34), to: "long.wav")
    let long = try Static.done(Self.small, out.path("a.onnx"), Self.nearest + ["--calibration", tone])
    #expect(long.clips == ["long.wav", "long.wav@30s"])

    let npz = try out.write(
      Static.npz([("input_features", [1, 80, 3000])]), to: "features.npz")
    let arrays = try Static.done(Self.small, out.path("a.onnx"), Self.nearest + ["--calibration", npz])
    #expect(arrays.clips == ["features.npz"] && arrays.notes.isEmpty)

    let few = try TemporaryFolder()
    try few.write(try out.read("features.npz"), to: "b.npz")
    try few.write(Static.wav(seconds: 1), to: "a.wav")
    try few.write("words".utf8, to: "c.txt")
    let folder = try Static.done(Self.small, out.path("b.onnx"), Self.nearest + ["--calibration", few.path])
    #expect(folder.clips == ["a.wav", "b.npz"])

    let madeUp = try Static.run(Self.small, out.path("c.onnx"), Self.nearest + ["--synthetic", "2"])
    #expect(madeUp.exitCode == 0 && madeUp.stderr.contains("last resort"), "\(madeUp.stderr)")
    let again = try Static.run(Self.small, out.path("d.onnx"), Self.nearest + ["--synthetic", "2"])
    #expect(try again.exitCode == 0 && out.read("c.onnx") == out.read("d.onnx"))
  }

  @Test("Nodes that an option or a policy excludes stay float, and the report names them")
  func excluded() throws {
    let policy = try out.write("{\"exclude\": [\"op:LayerNormalization\"]}".utf8, to: "policy.json")
    for choice in [["--exclude", "op:LayerNormalization"], ["--policy", policy]] {
      let report = try Static.done(Self.small, out.path("a.onnx"), Self.nearest + Self.oneClip + choice)
      #expect(report.floatNodes.count == 5)
      #expect(report.floatNodes.allSatisfy { $0["operator"] == "LayerNormalization" })
    }
    let answer = try StaticComparison.run([[Self.small, out.path("a.onnx")]])
    let sqnr = try #require(answer[0].sqnr, "\(answer[0].error ?? "")")
    #expect(sqnr >= 20, "\(sqnr) dB")
  }

  @Test(
    "--wide, --narrow and --narrow-share say which layers of w8a8 keep 16 bits; a pattern of none is refused")
  func widths() throws {
    let common = ["--scheme", "w8a8", "--rounding", "nearest", "--observer", "min-max"] + Self.oneClip
    func pairs(_ options: [String]) throws -> Int {
      try Static.done(Self.small, out.path("a.onnx"), common + options)
      let answer = try StaticComparison.run([[Self.small, out.path("a.onnx")]])
      #expect(try #require(answer[0].sqnr, "\(answer[0].error ?? "")") > 10, "\(options)")
      return answer[0].pairs?["UINT8"] ?? 0
    }
    let all = try pairs(["--narrow-share", "100"])
    let wide = try pairs(["--narrow-share", "100", "--wide", "*fc2*"])
    #expect(wide < all)
    #expect(try pairs(["--narrow-share", "0", "--wide", "*fc2*", "--narrow", "*fc1*"]) <= wide)
    let plan = try WhisperQBinary.run(
      ["quantize", Self.small, "--dry-run", "--json", "--quiet", "--wide", "*fc2*"] + common)
    #expect(plan.exitCode == 0 && plan.stdout.contains("16 bits asked for by '*fc2*'"), "\(plan.stderr)")
    for option in ["--wide", "--narrow"] {
      let odd = try Static.run(Self.small, out.path("b.onnx"), common + [option, "fc9"])
      expectFailure(odd, exitCode: 64, "no linear layer is named by 'fc9'")
    }
  }

  @Test(
    "--max-tokens gives a decoder of its own file caches of fixed length; kernels of one element have 8 bits")
  func loneDecoder() throws {
    let report = try Static.done(
      Quantized.layout("optimum/decoder_model.onnx"), out.path("a.onnx"),
      Self.nearest + ["--max-tokens", "16", "--synthetic", "1"])
    #expect(report.floatNodes.isEmpty)
    let shown = try WhisperQBinary.run(["inspect", out.path("a.onnx"), "--json"])
    #expect(shown.stdout.contains("k_cache_self_0_in"), "\(shown.stdout.prefix(2000))")
    let aihub = ["--scheme", "w8a16", "--synthetic", "1", "--dry-run", "--json", "--quiet"]
    let plan = try WhisperQBinary.run(["quantize", Quantized.layout("aihub/HfWhisperEncoder.onnx")] + aihub)
    let wide = plan.stdout.components(separatedBy: "few weights that all the rest hangs on").count - 1
    #expect(wide == 2, "the two convolutions of the stem: \(wide)")
  }

  @Test("--keep-prepared writes the float model that was quantized")
  func keepPrepared() throws {
    try Static.done(
      Self.small, out.path("a.onnx"),
      Self.nearest + Self.oneClip + ["--keep-prepared", out.path("float.onnx")])
    let answer = try StaticComparison.run([[Self.small, out.path("float.onnx")]])
    #expect(try #require(answer[0].sqnr, "\(answer[0].error ?? "")") >= 90)
    #expect(answer[0].open == [])
  }

  @Test("On QNN's HTP backend every node of the demo encoder runs, close to the processor")
  func onTheNPU() throws {
    guard FileManager.default.fileExists(atPath: PackageRoot.path(".runtime/onnxruntime_qnn")) else {
      try Test.cancel("needs ONNX Runtime and the QNN plugin in .runtime/: run scripts/fetch-runtime.sh")
    }
    try Static.done(
      Static.encoder, out.path("a.onnx"), ["--scheme", "w8a16", "--rounding", "nearest"] + Static.calibration)
    _ = try PythonOracle.output(
      script: "whisper_features.py",
      arguments: [Static.speech + "/en-linda-03.wav", "80", "input_features", out.path("features.npz")])
    let result = try WhisperQBinary.run(
      [
        "validate", out.path("a.onnx"), "--reference", Static.encoder, "--ep", "qnn", "--require-npu",
        "--json",
        "--input", out.path("features.npz"), "--min-sqnr", "35",
      ], workingFolder: PackageRoot.path, timeLimit: .seconds(300))
    try #require(result.exitCode == 0, "\(result.stderr)\(result.stdout)")
    #expect(result.stdout.contains("\"provider\": \"qnn\""), "\(result.stdout)")
  }
}
