import Foundation
import TestSupport
import Testing

@Suite("whisperq download-layout: folders")
struct DownloadLayoutTests {
  private static let encoder = "encoder/whisper_encoder.onnx"
  private static let decoder = "decoder/whisper_decoder.onnx"

  private static let layouts: [(String, [String: String])] = [
    (
      "optimum",
      [
        encoder: "encoder_model.onnx", decoder: "decoder_model.onnx",
        "decoder/whisper_decoder_merged.onnx": "decoder_model_merged.onnx",
        "decoder/whisper_decoder_with_past.onnx": "decoder_with_past_model.onnx",
      ]
    ),
    (
      "torchscript",
      [
        encoder: "encoder_model.onnx", decoder: "decoder_model.onnx",
        "decoder/whisper_decoder_with_past.onnx": "decoder_with_past_model.onnx",
      ]
    ),
    (
      "dynamo",
      [
        encoder: "encoder_model.onnx", decoder: "decoder_model.onnx",
        "decoder/whisper_decoder_with_past.onnx": "decoder_with_past_model.onnx",
      ]
    ),
    (
      "dynamo-external",
      [encoder: "encoder_model.onnx", "encoder/whisper_encoder.bin": "encoder_model.onnx.data"]
    ),
    ("aihub", [encoder: "HfWhisperEncoder.onnx", decoder: "HfWhisperDecoder.onnx"]),
    ("genai", [encoder: "whisper-small-form_encoder.onnx", decoder: "whisper-small-form_decoder.onnx"]),
    (
      "genai-fused",
      [encoder: "whisper-small-form_encoder_fp32.onnx", decoder: "whisper-small-form_decoder_fp32.onnx"]
    ),
    ("beamsearch", ["whisper_all_in_one.onnx": "whisper-small-form_beamsearch.onnx"]),
    ("sherpa", [encoder: "small-encoder.onnx", decoder: "small-decoder.onnx"]),
  ]

  @Test("Every form of Whisper is laid out, healthy, with digests that hold", arguments: layouts.map(\.0))
  func everyLayout(name: String) throws {
    let runs = try LayoutRuns()
    let expected = try #require(Self.layouts.first { $0.0 == name }).1
    let report = try runs.report([LayoutRuns.source(name)], ["--name", "w"])
    for (target, origin) in expected { #expect(report.origins[target] == origin) }
    #expect(
      report.files.filter { $0.path.hasSuffix(".onnx") }.count
        == expected.keys.filter { $0.hasSuffix(".onnx") }.count)
    #expect(report.actions == ["placed"])
    #expect(try runs.wrongDigests(of: "w_onnx") == nil)
    #expect(runs.exists("models/w_quantized"))
    let check = try WhisperQBinary.run(["manifest", "check"], workingFolder: runs.folder.path)
    #expect(check.exitCode == 0, "\(check.stdout)\(check.stderr)")
    let again = try runs.report([LayoutRuns.source(name)], ["--name", "w"])
    #expect(again.actions == ["kept"])
    #expect(again.manifest.allSatisfy { $0.change == "unchanged" })
    // Nothing is left but the layout and the manifest.
    #expect(runs.files().allSatisfy { $0.hasPrefix("w_onnx/") || $0 == "manifest.json" })
  }

  @Test("The same source gives the same bytes in every file")
  func deterministic() throws {
    let (first, second) = try (LayoutRuns(), LayoutRuns())
    for runs in [first, second] { _ = try runs.report([LayoutRuns.source("optimum")]) }
    #expect(first.files() == second.files() && first.files().count > 14)
    for file in first.files() {
      #expect(try first.folder.read("models/" + file) == second.folder.read("models/" + file), "\(file)")
    }
  }

  @Test("Renamed data is found by the model, and the model differs in nothing but the name")
  func relocated() throws {
    let runs = try LayoutRuns()
    _ = try runs.report([LayoutRuns.source("dynamo-external")], ["--name", "w"])
    let text = try PythonOracle.output(
      script: "layout_relocation.py",
      arguments: [
        "compare", LayoutRuns.source("dynamo-external/encoder_model.onnx"),
        runs.folder.path("models/w_onnx/encoder/whisper_encoder.onnx"),
        "encoder_model.onnx.data=whisper_encoder.bin",
      ])
    #expect(text.contains("\"same_message\": true"))
    let inspected = try WhisperQBinary.run(
      ["inspect", runs.folder.path("models/w_onnx/encoder/whisper_encoder.onnx")])
    #expect(inspected.exitCode == 0, "\(inspected.stdout)")
  }

