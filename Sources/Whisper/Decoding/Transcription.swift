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

  public let language: String?
  public let segments: [Segment]
  /// The tokens of all segments, with timestamps and without prompts.
  public let tokens: [Int]
  /// Seconds of audio.
  public let seconds: Double
  /// Windows that were decoded, and how often one was decoded again at a higher temperature.
  public let windowCount: Int
  public let retryCount: Int

  /// The whole text.
  public var text: String {
    Transcription.trimmed(segments.map(\.text).joined())
  }

  static func trimmed(_ text: String) -> String {
    let tail = text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace)
    return String(tail.reversed())
  }
}
