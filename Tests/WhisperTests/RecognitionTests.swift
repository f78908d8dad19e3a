import ONNXGraph
import TestSupport
import Testing
import Whisper

@Suite("Recognition of Whisper layouts")
struct RecognitionTests {
  struct Expectation: Sendable, CustomTestStringConvertible {
    let file: String
    let line: String

    init(_ file: String, _ line: String) {
      self.file = file
      self.line = line
    }

    var testDescription: String { file }
  }

  static let resources: [Expectation] = [
    Expectation(
      "aihub/HfWhisperDecoder.onnx",
      "qualcomm-ai-hub, decoder-with-past, mels -, d 32, layers -/2, 2x16, V 320, cache 199, static, custom"
    ),
    Expectation(
      "aihub/HfWhisperEncoder.onnx",
      "qualcomm-ai-hub, encoder, mels 80, d 32, layers 2/2, 2x16, V -, cache -, static, custom"),
    Expectation(
      "beamsearch/whisper-small-form_beamsearch.onnx",
      "beam-search, all-in-one, mels 80, d 16, layers 2/2, 2x8, V 320, cache -, dynamic, custom"),
    Expectation(
      "dynamo/decoder_model.onnx",
      "optimum, decoder, mels -, d 32, layers -/2, 2x16, V 320, cache -, dynamic, custom"),
    Expectation(
      "dynamo/decoder_with_past_model.onnx",
      "optimum, decoder-with-past, mels -, d 32, layers -/2, 2x16, V 320, cache -, dynamic, custom"),
    Expectation(
      "dynamo/encoder_model.onnx",
      "optimum, encoder, mels 80, d 32, layers 2/-, 2x16, V -, cache -, dynamic, custom"),
    Expectation(
      "dynamo-external/encoder_model.onnx",
      "optimum, encoder, mels 80, d 16, layers 2/-, 2x8, V -, cache -, dynamic, custom"),
    Expectation(
      "fp16/encoder_model_bf16.onnx",
      "optimum, encoder, mels 80, d 32, layers 2/-, 2x16, V -, cache -, dynamic, custom"),
    Expectation(
      "fp16/encoder_model_fp16.onnx",
      "optimum, encoder, mels 80, d 32, layers 2/-, 2x16, V -, cache -, dynamic, custom"),
    Expectation(
      "fp16/encoder_model_fp16_io.onnx",
      "optimum, encoder, mels 80, d 32, layers 2/-, 2x16, V -, cache -, dynamic, custom"),
    Expectation(
      "genai/whisper-small-form_decoder.onnx",
      "onnxruntime-genai, decoder-with-past, mels -, d 32, layers -/2, 2x16, V 320, cache -, dynamic, custom"
    ),
    Expectation(
      "genai/whisper-small-form_encoder.onnx",
      "onnxruntime-genai, encoder, mels 80, d 32, layers 2/2, 2x16, V -, cache -, dynamic, custom"),
    Expectation(
      "genai-fused/whisper-small-form_decoder_fp32.onnx",
      "onnxruntime-genai, decoder-with-past, mels -, d 16, layers -/2, 2x8, V 320, cache -, dynamic, custom"
    ),
    Expectation(
      "genai-fused/whisper-small-form_encoder_fp32.onnx",
      "onnxruntime-genai, encoder, mels 80, d 16, layers 2/2, 2x8, V -, cache -, dynamic, custom"),
    Expectation(
      "optimum/decoder_model.onnx",
      "optimum, decoder, mels -, d 32, layers -/2, 2x16, V 320, cache -, dynamic, custom"),
    Expectation(
      "optimum/decoder_model_merged.onnx",
      "optimum, decoder-merged, mels -, d 32, layers -/2, 2x16, V 320, cache -, dynamic, custom"),
    Expectation(
      "optimum/decoder_with_past_model.onnx",
      "optimum, decoder-with-past, mels -, d 32, layers -/2, 2x16, V 320, cache -, dynamic, custom"),
    Expectation(
      "optimum/encoder_model.onnx",
      "optimum, encoder, mels 80, d 32, layers 2/-, 2x16, V -, cache -, dynamic, custom"),
    Expectation(
      "sherpa/small-decoder.onnx",
      "sherpa-onnx, decoder-with-past, mels -, d 16, layers -/2, 2x8, V 320, cache 448, dynamic, custom"
    ),
    Expectation(
      "sherpa/small-encoder.onnx",
      "sherpa-onnx, encoder, mels 80, d 16, layers 2/2, 2x8, V 320, cache -, dynamic, custom"),
    Expectation(
      "torchscript/decoder_model.onnx",
      "optimum, decoder, mels -, d 16, layers -/2, 2x8, V 320, cache -, dynamic, custom"),
    Expectation(
      "torchscript/decoder_with_past_model.onnx",
      "optimum, decoder-with-past, mels -, d 16, layers -/2, 2x8, V 320, cache -, dynamic, custom"),
    Expectation(
      "torchscript/encoder_model.onnx",
      "optimum, encoder, mels 80, d 16, layers 2/-, 2x8, V -, cache -, dynamic, custom"),
  ]