  /// Two models that a compiler made: programs in files, or in the models.
  private func compiled(_ runs: LayoutRuns, embedded: Bool) throws -> String {
    func model(_ inputs: [(String, [Int])], _ outputs: [(String, [Int])], _ program: String) -> [UInt8] {
      var model = HandMadeModel()
      for (name, extents) in inputs { model.input(name, extents) }
      for (name, extents) in outputs { model.output(name, extents) }
      model.node(
        "EPContext", inputs.map(\.0), outputs.map(\.0), domain: "com.microsoft",
        integers: [("embed_mode", embedded ? 1 : 0), ("main_context", 1)],
        texts: [("ep_cache_context", program), ("source", "Qnn")])
      return model.bytes
    }
    let cross = [("k_cache_cross_0", [6, 1, 64, 1500]), ("v_cache_cross_0", [6, 1, 1500, 64])]
    let past = [("k_cache_self_0_in", [6, 1, 64, 199]), ("v_cache_self_0_in", [6, 1, 199, 64])]
    let encoder = model([("input_features", [1, 80, 3000])], cross, "enc_qnn.bin")
    let decoder = model(
      [("input_ids", [1, 1]), ("attention_mask", [1, 1, 1, 200])] + past + cross + [("position_ids", [1])],
      [
        ("logits", [1, 51865, 1, 1]), ("k_cache_self_0_out", [6, 1, 64, 199]),
        ("v_cache_self_0_out", [6, 1, 199, 64]),
      ], "dec_qnn.bin")
    try runs.folder.write(encoder, to: "qnn/part_a.onnx")
    try runs.folder.write(decoder, to: "qnn/part_b.onnx")
    if !embedded {
      try runs.folder.write([1, 2, 3], to: "qnn/enc_qnn.bin")
      try runs.folder.write([4, 5], to: "qnn/dec_qnn.bin")
    }
    return "qnn"
  }

  @Test(
    "Compiled packages keep their programs, whose names in the models change along", arguments: [false, true])
  func compiledPackage(embedded: Bool) throws {
    let runs = try LayoutRuns()
    let report = try runs.report([compiled(runs, embedded: embedded)], ["--name", "npu"])
    #expect(report.origins[Self.encoder] == "part_a.onnx")
    #expect(report.origins[Self.decoder] == "part_b.onnx")
    #expect(runs.exists("models/npu_onnx/encoder/whisper_encoder.bin") == !embedded)
    if !embedded {
      #expect(try runs.folder.read("models/npu_onnx/encoder/whisper_encoder.bin") == [1, 2, 3])
      let model = try String(decoding: runs.folder.read("models/npu_onnx/" + Self.decoder), as: UTF8.self)
      #expect(model.contains("whisper_decoder.bin") && !model.contains("dec_qnn.bin"))
    }
    let inspected = try WhisperQBinary.run(["inspect", runs.folder.path("models/npu_onnx")])
    #expect(inspected.exitCode == 0, "\(inspected.stdout)\(inspected.stderr)")
  }

  @Test("The user's own folder stays as it is by default, shares files on request, or goes")
  func ways() throws {
    for (way, method) in [("--copy", "copied"), ("--link", "linked"), ("--move", "renamed")] {
      let runs = try LayoutRuns()
      let source = try runs.copy("dynamo-external", to: "mine")
      let report = try runs.report([source], ["--name", "w", way])
      let data = try #require(report.files.first { $0.path == "encoder/whisper_encoder.bin" })
      #expect(data.method == method)
      #expect(runs.exists("mine/encoder_model.onnx.data") == (way != "--move"))
      #expect(runs.exists("mine/encoder_model.onnx") == (way != "--move"))
      let inspected = try WhisperQBinary.run(["inspect", "models/w_onnx"], workingFolder: runs.folder.path)
      // Data with two names may be changed from elsewhere, so it takes the user's word.
      #expect(inspected.exitCode == (way == "--link" ? 2 : 0))
      #expect((report.notes.contains { $0.contains("--follow-links") }) == (way == "--link"))
      let trusted = try WhisperQBinary.run(
        ["inspect", "--follow-links", "models/w_onnx"], workingFolder: runs.folder.path)
      #expect(trusted.exitCode == 0)
    }
    let runs = try LayoutRuns()
    let source = try runs.copy("optimum", to: "mine")
    _ = try runs.report([source])
    #expect(try FileManager.default.contentsOfDirectory(atPath: runs.folder.path("mine")).count == 12)
  }

