import ModelBackend
import Tensors

/// Qualcomm AI Hub's decoder, and those that whisperq prepares for an NPU: one token a step, caches of fixed length
/// whose newest token is at the right end, and an additive mask over them.
///
/// Shapes: `k_cache_self_i_in` [h, 1, 64, n - 1], `v_cache_self_i_in` [h, 1, n - 1, 64], `attention_mask`
/// [1, 1, 1, n] with 0 for what is there and -100 for what is not.
final class StaticCacheDecoder: TokenDecoder {
  private let part: SpeechPart
  private let length: Int
  private var audio: EncodedAudio?
  private var caches: [String: TensorContent] = [:]
  private var position = 0

  var tokenLimit: Int? { length }
  var parts: [SpeechPart] { [part] }

  /// What a masked position adds to its score; HTP's ranges break on larger numbers.
  private static let masked: Float = -100

  init(_ part: SpeechPart) throws(DecodingError) {
    self.part = part
    let mask = part.input("attention_mask")?.dimensions?.last
    if case .fixed(let total)? = mask {
      length = total
    } else if let cached = part.description.dimensions.selfCacheLength {
      length = cached + 1
    } else {
      throw DecodingError(
        .mismatch, "\(part.name): neither 'attention_mask' nor the caches tell how many tokens fit")
    }
  }

  func begin(_ audio: EncodedAudio) {
    self.audio = audio
    caches = [:]
    position = 0
  }

  func step(_ tokens: [Int]) throws(DecodingError) -> [[Float]] {
    var rows: [[Float]] = []
    for token in tokens { rows += try step(token) }
    return rows
  }

  private func step(_ token: Int) throws(DecodingError) -> [[Float]] {
    guard position < length else {
      throw DecodingError(
        .request, "\(part.name): the caches have room for \(length) tokens, and all are taken")
    }
    var feeds: [String: TensorContent] = [:]
    for input in part.inputs { feeds[input.name] = try feed(input, token) }
    let outputs = part.outputs { $0.hasSuffix("_out") }
    let results = try part.run(feeds, ["logits"] + outputs)
    for (name, tensor) in results where name.hasSuffix("_out") {
      caches[name.dropLast("out".count) + "in"] = tensor
    }
    position += 1
    return try logitRows(try part.output("logits", of: results), count: 1, of: part)
  }

  private func feed(_ input: TensorSignature, _ token: Int) throws(DecodingError) -> TensorContent {
    let type = input.elementType
    switch input.name {
    case "input_ids": return .numbers([token], [1, 1], as: type)
    case "position_ids": return .numbers([position], input.dimensions?.count == 2 ? [1, 1] : [1], as: type)
    case "attention_mask":
      let mask = (0..<length).map { $0 >= length - 1 - position ? 0 : Self.masked }
      let content = TensorContent(
        floats: mask, shape: TensorContent.zeros([1, 1, 1, length], as: .float32).shape)
      return content.converted(to: type ?? .float32) ?? content
    default: break
    }
    if let cache = caches[input.name] ?? cross(input.name) {
      return cache.converted(to: type ?? cache.elementType) ?? cache
    }
    let extents = (input.dimensions ?? []).compactMap { dimension in
      if case .fixed(let extent) = dimension { extent } else { nil }
    }
    guard input.name.contains("_cache_self_"), extents.count == 4 else {
      throw DecodingError(
        .mismatch,
        "\(part.name): nothing gives the input '\(input.name)'; encoder and decoder are of different exports")
    }
    return .zeros(extents, as: type)
  }

  /// Cross caches have the encoder's names, in some packages with `_in` after them.
  private func cross(_ name: String) -> TensorContent? {
    guard let audio else { return nil }
    return audio.tensors[name] ?? (name.hasSuffix("_in") ? audio.tensors[String(name.dropLast(3))] : nil)
  }
}
