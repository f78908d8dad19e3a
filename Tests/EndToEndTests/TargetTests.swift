import Foundation
import TestSupport
import Testing

/// Chips by name, which all commands know, and dimensions that do not go with a calibration.
@Suite("quantize for an NPU: chips and dimensions")
struct TargetTests {
  private static let small = Quantized.layout("optimum/encoder_model.onnx")

  private func plan(_ target: String) throws -> SpawnResult {
    try WhisperQBinary.run([
      "quantize", Self.small, "--scheme", "w8a16", "--synthetic", "1", "--dry-run", "--json", "--quiet",
      "--target", target,
    ])
  }

  @Test("quantize takes the chips that validate and compile take, by name, part number and number")
  func chips() throws {
    for (word, name) in [
      ("qcs8550", "qcs8550"), ("SM8750", "snapdragon-8-elite"), ("60", "snapdragon-x-elite"),
    ] {
      let result = try plan(word)
      try #require(result.exitCode == 0, "\(result.stderr)")
      let document = try JSONSerialization.jsonObject(with: Data(result.stdoutBytes)) as? [String: Any]
      #expect(document?["target"] as? String == name)
    }
  }

  @Test("A chip that nobody knows is refused in the same words everywhere")
  func stranger() throws {
    let quantize = ["quantize", Self.small, "--scheme", "w8a16", "--synthetic", "1", "--dry-run"]
    for words in [quantize, ["validate", Self.small], ["compile", Self.small]] {
      let result = try WhisperQBinary.run(words + ["--target", "abacus"])
      #expect(result.exitCode == 64 && result.stdout.isEmpty)
      #expect(result.stderr.contains("--target 'abacus' is unknown; choose snapdragon-x-elite, "))
      #expect(result.stderr.contains("sa8255, or a file of a target"), "\(result.stderr)")
    }
  }

  @Test("A batch that --dim made is no fault of the model: recordings are fed one by one")
  func batch() throws {
    let folder = try TemporaryFolder()
    let result = try Static.run(
      Self.small, folder.path("out.onnx"),
      ["--scheme", "w8a16", "--quiet", "--dim", "batch_size=2", "--calibration", Static.clips[0]])
    expectFailure(result, exitCode: 64, "takes 2 recordings at a time", "--dim")
    let pair = try WhisperQBinary.run([
      "prepare", PackageRoot.path("models/whisper_demo_onnx"), "--output", folder.path("npu"), "--max-tokens",
      "16", "--quiet", "--dim", "batch_size=2",
    ])
    #expect(pair.exitCode == 64 && pair.stderr.contains("leave it out"), "\(pair.stderr)")
    #expect(pair.stderr.contains("does not go with --dim batch_size=2"), "\(pair.stderr)")
  }
}