  @Test("Encoder here, decoder there, texts from a third place")
  func severalSources() throws {
    let runs = try LayoutRuns()
    try FileManager.default.createDirectory(
      atPath: runs.folder.path("texts"), withIntermediateDirectories: true)
    for name in ["tokenizer.json", "config.json"] { try runs.copy("optimum/" + name, to: "texts/" + name) }
    let report = try runs.report(
      [
        LayoutRuns.source("dynamo/encoder_model.onnx"), LayoutRuns.source("dynamo/decoder_model.onnx"),
        "texts",
      ],
      ["--strict"])
    #expect(report.warnings.isEmpty)
    #expect(
      report.files.map(\.path) == ["README.md", "config.json", Self.decoder, Self.encoder, "tokenizer.json"])
    #expect(report.files.first { $0.path == "config.json" }?.source == "texts")
  }

  @Test("A layout with a part only is filled up by a later run, and the parts must fit together")
  func additive() throws {
    let runs = try LayoutRuns()
    let first = try runs.report([LayoutRuns.source("dynamo/encoder_model.onnx")], ["--name", "w"])
    #expect(first.warnings.contains { $0.contains("no decoder") })
    let wrong = try runs.run([LayoutRuns.source("torchscript/decoder_model.onnx")], ["--name", "w"])
    #expect(wrong.exitCode == 2)
    #expect(
      wrong.stderr.contains("the hidden size of") && wrong.stderr.contains("is 32")
        && wrong.stderr.contains("is 16"))
    let second = try runs.report([LayoutRuns.source("dynamo/decoder_model.onnx")], ["--name", "w"])
    #expect(!second.warnings.contains { $0.contains("no encoder") })
    #expect(second.manifest.map(\.key) == ["w_encoder", "w_decoder"])
    #expect(try runs.wrongDigests(of: "w_onnx") == nil)
  }

  @Test("Of several precisions the fullest is taken, another one on request, and what is left is said")
  func variants() throws {
    let runs = try LayoutRuns()
    try runs.copy("optimum", to: "mine")
    try runs.copy("fp16/encoder_model_fp16.onnx", to: "mine/encoder_model_fp16.onnx")
    let plain = try runs.report(["mine"], ["--dry-run"])
    #expect(plain.origins[Self.encoder] == "encoder_model.onnx")
    #expect(
      plain.left.contains {
        $0.path.hasSuffix("encoder_model_fp16.onnx") && $0.reason.contains("--variant fp16")
      })
    let half = try runs.report(["mine"], ["--variant", "fp16", "--dry-run"])
    #expect(half.origins[Self.encoder] == "encoder_model_fp16.onnx")
    #expect(half.origins[Self.decoder] == nil)
    let none = try runs.run(["mine"], ["--variant", "int8"])
    #expect(none.exitCode == 64)
    #expect(none.stderr.contains("there are: fp16, fp32"))
    #expect(!runs.exists("models"))
  }

  @Test("Two models that could both be meant are named")
  func ambiguous() throws {
    let runs = try LayoutRuns()
    try runs.copy("dynamo/encoder_model.onnx", to: "mine/wide/encoder_model.onnx")
    try runs.copy("torchscript/encoder_model.onnx", to: "mine/narrow/encoder_model.onnx")
    let widths = try runs.run(["mine"])
    #expect(widths.exitCode == 2)
    #expect(widths.stderr.contains("mine/narrow/encoder_model.onnx has the hidden size 16"))
    #expect(widths.stderr.contains("mine/wide/encoder_model.onnx has 32"))
    try FileManager.default.removeItem(atPath: runs.folder.path("mine/narrow"))
    try runs.copy("dynamo/encoder_model.onnx", to: "mine/copy/encoder_model.onnx")
    let twice = try runs.run(["mine"])
    #expect(twice.exitCode == 2)
    #expect(twice.stderr.contains("mine/copy/encoder_model.onnx and mine/wide/encoder_model.onnx"))
    let exporters = try runs.run([LayoutRuns.source("genai"), LayoutRuns.source("aihub")])
    #expect(exporters.exitCode == 2)
    #expect(exporters.stderr.contains("different exporters do not run together"))
    #expect(!runs.exists("models/whisper_custom_onnx"))
  }

  @Test("A run that only looks writes nothing and says what would go where")
  func dryRun() throws {
    let runs = try LayoutRuns()
    let report = try runs.report([LayoutRuns.source("optimum")], ["--dry-run"])
    #expect(report.dryRun && report.actions == ["planned"])
    #expect(report.origins[Self.encoder] == "encoder_model.onnx")
    #expect(!runs.exists("models"))
    let archive = try runs.zip(LayoutRuns.source("optimum"), to: "a.zip")
    let zipped = try runs.report([archive], ["--dry-run", "--name", "w"])
    #expect(zipped.origins[Self.encoder] == "model/encoder_model.onnx")
    #expect(!runs.exists("models"))
  }

  @Test("A changed source asks for --force; with it, what no longer belongs goes and the rest stays")
  func force() throws {
    let runs = try LayoutRuns()
    let source = try runs.copy("optimum", to: "mine")
    _ = try runs.report([source], ["--name", "w"])
    try runs.folder.write([1], to: "models/w_onnx/notes.txt")
    for name in [
      "encoder_model.onnx", "decoder_model.onnx", "decoder_with_past_model.onnx", "decoder_model_merged.onnx",
    ] {
      try FileManager.default.removeItem(atPath: runs.folder.path("mine/" + name))
    }
    try runs.copy("dynamo/encoder_model.onnx", to: "mine/encoder_model.onnx")
    try runs.copy("dynamo/decoder_model.onnx", to: "mine/decoder_model.onnx")
    let before = runs.files()
    let refused = try runs.run([source], ["--name", "w"])
    #expect(refused.exitCode == 64)
    #expect(refused.stderr.contains("--force") && refused.stderr.contains("the source has changed"))
    #expect(runs.files() == before)
    let looked = try runs.report([source], ["--name", "w", "--dry-run"])
    #expect(looked.warnings.contains { $0.contains("--force") })
    let done = try runs.report([source], ["--name", "w", "--force"])
    #expect(done.files.first { $0.path == Self.encoder }?.action == "replaced")
    #expect(done.files.first { $0.path == "tokenizer.json" }?.action == "kept")
    #expect(runs.exists("models/w_onnx/notes.txt"))
    #expect(!runs.exists("models/w_onnx/decoder/whisper_decoder_merged.onnx"))
    #expect(try runs.wrongDigests(of: "w_onnx") == nil)
    let check = try WhisperQBinary.run(["manifest", "check"], workingFolder: runs.folder.path)
    #expect(check.exitCode == 0, "\(check.stdout)")
  }

  @Test("A missing file is put back, and a README of the user's own stays")
  func filledUp() throws {
    let runs = try LayoutRuns()
    _ = try runs.report([LayoutRuns.source("dynamo-external")], ["--name", "w"])
    for name in ["encoder/whisper_encoder.onnx", "encoder/whisper_encoder.bin", "README.md"] {
      try FileManager.default.removeItem(atPath: runs.folder.path("models/w_onnx/" + name))
      let report = try runs.report([LayoutRuns.source("dynamo-external")], ["--name", "w"])
      #expect(report.files.filter { $0.action != "kept" }.map(\.path) == [name])
      #expect(try runs.wrongDigests(of: "w_onnx") == nil)
    }
    try runs.folder.write(Array("mine".utf8), to: "models/w_onnx/README.md")
    let other = try runs.report([LayoutRuns.source("dynamo-external")], ["--name", "w"])
    #expect(other.actions == ["kept"])
    #expect(try runs.folder.read("models/w_onnx/README.md") == Array("mine".utf8))
  }

  @Test("Entries that people edited keep what was written into them")
  func manifestEdits() throws {
    let runs = try LayoutRuns()
    _ = try runs.report([LayoutRuns.source("dynamo-external")], ["--name", "w"])
    let edit = try WhisperQBinary.run(
      ["manifest", "set", "w_encoder", "description=Mine", "ep=CPU", "latency_target_ms=7"],
      workingFolder: runs.folder.path)
    #expect(edit.exitCode == 0)
    let before = try runs.folder.read("models/manifest.json")
    _ = try runs.report([LayoutRuns.source("dynamo-external")], ["--name", "w"])
    #expect(try runs.folder.read("models/manifest.json") == before)
    _ = try runs.report([LayoutRuns.source("torchscript")], ["--name", "w", "--force"])
    let after = try String(decoding: runs.folder.read("models/manifest.json"), as: UTF8.self)
    #expect(after.contains("\"description\": \"Mine\"") && after.contains("\"latency_target_ms\": 7"))
    let check = try WhisperQBinary.run(["manifest", "check"], workingFolder: runs.folder.path)
    #expect(check.exitCode == 0, "\(check.stdout)")
    let none = try LayoutRuns()
    let report = try none.report([LayoutRuns.source("aihub")], ["--no-manifest"])
    #expect(report.manifest.isEmpty && !none.exists("models/manifest.json"))
  }

  @Test(
    "Wrong usage ends with 64 and a remedy",
    arguments: [
      ["--name", "a/b"], ["--name", ".hidden"], ["--name", ""], ["--copy", "--move"], ["--sha256", "12"],
      ["--max-size", "0"], ["--sha256", String(repeating: "a", count: 64)],
    ])
  func usage(options: [String]) throws {
    let runs = try LayoutRuns()
    let result = try runs.run([LayoutRuns.source("aihub")], options)
    #expect(result.exitCode == 64, "\(result.stderr)")
    #expect(!runs.exists("models"))
  }
}
