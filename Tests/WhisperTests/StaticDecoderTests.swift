import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing
import Whisper

@Suite("Decoders of fixed shapes")
struct StaticDecoderTests {
  /// What a decoder of fixed shapes is made from, and what it is compared with.
  struct Export: Sendable, CustomTestStringConvertible {
    let encoder: String
    /// The decoders of the original, run by the loop of their layout.
    let original: [String]
    /// The decoder that the new one is made from.
    let source: String
    /// The decoder whose projections the encoder gets; nil when it has its own.
    let cross: String?

    var testDescription: String { source }
  }

  static let exports = [
    optimum("decoder_model.onnx"), optimum("decoder_with_past_model.onnx"),
    optimum("decoder_model_merged.onnx"),
    pair("torchscript", "decoder_model.onnx"), pair("torchscript", "decoder_with_past_model.onnx"),
    pair("dynamo", "decoder_model.onnx"), pair("dynamo", "decoder_with_past_model.onnx"),
    own("genai/whisper-small-form"),
    Export(
      encoder: "genai-fused/whisper-small-form_encoder_fp32.onnx",
      original: ["genai-fused/whisper-small-form_decoder_fp32.onnx"],
      source: "genai-fused/whisper-small-form_decoder_fp32.onnx", cross: nil),
    Export(
      encoder: "sherpa/small-encoder.onnx", original: ["sherpa/small-decoder.onnx"],
      source: "sherpa/small-decoder.onnx", cross: nil),
  ]

  private static func optimum(_ source: String) -> Export {
    Export(
      encoder: "optimum/encoder_model.onnx", original: ["optimum/decoder_model_merged.onnx"],
      source: "optimum/" + source,
      cross: source.contains("merged") ? "optimum/" + source : "optimum/decoder_model.onnx")
  }

  private static func pair(_ folder: String, _ source: String) -> Export {
    Export(
      encoder: folder + "/encoder_model.onnx",
      original: [folder + "/decoder_model.onnx", folder + "/decoder_with_past_model.onnx"],
      source: folder + "/" + source, cross: folder + "/decoder_model.onnx")
  }

  private static func own(_ name: String) -> Export {
    Export(
      encoder: name + "_encoder.onnx", original: [name + "_decoder.onnx"], source: name + "_decoder.onnx",
      cross: nil)
  }

  private static func fixed(_ export: Export, maximumTokenCount: Int? = nil) throws -> SpeechModel {
    let decoder = try StaticSpeech.decoder(
      from: LayoutFiles.resource(export.source), maximumTokenCount: maximumTokenCount)
    let encoder = try StaticSpeech.encoder(
      addingCrossCachesOf: try export.cross.map(LayoutFiles.resource),
      to: LayoutFiles.resource(export.encoder))
    return try StaticRuns.speech([encoder, decoder])
  }

  @Test("Token by token up to the limit, the logits are those of the original", arguments: exports)
  func sameLogits(_ export: Export) throws {
    try compare(export, count: 12)
  }

  @Test("So they are over all 448 positions", arguments: [1, 9])
  func everyPosition(_ index: Int) throws {
    try compare(Self.exports[index], count: 448)
  }

  /// Runs `count` tokens through the original and through decoders with room for just as many.
  private func compare(_ export: Export, count: Int) throws {
    let original = try StaticRuns.speech(
      [LayoutFiles.resource(export.encoder)] + export.original.map { try LayoutFiles.resource($0) })
    let fixed = try Self.fixed(export, maximumTokenCount: count == 448 ? nil : count)
    #expect(fixed.tokenLimit == count)
    let features = StaticRuns.features(original.melCount)
    let tokens = StaticRuns.tokens(count, below: 320)
    let expected = try StaticRuns.rows(original, features, tokens)
    let found = try StaticRuns.rows(fixed, features, tokens)
    #expect(found.count == count)
    let difference = try StaticRuns.difference(expected, found)
    #expect(difference < 1e-4)
    #expect(throws: DecodingError.self) { try fixed.decoder.step([1]) }
    // Another window knows nothing of the one before.
    let again = try StaticRuns.rows(fixed, features, Array(tokens.prefix(3)))
    #expect(again == Array(found.prefix(3)))
  }

  @Test("Fewer tokens make shorter caches and the same logits")
  func shorter() throws {
    let export = Self.exports[0]
    let features = StaticRuns.features(80)
    let tokens = StaticRuns.tokens(9, below: 320)
    let long = try StaticRuns.rows(try Self.fixed(export), features, tokens)
    let short = try Self.fixed(export, maximumTokenCount: 9)
    #expect(short.tokenLimit == 9)
    #expect(try StaticRuns.difference(long, try StaticRuns.rows(short, features, tokens)) < 1e-6)
    #expect(throws: DecodingError.self) { try short.decoder.step([1]) }
  }

