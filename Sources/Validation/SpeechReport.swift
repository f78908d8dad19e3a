public import Whisper

/// One recording of an evaluation, as one model wrote it down.
public struct UtteranceResult: Sendable {
  /// The recording's name in its set.
  public let id: String
  public let language: String?
  /// What was said, and what the model wrote.
  public let reference: String
  public let hypothesis: String
  /// Both in the form in which they are compared.
  public let comparedReference: String
  public let comparedHypothesis: String
  public let words: ErrorCounts
  public let characters: ErrorCounts
  public let tokens: [Int]
  public let audioSeconds: Double
  public let seconds: Double
  /// How many tokens of the first model's text the model would have chosen, fed with that text; nil for the first
  /// model itself and for recordings of more than one window.
  public let agreement: Agreement?
  /// The first place at which its own tokens are not those of the first model; nil where they are the same.
  public let divergence: Int?

  /// Tokens of a given text, the end included, and how many of them a model would have chosen.
  public struct Agreement: Sendable, Equatable {
    public let equal: Int
    public let total: Int

    public init(equal: Int, total: Int) {
      self.equal = equal
      self.total = total
    }
  }

  public init(
    id: String, language: String?, reference: String, hypothesis: String, compared: (String, String),
    tokens: [Int], audioSeconds: Double, seconds: Double, agreement: Agreement?, divergence: Int?
  ) {
    self.id = id
    self.language = language
    self.reference = reference
    self.hypothesis = hypothesis
    (comparedReference, comparedHypothesis) = compared
    words = ErrorRate.words(reference: compared.0, hypothesis: compared.1)
    characters = ErrorRate.characters(reference: compared.0, hypothesis: compared.1)
    self.tokens = tokens
    self.audioSeconds = audioSeconds
    self.seconds = seconds
    self.agreement = agreement
    self.divergence = divergence
  }

  /// Whether nothing was written where something was said.
  public var isEmpty: Bool { comparedHypothesis.isEmpty && !comparedReference.isEmpty }

  /// Whether the text is caught in a loop that nobody spoke.
  public var isRepetition: Bool {
    Repetition.loop(in: ErrorRate.words(of: comparedHypothesis)) != nil
      && Repetition.loop(in: ErrorRate.words(of: comparedReference)) == nil
  }
}

/// How well one model understood a set of recordings.
public struct SpeechModelReport: Sendable {
  /// As the user named it.
  public let name: String
  public let byteCount: Int
  /// The providers of its parts.
  public let engines: [(path: String, engine: EngineReport)]
  public let utterances: [UtteranceResult]
  /// Recordings that could not be written down, each with a sentence.
  public let failures: [(id: String, message: String)]
  public let notes: [String]
  /// Whether its tokens are those of the first model, so that they can be compared; false for the first itself.
  public let sharesTokens: Bool

  public init(
    name: String, byteCount: Int, engines: [(path: String, engine: EngineReport)],
    utterances: [UtteranceResult],
    failures: [(id: String, message: String)], notes: [String], sharesTokens: Bool = false
  ) {
    self.name = name
    self.byteCount = byteCount
    self.engines = engines
    self.utterances = utterances
    self.failures = failures
    self.notes = notes
    self.sharesTokens = sharesTokens
  }

  public var words: ErrorCounts { utterances.reduce(ErrorCounts()) { $0 + $1.words } }
  public var characters: ErrorCounts { utterances.reduce(ErrorCounts()) { $0 + $1.characters } }
  public var emptyCount: Int { utterances.count { $0.isEmpty } }
  public var repetitionCount: Int { utterances.count { $0.isRepetition } }
  public var audioSeconds: Double { utterances.reduce(0) { $0 + $1.audioSeconds } }
  public var seconds: Double { utterances.reduce(0) { $0 + $1.seconds } }
  public var realTimeFactor: Double? { seconds > 0 ? audioSeconds / seconds : nil }
  public var isEmulated: Bool { engines.contains { $0.engine.isEmulated } }
  /// `cpu`, or `qnn (emulated) + cpu` when the parts differ.
  public var providerTitle: String {
    var titles: [String] = []
    for (_, engine) in engines where !titles.contains(engine.providerTitle) {
      titles.append(engine.providerTitle)
    }
    return titles.joined(separator: " + ")
  }

