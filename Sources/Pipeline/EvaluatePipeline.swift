import ByteIO
import ModelBackend
import Validation
import Whisper

/// The journey of `whisperq evaluate`: read the set → for each model: transcribe → compare with what was said and with
/// the first model → judge.
public enum EvaluatePipeline {
  /// Evaluates all models, one after the other, so that one is in memory at a time.
  public static func run(
    _ request: EvaluateRequest, _ observer: EvaluateObserver = EvaluateObserver()
  ) throws(PipelineError) -> Evaluation {
    try request.speech.backends.validated()
    let set = try TranscriptSet(request.data)
    let items = chosen(set.items, request.itemLimit)
    if request.limits.maximumWERIncrease != nil || request.limits.minimumAgreement != nil,
      request.models.count < 2
    {
      throw PipelineError(
        "--max-wer-increase and --min-token-agreement compare with the first model; name a second one", .usage
      )
    }
    var state: EvaluateState?
    if let path = request.statePath { state = try EvaluateState(path) }
    var reports: [SpeechModelReport] = []
    var vocabulary: [String]?
    for word in request.models {
      var run = ModelEvaluation(word, request, items, first: reports.first, vocabulary: vocabulary, observer)
      reports.append(try run.report(&state))
      vocabulary = vocabulary ?? run.vocabulary
    }
    let verdict = SpeechVerdict(reports, limits: request.limits)
    let failed = reports.contains { !$0.failures.isEmpty }
    return Evaluation(
      data: set.source, recordingCount: items.count, models: reports, verdict: verdict,
      status: failed ? .badInput : verdict.passes ? .done : .verdict)
  }

  /// Files that an evaluation may read: models, recordings and texts; earlier reports among these are not read.
  public static func inputs(_ request: EvaluateRequest) throws(PipelineError) -> [String] {
    var words: [String] = []
    for word in request.models { words += try request.choice(word).models }
    let files = RunFiles.models(words, manifestPath: request.speech.manifestPath)
    let data = request.data
    guard kind(ofPath: data) == .folder else { return files + [data] }
    let recordings = try FolderPipeline.files(of: data).filter { !$0.hasSuffix(".html") }
    return files + recordings.map { joined(data, $0) }
  }

  /// The first, the last and those between at even distances.
  static func chosen(_ items: [TranscriptSet.Item], _ limit: Int?) -> [TranscriptSet.Item] {
    guard let limit, limit < items.count else { return items }
    guard limit > 1 else { return Array(items.prefix(limit)) }
    return (0..<limit).map { items[$0 * (items.count - 1) / (limit - 1)] }
  }
}

/// One model of an evaluation.
struct ModelEvaluation {
  private let word: String
  private let request: EvaluateRequest
  private let items: [TranscriptSet.Item]
  private let first: SpeechModelReport?
  private let observer: EvaluateObserver
  /// The first model's before the run, this model's after it.
  private(set) var vocabulary: [String]?

  init(
    _ word: String, _ request: EvaluateRequest, _ items: [TranscriptSet.Item], first: SpeechModelReport?,
    vocabulary: [String]?, _ observer: EvaluateObserver
  ) {
    self.vocabulary = vocabulary
    self.word = word
    self.request = request
    self.items = items
    self.first = first
    self.observer = observer
  }

  mutating func report(_ state: inout EvaluateState?) throws(PipelineError) -> SpeechModelReport {
    var loader = try SpeechLoader(try request.choice(word))
    let speech = try loader.load()
    observer.loaded(word, speech)
    let comparison = try TextComparison(request.normalizer, speech)
    // Tokens of another vocabulary are other words.
    let sharesTokens = first != nil && vocabulary == speech.transcriber.vocabulary
    vocabulary = speech.transcriber.vocabulary
    let known = Dictionary(
      (sharesTokens ? first?.utterances ?? [] : []).map { ($0.id, $0) },
      uniquingKeysWith: { first, _ in first })
    let fingerprint = fingerprint(speech)
    var utterances: [UtteranceResult] = []
    var failures: [(id: String, message: String)] = []
    for (index, item) in items.enumerated() {
      do throws(PipelineError) {
        let original = known[item.id]
        let key = Self.key(item, original)
        let result: EvaluateState.Result
        if let kept = state?.result(fingerprint, key) {
          result = kept
        } else {
          result = try transcribe(item, speech.transcriber, original)
          try state?.keep(result, fingerprint, key)
        }
        utterances.append(
          UtteranceResult(
            id: item.id, language: item.language ?? result.language, reference: item.text,
            hypothesis: result.text,
            compared: comparison.pair(item.text, result.text, language: item.language ?? result.language),
            tokens: result.tokens, audioSeconds: result.audioSeconds, seconds: result.seconds,
            agreement: result.agreement,
            divergence: original.flatMap { ErrorRate.firstDivergence($0.tokens, result.tokens) }))
      } catch {
        // Wrong options are wrong for every recording.
        if error.status == .usage || error.status == .inputOutput { throw error }
        failures.append((item.id, error.message))
      }
      observer.finished(word, index + 1, items.count)
    }
    try state?.write()
    return SpeechModelReport(
      name: word, byteCount: speech.parts.reduce(0) { $0 + $1.byteCount },
      engines: speech.parts.map { ($0.path, $0.engine) }, utterances: utterances, failures: failures,
      notes: speech.notes, sharesTokens: sharesTokens)
  }

