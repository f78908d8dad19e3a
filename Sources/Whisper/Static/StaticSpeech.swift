import ONNXFile
public import ONNXGraph

/// Models of fixed shapes from any export of Whisper: a decoder that takes one token a step and its caches as
/// inputs, and an encoder that makes the caches of the audio.
///
/// Both are ordinary graphs whose weights point into the files of the source, so nothing large is in memory.
public enum StaticSpeech {
  /// The decoder of fixed shapes, as `StaticDecoderBuilder` documents it.
  ///
  /// - Parameters:
  ///   - source: any decoder of one step or more: single, with past, merged, genai's, sherpa-onnx's. AI Hub's form
  ///     is static already and is given back as it is.
  ///   - maximumTokenCount: how many tokens fit, prompt and text together; nil is as many as there are positions.
  /// - Throws: `StaticSpeechError` naming the node that is not what was expected.
  public static func decoder(
    from source: ModelGraph, maximumTokenCount: Int? = nil, audioLength: Int = 1500,
    embedding: StaticDecoderBuilder.Embedding = .shared
  ) throws(StaticSpeechError) -> ModelGraph {
    if isStaticDecoder(source) { return source }
    let parts = try WhisperDecoderParts(extractingFrom: source)
    let builder = try StaticDecoderBuilder(
      parts, maximumTokenCount: maximumTokenCount ?? parts.positionCount, audioLength: audioLength,
      embedding: embedding)
    return try lift(builder.message(), of: source)
  }

  /// An encoder that gives the caches of the decoder's cross-attention, as `CrossCacheEncoder` documents it.
  ///
  /// - Parameters:
  ///   - decoder: a decoder of the same model that projects the audio itself (`decoder_model`, merged, the first
  ///     step of genai's); nil when the encoder gives caches already (genai, sherpa-onnx, AI Hub).
  ///   - encoder: gives hidden states [1, 1500, d] or caches in another form.
  /// - Throws: `StaticSpeechError` when the projections are in neither file.
  public static func encoder(
    addingCrossCachesOf decoder: ModelGraph?, to encoder: ModelGraph, audioLength: Int = 1500,
    oldOutputs: CrossCacheEncoder.OldOutputs = .removed
  ) throws(StaticSpeechError) -> ModelGraph {
    let outputs = encoder[encoder.root].outputs.map { encoder[$0].name }
    if outputs.contains("k_cache_cross_0") { return encoder }
    let hasOwn = outputs.contains("n_layer_cross_k") || outputs.contains("present_key_cross_0")
    let parts: WhisperDecoderParts? =
      if let decoder, !hasOwn { try WhisperDecoderParts(extractingFrom: decoder) } else { nil }
    let builder = try CrossCacheEncoder(encoder, decoder: parts)
    return try lift(builder.message(audioLength: audioLength, oldOutputs: oldOutputs), of: encoder)
  }

  /// Whether a model has the inputs of a decoder of fixed shapes already.
  public static func isStaticDecoder(_ model: ModelGraph) -> Bool {
    let description = WhisperModelDescription.recognise(model)
    return description.interface == .qualcommAIHub && description.part == .decoderWithPast
      && description.hasStaticShapes
  }

  private static func lift(
    _ message: ModelProto, of source: ModelGraph
  ) throws(StaticSpeechError) -> ModelGraph {
    do {
      return try ModelGraph.lift(message, external: ExternalDataFiles(modelPath: source.path))
    } catch {
      throw StaticSpeechError(.pattern, error.message)
    }
  }
}
