import ModelBackend
import Tensors

/// Decoders whose caches grow by the tokens of each step: Optimum's pair, single and merged files, and the export
/// of ONNX Runtime.
///
/// Names: `past_key_values.0.decoder.key` and `present.0.decoder.key` with Optimum, `past_key_self_0` and
/// `present_key_self_0` with ONNX Runtime; the caches of cross-attention say `encoder` or `cross`.
final class GrowingCacheDecoder: TokenDecoder {
  /// The part that reads the first tokens and makes the caches.
  private let first: SpeechPart
  /// The part that goes on from caches; nil when all tokens are read anew each time.
  private let next: SpeechPart?
  private var audio: EncodedAudio?
  private var caches: [String: TensorContent] = [:]
  private var history: [Int] = []

  let tokenLimit: Int? = nil
  var parts: [SpeechPart] {
    guard let next, next.session !== first.session else { return [first] }
    return [first, next]
  }

  init(first: SpeechPart, next: SpeechPart?) {
    self.first = first
    self.next = next
  }

  func begin(_ audio: EncodedAudio) {
    self.audio = audio
    caches = [:]
    history = []
    for (name, tensor) in audio.tensors {
      if let past = Self.pastName(ofPresent: name) { caches[past] = tensor }
    }
  }

  func step(_ tokens: [Int]) throws(DecodingError) -> [[Float]] {
    if history.isEmpty { return try run(first, tokens, isFirst: true) }
    guard let next else {
      let all = history + tokens
      history = []
      return try run(first, all, isFirst: true).suffix(tokens.count)
    }
    // Exports of a decoder with a past take one token a step, or rate the last one only.
    var rows: [[Float]] = []
    for token in tokens { rows += try run(next, [token], isFirst: false) }
    return rows
  }

  // MARK: One run

  private func run(_ part: SpeechPart, _ tokens: [Int], isFirst: Bool) throws(DecodingError) -> [[Float]] {
    var feeds: [String: TensorContent] = [:]
    for input in part.inputs { feeds[input.name] = try feed(input, part, tokens, isFirst) }
    let presents = part.outputs { Self.pastName(ofPresent: $0) != nil }
    // A step with a past gives no new caches of the audio; a merged decoder's are dummies there.
    let wanted = presents.filter { isFirst || !Self.isCross($0) }
    let keepsCaches = next != nil
    let results = try part.run(feeds, ["logits"] + (keepsCaches ? wanted : []))
    for (name, tensor) in results {
      if let past = Self.pastName(ofPresent: name) { caches[past] = tensor }
    }
    history += tokens
    return try logitRows(
      try part.output("logits", of: results), count: tokens.count, after: history.count - tokens.count,
      of: part)
  }

  private func feed(
    _ input: TensorSignature, _ part: SpeechPart, _ tokens: [Int], _ isFirst: Bool
  ) throws(DecodingError) -> TensorContent {
    let past = history.count
    let type = input.elementType
    switch input.name {
    case "input_ids", "decoder_input_ids": return .numbers(tokens, [1, tokens.count], as: type)
    case "encoder_hidden_states": return try states(type, part)
    case "audio_features", "input_features", "encoder_input_ids":
      return audio?.features.converted(to: type ?? .float32) ?? .zeros([], as: type)
    case "use_cache_branch": return .numbers([isFirst ? 0 : 1], rankOne(input), as: type)
    case "past_sequence_length": return .numbers([past], rankOne(input), as: type)
    case "cache_position", "position_ids":
      let shape = input.dimensions?.count == 2 ? [1, tokens.count] : [tokens.count]
      return .numbers(Array(past..<(past + tokens.count)), shape, as: type)
    case "attention_mask", "decoder_attention_mask":
      let total = past + tokens.count
      return .numbers(Array(repeating: 1, count: total), [1, total], as: type)
    case "encoder_attention_mask":
      let count = try audioLength(part)
      return .numbers(Array(repeating: 1, count: count), [1, count], as: type)
    default: break
    }
    guard Self.isPast(input.name) else {
      throw DecodingError(
        .mismatch,
        "\(part.name): the input '\(input.name)' is none that whisperq knows of a Whisper decoder; "
          + "'whisperq inspect' shows what the file takes")
    }
    if let cache = caches[input.name] { return cache.converted(to: type ?? cache.elementType) ?? cache }
    return try emptyPast(input, part, isMerged: part.description.part == .decoderMerged)
  }

  /// A past without tokens; the branch of a merged decoder that has no past takes anything, and is given one
  /// position, as Optimum does, and of the audio as many as the symbol in its shape means.
  private func emptyPast(
    _ input: TensorSignature, _ part: SpeechPart, isMerged: Bool
  ) throws(DecodingError) -> TensorContent {
    if Self.isCross(input.name), !isMerged {
      throw DecodingError(
        .mismatch,
        "\(part.name): nothing gives the cache '\(input.name)'; it comes from the encoder's file or from the "
          + "decoder of the first step, which is missing")
    }
    func extent(_ axis: Int) -> Int? {
      guard let dimensions = input.dimensions, dimensions.count == 4 else { return nil }
      if case .fixed(let value) = dimensions[axis] { return value }
      return nil
    }
    guard let heads = extent(1) ?? part.description.dimensions.headCount,
      let width = extent(3) ?? part.description.dimensions.headWidth
    else {
      throw DecodingError(
        .mismatch, "\(part.name): the input '\(input.name)' does not tell the number and width of heads")
    }
    let length = !isMerged ? 0 : Self.isCross(input.name) ? try audioLength(part) : 1
    return .zeros([1, heads, length, width], as: input.elementType)
  }

  private func states(_ type: ElementType?, _ part: SpeechPart) throws(DecodingError) -> TensorContent {
    for name in ["last_hidden_state", "encoder_hidden_states", "hidden_states"] {
      if let states = audio?.tensors[name] { return states.converted(to: type ?? .float32) ?? states }
    }
    throw DecodingError(
      .mismatch,
      "\(part.name): the decoder takes 'encoder_hidden_states', which the encoder does not give; encoder and "
        + "decoder are of different exports")
  }

  private func audioLength(_ part: SpeechPart) throws(DecodingError) -> Int {
    try states(.float32, part).shape.dimensions.dropFirst().first ?? 1500
  }

  private func rankOne(_ input: TensorSignature) -> [Int] { input.dimensions?.isEmpty == true ? [] : [1] }

  // MARK: Names

  private static func isPast(_ name: String) -> Bool {
    name.hasPrefix("past_key") || name.hasPrefix("past_value")
  }

  static func isCross(_ name: String) -> Bool { name.contains(".encoder.") || name.contains("_cross_") }

  static func pastName(ofPresent name: String) -> String? {
    if name.hasPrefix("present_key_") || name.hasPrefix("present_value_") {
      return "past" + name.dropFirst("present".count)
    }
    if name.hasPrefix("present.") { return "past_key_values" + name.dropFirst("present".count) }
    return nil
  }
}
