import ONNXGraph

/// Reads Whisper's dimensions from shapes: of inputs and outputs first, then of weights and constants.
///
/// Weights count by shape, so that quantized, half-precision and missing data read alike.
struct DimensionReader {
  private(set) var dimensions = WhisperDimensions()
  private let scope: RecognitionScope
  private let interface: WhisperLayout
  private let encoderLayers: [LinearLayer]
  private let decoderLayers: [LinearLayer]
  /// The two convolutions at the beginning of every Whisper encoder: [d, mels, 3] and [d, d, 3].
  private let hasStem: Bool
  /// Constant tables [rows, d], for embeddings.
  private var tableRowCounts: Set<Int> = []

  init(_ scope: RecognitionScope, interface: WhisperLayout, part: WhisperPart) {
    self.scope = scope
    let isSearch = scope.searchNode != nil
    self.interface = isSearch ? .onnxRuntimeGenAI : interface
    let part = isSearch ? WhisperPart.allInOne : part
    let model = scope.model
    encoderLayers = scope.encoderNodes.compactMap(model.linearLayer)
    decoderLayers = isSearch ? scope.decoderNodes.compactMap(model.linearLayer) : encoderLayers
    let stem = Self.stem(encoderLayers)
    hasStem = stem != nil

    dimensions.melCount = stem?.melCount ?? scope.encoderPorts.mel.flatMap { $0.extent(1) }
    readCaches(part)
    dimensions.width = stem?.width ?? width(part)
    if let width = dimensions.width {
      tableRowCounts = tables(width: width)
      readHeads(width: width)
      readLayers(part, width: width)
    }
    if part.hasDecoder || part == .unknown { readVocabulary() }
    readMetadata(part)
  }

  // MARK: Verdicts

  /// What a graph with names of its own computes.
  var partByStructure: WhisperPart {
    if scope.searchNode != nil { return .allInOne }
    let hasDecoder = tableRowCounts.contains(448)
    if hasStem { return hasDecoder ? .allInOne : .encoder }
    return hasDecoder ? .decoder : .unknown
  }

  /// Whether a part shows what other sequence models with such names do not have.
  func isWhisper(part: WhisperPart) -> Bool {
    switch part {
    case .unknown: return false
    case .jumpTimes: return true
    case .encoder, .encoderDecoderInit, .allInOne:
      return hasStem || scope.searchNode?.isWhisperSearch(in: scope.model) ?? false
        || dimensions.melCount.map { $0 == 80 || $0 == 128 } ?? false
    default:
      if interface == .qualcommAIHub || interface == .sherpa { return true }
      let takesAudioStates = (scope.decoderPorts.inputs + scope.decoderPorts.outputs).contains {
        $0.shape?.contains(.extent(1500)) ?? false
      }
      return tableRowCounts.contains(448) || takesAudioStates
        || dimensions.vocabularyCount.map((51_864...51_866).contains) ?? false
    }
  }

  // MARK: Evidence

  private static func stem(_ layers: [LinearLayer]) -> (width: Int, melCount: Int)? {
    let convolutions = layers.filter { $0.kernel.reduce(1, { $0.multipliedClamping(by: $1) }) == 3 }
    guard convolutions.count >= 2 else { return nil }
    let (first, second) = (convolutions[0], convolutions[1])
    guard second.inputCount == second.outputCount, second.inputCount == first.outputCount,
      first.outputCount > 1, first.inputCount > 1
    else { return nil }
    return (first.outputCount, first.inputCount)
  }

  /// Layers, heads and cache length from the caches among the decoder's inputs and outputs.
  private mutating func readCaches(_ part: WhisperPart) {
    let ports = scope.decoderPorts
    switch interface {
    case .optimum:
      dimensions.decoderLayerCount =
        ports.layerCount("past_key_values.", ".decoder.key") ?? ports.layerCount("present.", ".decoder.key")
      setHeads(ports.port("past_key_values.", "present."), count: 1, width: 3)
      dimensions.selfCacheLength = ports.port("past_key_values.0.decoder.key")?.extent(2)
    case .onnxRuntimeGenAI:
      dimensions.decoderLayerCount =
        ports.layerCount("past_key_self_") ?? ports.layerCount("present_key_self_")
        ?? ports.layerCount("present_key_cross_")
      setHeads(ports.port("past_key_self_", "present_key_self_", "present_key_cross_"), count: 1, width: 3)
      dimensions.selfCacheLength = ports.port("past_key_self_0")?.extent(2)
      if part == .jumpTimes { dimensions.decoderLayerCount = ports.layerCount("cross_qk_") }
    case .qualcommAIHub:
      dimensions.decoderLayerCount = ports.layerCount("k_cache_self_") ?? ports.layerCount("k_cache_cross_")
      setHeads(ports.port("k_cache_self_", "k_cache_cross_"), count: 0, width: 2)
      dimensions.selfCacheLength = ports.port("k_cache_self_0_in")?.extent(3)
    case .sherpa:
      let cache = ports.port("in_n_layer_self_k_cache", "n_layer_cross_k")
      dimensions.decoderLayerCount = cache?.extent(0)
      dimensions.selfCacheLength = ports.port("in_n_layer_self_k_cache")?.extent(2)
    case .beamSearch, .epContext, .unknown: break
    }
  }

