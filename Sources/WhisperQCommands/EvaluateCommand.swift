public import ArgumentParser
import Console
public import Pipeline
import Validation
import Whisper

/// `whisperq evaluate`: how well models understand speech, in words.
public struct EvaluateCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "evaluate",
    abstract: "Measure how well models understand speech: word errors, side by side.",
    discussion: """
      DATA is a transcript (JSON, JSON lines, TSV or CSV with the columns path and text, LibriSpeech's .trans.txt) or a \
      folder with one, or with NAME.txt beside each NAME.wav. A column language is used where the model knows several.

      Each --model is a folder, a name of the manifest (whisper_demo stands for its encoder and decoder), or \
      ENCODER+DECODER; @PROVIDERS after it runs it there. The others are compared with the first: word errors above \
      it, with a confidence interval over recordings (paired bootstrap); its text is fed to them, and the share of \
      tokens that they would have chosen too is the token agreement; and the first token that differs is told.

      Texts are compared after Whisper's own normalization: for English the one with numbers and contractions (and \
      with spellings where normalizer.json lies beside the tokenizer), for other languages the basic one.

      EXAMPLES
        whisperq evaluate speech --model whisper_demo
        whisperq evaluate speech/transcripts.tsv --model whisper_demo --max-wer 10
        whisperq evaluate speech --model whisper_demo --model whisper_demo@embedded
        whisperq evaluate speech --model whisper_demo --resume results.json --json

      JSON
        {"exit_code": ..., "passes": ..., "data": ..., "recordings": ...,
         "objections": [{"model", "message"}], "models": [...]}, a model:
          name, bytes, parts (path, engine as in validate), wer, cer (0.01 is
          1 %; null when nothing is said), wer_interval ([low, high], 95 %),
          words and characters: hits, substitutions, insertions, deletions;
          empty, repeated (numbers of recordings), audio_seconds, seconds,
          real_time_factor, failures (id, message),
          against_first: null for the first, else wer_difference, interval,
            improvement_share (of the draws), token_agreement (null where it
            was not measured), diverged (number of recordings; null where the
            vocabularies differ)
          utterances: id, language, reference, text, compared_reference,
            compared_text, words, characters, tokens, audio_seconds, seconds,
            agreement (null, or equal and total), first_divergence (null where
            no token differs, or for the first model)

      EXIT CODE
        0 when every limit is kept, 1 when one is missed, 2 when a recording or
        a model is damaged (the others are evaluated), 3 when a provider is
        missing, 4 when a file cannot be read, 64 for wrong options.
      """)

  @Argument(help: "A transcript file, or a folder with recordings.", completion: .file())
  var data: String

  @Option(
    name: [.short, .customLong("model")],
    help: ArgumentHelp("A model; may be given several times.", valueName: "model"),
    completion: .file(extensions: ["onnx"]))
  var models: [String]

  @Option(
    name: .customLong("normalize"), help: "How texts are made comparable: auto, english, basic or none.")
  var normalizer: NormalizerChoice = .auto

  @Option(help: ArgumentHelp("At most so many recordings, evenly spread.", valueName: "n"))
  var limit: Int?

  @Flag(help: "Do not feed the other models with the first one's text.")
  var noAgreement = false

  @OptionGroup(title: "What must be reached")
  var limits: SpeechLimitOptions

  @OptionGroup(title: "How it is decoded")
  var decoding: DecodingChoices

  @OptionGroup(title: "The models")
  var files: SpeechFileOptions

  @OptionGroup(title: "What runs the models")
  var backends: BackendOptions

  @Option(
    help: ArgumentHelp("Keep results here, and go on from them.", valueName: "file.json"),
    completion: .file(extensions: ["json"]))
  var resume: String?

  @Flag(help: "Print JSON instead of text.")
  var json = false

  @Option(
    help: ArgumentHelp("Also write the report as one HTML page.", valueName: "file.html"),
    completion: .file(extensions: ["html"]))
  var report: String?

  @Flag(name: [.short, .long], help: "Show every recording with errors, not only the ten worst.")
  var verbose = false

  public init() {}

  public func validate() throws {
    if let limit, limit < 1 { throw ValidationError("--limit takes 1 or more.") }
    if noAgreement, limits.minTokenAgreement != nil {
      throw ValidationError("--min-token-agreement needs what --no-agreement leaves out.")
    }
    if models.isEmpty { throw ValidationError("Name a model with --model.") }
    if let twice = models.first(where: { name in models.count { $0 == name } > 1 }) {
      throw ValidationError("--model \(twice) is there twice.")
    }
  }

  public func run() throws {
    var request = EvaluateRequest()
    request.data = data
    request.models = models
    request.speech = files.choice([], backends)
    request.options = decoding.options
    request.normalizer = normalizer
    request.itemLimit = limit
    request.limits = limits.limits
    request.agreement = noAgreement ? .omitted : .measured
    request.statePath = resume
    let read = try EvaluatePipeline.inputs(request) + [files.tokenizer, files.manifest].compactMap { $0 }
    // A file of results that is none is refused when it is read.
    try RunFiles.check([("--report", report), ("--resume", resume)], reading: [])
    if let report { try ResultFile.checkPlace(report, option: "--report", inputs: read) }
    let stream = TerminalStream.standardError
    let notes = Notes(verbosity: .normal)
    var observer = EvaluateObserver()
    observer.loaded = { model, speech in
      for note in speech.notes { notes.warning(Printable.lines(note)) }
      stream.setStatusLine("evaluating \(Printable.name(model))")
    }
    observer.finished = { model, done, total in
      stream.setStatusLine("evaluating \(Printable.name(model)): \(done) of \(total) recordings")
    }
    let evaluation = try EvaluatePipeline.run(request, observer)
    stream.setStatusLine(nil)
    let output = TerminalStream.standardOutput
    let rendering = EvaluateRendering(isVerbose: verbose, width: output.width)
    try output.write(json ? EvaluateJSON.document(evaluation).text() + "\n" : rendering.text(evaluation))
    if let report {
      try ResultFile.write(SpeechPage.page(evaluation.models, verdict: evaluation.verdict), to: report)
    }
    for model in evaluation.models {
      for failure in model.failures { notes.error(Printable.lines(failure.message)) }
    }
    if evaluation.status != .done { throw ExitCode(evaluation.status.rawValue) }
  }
}