  /// Over all recordings; nil for the first model.
  public var agreement: Double? {
    let found = utterances.compactMap(\.agreement)
    let total = found.reduce(0) { $0 + $1.total }
    return total > 0 ? Double(found.reduce(0) { $0 + $1.equal }) / Double(total) : nil
  }

  /// Recordings whose tokens are not those of the first model.
  public var divergedCount: Int { utterances.count { $0.divergence != nil } }

  /// The confidence interval of the word error rate.
  public func interval(_ bootstrap: Bootstrap = Bootstrap()) -> Bootstrap.Interval? {
    bootstrap.interval(utterances.map(\.words))
  }

  /// The word error rate against another model's, on the recordings that both wrote down.
  public func comparison(
    to other: SpeechModelReport, _ bootstrap: Bootstrap = Bootstrap()
  ) -> Bootstrap.Comparison? {
    var known: [String: ErrorCounts] = [:]
    for result in other.utterances { known[result.id] = result.words }
    let pairs = utterances.compactMap { result in known[result.id].map { ($0, result.words) } }
    return bootstrap.comparison(pairs.map(\.0), pairs.map(\.1))
  }
}

/// What every model of an evaluation must reach, as shares from 0 to 1; nil asks for nothing.
public struct SpeechLimits: Sendable, Equatable {
  public var maximumWER: Double?
  /// Above the first model's.
  public var maximumWERIncrease: Double?
  /// Recordings of which nothing was written.
  public var maximumEmpty: Double?
  /// Recordings whose text is caught in a loop.
  public var maximumRepetition: Double?
  public var minimumAgreement: Double?

  public init() {}
}

/// Whether models understand speech well enough, and every reason why one does not.
public struct SpeechVerdict: Sendable {
  /// One sentence for each limit that is missed.
  public let objections: [(model: String, message: String)]
  public var passes: Bool { objections.isEmpty }

  /// Judges every model, and the others against the first.
  public init(_ models: [SpeechModelReport], limits: SpeechLimits) {
    var found: [(model: String, message: String)] = []
    for (index, model) in models.enumerated() {
      let count = Double(max(1, model.utterances.count))
      func check(_ value: Double?, atMost limit: Double?, _ words: String) {
        guard let limit else { return }
        // What cannot be measured reaches no limit.
        guard let value else {
          return found.append((model.name, "\(words) cannot be told, for there is no text"))
        }
        if value > limit + 1e-12 {
          found.append((model.name, "\(words) is \(percent(value)), at most \(percent(limit)) is asked for"))
        }
      }
      check(model.words.rate, atMost: limits.maximumWER, "the word error rate")
      if let first = models.first, index > 0 {
        check(
          model.comparison(to: first)?.difference, atMost: limits.maximumWERIncrease,
          "the word error rate above that of \(first.name)")
        if let limit = limits.minimumAgreement, !(model.agreement ?? 0 >= limit - 1e-12) {
          found.append(
            (
              model.name,
              "the token agreement with \(first.name) is \(model.agreement.map(percent) ?? "unknown"), at least "
                + "\(percent(limit)) is asked for"
            ))
        }
      }
      check(Double(model.emptyCount) / count, atMost: limits.maximumEmpty, "the share of empty texts")
      check(
        Double(model.repetitionCount) / count, atMost: limits.maximumRepetition, "the share of repeated texts"
      )
    }
    objections = found
  }
}

/// Hundredths with two digits.
private func percent(_ share: Double) -> String { rounded(share * 100, 2) + " %" }