  @Test("Every exporter's files are told apart by their graphs", arguments: resources)
  func resource(_ expected: Expectation) throws {
    #expect(WhisperModelDescription.recognise(try LayoutFiles.resource(expected.file)).line == expected.line)
  }

  static let realFiles: [Expectation] = [
    Expectation(
      "digits/onnx/decoder_model_merged.onnx",
      "optimum, decoder-merged, mels -, d 384, layers -/4, 6x64, V 64, cache -, dynamic, custom"),
    Expectation(
      "digits/onnx/decoder_with_past_model.onnx",
      "optimum, decoder-with-past, mels -, d 384, layers -/4, 6x64, V 64, cache -, dynamic, custom"),
    Expectation(
      "digits/onnx/encoder_model.onnx",
      "optimum, encoder, mels 80, d 384, layers 4/-, 6x64, V -, cache -, dynamic, tiny"),
    Expectation(
      "whisper-tiny.en/encoder.onnx",
      "optimum, encoder, mels 80, d 384, layers 4/-, 6x64, V -, cache -, static, tiny"),
    Expectation(
      "whisper-tiny.en/whisper-tiny.en-decoder-inputs_embeds.onnx",
      "optimum, decoder-from-embeddings, mels -, d 384, layers -/4, 6x64, V -, cache -, static, tiny"),
  ]

  @Test("Models of published size are named", arguments: realFiles)
  func realFile(_ expected: Expectation) throws {
    let graph = try LayoutFiles.graph(SharedData.path(expected.file))
    #expect(WhisperModelDescription.recognise(graph).line == expected.line)
  }

  @Test("The file's name plays no part")
  func nameless() throws {
    let folder = try TemporaryFolder()
    let bytes = try Files.read(PackageRoot.path("Tests/Resources/layouts/sherpa/small-decoder.onnx"))
    let path = try folder.write(bytes, to: "encoder_model.onnx")
    let description = WhisperModelDescription.recognise(try LayoutFiles.graph(path))
    #expect(description.layout == .sherpa)
    #expect(description.part == .decoderWithPast)
  }

  @Test("Weights whose data file is lost are recognised by their declarations")
  func lostData() throws {
    let folder = try TemporaryFolder()
    let bytes = try Files.read(PackageRoot.path("Tests/Resources/layouts/dynamo-external/encoder_model.onnx"))
    let path = try folder.write(bytes, to: "encoder_model.onnx")
    let graph = try LayoutFiles.graph(path)
    #expect(!graph.problems.isEmpty)
    let complete = try LayoutFiles.resource("dynamo-external/encoder_model.onnx")
    #expect(WhisperModelDescription.recognise(graph) == .recognise(complete))
  }

  @Test("Open dimensions and the producer are reported as the file has them")
  func names() throws {
    let description = WhisperModelDescription.recognise(
      try LayoutFiles.resource("optimum/decoder_with_past_model.onnx"))
    #expect(
      description.openDimensions == [
        "batch_size", "decoder_sequence_length", "past_decoder_sequence_length", "encoder_sequence_length",
      ])
    #expect(description.producer?.hasPrefix("pytorch ") == true)
    #expect(description.interface == .optimum)
  }
}
