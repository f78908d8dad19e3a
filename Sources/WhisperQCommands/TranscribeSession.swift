import Console
import Pipeline
import Validation
import Whisper

/// One run of `transcribe`: text as it comes, and transcripts as files.
final class TranscribeSession {
  private let format: TranscriptFormat
  private let showsTimes: Bool
  private let isSingle: Bool
  private let target: TranscriptPlaces
  private let notes: Notes
  private let output = TerminalStream.standardOutput
  private var model = JSONValue.array([])
  private var files: [JSONValue] = []
  private var failure: (any Error)?
  /// Whether the text of the recording in work has begun.
  private var hasText = false

  init(
    format: TranscriptFormat, showsTimes: Bool, isSingle: Bool, target: TranscriptPlaces, notes: Notes
  ) {
    self.format = format
    self.showsTimes = showsTimes
    self.isSingle = isSingle
    self.target = target
    self.notes = notes
  }

  var observer: TranscribeObserver {
    var observer = TranscribeObserver()
    observer.loaded = { self.loaded($0) }
    observer.began = { path, _ in self.began(path) }
    observer.text = { self.text($0) }
    observer.finished = { self.finished($0) }
    observer.failed = { self.failed($0, $1) }
    return observer
  }

  /// Writes what is written at the end, and throws what could not be written.
  func close(_ status: ExitStatus) throws {
    if let failure { throw failure }
    guard format == .json else { return }
    let document: JSONValue = [
      "exit_code": .integer(Int(status.rawValue)), "model": model, "files": .array(files),
    ]
    if case .file(let path) = target.place {
      try write(document.text() + "\n", to: path)
    } else if case .standardOutput = target.place {
      try output.write(document.text() + "\n")
    }
  }

  // MARK: Steps

  private func loaded(_ speech: LoadedSpeech) {
    model = TranscribeRendering.json(speech)
    for note in speech.notes { notes.warning(Printable.lines(note)) }
    let engines = speech.parts.map { "\(Printable.name($0.path)) on \($0.engine.providerTitle)" }
    notes.note(engines.joined(separator: ", "))
  }

  private var streams: Bool {
    guard case .standardOutput = target.place else { return false }
    return format == .text && !showsTimes
  }

  private func began(_ path: String) {
    hasText = false
    if streams, !isSingle { attempt { try output.write("\(Printable.name(path)):\n") } }
  }

  private func text(_ text: String) {
    guard streams else { return }
    // Whisper's texts begin with a space.
    let shown = hasText ? text : String(text.drop(while: \.isWhitespace))
    if shown.isEmpty { return }
    hasText = true
    attempt { try output.write(Printable.lines(shown)) }
  }

  private func finished(_ file: TranscribedFile) {
    attempt {
      switch format {
      case .json:
        let json = TranscribeRendering.json(file)
        files.append(json)
        if case .folder = target.place, let path = target.path(for: file.path) {
          try write(json.text() + "\n", to: path)
        }
      case .text where streams: try output.write("\n" + (isSingle ? "" : "\n"))
      case .text:
        let text =
          showsTimes
          ? TranscribeRendering.timed(file.transcription) : Printable.lines(file.transcription.text) + "\n"
        try put(text, of: file)
      case .srt: try put(TranscribeRendering.srt(file.transcription), of: file)
      case .vtt: try put(TranscribeRendering.vtt(file.transcription), of: file)
      }
    }
    if file.source.missingByteCount > 0 {
      notes.warning(
        "\(Printable.name(file.path)): the file ends \(file.source.missingByteCount) bytes before its header says"
      )
    }
    let spoken = file.transcription
    if let cut = TranscribeRendering.truncation(spoken) {
      notes.warning("\(Printable.name(file.path)): \(cut)")
    }
    let retries = spoken.retryCount
    notes.note(
      "\(Printable.name(file.path)): \(Format.fixed(spoken.seconds, digitCount: 1)) s"
        + (spoken.language.map { " of \(Language($0)?.name ?? $0)" } ?? "") + " in "
        + Format.duration(.seconds(file.seconds)) + ", "
        + Format.fixed(file.realTimeFactor, digitCount: 1) + " x real time"
        + (retries > 0 ? ", \(retries) window\(retries == 1 ? "" : "s") decoded again" : ""))
  }

  private func failed(_ path: String, _ error: PipelineError) {
    if hasText, streams { attempt { try output.write("\n") } }
    files.append(TranscribeRendering.failure(path, error))
    notes.error(Printable.lines(error.message))
  }

  private func put(_ text: String, of file: TranscribedFile) throws {
    guard let path = target.path(for: file.path) else {
      if !isSingle { try output.write("\(Printable.name(file.path)):\n") }
      return try output.write(text + (isSingle ? "" : "\n"))
    }
    try write(text, to: path)
  }

  private func write(_ text: String, to path: String) throws {
    try ResultFile.write(text, to: path)
    notes.note("\(Printable.name(path)) written")
  }

  private func attempt(_ body: () throws -> Void) {
    do { try body() } catch { failure = failure ?? error }
  }
}
