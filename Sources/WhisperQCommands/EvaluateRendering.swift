import Console
import Pipeline
import Validation
import Whisper

/// An evaluation as text.
struct EvaluateRendering {
  let isVerbose: Bool
  let width: Int?

  private static let shownCount = 10

  func text(_ evaluation: Evaluation) -> String {
    let models = evaluation.models
    let seconds = models.first?.audioSeconds ?? 0
    var text = "\(Printable.name(evaluation.data)): \(counted(evaluation.recordingCount, "recording")), "
    text +=
      "\(Format.fixed(seconds, digitCount: 1)) s, \(counted(models.first?.words.referenceCount ?? 0, "word"))\n\n"
    text += table(models).render(width: width)
    if models.contains(where: \.isEmulated) {
      text += "emulated: the NPU is emulated on this processor; its times say nothing about a device\n"
    }
    for model in models.dropFirst() { if let first = models.first { text += comparison(model, first) } }
    for model in models { text += errors(model) }
    text += "\n"
    for objection in evaluation.verdict.objections {
      text += "\(Printable.name(objection.model)): \(Printable.lines(objection.message))\n"
    }
    if evaluation.verdict.passes, evaluation.status == .done { text += "All limits are kept.\n" }
    return text
  }

  private func counted(_ count: Int, _ word: String) -> String { "\(count) \(word)\(count == 1 ? "" : "s")" }

  private func table(_ models: [SpeechModelReport]) -> TextTable {
    var table = TextTable([
      .init("model"), .init("provider"), .init("size", .right), .init("WER", .right), .init("95 %", .right),
      .init("CER", .right), .init("sub", .right), .init("ins", .right), .init("del", .right),
      .init("empty", .right), .init("repeated", .right), .init("x real time", .right),
    ])
    for model in models {
      let interval = model.interval()
      table.append([
        model.name, model.providerTitle, Format.bytes(model.byteCount), percent(model.words.rate),
        interval.map {
          "\(Format.fixed($0.lower * 100, digitCount: 1))–\(Format.fixed($0.upper * 100, digitCount: 1))"
        }
          ?? "–",
        percent(model.characters.rate), "\(model.words.substitutions)", "\(model.words.insertions)",
        "\(model.words.deletions)", "\(model.emptyCount)", "\(model.repetitionCount)",
        model.realTimeFactor.map { Format.fixed($0, digitCount: 1) } ?? "–",
      ])
    }
    return table
  }

  private func comparison(_ model: SpeechModelReport, _ first: SpeechModelReport) -> String {
    var words: [String] = []
    if let change = model.comparison(to: first) {
      let (low, high) = (change.interval.lower, change.interval.upper)
      words.append(
        "\(change.difference < 0 ? "" : "+")\(Format.fixed(change.difference * 100, digitCount: 2)) points of WER "
          + "(95 %: \(Format.fixed(low * 100, digitCount: 2)) to \(Format.fixed(high * 100, digitCount: 2)))")
    }
    if let agreement = model.agreement { words.append("token agreement \(percent(agreement))") }
    if !model.sharesTokens {
      words.append("another vocabulary, so tokens are not compared")
    } else if model.divergedCount > 0 {
      words.append("other tokens in \(counted(model.divergedCount, "recording"))")
    } else if !model.utterances.isEmpty {
      words.append("every token the same")
    }
    return
      "\(Printable.name(model.name)) against \(Printable.name(first.name)): \(words.joined(separator: ", "))\n"
  }

  private func errors(_ model: SpeechModelReport) -> String {
    let wrong = model.utterances.filter { $0.words.errors > 0 }
      .sorted { ($1.words.errors, $0.id) < ($0.words.errors, $1.id) }
    guard !wrong.isEmpty else { return "" }
    var text = "\n\(Printable.name(model.name)), \(counted(wrong.count, "recording")) with errors:\n"
    for result in wrong.prefix(isVerbose ? wrong.count : Self.shownCount) {
      text += "  \(Printable.name(result.id)): \(difference(result))"
      if let place = result.divergence { text += "  (token \(place + 1) differs first)" }
      text += "\n"
    }
    if !isVerbose, wrong.count > Self.shownCount {
      text += "  and \(wrong.count - Self.shownCount) more (--verbose)\n"
    }
    return text
  }

