import Testing

/// How exact the quantized layouts were when they were measured, with seeded inputs and ONNX Runtime 1.32.0.
///
/// The models have random weights and a width of 16 or 32, so that one block is often a whole column: 4 bits
/// are worse, and numbers differ more between models and rules, than with trained weights.
enum LayoutFloors {
  enum Expectation: Sendable {
    /// It was this many dB.
    case above(Double)
    /// It runs; its outputs are token numbers, which cannot be compared so.
    case runs
    /// Nothing can be quantized, and the sentence has these words.
    case refused(String)
  }

  struct Column: Sendable, CustomTestStringConvertible {
    let place: Int
    let options: [String]
    var testDescription: String { options.dropFirst().joined(separator: " ") }
  }

  /// What a measurement may lose on another processor or version, in dB.
  static let margin = 1.0

  static let columns: [Column] = [
    ["--scheme", "dynamic-int8"], ["--scheme", "weight-int8"],
    ["--scheme", "weight-int8", "--format", "qdq"],
    ["--scheme", "weight-int4"], ["--scheme", "weight-int4", "--format", "qdq"],
    ["--scheme", "weight-int8", "--per-channel"], ["--scheme", "fp16"],
  ].enumerated().map { Column(place: $0.offset, options: $0.element) }

  static let models: [String: [Expectation]] = [
    "aihub/HfWhisperDecoder.onnx": [
      .above(41.2), .above(36.7), .above(38.3), .above(36.7), .above(14.4), .above(36.7), .above(63.5),
    ],
    "aihub/HfWhisperEncoder.onnx": [
      .refused("ConvInteger"), .above(33.9), .above(33.6), .above(33.9), .above(10.0), .above(33.9),
      .above(55.5),
    ],
    "beamsearch/whisper-small-form_beamsearch.onnx": [
      .runs, .runs, .runs, .runs, .runs, .runs, .refused("WhisperBeamSearch"),
    ],
    "dynamo-external/encoder_model.onnx": [
      .above(24.8), .above(31.5), .above(28.2), .above(9.1), .above(9.1), .above(28.2), .above(53.2),
    ],
    "dynamo/decoder_model.onnx": [
      .above(30.6), .above(36.5), .above(32.4), .above(11.4), .above(10.5), .above(32.7), .above(58.8),
    ],
    "dynamo/decoder_with_past_model.onnx": [
      .above(35.7), .above(36.6), .above(33.3), .above(15.3), .above(15.1), .above(32.7), .above(64.5),
    ],
    "dynamo/encoder_model.onnx": [
      .above(27.7), .above(34.6), .above(31.8), .above(11.4), .above(11.5), .above(31.9), .above(57.8),
    ],
    "fp16/encoder_model_bf16.onnx": [
      .above(27.6), .above(35.5), .above(31.6), .above(11.8), .above(11.5), .above(31.7), .above(57.8),
    ],
    "fp16/encoder_model_fp16.onnx": [
      .above(28.0), .above(34.2), .above(31.2), .above(11.4), .above(11.5), .above(31.8),
      .refused("binary16 already"),
    ],
    "fp16/encoder_model_fp16_io.onnx": [
      .above(28.0), .above(34.2), .above(31.4), .above(11.4), .above(11.4), .above(31.5),
      .refused("binary16 already"),
    ],
    "genai-fused/whisper-small-form_decoder_fp32.onnx": [
      .above(33.0), .above(36.2), .above(32.1), .above(7.5), .above(7.5), .above(32.1), .above(54.0),
    ],
    "genai-fused/whisper-small-form_encoder_fp32.onnx": [
      .above(23.2), .above(29.2), .above(26.6), .above(6.7), .above(6.8), .above(26.6), .above(51.1),
    ],
    "genai/whisper-small-form_decoder.onnx": [
      .above(29.5), .above(36.0), .above(31.9), .above(13.8), .above(11.8), .above(33.0), .above(60.6),
    ],
    "genai/whisper-small-form_encoder.onnx": [
      .above(26.6), .above(33.6), .above(29.9), .above(10.1), .above(10.1), .above(30.1), .above(55.3),
    ],
    "optimum/decoder_model.onnx": [
      .above(30.4), .above(36.0), .above(30.5), .above(11.4), .above(10.6), .above(29.9), .above(57.6),
    ],
    "optimum/decoder_model_merged.onnx": [
      .above(30.4), .above(36.0), .above(36.0), .above(11.4), .above(10.3), .above(35.4), .above(58.5),
    ],
    "optimum/decoder_with_past_model.onnx": [
      .above(29.5), .above(36.0), .above(31.9), .above(13.8), .above(11.8), .above(33.0), .above(60.1),
    ],
    "optimum/encoder_model.onnx": [
      .above(28.2), .above(34.9), .above(31.4), .above(11.4), .above(11.4), .above(31.5), .above(57.1),
    ],
    "sherpa/small-decoder.onnx": [
      .above(26.1), .above(34.6), .above(32.5), .above(13.8), .above(12.4), .above(32.5), .above(55.1),
    ],
    "sherpa/small-encoder.onnx": [
      .above(23.7), .above(30.8), .above(27.9), .above(8.2), .above(8.2), .above(27.9), .above(52.9),
    ],
    "torchscript/decoder_model.onnx": [
      .above(24.3), .above(29.7), .above(29.0), .above(9.4), .above(8.4), .above(29.0), .above(43.2),
    ],
    "torchscript/decoder_with_past_model.onnx": [
      .above(33.3), .above(37.3), .above(31.1), .above(8.3), .above(7.3), .above(31.1), .above(64.0),
    ],
    "torchscript/encoder_model.onnx": [
      .above(24.0), .above(32.5), .above(29.1), .above(9.1), .above(9.2), .above(29.1), .above(52.5),
    ],
  ]
}
