import ModelBackend
public import Tensors

/// The files of one Whisper, ready to listen and to write.
public final class SpeechModel {
  /// Nil when the decoder's first step computes the encoder, too.
  public let encoder: SpeechPart?
  public let decoder: any TokenDecoder
  /// Bands of the mel spectrum that the encoder takes.
  public let melCount: Int
  /// Mel frames of one window.
  public let frameCount: Int
  private let featureName: String

  /// Opens the files of a plan.
  ///
  /// - Throws: what `open` throws, and `DecodingError` for files that do not tell their dimensions.
  public init(_ plan: SpeechPlan, open: (SpeechFile) throws -> SpeechPart) throws {
    encoder = try plan.encoder.map(open)
    let first = try open(plan.first)
    switch plan.caches {
    case .none: decoder = GrowingCacheDecoder(first: first, next: nil)
    case .own: decoder = GrowingCacheDecoder(first: first, next: first)
    case .other(let next): decoder = GrowingCacheDecoder(first: first, next: try open(next))
    case .stacked: decoder = StackedCacheDecoder(first)
    case .fixed: decoder = try StaticCacheDecoder(first)
    }
    let listener = encoder ?? first
    let names = ["input_features", "audio_features", "mel", "encoder_input_ids"]
    guard let features = listener.input(among: names) ?? listener.inputs.first else {
      throw DecodingError(.mismatch, "\(listener.name): the encoder takes no features")
    }
    featureName = features.name
    func extent(_ axis: Int) -> Int? {
      guard let dimensions = features.dimensions, dimensions.count == 3 else { return nil }
      if case .fixed(let value) = dimensions[axis] { return value }
      return nil
    }
    guard let melCount = extent(1) ?? listener.description.dimensions.melCount else {
      throw DecodingError(
        .mismatch, "\(listener.name): neither the input '\(features.name)' nor the weights tell the mel bands"
      )
    }
    self.melCount = melCount
    frameCount = extent(2) ?? LogMel.windowFrameCount
  }

  /// Computes what the decoder listens to.
  ///
  /// - Parameter features: log-mel features [1, melCount, frameCount].
  public func encode(_ features: TensorContent) throws(DecodingError) -> EncodedAudio {
    guard let encoder else { return EncodedAudio(features: features, tensors: [:]) }
    let type = encoder.input(featureName)?.elementType ?? .float32
    let results = try encoder.run(
      [featureName: features.converted(to: type) ?? features], encoder.session.outputs.map(\.name))
    return EncodedAudio(features: features, tensors: results)
  }

  /// All files in the order of use.
  public var parts: [SpeechPart] { [encoder].compactMap { $0 } + decoder.parts }

  /// Tokens that fit into the decoder, prompt included, as far as its files tell.
  public var tokenLimit: Int? { decoder.tokenLimit }
}
