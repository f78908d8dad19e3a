import ONNXFile
import ONNXGraph
import Testing
import Whisper

@Suite("Names of inputs and outputs")
struct InterfaceTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let inputs: [String]
    let outputs: [String]
    let layout: WhisperLayout
    let part: WhisperPart

    init(_ inputs: [String], _ outputs: [String], _ layout: WhisperLayout, _ part: WhisperPart) {
      self.inputs = inputs
      self.outputs = outputs
      self.layout = layout
      self.part = part
    }

    var testDescription: String { "\(inputs.joined(separator: " ")) gives \(outputs.joined(separator: " "))" }
  }

  /// Forms that exporters make and that are not among the files of the repository.
  static let cases: [Case] = [
    Case(
      ["audio_features", "decoder_input_ids"], ["logits", "encoder_hidden_states", "present_key_self_0"],
      .onnxRuntimeGenAI, .encoderDecoderInit),
    Case(["encoder_input_ids"], ["logits", "present_key_self_0"], .onnxRuntimeGenAI, .encoderDecoderInit),
    Case(
      ["input_ids", "encoder_hidden_states"], ["logits", "present_key_self_0", "present_key_cross_0"],
      .onnxRuntimeGenAI, .decoderInit),
    Case(
      ["alignment_heads", "sot_sequence_length", "segment_length", "cross_qk_0"], ["jump_times"],
      .onnxRuntimeGenAI, .jumpTimes),
    Case(["audio_features"], ["encoder_hidden_states"], .onnxRuntimeGenAI, .encoder),
    Case(["input_ids", "encoder_hidden_states"], ["logits"], .optimum, .decoder),
    Case(["decoder_input_ids", "encoder_hidden_states"], ["logits"], .optimum, .decoder),
    Case(
      ["inputs_embeds", "encoder_hidden_states"], ["last_hidden_state"], .optimum, .decoderFromEmbeddings),
    Case(
      ["input_ids", "past_key_values.0.decoder.key", "use_cache_branch"], ["logits"], .optimum, .decoderMerged
    ),
    Case(["input_features"], ["last_hidden_state"], .optimum, .encoder),
    Case(["pixel_values"], ["last_hidden_state"], .unknown, .unknown),
  ]

  @Test("Every form is told by its names alone", arguments: cases)
  func interface(_ example: Case) throws {
    var node = NodeProto()
    node.opType = "Stand-in"
    node.input = example.inputs
    node.output = example.outputs
    var graph = GraphProto()
    graph.node = [node]
    graph.input = example.inputs.map(named)
    graph.output = example.outputs.map(named)
    var model = ModelProto()
    model.graph = graph
    let description = WhisperModelDescription.recognise(
      try ModelGraph.lift(model, external: ExternalDataFiles(modelPath: "m.onnx")))
    #expect(description.layout == example.layout)
    #expect(description.part == example.part)
    // Names alone are no proof that it is Whisper; only the time stamps' are nobody else's.
    #expect(description.isWhisper == (example.part == .jumpTimes))
  }

  private func named(_ name: String) -> ValueInfoProto {
    var info = ValueInfoProto()
    info.name = name
    return info
  }
}
