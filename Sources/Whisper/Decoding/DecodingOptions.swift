/// How speech becomes text.
public struct DecodingOptions: Sendable, Equatable {
  /// A code or name, such as `pt` or `portuguese`; nil listens to the first window and decides.
  public var language: String?
  public var task = SpeechTask.transcribe
  /// Whether segments with their times are wanted. Audio of more than one window is decoded with timestamps in any
  /// case, for they say where the next window begins.
  public var timestamps = TimestampMode.none
  /// The temperatures that are tried one after the other until the text passes the checks; 0 is greedy.
  public var temperatures: [Float] = [0]
  /// A text that packs better than this repeats itself (Whisper: 2.4); nil does not check.
  public var compressionRatioLimit: Double?
  /// The least mean log-probability of a text's tokens (Whisper: -1); nil does not check.
  public var logProbabilityLimit: Double?
  /// A window is silence when the token for it is likelier than this, and the text is unlikely (Whisper: 0.6); nil
  /// does not check.
  public var noSpeechLimit: Double?
  /// Whether a window is told what was said before it.
  public var context = Context.none
  /// Text that the first window is told as if it had been said before, for names and spelling.
  public var initialPrompt: String?
  /// The longest text of one window in tokens; nil for what the model allows.
  public var tokenLimit: Int?
  /// For temperatures above 0.
  public var seed: UInt64 = 1

  public enum Context: Sendable { case none, previousText }

  public init() {}

  /// The temperatures and checks that the program published with Whisper uses by default.
  public mutating func useFallback() {
    temperatures = [0, 0.2, 0.4, 0.6, 0.8, 1]
    compressionRatioLimit = 2.4
    logProbabilityLimit = -1
    noSpeechLimit = 0.6
  }
}