extension NormalizerChoice: ExpressibleByArgument {}

/// What models must reach, in percent.
struct SpeechLimitOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Highest word error rate, of every model.", valueName: "%"))
  var maxWer: Double?

  @Option(help: ArgumentHelp("Most points of word error rate above the first model's.", valueName: "%"))
  var maxWerIncrease: Double?

  @Option(help: ArgumentHelp("Largest share of recordings of which nothing is written.", valueName: "%"))
  var maxEmpty: Double?

  @Option(help: ArgumentHelp("Largest share of recordings whose text repeats itself.", valueName: "%"))
  var maxRepetition: Double?

  @Option(help: ArgumentHelp("Least token agreement with the first model.", valueName: "%"))
  var minTokenAgreement: Double?

  var limits: SpeechLimits {
    var limits = SpeechLimits()
    limits.maximumWER = maxWer.map { $0 / 100 }
    limits.maximumWERIncrease = maxWerIncrease.map { $0 / 100 }
    limits.maximumEmpty = maxEmpty.map { $0 / 100 }
    limits.maximumRepetition = maxRepetition.map { $0 / 100 }
    limits.minimumAgreement = minTokenAgreement.map { $0 / 100 }
    return limits
  }

  mutating func validate() throws {
    for (name, value) in [
      ("--max-wer", maxWer), ("--max-empty", maxEmpty), ("--max-repetition", maxRepetition),
      ("--min-token-agreement", minTokenAgreement),
    ] {
      if let value, !(value >= 0) { throw ValidationError("\(name) takes percent, 0 or more.") }
    }
    if let maxWerIncrease, maxWerIncrease.isNaN { throw ValidationError("--max-wer-increase takes percent.") }
  }
}
