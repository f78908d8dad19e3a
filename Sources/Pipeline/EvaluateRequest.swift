import ModelBackend
public import Validation
public import Whisper

/// How texts are made comparable before words are counted.
public enum NormalizerChoice: String, Sendable, CaseIterable {
  /// English texts as `english`, others as `basic`.
  case auto
  /// Whisper's normalizer for English: contractions, numbers, spellings.
  case english
  /// Whisper's normalizer for any language: lower case, no punctuation.
  case basic
  /// Texts as they are, cut at blanks.
  case none
}

/// What `evaluate` is asked for.
public struct EvaluateRequest: Sendable {
  /// A transcript file, or a folder with one.
  public var data = ""
  /// Each model by folder, name, or `ENCODER+DECODER`, with `@PROVIDERS` after it where it has its own.
  public var models: [String] = []
  /// What all models have in common.
  public var speech = SpeechChoice()
  public var options = DecodingOptions()
  public var normalizer = NormalizerChoice.auto
  /// At most so many recordings, evenly spread over the set.
  public var itemLimit: Int?
  public var limits = SpeechLimits()
  /// Whether the other models are fed with the first one's text.
  public var agreement = Agreement.measured
  /// A file that keeps results, so that a run that was ended goes on where it was.
  public var statePath: String?

  public enum Agreement: Sendable { case measured, omitted }

  public init() {}

  /// A model of the command line: `whisper_demo@qnn,cpu`.
  ///
  /// - Throws: when what stands behind the @ of a model that is there is no provider.
  func choice(_ word: String) throws(PipelineError) -> SpeechChoice {
    var choice = speech
    var name = word
    if !ModelReference.isPath(word), let at = word.lastIndex(of: "@") {
      do {
        let order = try ProviderOrder(parsing: String(word[word.index(after: at)...]))
        choice.backends.providers = order.description
      } catch {
        guard ModelReference.isPath(String(word[..<at])) else {
          choice.models = SpeechChoice.parts(name)
          return choice
        }
        throw PipelineError("\(word): \(error.message)", .usage)
      }
      (choice.encoderProviders, choice.decoderProviders) = (nil, nil)
      name = String(word[..<at])
    }
    choice.models = SpeechChoice.parts(name)
    return choice
  }
}

/// The result of an evaluation.
public struct Evaluation: Sendable {
  public let data: String
  public let recordingCount: Int
  public let models: [SpeechModelReport]
  public let verdict: SpeechVerdict
  /// The gravest status: a recording that failed, else the verdict.
  public let status: ExitStatus
}

/// Who wants to know how far an evaluation is.
public struct EvaluateObserver {
  public var loaded: (_ model: String, LoadedSpeech) -> Void = { _, _ in }
  /// After each recording; `reused` ones were in the state file.
  public var finished: (_ model: String, _ done: Int, _ total: Int) -> Void = { _, _, _ in }
  public var note: (String) -> Void = { _ in }

  public init() {}
}