  @Test("Every input, output and inner value has a fixed shape and the documented name")
  func fixedShapes() throws {
    let model = try StaticSpeech.decoder(
      from: LayoutFiles.resource("dynamo/decoder_model.onnx"), maximumTokenCount: 64)
    func ports(_ values: [ValueID]) -> [String] {
      values.map { value in
        let extents = (model.declaredShape(of: value) ?? []).map(\.description).joined(separator: ",")
        return "\(model[value].name) \(model[value].declaredElementType.map { "\($0)" } ?? "?") [\(extents)]"
      }
    }
    #expect(
      ports(model[model.root].inputs) == [
        "input_ids int32 [1,1]", "attention_mask float32 [1,1,1,64]", "position_ids int32 [1]",
        "k_cache_self_0_in float32 [2,1,16,63]", "v_cache_self_0_in float32 [2,1,63,16]",
        "k_cache_self_1_in float32 [2,1,16,63]", "v_cache_self_1_in float32 [2,1,63,16]",
        "k_cache_cross_0 float32 [2,1,16,1500]", "v_cache_cross_0 float32 [2,1,1500,16]",
        "k_cache_cross_1 float32 [2,1,16,1500]", "v_cache_cross_1 float32 [2,1,1500,16]",
      ])
    #expect(
      ports(model[model.root].outputs) == [
        "logits float32 [1,320]", "k_cache_self_0_new float32 [2,1,16,1]",
        "v_cache_self_0_new float32 [2,1,1,16]", "k_cache_self_1_new float32 [2,1,16,1]",
        "v_cache_self_1_new float32 [2,1,1,16]",
      ])
    for node in model.allNodes {
      for case let value? in model[node].outputs {
        #expect(model.declaredShape(of: value)?.allSatisfy { $0.extent != nil } == true)
      }
    }
    #expect(model.opsetVersion() == 21 && model.message.irVersion == 10)
    let operators = Set(model.allNodes.map { model[$0].opType })
    #expect(
      operators == [
        "Gather", "Add", "LayerNormalization", "Gemm", "Reshape", "Concat", "MatMul", "Softmax", "Gelu",
      ])
    let description = WhisperModelDescription.recognise(model)
    #expect(description.interface == .qualcommAIHub && description.part == .decoderWithPast)
    #expect(description.dimensions.selfCacheLength == 63 && description.dimensions.vocabularyCount == 320)
    #expect(StaticSpeech.isStaticDecoder(model))
  }

  @Test("Weights stay in the source's file, all but those of the queries")
  func noCopies() throws {
    let model = try StaticSpeech.decoder(from: LayoutFiles.resource("optimum/decoder_model_merged.onnx"))
    for value in model.allInitializers {
      let content = try #require(model[value].initializer?.content)
      let name = model[value].name
      if name.hasPrefix("shape.") { continue }
      if case .mapped = content.bytes { continue }
      #expect(name.hasSuffix("attn.q.weight") || name.hasSuffix("attn.q.bias"), "\(name) was copied")
    }
  }

  @Test("A tied embedding is one initializer of Gather and Gemm, or two when asked")
  func embedding() throws {
    let source = try LayoutFiles.resource("dynamo/decoder_model.onnx")
    func users(_ embedding: StaticDecoderBuilder.Embedding) throws -> [String] {
      let model = try StaticSpeech.decoder(from: source, embedding: embedding)
      let table = try #require(model.allInitializers.first { model[$0].name == "embed_tokens.weight" })
      return model[table].uses.map { model[$0.node].opType }.sorted()
    }
    #expect(try users(.shared) == ["Gather", "Gemm"])
    #expect(try users(.untied) == ["Gather"])
  }

  @Test("AI Hub's decoder is static already and comes back as it is")
  func aihub() throws {
    let source = try LayoutFiles.resource("aihub/HfWhisperDecoder.onnx")
    let model = try StaticSpeech.decoder(from: source)
    #expect(model.allNodes.count == source.allNodes.count)
    #expect(model[model.root].outputs.map { model[$0].name }.contains("k_cache_self_0_out"))
  }

  @Test("The encoder keeps its old outputs when asked, and drops what only they need when not")
  func oldOutputs() throws {
    for (file, cross) in [
      ("optimum/encoder_model.onnx", "optimum/decoder_model.onnx"),
      ("genai/whisper-small-form_encoder.onnx", nil), ("sherpa/small-encoder.onnx", nil),
    ] as [(String, String?)] {
      let encoder = try LayoutFiles.resource(file)
      let decoder = try cross.map(LayoutFiles.resource)
      func outputs(_ old: CrossCacheEncoder.OldOutputs) throws -> [String] {
        let model = try StaticSpeech.encoder(addingCrossCachesOf: decoder, to: encoder, oldOutputs: old)
        for node in model.allNodes {
          let values = model[node].outputs.compactMap { $0 }
          #expect(values.contains { !model[$0].uses.isEmpty || model[$0].graphOutputCount > 0 })
        }
        return model[model.root].outputs.map { model[$0].name }
      }
      let new = ["k_cache_cross_0", "v_cache_cross_0", "k_cache_cross_1", "v_cache_cross_1"]
      #expect(try outputs(.removed) == new)
      let kept = try outputs(.kept)
      #expect(Array(kept.suffix(4)) == new)
      #expect(kept.dropLast(4).allSatisfy { ["last_hidden_state", "encoder_hidden_states"].contains($0) })
      #expect(kept.count == (file.contains("sherpa") ? 4 : 5))
    }
  }
}
