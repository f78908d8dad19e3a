import ByteIO
import Whisper

/// Recordings on disk.
enum AudioFiles {
  /// Endings of files that are taken from a folder; a file that is named may have any.
  static let endings = [
    "wav", "wave", "flac", "mp3", "ogg", "oga", "opus", "m4a", "mp4", "aac", "webm", "aif", "aiff", "wma",
  ]

  static func read(_ path: String) throws(PipelineError) -> AudioClip {
    do { return try AudioFile.read(path) } catch { throw PipelineError(error) }
  }

  /// Whether a path can be a recording at all.
  static func check(_ path: String) throws(PipelineError) {
    switch kind(ofPath: path) {
    case .file: return
    case .missing: throw PipelineError(ByteIOError(.notFound, path: path))
    case .folder, .other:
      throw PipelineError(
        "\(path): this is no file; name recordings, or evaluate a folder with: whisperq evaluate", .usage)
    }
  }

  static func isAudio(_ name: String) -> Bool {
    let lower = name.lowercased()
    return endings.contains { lower.hasSuffix("." + $0) }
  }
}
