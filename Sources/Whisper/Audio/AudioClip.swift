/// One recording as Whisper hears it: mono at 16,000 samples per second.
public struct AudioClip: Sendable {
  /// Samples per second that Whisper was trained on.
  public static let sampleRate = 16_000

  /// What the samples were before they were mixed and resampled.
  public struct Source: Sendable, Hashable {
    /// The container and encoding in words, as `WAV, 16-bit PCM`.
    public let format: String
    /// Samples per second and channel; nil when a program that decoded it did not tell.
    public let rate: Int?
    /// Nil when a program that decoded it did not tell.
    public let channelCount: Int?
    /// Bytes of audio that the header promises and the file does not have; 0 for a whole file and for
    /// streams, whose headers do not know their lengths.
    public let missingByteCount: Int

    public init(format: String, rate: Int?, channelCount: Int?, missingByteCount: Int = 0) {
      self.format = format
      self.rate = rate
      self.channelCount = channelCount
      self.missingByteCount = missingByteCount
    }
  }

  /// Full scale is −1...1; files of floats may exceed it, for nothing is clipped. All are finite.
  public let samples: [Float]
  public let source: Source

  /// Samples at 16,000 per second.
  public init(samples: [Float], source: Source) {
    self.samples = samples
    self.source = source
  }

  /// The duration.
  public var seconds: Double { Double(samples.count) / Double(Self.sampleRate) }
}
