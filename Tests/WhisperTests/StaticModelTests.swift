import Foundation
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing
import Whisper

@Suite("Models of fixed shapes, written and run elsewhere")
struct StaticModelTests {
  private static func write(_ model: ModelGraph, _ path: String) throws {
    let output = try ModelOutput(model.lower(), path: path, policy: .auto)
    for job in output.copyJobs { try output.run(job) }
    try output.commit()
  }

  @Test(
    "ONNX Runtime takes the written models and gives the logits of the original",
    arguments: [
      ("optimum", "encoder_model.onnx", "decoder_with_past_model.onnx", "decoder_model_merged.onnx"),
      ("sherpa", "small-encoder.onnx", "small-decoder.onnx", "small-decoder.onnx"),
    ])
  func runtime(_ folder: String, _ encoder: String, _ decoder: String, _ original: String) throws {
    let scratch = try TemporaryFolder()
    let source = try LayoutFiles.resource("\(folder)/\(encoder)")
    let whole = try LayoutFiles.resource("\(folder)/\(original)")
    let encoderPath = scratch.path("encoder.onnx")
    let decoderPath = scratch.path("decoder.onnx")
    try Self.write(StaticSpeech.encoder(addingCrossCachesOf: whole, to: source), encoderPath)
    try Self.write(
      StaticSpeech.decoder(
        from: LayoutFiles.resource("\(folder)/\(decoder)"), maximumTokenCount: 16), decoderPath)
    let features = StaticRuns.features(80)
    let tokens = StaticRuns.tokens(16, below: 320)
    try scratch.write(features.bytes.copied(), to: "features.bin")
    _ = try PythonOracle.output(
      script: "run_static_decoder.py",
      arguments: [encoderPath, decoderPath, scratch.path("features.bin"), scratch.path("logits.bin")]
        + tokens.map(String.init))
    let raw = try Files.read(scratch.path("logits.bin"))
    let values = TensorContent(
      elementType: .float32, shape: try #require(Shape([16, 320])), bytes: .owned(raw)
    ).floats
    let found = try #require(values)
    try #require(found.count == 16 * 320)
    let rows = (0..<16).map { Array(found[($0 * 320)..<(($0 + 1) * 320)]) }
    let expected = try StaticRuns.rows(StaticRuns.speech([source, whole]), features, tokens)
    #expect(try StaticRuns.difference(expected, rows) < 1e-4)
    // The written files are known for what they are.
    let read = try [encoderPath, decoderPath].map(LayoutFiles.graph)
    let again = try StaticRuns.rows(StaticRuns.speech(read), features, tokens)
    #expect(try StaticRuns.difference(expected, again) < 1e-4)
  }

  @Test(
    "A trained model with real sizes gives the same logits",
    arguments: [
      "decoder_model_merged.onnx", "decoder_with_past_model.onnx",
    ])
  func digits(_ source: String) throws {
    let folder = "digits/onnx/"
    let encoder = try LayoutFiles.graph(SharedData.path(folder + "encoder_model.onnx"))
    let merged = try LayoutFiles.graph(SharedData.path(folder + "decoder_model_merged.onnx"))
    let decoder = try LayoutFiles.graph(SharedData.path(folder + source))
    let fixed = try StaticRuns.speech([
      StaticSpeech.encoder(addingCrossCachesOf: merged, to: encoder), StaticSpeech.decoder(from: decoder),
    ])
    #expect(fixed.tokenLimit == 448)
    let features = StaticRuns.features(80)
    let tokens = StaticRuns.tokens(24, below: 64)
    let expected = try StaticRuns.rows(StaticRuns.speech([encoder, merged]), features, tokens)
    let difference = try StaticRuns.difference(expected, StaticRuns.rows(fixed, features, tokens))
    #expect(difference < 1e-4)
  }
}
