import ONNXFile
import ONNXGraph
import Tensors

/// Lets an encoder give the caches of the decoder's cross-attention.
///
/// Outputs for each layer i, h heads of width w: `k_cache_cross_i` [h, 1, w, M] and `v_cache_cross_i` [h, 1, M, w],
/// as the decoder of `StaticDecoderBuilder` takes them. The projections come from the encoder itself where it has
/// them (ONNX Runtime's and sherpa-onnx's exports), else from a decoder.
public struct CrossCacheEncoder: Sendable {
  /// What happens to the outputs that were there.
  public enum OldOutputs: Sendable {
    case kept
    /// With the nodes that only they needed.
    case removed
  }

  /// Keys and values of one layer.
  private struct Projection {
    let key: LinearPart
    let value: LinearPart
  }

  private let model: ModelGraph
  private let headCount: Int
  private let hidden: ValueID
  private let projections: [Projection]
  /// What the caches were called before; they go whatever becomes of other outputs.
  private let oldCaches: [String]

  /// - Parameter decoder: parts with cross projections; not needed when the encoder has them itself.
  init(_ model: ModelGraph, decoder: WhisperDecoderParts?) throws(StaticSpeechError) {
    self.model = model
    let description = WhisperModelDescription.recognise(model)
    guard let headCount = decoder?.headCount ?? description.dimensions.headCount, headCount > 0 else {
      throw StaticSpeechError(.pattern, "\(model.path): nothing tells the number of heads of the decoder")
    }
    self.headCount = headCount
    let trace = DecoderTrace(
      model: model, headWidth: (description.dimensions.width ?? 64 * headCount) / headCount)
    if let own = try Self.ownProjections(trace) {
      (projections, hidden, oldCaches) = own
    } else {
      let names = ["last_hidden_state", "encoder_hidden_states", "hidden_states"]
      let outputs = model[model.root].outputs
      guard
        let output = outputs.first(where: { names.contains(model[$0].name) })
          ?? (outputs.count == 1 ? outputs.first : nil)
      else {
        throw StaticSpeechError(
          .pattern,
          "\(model.path): none of the outputs is 'last_hidden_state' (found: "
            + outputs.map { model[$0].name }.joined(separator: ", ") + "); name an encoder")
      }
      guard let decoder else {
        throw StaticSpeechError(
          .absent,
          "\(model.path): the encoder gives hidden states; a decoder's projections are needed to make caches")
      }
      hidden = output
      oldCaches = []
      projections = try decoder.layers.map { (layer) throws(StaticSpeechError) in
        guard let key = layer.crossAttention.key, let value = layer.crossAttention.value else {
          throw StaticSpeechError(
            .absent,
            "this decoder takes finished keys and values of the audio, so it cannot give the encoder its projections; "
              + "name decoder_model.onnx or decoder_model_merged.onnx of the same export, too")
        }
        return Projection(key: key, value: value)
      }
    }
    let width = description.dimensions.width
    for part in projections.flatMap({ [$0.key, $0.value] }) {
      guard part.outputCount % headCount == 0, width == nil || part.inputCount == width else {
        throw StaticSpeechError(
          .pattern,
          "\(model.path): the encoder's hidden size is \(width.map(String.init) ?? "unknown"), the projection "
            + "'\(part.sourceName)' takes \(part.inputCount); encoder and decoder are of different models")
      }
    }
  }

  /// Projections in the encoder: behind `present_{key,value}_cross_i`, or stacked in `n_layer_cross_{k,v}`.
  private static func ownProjections(
    _ trace: DecoderTrace
  ) throws(StaticSpeechError) -> ([Projection], ValueID, [String])? {
    let model = trace.model
    let outputs = model[model.root].outputs
    func output(_ name: String) -> ValueID? { outputs.first { model[$0].name == name } }
    var keys: [ValueID] = []
    var values: [ValueID] = []
    var names: [String] = []
    if let key = output("n_layer_cross_k"), let value = output("n_layer_cross_v") {
      for (stacked, isKey) in [(key, true), (value, false)] {
        guard let concat = trace.producer(of: trace.strip(stacked).value, "Concat") else { return nil }
        let layers = model[concat].inputs.compactMap { $0 }
        if isKey { keys = layers } else { values = layers }
      }
      names = [model[key].name, model[value].name]
    } else {
      while let key = output("present_key_cross_\(keys.count)"),
        let value = output("present_value_cross_\(values.count)")
      {
        keys.append(key)
        values.append(value)
        names += [model[key].name, model[value].name]
      }
    }
    guard !keys.isEmpty, keys.count == values.count else { return nil }
    var projections: [Projection] = []
    var inputs: Set<ValueID> = []
    for (key, value) in zip(keys, values) {
      guard let first = try trace.linear(key), let second = try trace.linear(value), first.scale == 1,
        second.scale == 1
      else {
        throw StaticSpeechError(
          .pattern, "\(trace.place(key)): expected the linear layer that makes keys or values of the audio")
      }
      projections.append(Projection(key: first.part, value: second.part))
      inputs.formUnion([first.input, second.input])
    }
    guard inputs.count == 1, let hidden = inputs.first else {
      throw StaticSpeechError(
        .pattern, "\(model.path): the caches of the audio do not come from one hidden state")
    }
    return (projections, hidden, names)
  }

  /// The encoder with its new outputs.
  func message(audioLength: Int, oldOutputs: OldOutputs) -> ModelProto {
    var message = model.lower()
    var draft = StaticGraphDraft(extending: message.graph ?? GraphProto())
    draft.removeOutputs { oldOutputs == .removed || oldCaches.contains($0) }
    let width = projections[0].key.inputCount
    var states = model[hidden].name
    if isHalf {
      states = draft.node("Cast", "cross.states", [states], [1, audioLength, width], [.int("to", 1)])
    }
    let rows = draft.reshape("cross.rows", states, to: [audioLength, width])
    for (index, projection) in projections.enumerated() {
      for (name, part, order) in [
        ("k", projection.key, [2, 1, 3, 0]), ("v", projection.value, [2, 1, 0, 3]),
      ] as [(String, LinearPart, [Int64])] {
        let label = "cross.\(index).\(name)"
        let headWidth = part.outputCount / headCount
        let flat = draft.linear(label, rows, part, rows: audioLength)
        let split = draft.reshape(label + "_heads", flat, to: [audioLength, 1, headCount, headWidth])
        let extents = [audioLength, 1, headCount, headWidth]
        _ = draft.outputNode(
          "Transpose", "\(name)_cache_cross_\(index)", [split], order.map { extents[Int($0)] },
          [.ints("perm", order)])
      }
    }
    draft.prune()
    message.graph = draft.graph
    return message
  }

  /// Whether the hidden states are no float32.
  private var isHalf: Bool {
    let type = ElementTypeInference(model)[hidden]
    return type == .float16 || type == .bfloat16
  }
}
