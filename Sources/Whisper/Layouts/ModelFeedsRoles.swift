import ONNXGraph
import Tensors

/// What an extent of an input counts.
enum FeedAxis: Hashable {
  case batch, mels, frames, tokens, past, audio, width, heads, headWidth, layers
  /// Earlier tokens and the new ones together.
  case total
  case pairs, one
}

/// What an input of a Whisper model means.
enum FeedRole: Equatable {
  case melSpectrum
  case tokens
  /// Hidden states of audio or of text.
  case states
  case selfCache
  case crossCache
  /// Cross-attention of one layer, for word time stamps.
  case attention
  /// Zero where a position may be seen, a large negative number where not; the newest position is the last.
  case additiveMask
  /// One where a position may be seen.
  case plainMask
  /// The places of the new tokens in the text.
  case positions
  /// How many tokens came before.
  case pastCount
  /// Whether the caches are used.
  case cacheBranch
  /// A number that a search takes.
  case number(Double)
  case unknown
}

/// An input with its role and what its axes count; nil for axes of unknown meaning.
struct FeedPort {
  let name: String
  let elementType: ElementType
  let shape: [DeclaredDimension]
  let role: FeedRole
  let axes: [FeedAxis?]

  init(name: String, elementType: ElementType, shape: [DeclaredDimension]) {
    self.name = name
    self.elementType = elementType
    self.shape = shape
    let (role, axes) = Self.meaning(name, elementType, rank: shape.count)
    self.role = role
    self.axes = axes.count == shape.count ? axes : Self.guessed(shape, role)
  }

  /// The output that hands a cache on, when the model has it.
  func cache(among outputs: Set<String>) -> FedCache? {
    guard role == .selfCache || role == .crossCache,
      let axis = axes.firstIndex(of: role == .selfCache ? .past : .audio)
    else { return nil }
    var names: [String] = []
    if name.hasPrefix("past_key_values.") {
      let tail = name.dropFirst("past_key_values.".count)
      names = ["present.\(tail)", "present_key_values.\(tail)"]
    } else if name.hasPrefix("past_") {
      names = ["present_\(name.dropFirst(5))"]
    } else if name.hasPrefix("in_") {
      names = ["out_\(name.dropFirst(3))"]
    } else if name.hasSuffix("_in") {
      names = ["\(name.dropLast(3))_out"]
    }
    return names.first(where: outputs.contains).map { FedCache(input: name, output: $0, axis: axis) }
  }

  private static func meaning(
    _ name: String, _ type: ElementType, rank: Int
  ) -> (FeedRole, [FeedAxis?]) {
    let isFloat = [.float32, .float16, .bfloat16, .float64].contains(type)
    switch name {
    case "input_features", "audio_features", "mel": return (.melSpectrum, [.batch, .mels, .frames])
    case "encoder_input_ids" where isFloat: return (.melSpectrum, [.batch, .mels, .frames])
    case "input_ids", "decoder_input_ids", "tokens":
      return (.tokens, rank == 1 ? [.tokens] : [.batch, .tokens])
    case "encoder_hidden_states", "encoder_outputs", "last_hidden_state":
      return (.states, [.batch, .audio, .width])
    case "inputs_embeds", "decoder_inputs_embeds": return (.states, [.batch, .tokens, .width])
    case "attention_mask" where isFloat:
      return (.additiveMask, rank == 2 ? [.batch, .total] : [.batch, .one, .tokens, .total])
    case "attention_mask", "decoder_attention_mask": return (.plainMask, [.batch, .total])
    case "encoder_attention_mask": return (.plainMask, [.batch, .audio])
    case "position_ids", "cache_position":
      return (.positions, rank == 1 ? [.tokens] : [.batch, .tokens])
    case "offset", "past_sequence_length": return (.pastCount, rank == 0 ? [] : [.one])
    case "use_cache_branch": return (.cacheBranch, rank == 0 ? [] : [.one])
    case "alignment_heads": return (.number(0), [.pairs, nil])
    case "sot_sequence_length": return (.number(4), [.one])
    case "segment_length": return (.number(3000), [.one])
    default: break
    }
    if let number = searchNumbers[name] { return (.number(number), Array(repeating: .one, count: rank)) }
    if name.hasPrefix("cross_qk_") { return (.attention, [.batch, .heads, .tokens, .audio]) }
    return cache(name)
  }

  /// What a beam search takes, with values that end it soon.
  private static let searchNumbers: [String: Double] = [
    "max_length": 8, "min_length": 1, "num_beams": 1, "num_return_sequences": 1, "length_penalty": 1,
    "repetition_penalty": 1, "temperature": 1, "cross_qk_layer_head": 0, "logits_processor": 0,
    "no_speech_token_id": 0,
  ]

  private static func cache(_ name: String) -> (FeedRole, [FeedAxis?]) {
    // Hugging Face: past_key_values.0.decoder.key
    if name.hasPrefix("past_key_values.") {
      let isCross = name.contains(".encoder.")
      return (isCross ? .crossCache : .selfCache, [.batch, .heads, isCross ? .audio : .past, .headWidth])
    }
    // ONNX Runtime: past_key_self_0
    if name.hasPrefix("past_key_") || name.hasPrefix("past_value_") {
      let isCross = name.contains("_cross_")
      return (isCross ? .crossCache : .selfCache, [.batch, .heads, isCross ? .audio : .past, .headWidth])
    }
    // AI Hub: k_cache_self_0_in
    for (prefix, isKey) in [("k_cache_", true), ("v_cache_", false)] where name.hasPrefix(prefix) {
      let isCross = name.hasPrefix(prefix + "cross_")
      let positions: FeedAxis = isCross ? .audio : .past
      let tail: [FeedAxis?] = isKey ? [.headWidth, positions] : [positions, .headWidth]
      return (isCross ? .crossCache : .selfCache, [.heads, .batch] + tail)
    }
    // sherpa-onnx: in_n_layer_self_k_cache, n_layer_cross_k
    if name.hasPrefix("in_n_layer_self_") { return (.selfCache, [.layers, .batch, .past, .width]) }
    if name.hasPrefix("n_layer_cross_") { return (.crossCache, [.layers, .batch, .audio, .width]) }
    return (.unknown, [])
  }

  /// Meanings by the names of open dimensions, for inputs of unknown models.
  private static func guessed(_ shape: [DeclaredDimension], _ role: FeedRole) -> [FeedAxis?] {
    shape.map { dimension in
      guard case .symbol(let name) = dimension else { return nil }
      let word = name.lowercased()
      if word.contains("batch") { return .batch }
      if word.contains("past") { return .past }
      if word.contains("encoder_seq") { return .audio }
      return word.contains("seq") ? .tokens : nil
    }
  }
}
