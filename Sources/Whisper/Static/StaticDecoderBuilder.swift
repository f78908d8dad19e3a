public import ONNXFile
import ONNXGraph
import Tensors

/// Builds a Whisper decoder whose every dimension is fixed: one token a step, caches of fixed length as inputs.
///
/// Inputs, in this order (h heads of width w, N = `maximumTokenCount`, M = `audioLength`):
/// - `input_ids` int32 [1, 1], `attention_mask` float [1, 1, 1, N], `position_ids` int32 [1];
/// - for each layer i: `k_cache_self_i_in` [h, 1, w, N - 1] and `v_cache_self_i_in` [h, 1, N - 1, w];
/// - for each layer i: `k_cache_cross_i` [h, 1, w, M] and `v_cache_cross_i` [h, 1, M, w].
///
/// Outputs: `logits` [1, V], then for each layer i `k_cache_self_i_new` [h, 1, w, 1] and `v_cache_self_i_new`
/// [h, 1, 1, w]: only what the new token adds. The host writes it into a free slot of its cache.
///
/// The order of slots does not matter, because the mask says which are taken: `attention_mask` is 0 for a slot that
/// holds a token and -100 for one that does not. Keys are [cache, new], so the mask's last element (N - 1) is the
/// token of this very step and always 0, and element j < N - 1 belongs to slot j of the caches. With token p in
/// slot p, the mask of step p is 0 for j < p and j = N - 1. N tokens fit; what the last one gives is not stored.
public struct StaticDecoderBuilder: Sendable {
  /// Whether the logits share the embedding's table.
  public enum Embedding: Sendable {
    /// One initializer where the source has one.
    case shared
    /// Two initializers, of the same bytes.
    case untied
  }

  /// What a masked slot should add to its score: e^-100 is nothing beside any score, in float as in 16 bits.
  public static let maskedScore: Float = -100

  public let parts: WhisperDecoderParts
  /// N: how many tokens fit, prompt and text together.
  public let maximumTokenCount: Int
  /// M: positions that the encoder gives for one window.
  public let audioLength: Int
  public let embedding: Embedding

  /// - Throws: `StaticSpeechError` when `maximumTokenCount` is under 2 or over the position table.
  public init(
    _ parts: WhisperDecoderParts, maximumTokenCount: Int = 448, audioLength: Int = 1500,
    embedding: Embedding = .shared
  ) throws(StaticSpeechError) {
    guard (2...max(2, parts.positionCount)).contains(maximumTokenCount) else {
      throw StaticSpeechError(
        .request,
        "a decoder for \(maximumTokenCount) tokens was asked for; this model has positions for 2 to "
          + "\(parts.positionCount)")
    }
    guard audioLength > 0 else {
      throw StaticSpeechError(
        .request, "an audio length of \(audioLength) was asked for; Whisper's windows have 1500 positions")
    }
    self.parts = parts
    self.maximumTokenCount = maximumTokenCount
    self.audioLength = audioLength
    self.embedding = embedding
  }

  private var width: Int { parts.width }
  private var heads: Int { parts.headCount }
  private var headWidth: Int { parts.headWidth }

  /// The model: operator set 21, IR version 10; weights point into the source's files, except those of the queries,
  /// into which the scale of the scores is multiplied.
  public func message() -> ModelProto {
    var draft = StaticGraphDraft(name: "whisper_decoder")
    let ids = draft.input("input_ids", .int32, [1, 1])
    let mask = draft.input("attention_mask", .float32, [1, 1, 1, maximumTokenCount])
    let position = draft.input("position_ids", .int32, [1])
    let cached = maximumTokenCount - 1
    for index in parts.layers.indices {
      _ = draft.input("k_cache_self_\(index)_in", .float32, [heads, 1, headWidth, cached])
      _ = draft.input("v_cache_self_\(index)_in", .float32, [heads, 1, cached, headWidth])
    }
    for index in parts.layers.indices {
      _ = draft.input("k_cache_cross_\(index)", .float32, [heads, 1, headWidth, audioLength])
      _ = draft.input("v_cache_cross_\(index)", .float32, [heads, 1, audioLength, headWidth])
    }
    let table = draft.weight("embed_tokens.weight", parts.tokenTable)
    let positions = draft.weight("embed_positions.weight", parts.positionTable)
    let token = draft.node("Gather", "embed_tokens", [table, ids], [1, 1, width], [.int("axis", 0)])
    let row = draft.reshape("embed_tokens.row", token, to: [1, width])
    let place = draft.node(
      "Gather", "embed_positions", [positions, position], [1, width], [.int("axis", 0)])
    var hidden = draft.node("Add", "embed", [row, place], [1, width])
    var caches: [(name: String, dimensions: [Int])] = []
    for (index, layer) in parts.layers.enumerated() {
      hidden = selfAttention(layer.selfAttention, index, hidden, mask: mask, &draft, &caches)
      hidden = crossAttention(layer.crossAttention, index, hidden, &draft)
      hidden = feedForward(layer.feedForward, index, hidden, &draft)
    }
    let normed = draft.norm("final_norm", hidden, parts.finalNorm, [1, width])
    let isShared = embedding == .shared && parts.sharesEmbedding
    let weight = isShared ? table : draft.weight("logits.weight", parts.logits.weight)
    _ = draft.linear("logits", normed, parts.logits, weight: weight, rows: 1, isOutput: true)
    for (name, dimensions) in caches { draft.output(name, .float32, dimensions) }
    return Self.message(draft.graph)
  }