  /// Said words that are missing in brackets with a minus, others with a plus.
  private func difference(_ result: UtteranceResult) -> String {
    let said = ErrorRate.words(of: result.comparedReference)
    let written = ErrorRate.words(of: result.comparedHypothesis)
    let words = Alignment(reference: said, hypothesis: written).steps.map { step in
      switch step {
      case .hit(let index, _): said[index]
      case .substitution(let old, let new): "[-\(said[old]) +\(written[new])]"
      case .deletion(let index): "[-\(said[index])]"
      case .insertion(let index): "[+\(written[index])]"
      }
    }
    return Printable.name(words.joined(separator: " "))
  }

  private func percent(_ share: Double?) -> String {
    share.map { Format.fixed($0 * 100, digitCount: 2) + " %" } ?? "–"
  }
}

/// An evaluation as JSON.
enum EvaluateJSON {
  static func document(_ evaluation: Evaluation) -> JSONValue {
    .object([
      "exit_code": .integer(Int(evaluation.status.rawValue)), "passes": .bool(evaluation.verdict.passes),
      "data": .string(evaluation.data), "recordings": .integer(evaluation.recordingCount),
      "objections": .array(
        evaluation.verdict.objections.map { ["model": .string($0.model), "message": .string($0.message)] }),
      "models": .array(
        evaluation.models.enumerated().map { index, model in
          self.model(model, against: index > 0 ? evaluation.models.first : nil)
        }),
    ])
  }

  private static func model(_ model: SpeechModelReport, against first: SpeechModelReport?) -> JSONValue {
    .object([
      "name": .string(model.name), "bytes": .integer(model.byteCount),
      "parts": .array(
        model.engines.map { ["path": .string($0.path), "engine": ValidateJSON.engine($0.engine)] }),
      "wer": .double(ifPresent: model.words.rate), "cer": .double(ifPresent: model.characters.rate),
      "wer_interval": model.interval().map { .array([.double($0.lower), .double($0.upper)]) } ?? .null,
      "words": counts(model.words), "characters": counts(model.characters),
      "empty": .integer(model.emptyCount), "repeated": .integer(model.repetitionCount),
      "audio_seconds": .double(model.audioSeconds), "seconds": .double(model.seconds),
      "real_time_factor": .double(ifPresent: model.realTimeFactor),
      "failures": .array(
        model.failures.map { ["id": .string($0.id), "message": .string($0.message)] }),
      "against_first": first.map { comparison(model, $0) } ?? .null,
      "utterances": .array(model.utterances.map(utterance)),
    ])
  }

  private static func comparison(_ model: SpeechModelReport, _ first: SpeechModelReport) -> JSONValue {
    let change = model.comparison(to: first)
    return [
      "wer_difference": .double(ifPresent: change?.difference),
      "interval": change.map { .array([.double($0.interval.lower), .double($0.interval.upper)]) } ?? .null,
      "improvement_share": .double(ifPresent: change?.improvementShare),
      "token_agreement": .double(ifPresent: model.agreement),
      "diverged": .integer(ifPresent: model.sharesTokens ? model.divergedCount : nil),
    ]
  }

  private static func counts(_ counts: ErrorCounts) -> JSONValue {
    [
      "hits": .integer(counts.hits), "substitutions": .integer(counts.substitutions),
      "insertions": .integer(counts.insertions), "deletions": .integer(counts.deletions),
    ]
  }

  private static func utterance(_ result: UtteranceResult) -> JSONValue {
    .object([
      "id": .string(result.id), "language": result.language.map(JSONValue.string) ?? .null,
      "reference": .string(result.reference), "text": .string(result.hypothesis),
      "compared_reference": .string(result.comparedReference),
      "compared_text": .string(result.comparedHypothesis),
      "words": counts(result.words), "characters": counts(result.characters),
      "tokens": .array(result.tokens.map(JSONValue.integer)), "audio_seconds": .double(result.audioSeconds),
      "seconds": .double(result.seconds),
      "agreement": result.agreement.map { ["equal": .integer($0.equal), "total": .integer($0.total)] }
        ?? .null,
      "first_divergence": .integer(ifPresent: result.divergence),
    ])
  }
}
