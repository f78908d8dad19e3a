import ModelBackend
import Tensors

/// sherpa-onnx's decoder: caches of all layers in one tensor [L, 1, 448, d], which the graph fills at `offset`.
final class StackedCacheDecoder: TokenDecoder {
  private let part: SpeechPart
  private var audio: EncodedAudio?
  private var caches: [String: TensorContent] = [:]
  private var offset = 0

  let tokenLimit: Int?
  var parts: [SpeechPart] { [part] }

  init(_ part: SpeechPart) {
    self.part = part
    tokenLimit = part.description.dimensions.selfCacheLength
  }

  func begin(_ audio: EncodedAudio) {
    self.audio = audio
    caches = [:]
    offset = 0
  }

  func step(_ tokens: [Int]) throws(DecodingError) -> [[Float]] {
    var feeds: [String: TensorContent] = [:]
    for input in part.inputs { feeds[input.name] = try feed(input, tokens) }
    let outputs = part.outputs { $0.hasPrefix("out_n_layer_self_") }
    let results = try part.run(feeds, ["logits"] + outputs)
    for (name, tensor) in results where name.hasPrefix("out_") { caches["in" + name.dropFirst(3)] = tensor }
    offset += tokens.count
    return try logitRows(
      try part.output("logits", of: results), count: tokens.count, after: offset - tokens.count, of: part)
  }

  private func feed(_ input: TensorSignature, _ tokens: [Int]) throws(DecodingError) -> TensorContent {
    let type = input.elementType
    switch input.name {
    case "tokens": return .numbers(tokens, [1, tokens.count], as: type)
    case "offset": return .numbers([offset], input.dimensions?.isEmpty == true ? [] : [1], as: type)
    default: break
    }
    if let cache = caches[input.name] ?? audio?.tensors[input.name] {
      return cache.converted(to: type ?? cache.elementType) ?? cache
    }
    let numbers = part.description.dimensions
    guard input.name.hasPrefix("in_n_layer_self_"), let layers = numbers.decoderLayerCount,
      let length = numbers.selfCacheLength, let width = numbers.width
    else {
      throw DecodingError(
        .mismatch,
        "\(part.name): nothing gives the input '\(input.name)'; encoder and decoder are of different exports")
    }
    return .zeros([layers, 1, length, width], as: type)
  }
}
