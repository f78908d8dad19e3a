/// What was said in a recording.
public struct Transcription: Sendable {
  /// A stretch of speech.
  public struct Segment: Sendable {
    /// Seconds from the beginning of the recording.
    public let start: Double
    public let end: Double
    public let text: String
    public let tokens: [Int]
    public let temperature: Float
    /// Mean over the tokens of the window, natural logarithm.
    public let averageLogProbability: Double
    public let compressionRatio: Double
    /// Nil when the model has no token for it.
    public let noSpeechProbability: Double?
  }

  /// A window whose text had not ended when there was no room for more, though Whisper itself would have had it.
  public struct Truncation: Sendable, Equatable {
    /// What left no room.
    public enum Limit: Sendable, Equatable {
      /// `DecodingOptions.tokenLimit`: tokens of text.
      case option(Int)
      /// The decoder's caches: tokens of prompt and text.
      case caches(Int)
    }

    /// Where the window begins, in seconds from the beginning of the recording.
    public let start: Double
    public let limit: Limit
  }

  public let language: String?
  public let segments: [Segment]
  /// The tokens of all segments, with timestamps and without prompts.
  public let tokens: [Int]
  /// Seconds of audio.
  public let seconds: Double
  /// Windows that were decoded, and how often one was decoded again at a higher temperature.
  public let windowCount: Int
  public let retryCount: Int
  /// The windows whose text is cut, in their order.
  public let truncations: [Truncation]

  /// The whole text.
  public var text: String {
    Transcription.trimmed(segments.map(\.text).joined())
  }

  static func trimmed(_ text: String) -> String {
    let tail = text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace)
    return String(tail.reversed())
  }
}
