import Console
import Pipeline
import Validation
import Whisper

/// Transcripts in the formats of files.
enum TranscribeRendering {
  static func srt(_ transcription: Transcription) -> String {
    transcription.segments.enumerated().map { index, segment in
      "\(index + 1)\n\(time(segment.start, ",")) --> \(time(segment.end, ","))\n\(line(segment))\n\n"
    }.joined()
  }

  static func vtt(_ transcription: Transcription) -> String {
    "WEBVTT\n\n"
      + transcription.segments.map { segment in
        "\(time(segment.start, ".")) --> \(time(segment.end, "."))\n\(escaped(line(segment)))\n\n"
      }.joined()
  }

  static func timed(_ transcription: Transcription) -> String {
    transcription.segments.map { segment in
      "[\(time(segment.start, ".")) --> \(time(segment.end, "."))] \(line(segment))\n"
    }.joined()
  }

  /// Hours, minutes, seconds and milliseconds.
  static func time(_ seconds: Double, _ point: String) -> String {
    let milliseconds = Int((seconds * 1000).rounded())
    func padded(_ value: Int, _ width: Int) -> String {
      let digits = "\(value)"
      return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }
    let whole = milliseconds / 1000
    return padded(whole / 3600, 2) + ":" + padded(whole / 60 % 60, 2) + ":" + padded(whole % 60, 2) + point
      + padded(milliseconds % 1000, 3)
  }

  /// A cue is one line, and an arrow in it would begin another.
  private static func line(_ segment: Transcription.Segment) -> String {
    Printable.name(segment.text.split(whereSeparator: \.isWhitespace).joined(separator: " "))
  }

  /// WebVTT reads `&` and `<` as markup.
  private static func escaped(_ text: String) -> String {
    var result = ""
    for character in text {
      switch character {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      default: result.append(character)
      }
    }
    return result
  }

  // MARK: JSON

  static func json(_ speech: LoadedSpeech) -> JSONValue {
    .array(
      speech.parts.map { part in
        [
          "path": .string(part.path), "part": .string(part.part.rawValue), "bytes": .integer(part.byteCount),
          "load_seconds": .double(part.loadSeconds), "engine": ValidateJSON.engine(part.engine),
        ]
      })
  }

  static func json(_ file: TranscribedFile) -> JSONValue {
    let spoken = file.transcription
    return [
      "path": .string(file.path), "error": .null, "format": .string(file.source.format),
      "rate": .integer(ifPresent: file.source.rate),
      "channels": .integer(ifPresent: file.source.channelCount),
      "language": spoken.language.map(JSONValue.string) ?? .null, "text": .string(spoken.text),
      "tokens": .array(spoken.tokens.map(JSONValue.integer)), "audio_seconds": .double(spoken.seconds),
      "seconds": .double(file.seconds), "real_time_factor": .double(file.realTimeFactor),
      "windows": .integer(spoken.windowCount), "retries": .integer(spoken.retryCount),
      "truncated": .bool(!spoken.truncations.isEmpty),
      "segments": .array(
        spoken.segments.map { segment in
          [
            "start": .double(segment.start), "end": .double(segment.end), "text": .string(segment.text),
            "tokens": .array(segment.tokens.map(JSONValue.integer)),
            "temperature": .double(Double(segment.temperature)),
            "average_log_probability": .double(segment.averageLogProbability),
            "compression_ratio": .double(segment.compressionRatio),
            "no_speech_probability": .double(ifPresent: segment.noSpeechProbability),
          ]
        }),
    ]
  }

  // MARK: Texts that are cut

  /// What to say of windows whose text is cut, and what helps; nil when none is.
  static func truncation(_ transcription: Transcription) -> String? {
    let all = transcription.truncations
    guard let first = all.first else { return nil }
    let others = all.count - 1
    let place =
      "the text from \(time(first.start, ".")) on"
      + (others > 0 ? " and of \(others) more window\(others == 1 ? "" : "s")" : "")
    switch first.limit {
    case .option(let count):
      return "\(place) is cut after \(count) token\(count == 1 ? "" : "s"); give more with --max-tokens"
    case .caches(let count):
      return
        "\(place) is cut, for the decoder's caches hold \(count) tokens, prompt and text; make the decoder "
        + "again with more --max-tokens (prepare, quantize)"
    }
  }

  static func failure(_ path: String, _ error: PipelineError) -> JSONValue {
    ["path": .string(path), "error": .string(error.message)]
  }
}
