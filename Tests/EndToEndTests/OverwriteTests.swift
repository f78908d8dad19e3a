import Foundation
import TestSupport
import Testing

/// Whatever is named as a result, nothing that is read is lost, and no result takes the place of another.
@Suite("Results that would replace what is read")
struct OverwriteTests {
  /// Encoder and decoder, a static model with weights in a file of their own, a recording, settings.
  private static func files() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try FileManager.default.copyItem(
      atPath: Quantized.layout("optimum/encoder_model.onnx"), toPath: folder.path("e.onnx"))
    try FileManager.default.copyItem(
      atPath: Quantized.layout("optimum/decoder_model.onnx"), toPath: folder.path("d.onnx"))
    try folder.write(Static.wav(seconds: 2), to: "few/a.wav")
    let whole = try WhisperQBinary.run(
      [
        "quantize", "e.onnx", "-o", "x.onnx", "--scheme", "w8a16", "--synthetic", "1", "--rounding",
        "nearest",
        "--external-data", "always",
      ], workingFolder: folder.path)
    try #require(whole.exitCode == 0, "\(whole.stderr)")
    let plan = try WhisperQBinary.run(
      ["quantize", "e.onnx", "--dry-run", "--json"], workingFolder: folder.path)
    try folder.write(plan.stdoutBytes, to: "plan.json")
    try folder.write("{}".utf8, to: "policy.json")
    let target = try WhisperQBinary.run(["quantize", "e.onnx", "--print-target"])
    try folder.write(target.stdoutBytes, to: "target.json")
    try FileManager.default.copyItem(atPath: DemoSpeech.model, toPath: folder.path("demo"))
    return folder
  }

  private static func contents(_ folder: TemporaryFolder) throws -> [String: Data] {
    let names = FileManager.default.enumerator(atPath: folder.path)?.compactMap { $0 as? String } ?? []
    return names.reduce(into: [:]) {
      $0[$1] = FileManager.default.contents(atPath: folder.path($1)) ?? Data()
    }
  }

  private static let npu = ["quantize", "e.onnx", "--scheme", "w8a16", "--calibration", "few"]
  private static let pair = ["quantize", "demo", "--scheme", "w8a16", "--calibration", "few"]

  @Test("Each is refused before the work, and every file is as it was")
  func refused() throws {
    let folder = try Self.files()
    let before = try Self.contents(folder)
    let read = "this file is read, so it cannot be written"
    let twice = "would be written twice"
    let cases: [(arguments: [String], exitCode: Int32, words: String)] = [
      (Self.npu + ["-o", "few/a.wav"], 4, read),
      (Self.npu + ["-o", "o.onnx", "--keep-prepared", "few/a.wav"], 4, read),
      (Self.npu + ["-o", "target.json", "--target", "target.json"], 4, read),
      (Self.npu + ["-o", "policy.json", "--policy", "policy.json"], 4, read),
      (Self.npu + ["-o", "o.onnx", "--keep-prepared", "o.onnx"], 64, twice),
      (Self.npu + ["-o", "o.onnx", "--ranges", "o.onnx"], 64, twice),
      (Self.npu + ["-o", "r.json.channels", "--ranges", "r.json"], 64, twice),
      (Self.npu + ["-o", "o.onnx", "--ranges", "k.json", "--keep-prepared", "k.json"], 64, twice),
      (Self.npu + ["-o", "o.onnx", "--keep-prepared", "o.onnx.data"], 64, twice),
      (Self.pair + ["-o", "new/out", "--keep-prepared", "new/out"], 64, twice),
      (["quantize", "e.onnx", "-o", "plan.json", "--plan", "plan.json"], 4, read),
      (["quantize", "e.onnx", "-o", "policy.json", "--policy", "policy.json"], 4, read),
      (["prepare", "e.onnx", "-o", "d.onnx", "--cross-cache", "encoder", "--decoder", "d.onnx"], 4, read),
      (["compile", "x.onnx", "-o", "x.onnx.data"], 4, read),
      (["validate", "x.onnx", "--static", "--report", "x.onnx"], 4, read),
      (["validate", "x.onnx", "--static", "--report", "x.onnx.data"], 4, read),
      (["transcribe", "few/a.wav", "--model", "demo", "-o", "demo/encoder/whisper_encoder.onnx"], 4, read),
      (
        ["evaluate", "few", "--model", "demo", "--report", "demo/decoder/whisper_decoder.onnx"], 4, read
      ),
    ]
    for item in cases {
      let result = try WhisperQBinary.run(item.arguments, workingFolder: folder.path)
      #expect(result.exitCode == item.exitCode, "\(item.arguments): \(result.end) \(result.stderr)")
      #expect(result.stderr.contains(item.words), "\(item.arguments): \(result.stderr)")
      #expect(try Self.contents(folder) == before, "\(item.arguments)")
    }
  }

  @Test("A run over a folder that fails leaves no folder of its own behind")
  func emptyFolders() throws {
    let folder = try Self.files()
    try folder.write("no sound".utf8, to: "few/b.wav")
    let before = try Self.contents(folder)
    for options in [[], ["--keep-prepared", "new/prepared"]] {
      let result = try WhisperQBinary.run(
        Self.pair + ["-o", "new/out", "--rounding", "nearest"] + options, workingFolder: folder.path)
      expectFailure(result, exitCode: 2, "few/b.wav")
      // A prepared model that is wanted is complete by then.
      let made = try Self.contents(folder).keys.filter { before[$0] == nil }
      #expect(!made.contains { $0.hasPrefix("new/out") }, "\(made)")
      #expect(options.isEmpty ? made.isEmpty : true, "\(made)")
    }
  }

  @Test("A folder of results keeps the files that someone put there, and does not lie in the model's")
  func others() throws {
    let folder = try Self.files()
    try folder.write("mine".utf8, to: "out/README.md")
    try folder.write("model".utf8, to: "demo/README.md")
    let before = try Self.contents(folder)
    for arguments in [
      ["prepare", "demo", "-o", "out"], Self.pair + ["-o", "out"], ["quantize", "demo", "-o", "out"],
    ] {
      let result = try WhisperQBinary.run(arguments, workingFolder: folder.path)
      expectFailure(result, exitCode: 4, "out/README.md: this file is there, and it is another one")
      #expect(try Self.contents(folder) == before, "\(arguments)")
    }
    for (place, output) in [("", "demo/npu"), ("demo", "npu"), ("demo", "./a/b")] {
      let input = place.isEmpty ? "demo" : "."
      let result = try WhisperQBinary.run(
        ["prepare", input, "-o", output], workingFolder: folder.path(place))
      expectFailure(result, exitCode: 64, "is inside of the model's")
      #expect(try Self.contents(folder) == before)
    }
    // The same files may come along again.
    for _ in 0..<2 {
      let result = try WhisperQBinary.run(
        ["prepare", ".", "-o", "../pair"], workingFolder: folder.path("demo"))
      #expect(result.exitCode == 0, "\(result.stderr)")
    }
  }

  @Test("The entry of the source is not the result's")
  func manifestKey() throws {
    let folder = try Self.files()
    try folder.write("{}".utf8, to: "models/manifest.json")
    let added = try WhisperQBinary.run(
      ["manifest", "add", "mine", "--path", "e.onnx"], workingFolder: folder.path)
    try #require(added.exitCode == 0, "\(added.stderr)")
    let before = try Self.contents(folder)
    for source in ["mine", "e.onnx"] {
      let result = try WhisperQBinary.run(
        [
          "quantize", source, "-o", "o.onnx", "--manifest-key", "mine", "--scheme", "w8a16", "--synthetic",
          "1",
        ], workingFolder: folder.path)
      expectFailure(result, exitCode: 64, "--manifest-key mine is the entry of the source")
      #expect(try Self.contents(folder) == before)
    }
    let compiled = try WhisperQBinary.run(
      ["compile", "x.onnx", "-o", "c.onnx", "--manifest-key", "a b/"], workingFolder: folder.path)
    expectFailure(compiled, exitCode: 64, "cannot be a key")
    #expect(try Self.contents(folder) == before)
  }
}
