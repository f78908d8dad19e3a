import ModelBackend
import Tensors

/// Qualcomm AI Hub's decoder, and those that whisperq prepares for an NPU: one token a step, caches of fixed length,
/// and an additive mask over them.
///
/// Shapes: `k_cache_self_i_in` [h, 1, 64, n - 1], `v_cache_self_i_in` [h, 1, n - 1, 64], `attention_mask`
/// [1, 1, 1, n] with 0 for what is there and -100 for what is not. The token of the step itself is the mask's last.
///
/// AI Hub's decoder gives whole caches (`_out`) in which everything moved one place to the left. Ours gives only what
/// is new (`_new`, one slot), and token p is written to slot p here; `StaticDecoderBuilder` has the order in full.
final class StaticCacheDecoder: TokenDecoder {
  private let part: SpeechPart
  private let length: Int
  private var audio: EncodedAudio?
  private var caches: [String: TensorContent] = [:]
  /// Caches that are filled here, by input name.
  private var memories: [String: CacheMemory] = [:]
  private let fillsSlots: Bool
  private var position = 0

  var tokenLimit: Int? { length }
  var parts: [SpeechPart] { [part] }

  /// What a masked position adds to its score; HTP's ranges break on larger numbers.
  private static let masked: Float = -100

  init(_ part: SpeechPart) throws(DecodingError) {
    self.part = part
    fillsSlots = !part.outputs { $0.contains("_cache_self_") && $0.hasSuffix("_new") }.isEmpty
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
    // Masked slots count next to nothing, but not exactly nothing: each window begins with zeros.
    memories = [:]
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
    let ending = fillsSlots ? "_new" : "_out"
    let outputs = part.outputs { $0.hasSuffix(ending) }
    let results = try part.run(feeds, ["logits"] + outputs)
    feeds = [:]
    for (name, tensor) in results where name.hasSuffix(ending) {
      let input = String(name.dropLast(ending.count)) + "_in"
      if fillsSlots { try keep(tensor, input) } else { caches[input] = tensor }
    }
    position += 1
    return try logitRows(try part.output("logits", of: results), count: 1, after: position - 1, of: part)
  }

  /// Writes what a step gave into the slot of its position; the last token's has no slot and needs none.
  private func keep(_ tensor: TensorContent, _ input: String) throws(DecodingError) {
    guard position < length - 1 else { return }
    let axis = input.hasPrefix("k_") ? 3 : 2
    guard var memory = memories.removeValue(forKey: input) else { return }
    let isKept = memory.write(
      tensor.converted(to: memory.elementType) ?? tensor, slot: position, axis: axis)
    memories[input] = memory
    guard isKept else {
      throw DecodingError(
        .mismatch,
        "\(part.name): the output for '\(input)' has the shape \(tensor.shape), expected one slot of "
          + "\(memory.shape)")
    }
  }

  private func feed(_ input: TensorSignature, _ token: Int) throws(DecodingError) -> TensorContent {
    let type = input.elementType
    switch input.name {
    case "input_ids": return .numbers([token], [1, 1], as: type)
    case "position_ids": return .numbers([position], input.dimensions?.count == 2 ? [1, 1] : [1], as: type)
    case "attention_mask":
      let mask = (0..<length).map { slot in
        let isTaken = fillsSlots ? slot < position || slot == length - 1 : slot >= length - 1 - position
        return isTaken ? 0 : Self.masked
      }
      let content = TensorContent(
        floats: mask, shape: TensorContent.zeros([1, 1, 1, length], as: .float32).shape)
      return content.converted(to: type ?? .float32) ?? content
    default: break
    }
    if let memory = memories[input.name] { return memory.content }
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
    let zeros = TensorContent.zeros(extents, as: type)
    guard fillsSlots else { return zeros }
    let memory = CacheMemory(elementType: zeros.elementType, shape: zeros.shape)
    memories[input.name] = memory
    return memory.content
  }

  /// Cross caches have the encoder's names, in some packages with `_in` after them.
  private func cross(_ name: String) -> TensorContent? {
    guard let audio else { return nil }
    return audio.tensors[name] ?? (name.hasSuffix("_in") ? audio.tensors[String(name.dropLast(3))] : nil)
  }
}