  private mutating func setHeads(_ port: PortList.Port?, count: Int, width: Int) {
    dimensions.headCount = port?.extent(count)
    dimensions.headWidth = port?.extent(width)
  }

  private func width(_ part: WhisperPart) -> Int? {
    let states = scope.decoderPorts.inputs.first { $0.name == "encoder_hidden_states" }
    if let width = states?.extent(-1) { return width }
    if interface == .sherpa, let cache = scope.ports.port("in_n_layer_self_k_cache", "n_layer_cross_k") {
      return cache.extent(-1)
    }
    if let count = dimensions.headCount, let width = dimensions.headWidth {
      return count.multipliedClamping(by: width)
    }
    if let states = scope.ports.port("last_hidden_state", "encoder_hidden_states") {
      return states.extent(-1)
    }
    return nil
  }

  private func tables(width: Int) -> Set<Int> {
    let model = scope.model
    let constants =
      model.allInitializers
      + model.allNodes.filter { model.constantTensor(of: $0) != nil }
      .compactMap { model[$0].outputs.first ?? nil }
    return Set(
      constants.compactMap { value in
        guard let dimensions = model.constantSource(of: value)?.dimensions, dimensions.count == 2,
          dimensions[1] == width
        else { return nil }
        return dimensions[0]
      })
  }

  private mutating func readHeads(width: Int) {
    if dimensions.headCount == nil || dimensions.headWidth == nil {
      let count = HeadReader(scope.model).headCount(width: width, in: scope.encoderNodes)
      dimensions.headCount = dimensions.headCount ?? count
    }
    guard let count = dimensions.headCount, count > 0, width % count == 0 else { return }
    dimensions.headWidth = dimensions.headWidth ?? width / count
  }

  private mutating func readLayers(_ part: WhisperPart, width: Int) {
    if part.hasDecoder, !part.hasEncoder, dimensions.decoderLayerCount == nil {
      dimensions.decoderLayerCount = Self.blockCount(decoderLayers, width: width)
    }
    guard part.hasEncoder || (part == .unknown && hasStem),
      let blockCount = Self.blockCount(encoderLayers, width: width)
    else { return }
    if part == .encoder || part == .unknown {
      dimensions.encoderLayerCount = blockCount
    } else if let decoderLayerCount = dimensions.decoderLayerCount {
      // Encoder and first decoder step stand in one graph.
      guard 0 <= decoderLayerCount, decoderLayerCount < blockCount else { return }
      dimensions.encoderLayerCount = blockCount - decoderLayerCount
    }
  }

  /// How many feed-forward blocks (d to f and back) there are; every Transformer layer has one.
  private static func blockCount(_ layers: [LinearLayer], width: Int) -> Int? {
    var up: [Int: Int] = [:]
    var down: [Int: Int] = [:]
    for layer in layers where layer.inputCount != layer.outputCount {
      if layer.kernel.contains(where: { $0 != 1 }) { continue }
      if layer.inputCount == width { up[layer.outputCount, default: 0] += 1 }
      if layer.outputCount == width { down[layer.inputCount, default: 0] += 1 }
    }
    let count = up.reduce(0) { $0 + min($1.value, down[$1.key] ?? 0) }
    return count > 0 ? count : nil
  }

  private mutating func readVocabulary() {
    if let logits = scope.decoderPorts.outputs.first(where: { $0.name == "logits" }), let shape = logits.shape
    {
      // AI Hub's logits are [1, V, 1, 1].
      dimensions.vocabularyCount = logits.extent(shape.count == 4 ? 1 : -1)
    }
    guard dimensions.vocabularyCount == nil, let width = dimensions.width, scope.ports.gives("logits") else {
      return
    }
    let projections = decoderLayers.filter { $0.inputCount == width && $0.outputCount / 4 > width }
    dimensions.vocabularyCount = projections.map(\.outputCount).max()
  }

  /// sherpa-onnx writes the numbers into the encoder's metadata.
  private mutating func readMetadata(_ part: WhisperPart) {
    guard interface == .sherpa else { return }
    let entries = Dictionary(
      scope.model.metadata.map { ($0.key, Int($0.value)) }, uniquingKeysWith: { first, _ in first })
    func number(_ key: String) -> Int? { (entries[key] ?? nil).flatMap { $0 > 0 ? $0 : nil } }
    dimensions.vocabularyCount = dimensions.vocabularyCount ?? number("n_vocab")
    dimensions.decoderLayerCount = dimensions.decoderLayerCount ?? number("n_text_layer")
    dimensions.encoderLayerCount = dimensions.encoderLayerCount ?? number("n_audio_layer")
    dimensions.melCount = dimensions.melCount ?? number("n_mels")
    dimensions.headCount = dimensions.headCount ?? number("n_audio_head") ?? number("n_text_head")
    if let count = dimensions.headCount, count > 0, let width = dimensions.width, width % count == 0 {
      dimensions.headWidth = dimensions.headWidth ?? width / count
    }
  }
}

extension NodeID {
  /// Whether a search operator is Whisper's own; `BeamSearch` serves other models too.
  fileprivate func isWhisperSearch(in model: ModelGraph) -> Bool { model[self].opType == "WhisperBeamSearch" }
}

extension Int {
  /// The product, or the largest number when it does not fit; shapes from a file are not trusted.
  func multipliedClamping(by other: Int) -> Int {
    let (product, overflow) = multipliedReportingOverflow(by: other)
    return overflow ? Int.max : product
  }
}
