import ONNXGraph

/// The inputs and outputs of a graph by name, with their declared shapes.
struct PortList {
  struct Port {
    let name: String
    /// Nil when not even the rank is known.
    let shape: [DeclaredDimension]?

    /// The number at an axis; negative axes count from the end.
    func extent(_ axis: Int) -> Int? {
      guard let shape else { return nil }
      let index = axis < 0 ? shape.count + axis : axis
      return shape.indices.contains(index) ? shape[index].extent : nil
    }
  }

  let inputs: [Port]
  let outputs: [Port]

  init(_ model: ModelGraph, _ graph: GraphID) {
    func ports(_ values: [ValueID]) -> [Port] {
      values.map { Port(name: model[$0].name, shape: model.declaredShape(of: $0)) }
    }
    inputs = ports(model[graph].inputs.filter { model[$0].initializer == nil })
    outputs = ports(model[graph].outputs)
  }

  func takes(_ name: String) -> Bool { inputs.contains { $0.name == name } }

  func gives(_ name: String) -> Bool { outputs.contains { $0.name == name } }

  /// The first input, or else output, whose name begins so and whose rank is known.
  func port(_ prefixes: String...) -> Port? {
    for prefix in prefixes {
      if let port = (inputs + outputs).first(where: { $0.name.hasPrefix(prefix) && $0.shape != nil }) {
        return port
      }
    }
    return nil
  }

  /// How many different numbers stand in names of the form `prefix` number `suffix`, inputs and outputs
  /// together; nil when there is none.
  func layerCount(_ prefix: String, _ suffix: String = "") -> Int? {
    let numbers = (inputs + outputs).compactMap { port -> Int? in
      guard port.name.hasPrefix(prefix) else { return nil }
      let rest = port.name.dropFirst(prefix.count)
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      return rest.dropFirst(digits.count).hasPrefix(suffix) ? Int(digits) : nil
    }
    return numbers.isEmpty ? nil : Set(numbers).count
  }

  /// The mel spectrum: the only input of rank 3 that audio comes in by.
  var mel: Port? {
    inputs.first { ["input_features", "audio_features", "encoder_input_ids", "mel"].contains($0.name) }
      ?? inputs.first { $0.shape?.count == 3 && $0.extent(1).map { $0 == 80 || $0 == 128 } ?? false }
  }

  private func takes(prefix: String) -> Bool { inputs.contains { $0.name.hasPrefix(prefix) } }

  private func gives(prefix: String) -> Bool { outputs.contains { $0.name.hasPrefix(prefix) } }

  /// Which layout uses such names, and for which part.
  var interface: (layout: WhisperLayout, part: WhisperPart) {
    qualcommPart.map { (.qualcommAIHub, $0) } ?? sherpaPart.map { (.sherpa, $0) }
      ?? runtimePart.map { (.onnxRuntimeGenAI, $0) } ?? optimumPart.map { (.optimum, $0) }
      ?? (.unknown, .unknown)
  }

  private var qualcommPart: WhisperPart? {
    if takes(prefix: "k_cache_self") { return .decoderWithPast }
    return gives(prefix: "k_cache_cross") ? .encoder : nil
  }

  private var sherpaPart: WhisperPart? {
    if takes("in_n_layer_self_k_cache") { return .decoderWithPast }
    return gives("n_layer_cross_k") ? .encoder : nil
  }

  private var runtimePart: WhisperPart? {
    if gives("jump_times") { return .jumpTimes }
    if takes(prefix: "past_key_self_") { return .decoderWithPast }
    let takesAudio = takes("audio_features") || takes("encoder_input_ids")
    if gives(prefix: "present_key_self_") {
      return takesAudio || takes("input_features") ? .encoderDecoderInit : .decoderInit
    }
    if takesAudio { return gives("logits") ? .encoderDecoderInit : .encoder }
    return gives(prefix: "present_key_cross_") ? .encoder : nil
  }

  private var optimumPart: WhisperPart? {
    if takes("use_cache_branch") { return .decoderMerged }
    if takes("inputs_embeds") || takes("decoder_inputs_embeds") { return .decoderFromEmbeddings }
    if takes(prefix: "past_key_values.") { return .decoderWithPast }
    let takesTokens = takes("input_ids") || takes("decoder_input_ids")
    if takesTokens && (takes("encoder_hidden_states") || gives(prefix: "present.")) { return .decoder }
    return takes("input_features") && gives("last_hidden_state") ? .encoder : nil
  }
}
