public import Whisper

/// What `transcribe` is asked for.
public struct TranscribeRequest: Sendable {
  public var audio: [String] = []
  public var speech = SpeechChoice()
  public var options = DecodingOptions()

  public init() {}
}

/// One recording, written down.
public struct TranscribedFile: Sendable {
  public let path: String
  public let source: AudioClip.Source
  public let transcription: Transcription
  /// Seconds that features, encoder and decoder took; reading the file is not among them.
  public let seconds: Double

  /// Seconds of audio per second of work.
  public var realTimeFactor: Double { seconds > 0 ? transcription.seconds / seconds : 0 }
}

/// Who wants to know how far a transcription is.
public struct TranscribeObserver {
  public var loaded: (LoadedSpeech) -> Void = { _ in }
  public var began: (_ path: String, AudioClip) -> Void = { _, _ in }
  /// Text as it comes.
  public var text: (String) -> Void = { _ in }
  public var finished: (TranscribedFile) -> Void = { _ in }
  /// A recording that could not be written down; the others are.
  public var failed: (_ path: String, PipelineError) -> Void = { _, _ in }

  public init() {}
}

/// The journey of `whisperq transcribe`: open the model → read audio → features → encoder → decoder → text.
public enum TranscribePipeline {
  /// Writes down all recordings, one after the other.
  ///
  /// - Returns: the first error of a recording; nil when all went well.
  public static func run(
    _ request: TranscribeRequest, _ observer: TranscribeObserver
  ) throws(PipelineError) -> PipelineError? {
    // A name that is wrong is known before a large model is opened.
    for path in request.audio { try AudioFiles.check(path) }
    var loader = try SpeechLoader(request.speech)
    let speech = try loader.load()
    observer.loaded(speech)
    var first: PipelineError?
    for path in request.audio {
      do throws(PipelineError) {
        let clip = try AudioFiles.read(path)
        observer.began(path, clip)
        observer.finished(try transcribe(path, clip, speech.transcriber, request.options, observer.text))
      } catch {
        // What was asked for and cannot be is the same for every file.
        if error.status == .usage { throw error }
        observer.failed(path, error)
        first = first ?? error
      }
    }
    return first
  }

  static func transcribe(
    _ path: String, _ clip: AudioClip, _ transcriber: Transcriber, _ options: DecodingOptions,
    _ onText: (String) -> Void
  ) throws(PipelineError) -> TranscribedFile {
    let clock = ContinuousClock()
    let start = clock.now
    let transcription: Transcription
    do { transcription = try transcriber.transcribe(clip.samples, options, onText: onText) } catch {
      throw PipelineError(error)
    }
    return TranscribedFile(
      path: path, source: clip.source, transcription: transcription,
      seconds: (clock.now - start) / .seconds(1))
  }
}
