import ByteIO

/// A result that a user wants in a file of its own.
public enum ResultFile {
  /// Says before the work, not after it, that a file has no place.
  ///
  /// - Parameters:
  ///   - option: how the command line calls it, such as `--report`.
  ///   - inputs: files that the run reads, none of which may be replaced.
  public static func checkPlace(
    _ path: String, option: String, inputs: [String] = []
  ) throws(PipelineError) {
    try RunFiles.check([(option, path)], reading: inputs)
    let home = folder(of: path)
    switch kind(ofPath: path) {
    case .folder, .other: throw PipelineError("\(option) \(path): this is no file; name one", .usage)
    case .missing, .file: break
    }
    guard home.isEmpty || kind(ofPath: home) == .folder else {
      throw PipelineError("\(option) \(path): there is no folder \(home)", .inputOutput)
    }
  }

  /// Writes text, whole or not at all.
  public static func write(_ text: String, to path: String) throws(PipelineError) {
    let bytes = Array(text.utf8)
    do {
      let output = try OutputFile(path: path, byteCount: bytes.count)
      // Bytes have no padding, so reading them raw is sound.
      try output.write(unsafe bytes.span.bytes, at: 0)
      try output.commit()
    } catch {
      throw PipelineError(error)
    }
  }
}

/// Where the transcripts of recordings go.
public struct TranscriptPlaces: Sendable {
  public enum Place: Sendable {
    case standardOutput
    case file(String)
    case folder(String)
  }

  public let place: Place
  private let ending: String

  /// - Parameters:
  ///   - path: as the user says it; nil is standard output.
  ///   - ending: of the files in a folder, such as `srt`.
  ///   - shares: whether one file holds the transcripts of all recordings.
  ///   - inputs: what else is read, and must not be replaced.
  public init(
    _ path: String?, ending: String, audio: [String], sharing shares: Bool, inputs: [String] = []
  ) throws(PipelineError) {
    self.ending = ending
    guard let path else {
      place = .standardOutput
      return
    }
    if kind(ofPath: path) == .folder || (audio.count > 1 && !shares) {
      place = .folder(path)
    } else {
      place = .file(path)
      try ResultFile.checkPlace(path, option: "--output", inputs: audio + inputs)
      return
    }
    let names = audio.map { self.name(of: $0) }
    for name in names where kind(ofPath: joined(path, name)) == .file {
      try ResultFile.checkPlace(joined(path, name), option: "--output", inputs: audio + inputs)
    }
    if let twice = names.first(where: { name in names.count { $0 == name } > 1 }) {
      throw PipelineError(
        "two recordings would be written to \(joined(path, twice)); transcribe them one by one", .usage)
    }
  }

  /// The file of a recording's transcript; nil for standard output.
  public func path(for audio: String) -> String? {
    switch place {
    case .standardOutput: nil
    case .file(let path): path
    case .folder(let path): joined(path, name(of: audio))
    }
  }

  private func name(of audio: String) -> String {
    let whole = fileName(of: audio)
    guard let point = whole.lastIndex(of: "."), point != whole.startIndex else { return "\(whole).\(ending)" }
    return "\(whole[..<point]).\(ending)"
  }
}
