#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The `ffmpeg` program, which decodes what our own reader does not.
struct FFmpeg {
  let programPath: String

  /// The folders of the PATH variable, divided by colons.
  static var searchPath: String {
    // The string is copied before anything could change the environment.
    guard let value = unsafe getenv("PATH") else { return "" }
    return unsafe String(cString: value)
  }

  /// Nil when none of the folders has the program. Folders that are not absolute do not count: audio from
  /// elsewhere must not bring its own ffmpeg along.
  init?(folders: String) {
    let candidates = folders.split(separator: ":").filter { $0.hasPrefix("/") }.map { String($0) + "/ffmpeg" }
    let found = candidates.first { path in
      var status = stat()
      // Both calls read a C string that lives as long as they run; stat fills the one structure.
      return unsafe stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFREG && access(path, X_OK) == 0
    }
    guard let found else { return nil }
    programPath = found
  }

  /// Decodes the first sound track to mono at Whisper's rate.
  func monoSamples(of path: String, format: String) throws(AudioError) -> [Float] {
    var stream = FloatStream(path: path)
    let result: ChildProcess.Result
    do {
      // `file:` makes every name a plain file: one that begins with a hyphen or looks like an address, too.
      // Files that point to others (playlists) must not reach the network. Without the filter, ffmpeg mixes
      // floats louder than it mixes integers: two equal channels by the square root of 2.
      result = try ChildProcess.run(
        programPath,
        [
          "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", "file:" + path, "-af",
          "aresample=rematrix_maxval=1,aformat=channel_layouts=mono", "-f", "f32le", "-ac", "1", "-ar",
          String(AudioClip.sampleRate), "-",
        ]
      ) { bytes throws(AudioError) in try stream.append(bytes) }
    } catch {
      switch error {
      case .output(let error): throw error
      case .system(let operation, let code):
        let words = unsafe String(cString: strerror(code))
        throw AudioError(
          .decoderFailed(
            format: format, how: "cannot be used: it was not possible to \(operation)", words: words),
          path: path)
      }
    }
    let words = Self.lastLines(of: result.errorText)
    switch result.end {
    case .exited(0): return stream.samples
    case .exited(let code):
      throw AudioError(
        .decoderFailed(format: format, how: "does not decode it (exit code \(code))", words: words),
        path: path)
    case .signaled(let signal):
      throw AudioError(
        .decoderFailed(format: format, how: "was ended by signal \(signal)", words: words), path: path)
    }
  }

  /// The end of what the program said, in one line.
  private static func lastLines(of text: String) -> String {
    let lines = text.split(whereSeparator: \.isNewline).map { $0.filter { $0.isASCII ? $0 >= " " : true } }
    return String(lines.suffix(3).joined(separator: "; ").suffix(600))
  }
}

/// Little-endian floats that come in pieces of any length.
private struct FloatStream {
  private let path: String
  private(set) var samples: [Float] = []
  /// The first bytes of a float whose rest is to come.
  private var rest: UInt32 = 0
  private var restByteCount: UInt32 = 0

  init(path: String) { self.path = path }

  mutating func append(_ bytes: Span<UInt8>) throws(AudioError) {
    for index in bytes.indices {
      rest |= UInt32(bytes[index]) << (8 * restByteCount)
      restByteCount += 1
      if restByteCount < 4 { continue }
      let sample = Float(bitPattern: rest)
      (rest, restByteCount) = (0, 0)
      guard sample.magnitude <= AudioFile.largestMagnitude else {
        let seconds = Double(samples.count) / Double(AudioClip.sampleRate)
        throw AudioError(.notFinite(byteOffset: nil, seconds: seconds), path: path)
      }
      samples.append(sample)
    }
    guard samples.count / AudioClip.sampleRate < AudioFile.longestSeconds else {
      throw AudioError(.tooLong, path: path)
    }
  }
}