  static func message(_ graph: GraphProto) -> ModelProto {
    var model = ModelProto()
    model.irVersion = 10
    model.producerName = "whisperq"
    var opset = OperatorSetIdProto()
    opset.domain = ""
    opset.version = 21
    model.opsetImport = [opset]
    model.graph = graph
    return model
  }

  // MARK: Halves of a layer

  private func selfAttention(
    _ part: AttentionPart, _ index: Int, _ hidden: String, mask: String, _ draft: inout StaticGraphDraft,
    _ caches: inout [(name: String, dimensions: [Int])]
  ) -> String {
    let name = "layers.\(index).self_attn"
    let normed = draft.norm(name + ".norm", hidden, part.norm, [1, width])
    let query = self.query(part, name, normed, &draft)
    // Extraction gives the self-attention its key and value always.
    guard let keyPart = part.key, let valuePart = part.value else { return hidden }
    let key = draft.linear(name + ".k", normed, keyPart, rows: 1)
    let value = draft.linear(name + ".v", normed, valuePart, rows: 1)
    let newKey = ("k_cache_self_\(index)_new", [heads, 1, headWidth, 1])
    let newValue = ("v_cache_self_\(index)_new", [heads, 1, 1, headWidth])
    caches += [newKey, newValue]
    let keyHeads = draft.reshape(newKey.0, key, to: newKey.1)
    let valueHeads = draft.reshape(newValue.0, value, to: newValue.1)
    let keys = draft.node(
      "Concat", name + ".keys", ["k_cache_self_\(index)_in", keyHeads],
      [heads, 1, headWidth, maximumTokenCount],
      [.int("axis", 3)])
    let values = draft.node(
      "Concat", name + ".values", ["v_cache_self_\(index)_in", valueHeads],
      [heads, 1, maximumTokenCount, headWidth], [.int("axis", 2)])
    return attend(part, name, query, keys, values, maximumTokenCount, mask: mask, hidden, &draft)
  }

  private func crossAttention(
    _ part: AttentionPart, _ index: Int, _ hidden: String, _ draft: inout StaticGraphDraft
  ) -> String {
    let name = "layers.\(index).cross_attn"
    let normed = draft.norm(name + ".norm", hidden, part.norm, [1, width])
    let query = self.query(part, name, normed, &draft)
    return attend(
      part, name, query, "k_cache_cross_\(index)", "v_cache_cross_\(index)", audioLength, mask: nil, hidden,
      &draft)
  }

  private func query(
    _ part: AttentionPart, _ name: String, _ normed: String, _ draft: inout StaticGraphDraft
  ) -> String {
    let query = draft.linear(name + ".q", normed, part.query.scaled(by: part.scale), rows: 1)
    return draft.reshape(name + ".q_heads", query, to: [heads, 1, 1, headWidth])
  }

  private func attend(
    _ part: AttentionPart, _ name: String, _ query: String, _ keys: String, _ values: String, _ length: Int,
    mask: String?, _ hidden: String, _ draft: inout StaticGraphDraft
  ) -> String {
    let extents = [heads, 1, 1, length]
    var scores = draft.node("MatMul", name + ".scores", [query, keys], extents)
    if let mask { scores = draft.node("Add", name + ".masked", [scores, mask], extents) }
    let shares = draft.node("Softmax", name + ".softmax", [scores], extents, [.int("axis", -1)])
    let context = draft.node("MatMul", name + ".context", [shares, values], [heads, 1, 1, headWidth])
    let row = draft.reshape(name + ".context_row", context, to: [1, width])
    let output = draft.linear(name + ".out", row, part.output, rows: 1)
    return draft.node("Add", name + ".residual", [hidden, output], [1, width])
  }

  private func feedForward(
    _ part: FeedForwardPart, _ index: Int, _ hidden: String, _ draft: inout StaticGraphDraft
  ) -> String {
    let name = "layers.\(index).mlp"
    let normed = draft.norm(name + ".norm", hidden, part.norm, [1, width])
    let up = draft.linear(name + ".fc1", normed, part.up, rows: 1)
    let bent = draft.node(
      "Gelu", name + ".gelu", [up], [1, part.up.outputCount],
      [.string("approximate", part.activation.rawValue)])
    let down = draft.linear(name + ".fc2", bent, part.down, rows: 1)
    return draft.node("Add", name + ".residual", [hidden, down], [1, width])
  }
}
