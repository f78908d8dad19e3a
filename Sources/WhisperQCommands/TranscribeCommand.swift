public import ArgumentParser
import Console
import Pipeline
import Whisper

/// How a transcript is written.
enum TranscriptFormat: String, ExpressibleByArgument, CaseIterable, Sendable {
  case text, json, srt, vtt

  /// Whether it is made of segments with times.
  var needsTimestamps: Bool { self == .srt || self == .vtt }
}

/// `whisperq transcribe`: speech in, text out.
public struct TranscribeCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "transcribe",
    abstract: "Write down what is said in recordings.",
    discussion: """
      Any layout of a Whisper model works: an encoder with a decoder, with or without caches, merged, of ONNX Runtime, \
      sherpa-onnx or Qualcomm AI Hub. --model names a folder that holds the parts, or each part by file or key; a \
      name whose NAME_encoder and NAME_decoder are in the manifest stands for both. The tokenizer is looked for \
      beside the models, above them, and where a quantized model came from.

      WAV is read as it is, at any rate and with any number of channels. FLAC, MP3, Ogg and M4A go through ffmpeg, if \
      it is installed. Audio of more than 30 s is cut into windows at the times that the model hears.

      EXAMPLES
        whisperq transcribe speech.wav --model whisper_demo
        whisperq transcribe speech.wav --model models/whisper_demo_onnx --language en
        whisperq transcribe speech.wav --model whisper_demo --format srt
        whisperq transcribe speech.wav --model whisper_demo --ep embedded
        whisperq transcribe speech.wav --model whisper_demo --fallback --json

      JSON
        {"exit_code": ..., "model": [...], "files": [...]}, a part of the model:
          path, part, bytes, load_seconds, engine (as in validate)
        a file:
          path, error (null when it was written down), format, rate, channels,
          language, text, tokens, audio_seconds, seconds, real_time_factor,
          windows, retries, truncated (whether a text was cut for want of room:
          --max-tokens, or the decoder's caches), segments: start, end, text,
            tokens, temperature, average_log_probability, compression_ratio,
            no_speech_probability (null where the model has no token for it)

      EXIT CODE
        0 when every recording was written down, 2 when a file is damaged or the
        parts do not fit together, 3 when a provider of --ep is missing, or
        ffmpeg for a recording that needs it, or the form of the model is one
        that is not decoded, 4 when a file cannot be read, 64 for wrong options.
      """)

  @Argument(help: "Recordings.", completion: .file())
  var audio: [String]

  @Option(
    name: [.short, .customLong("model")], parsing: .upToNextOption,
    help: ArgumentHelp("A folder, or the files or keys of the parts.", valueName: "model"),
    completion: .file(extensions: ["onnx"]))
  var models: [String]

  @Option(name: [.short, .long], help: "text, json, srt or vtt.")
  var format: TranscriptFormat = .text

  @Flag(help: "As --format json.")
  var json = false

  @Flag(help: "Show when each segment was said.")
  var timestamps = false

  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "Write to this file, or for several recordings to files in this folder.", valueName: "path"),
    completion: .file())
  var output: String?

  @OptionGroup(title: "How it is decoded")
  var decoding: DecodingChoices

  @OptionGroup(title: "The model")
  var files: SpeechFileOptions

  @OptionGroup(title: "What runs the model")
  var backends: BackendOptions

  @Flag(name: [.short, .long], help: "Say nothing but the text and errors.")
  var quiet = false

  public init() {}

  public func validate() throws {
    if json, format.needsTimestamps {
      throw ValidationError("--json and --format \(format) exclude each other.")
    }
  }

  public func run() throws {
    var request = TranscribeRequest()
    request.audio = audio
    request.speech = files.choice(models.flatMap(SpeechChoice.parts), backends)
    request.options = decoding.options
    let format = json ? TranscriptFormat.json : format
    if timestamps || format.needsTimestamps { request.options.timestamps = .segments }
    let notes = Notes(verbosity: quiet ? .quiet : .normal)
    if output == nil, format.needsTimestamps, audio.count > 1 {
      throw PipelineError("subtitles of several recordings go to files; name a folder with --output", .usage)
    }
    let target = try TranscriptPlaces(
      output, ending: format == .text ? "txt" : format.rawValue, audio: audio, sharing: format == .json,
      inputs: RunFiles.models(request.speech.models, manifestPath: files.manifest)
        + [files.tokenizer, files.manifest].compactMap { $0 })
    let session = TranscribeSession(
      format: format, showsTimes: timestamps, isSingle: audio.count == 1, target: target, notes: notes)
    let failure = try TranscribePipeline.run(request, session.observer)
    let status = failure?.status ?? .done
    try session.close(status)
    if status != .done { throw ExitCode(status.rawValue) }
  }
}
