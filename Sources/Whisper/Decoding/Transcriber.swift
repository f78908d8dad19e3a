public import Tensors

/// Turns recordings into text with one model.
public final class Transcriber {
  public let model: SpeechModel
  public let tokenizer: Tokenizer
  public let special: SpecialTokens
  public let settings: GenerationSettings
  private let logMel: LogMel
  /// What the encoder made of the last window, for `agreement`.
  private var lastWindow: EncodedAudio?

  /// Rows by which a vocabulary may be longer than its tokens, for the sake of alignment.
  private static let padding = 128
  /// Tokens of the decoder's window in every published Whisper.
  private static let usualLength = 448

  /// Fits the parts together.
  ///
  /// - Throws: `DecodingError` when the files are of different models.
  public init(
    _ model: SpeechModel, _ tokenizer: Tokenizer, _ settings: GenerationSettings
  ) throws(DecodingError) {
    self.model = model
    self.tokenizer = tokenizer
    self.settings = settings
    do { special = try SpecialTokens(tokenizer, settings) } catch {
      throw DecodingError(.mismatch, error.message)
    }
    do { logMel = try LogMel(melCount: model.melCount) } catch {
      throw DecodingError(.mismatch, error.message)
    }
    guard let part = model.decoder.parts.first,
      let count = part.description.dimensions.vocabularyCount
    else { return }
    let isTooLarge = tokenizer.vocabularySize > count
    // Tokenizers may leave out the timestamps, and vocabularies are padded.
    let isTooSmall = count - tokenizer.vocabularySize > Timestamp.publishedCount + Self.padding
    guard isTooLarge || isTooSmall else { return }
    throw DecodingError(
      .mismatch,
      "\(tokenizer.source): the tokenizer has \(tokenizer.vocabularySize) tokens, the decoder (\(part.name)) rates "
        + "\(count); they are of different models")
  }

  /// Writes down what is said.
  ///
  /// - Parameters:
  ///   - samples: mono at 16,000 per second, of any length.
  ///   - onText: gets the text as it comes; at temperatures above 0, or with checks, a whole window at a time.
  public func transcribe(
    _ samples: [Float], _ options: DecodingOptions, onText: (String) -> Void = { _ in }
  ) throws(DecodingError) -> Transcription {
    lastWindow = nil
    var run = try TranscriptionRun(self, samples, options)
    return try run.decode(onText)
  }

  /// How many tokens fit into the decoder, prompt included.
  var lengthLimit: Int {
    min(model.tokenLimit ?? Self.usualLength, settings.maximumLength ?? Self.usualLength)
  }

  /// The same as far as the model was trained for it, however short the decoder's caches are.
  var ownLengthLimit: Int { min(Self.usualLength, settings.maximumLength ?? Self.usualLength) }

  /// The longest text of a window in the program published with Whisper: half of all positions.
  static let usualTextLength = usualLength / 2

  /// What the encoder takes of a recording that fits into one window.
  public func features(of samples: [Float]) -> TensorContent {
    logMel.features(of: samples.span, frameCount: model.frameCount)
  }

  /// Computes what the decoder listens to, and keeps it.
  func encode(_ features: TensorContent) throws(DecodingError) -> EncodedAudio {
    let audio = try model.encode(features)
    lastWindow = audio
    return audio
  }

  /// What tells vocabularies apart: their sizes, steering tokens, and some of the words.
  public var vocabulary: [String] {
    let ids = [
      special.startOfTranscript, special.endOfText, special.timestampBegin ?? -1, tokenizer.vocabularySize,
    ]
    let words = stride(from: 0, to: tokenizer.vocabularySize, by: max(1, tokenizer.vocabularySize / 64))
    return ids.map(String.init) + words.map { tokenizer.token(for: $0) ?? "" }
  }

  /// Audio of several windows has no window that stands for it.
  func forget() { lastWindow = nil }

  /// How many tokens of a text the model would have chosen, had it written all tokens before them (teacher forcing);
  /// the end of the text counts.
  ///
  /// It is about the recording that was transcribed last; nil when that took more than one window, or nothing was
  /// heard. `tokens` are those that another model gave for the recording, with the same options.
  public func agreement(
    with tokens: [Int], language: String?, _ options: DecodingOptions
  ) throws(DecodingError) -> (equal: Int, total: Int)? {
    guard let audio = lastWindow else { return nil }
    var options = options
    options.language = options.language ?? language
    let run = try TranscriptionRun(self, [], options)
    let prompt = try run.steering(special.isMultilingual ? language : nil)
    let tokens = tokens.prefix(max(0, lengthLimit - prompt.count - 1))
    try model.decoder.begin(audio)
    let rows = try model.decoder.step(prompt + tokens)
    // A decoder that rates the last token only cannot be asked about the others.
    guard rows.count == prompt.count + tokens.count else { return nil }
    var equal = 0
    for index in 0...tokens.count {
      var logits = rows[prompt.count - 1 + index]
      run.rules.apply(to: &logits, after: tokens[..<index])
      if logits.likeliestToken == (index < tokens.count ? tokens[index] : special.endOfText) { equal += 1 }
    }
    return (equal, tokens.count + 1)
  }

  /// The log-mel frames of a long recording.
  func recording(of samples: [Float]) -> MelRecording { logMel.recording(of: samples.span) }

  /// The likeliest language of a window; English for models that know no other.
  public func detectLanguage(
    _ audio: EncodedAudio
  ) throws(DecodingError) -> (language: Language, probability: Double) {
    guard special.isMultilingual, !special.languages.isEmpty else { return (.english, 1) }
    try model.decoder.begin(audio)
    let rows = try model.decoder.step([special.startOfTranscript])
    guard let logits = rows.last else { return (.english, 0) }
    let candidates = special.languages.filter { logits.indices.contains($0.value) }
      .sorted { ($0.value) < ($1.value) }
    guard let best = candidates.max(by: { logits[$0.value] < logits[$1.value] }) else { return (.english, 0) }
    let total = candidates.map { logits[$0.value] }.exponentialSum(below: logits[best.value])
    return (Language(best.key) ?? Language(code: best.key, name: best.key), 1 / total)
  }
}
