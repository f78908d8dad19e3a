public import ByteIO

/// Audio that could not be read, and what to do about it.
public struct AudioError: Error, Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    /// The file could not be opened or mapped.
    case file(ByteIOError)
    /// Bytes of a WAV file that are not what the format wants there.
    case malformed(byteOffset: Int, found: String, expected: String)
    /// No container that is known by its first bytes.
    case unknownContainer(firstBytes: [UInt8])
    /// A format that ffmpeg decodes, and there is no ffmpeg.
    case decoderMissing(format: String)
    /// ffmpeg did not decode it; its own words.
    case decoderFailed(format: String, how: String, words: String)
    /// There are no samples.
    case empty
    /// A sample that is no number, infinite or absurdly large.
    case notFinite(byteOffset: Int?, seconds: Double)
    /// Longer than `AudioFile.longestSeconds`.
    case tooLong
    /// A rate that no recording has.
    case rate(Int, byteOffset: Int)
    /// A number of mel bands that features cannot have.
    case melCount(Int)
  }

  public let reason: Reason
  /// The file; empty for errors that are not about one.
  public let path: String

  public init(_ reason: Reason, path: String) {
    self.reason = reason
    self.path = path
  }

  /// One sentence: what, where, what was expected, what to do.
  public var message: String {
    switch reason {
    case .file(let error):
      return error.message
    case .malformed(let byteOffset, let found, let expected):
      return "\(path): byte \(byteOffset): found \(found), expected \(expected); "
        + "the file is damaged, export or convert it to WAV again"
    case .unknownContainer(let firstBytes):
      return
        "\(path): byte 0: found \(Self.shown(firstBytes)), expected the beginning of a WAV, FLAC, MP3, Ogg, "
        + "M4A or another known audio file; convert it to WAV"
    case .decoderMissing(let format):
      return "\(path): this is \(format), which needs ffmpeg, and no ffmpeg is on the PATH; "
        + "install it (apt install ffmpeg) or convert the file to WAV"
    case .decoderFailed(let format, let how, let words):
      return "\(path): this is \(format), and ffmpeg \(how)\(words.isEmpty ? "" : ": " + words); "
        + "check that the file plays, or convert it to WAV"
    case .empty:
      return "\(path): there is no audio in it, expected at least one sample; record or export it again"
    case .notFinite(let byteOffset, let seconds):
      let place = byteOffset.map { "byte \($0): " } ?? ""
      return "\(path): \(place)the sample at \(Self.rounded(seconds)) s is not a finite number, "
        + "expected -1 to 1; export the file again"
    case .tooLong:
      return "\(path): the audio is longer than \(AudioFile.longestSeconds / 3600) hours; cut it into parts"
    case .rate(let rate, let byteOffset):
      return "\(path): byte \(byteOffset): found a rate of \(rate) samples per second, expected "
        + "\(AudioFile.rates.lowerBound) to \(AudioFile.rates.upperBound); the header is damaged, export it again"
    case .melCount(let count):
      return "\(count) mel bands are asked for, expected 1 to \(LogMel.melCounts.upperBound) "
        + "(Whisper has 80 or 128); check that the model is a Whisper encoder"
    }
  }

  private static func shown(_ bytes: [UInt8]) -> String {
    if bytes.isEmpty { return "an empty file" }
    let digits = bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16, uppercase: true) }
    return "bytes " + digits.joined(separator: " ")
  }

  private static func rounded(_ seconds: Double) -> String {
    let thousandths = Int((seconds * 1000).rounded())
    let fraction = String(thousandths % 1000 + 1000).dropFirst()
    return "\(thousandths / 1000).\(fraction)"
  }
}