  private func transcribe(
    _ item: TranscriptSet.Item, _ transcriber: Transcriber, _ original: UtteranceResult?
  ) throws(PipelineError) -> EvaluateState.Result {
    let clip = try AudioFiles.read(item.path)
    var options = request.options
    // The set knows better than the model's ear; an English-only model is not asked.
    if options.language == nil, let language = item.language, transcriber.special.isMultilingual {
      options.language = Self.code(language)
    }
    let file = try TranscribePipeline.transcribe(item.path, clip, transcriber, options) { _ in }
    var agreement: UtteranceResult.Agreement?
    if let original, request.agreement == .measured {
      do {
        let found = try transcriber.agreement(
          with: original.tokens, language: options.language ?? file.transcription.language, options)
        agreement = found.map { .init(equal: $0.equal, total: $0.total) }
      } catch {
        throw PipelineError(error)
      }
    }
    return EvaluateState.Result(
      text: file.transcription.text, language: file.transcription.language, tokens: file.transcription.tokens,
      audioSeconds: file.transcription.seconds, seconds: file.seconds, agreement: agreement)
  }

  /// Corpora write `en_us` and `pt-BR`, too.
  private static func code(_ language: String) -> String {
    Language(language) == nil
      ? String(language.prefix { $0 != "_" && $0 != "-" }).lowercased() : language
  }

  // MARK: Keys

  /// What the results of a model depend on, besides the recording.
  private func fingerprint(_ speech: LoadedSpeech) -> String {
    let words = [speech.tokenizerPath] + Tokenizer.files(of: speech.tokenizerPath)
    let files = (speech.parts.map(\.path) + words).map { path in "\(path):\(Self.stamp(path))" }
    let providers = speech.parts.map { "\($0.engine.providerTitle) \($0.engine.runtime)" }
    // The first model is compared with nobody.
    let agreement = first == nil ? [] : ["agreement \(request.agreement)"]
    return (files + providers + ["\(request.options)"] + agreement).joined(separator: "|")
  }

  private static func stamp(_ path: String) -> String {
    FileStamp(ofPath: path).map { "\($0.byteCount),\($0.changed)" } ?? ""
  }

  /// A recording, and the text that the model is fed with.
  private static func key(_ item: TranscriptSet.Item, _ original: UtteranceResult?) -> String {
    let tokens = original.map { $0.tokens.map(String.init).joined(separator: ",") } ?? ""
    return "\(item.id)|\(item.path):\(stamp(item.path))|\(item.language ?? "")|\(tokens)"
  }
}

/// Brings what was said and what was written into one form.
struct TextComparison {
  private let choice: NormalizerChoice
  private let english: EnglishTextNormalizer
  private let basic = BasicTextNormalizer()
  private let isMultilingual: Bool

  init(_ choice: NormalizerChoice, _ speech: LoadedSpeech) throws(PipelineError) {
    self.choice = choice
    isMultilingual = speech.transcriber.special.isMultilingual
    let home =
      kind(ofPath: speech.tokenizerPath) == .folder ? speech.tokenizerPath : folder(of: speech.tokenizerPath)
    do { english = try EnglishTextNormalizer(folder: home) } catch { throw PipelineError(error) }
  }

  func pair(_ reference: String, _ hypothesis: String, language: String?) -> (String, String) {
    switch choice {
    case .none: return (reference, hypothesis)
    case .basic: return (basic.normalize(reference), basic.normalize(hypothesis))
    case .english: return (english.normalize(reference), english.normalize(hypothesis))
    case .auto:
      let isEnglish = language.map { $0.lowercased().hasPrefix("en") } ?? !isMultilingual
      return isEnglish
        ? (english.normalize(reference), english.normalize(hypothesis))
        : (basic.normalize(reference), basic.normalize(hypothesis))
    }
  }
}
