package import ByteIO

/// Reads recordings: WAV by itself, what else there is through ffmpeg when it is installed.
public enum AudioFile {
  /// Rates of a WAV file, in samples per second.
  public static let rates = 1000...768_000
  /// Longer audio is refused, for all samples are held in memory.
  public static let longestSeconds = 24 * 3600
  /// A sample beyond this is damage, not sound; sums of many stay finite.
  static let largestMagnitude: Float = 1e12

  /// Reads a recording and mixes it to mono (the mean of the channels) at 16,000 samples per second.
  ///
  /// What the file is, its first bytes tell, not its name. WAV means PCM of 8, 16, 24 and 32 bits and floats
  /// of 32 and 64, plain, extensible or RF64. Other containers and encodings go through the `ffmpeg` on the
  /// PATH.
  public static func read(_ path: String) throws(AudioError) -> AudioClip {
    try read(path, programFolders: FFmpeg.searchPath)
  }

  /// The same with ffmpeg from one of these folders (divided by colons, as in PATH).
  package static func read(_ path: String, programFolders: String) throws(AudioError) -> AudioClip {
    let file: MappedFile
    do {
      file = try MappedFile(path: path)
    } catch {
      throw AudioError(.file(error), path: path)
    }
    if file.byteCount == 0 { throw AudioError(.empty, path: path) }
    let prefix = Array(file, count: AudioContainer.prefixLength)
    switch AudioContainer(firstBytes: prefix) {
    case nil: throw AudioError(.unknownContainer(firstBytes: prefix), path: path)
    case .foreign(let format): return try decode(path, format, programFolders)
    case .wav: break
    }
    let header = try WAVHeader(file)
    if case .foreign = header.encoding { return try decode(path, header.format, programFolders) }
    return try clip(file, header)
  }

  /// Reads the bytes of a WAV file; `file.path` is its name in errors.
  package static func readWAV(_ file: MappedFile) throws(AudioError) -> AudioClip {
    let prefix = Array(file, count: AudioContainer.prefixLength)
    guard AudioContainer(firstBytes: prefix) == .wav else {
      throw AudioError(.unknownContainer(firstBytes: prefix), path: file.path)
    }
    let header = try WAVHeader(file)
    if case .foreign = header.encoding {
      throw AudioError(.decoderMissing(format: header.format), path: file.path)
    }
    return try clip(file, header)
  }

  private static func clip(_ file: MappedFile, _ header: WAVHeader) throws(AudioError) -> AudioClip {
    let samples = try WAVSamples(file, header).monoSamples()
    if samples.isEmpty { throw AudioError(.empty, path: file.path) }
    return AudioClip(
      samples: samples,
      source: AudioClip.Source(
        format: header.format, rate: header.rate, channelCount: header.channelCount,
        missingByteCount: header.missingByteCount))
  }

  private static func decode(
    _ path: String, _ format: String, _ programFolders: String
  ) throws(AudioError) -> AudioClip {
    guard let ffmpeg = FFmpeg(folders: programFolders) else {
      throw AudioError(.decoderMissing(format: format), path: path)
    }
    let samples = try ffmpeg.monoSamples(of: path, format: format)
    if samples.isEmpty { throw AudioError(.empty, path: path) }
    return AudioClip(
      samples: samples,
      source: AudioClip.Source(format: format + " through ffmpeg", rate: nil, channelCount: nil))
  }
}

extension [UInt8] {
  /// The first `count` bytes of a file, or as many as it has.
  fileprivate init(_ file: MappedFile, count: Int) {
    self = (0..<Swift.min(count, file.byteCount)).map { file.bytes[$0] }
  }
}
