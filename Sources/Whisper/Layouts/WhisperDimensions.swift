/// The numbers that make one Whisper model different from another; nil where the file does not tell.
public struct WhisperDimensions: Sendable, Equatable {
  /// Bands of the mel spectrum: 80, or 128 since large-v3.
  public var melCount: Int?
  /// The hidden size d.
  public var width: Int?
  public var encoderLayerCount: Int?
  public var decoderLayerCount: Int?
  public var headCount: Int?
  /// Features of one head; 64 in every published Whisper.
  public var headWidth: Int?
  /// Tokens that the logits rate: 51,864 (English only), 51,865, or 51,866 since large-v3.
  public var vocabularyCount: Int?
  /// Positions of the decoder's own cache when the file fixes them.
  public var selfCacheLength: Int?

  public init() {}
}

/// The name of the published model with given dimensions.
public struct WhisperSize: Sendable, Equatable {
  /// For example `tiny.en`, `large-v3-turbo`, `distil-medium.en`; `custom` when no published model has them.
  public let name: String
  /// Other published models with the same dimensions as far as the file shows them.
  public let alternatives: [String]

  private static let custom = WhisperSize(name: "custom", alternatives: [])
  /// Source: the model card of OpenAI's Whisper.
  private static let published: [Int: (name: String, layerCount: Int)] = [
    384: ("tiny", 4), 512: ("base", 6), 768: ("small", 12), 1024: ("medium", 24), 1280: ("large", 32),
  ]
  private static let vocabularyCounts = 51_864...51_866
  private static let melCounts: Set<Int> = [80, 128]

  /// Compares dimensions with the published models; nil when not even the hidden size is known.
  public static func named(_ dimensions: WhisperDimensions) -> WhisperSize? {
    guard let width = dimensions.width else { return nil }
    let (vocabulary, mels) = (dimensions.vocabularyCount, dimensions.melCount)
    guard let (name, layerCount) = published[width],
      vocabulary.map(vocabularyCounts.contains) ?? true, mels.map(melCounts.contains) ?? true,
      dimensions.encoderLayerCount.map({ $0 == layerCount }) ?? true,
      dimensions.headWidth.map({ $0 == 64 }) ?? true
    else { return custom }
    let decoderLayerCount = dimensions.decoderLayerCount
    if name == "large" { return large(vocabulary, mels, decoderLayerCount) }
    guard vocabulary != 51_866, mels != 128 else { return custom }
    let isFull = decoderLayerCount.map { $0 == layerCount }
    let distilled =
      switch name {
      case "small": (name: "distil-small.en", layerCount: 4)
      case "medium": (name: "distil-medium.en", layerCount: 2)
      default: (name: "", layerCount: 0)
      }
    if isFull == false {
      guard decoderLayerCount == distilled.layerCount, vocabulary != 51_865 else { return custom }
      return WhisperSize(name: distilled.name, alternatives: [])
    }
    if vocabulary == 51_864 {
      return WhisperSize(
        name: name + ".en", alternatives: isFull == nil ? [distilled.name].filter { !$0.isEmpty } : [])
    }
    guard vocabulary == nil else { return WhisperSize(name: name, alternatives: []) }
    let others = [name + ".en"] + (isFull == nil ? [distilled.name].filter { !$0.isEmpty } : [])
    return WhisperSize(name: name, alternatives: others)
  }

  /// The models of width 1280, of which v3 and its descendants have 128 mels and one token more.
  private static func large(_ vocabulary: Int?, _ mels: Int?, _ decoderLayerCount: Int?) -> WhisperSize {
    guard vocabulary != 51_864 else { return custom }
    let generations = [mels.map { $0 == 128 }, vocabulary.map { $0 == 51_866 }].compactMap { $0 }
    let isThird = generations.first
    // Eighty mels with the vocabulary of v3 is no published model.
    guard Set(generations).count <= 1 else { return custom }
    let candidates: [(name: String, layerCount: Int, isThird: Bool)] = [
      ("large-v3", 32, true), ("large-v3-turbo", 4, true), ("distil-large-v3", 2, true),
      ("large-v2", 32, false), ("large-v1", 32, false), ("distil-large-v2", 2, false),
    ]
    let names = candidates.filter { candidate in
      (isThird.map { $0 == candidate.isThird } ?? true)
        && (decoderLayerCount.map { $0 == candidate.layerCount } ?? true)
    }.map(\.name)
    guard let first = names.first else { return custom }
    return WhisperSize(name: first, alternatives: Array(names.dropFirst()))
  }
}
