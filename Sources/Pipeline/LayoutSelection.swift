import Whisper

/// The models that a layout takes, one for each part of Whisper.
struct LayoutSelection {
  private(set) var parts: [WhisperPart: LayoutCandidate] = [:]
  private(set) var left: [LayoutReport.Left] = []
  private(set) var notes: [String] = []

  /// Chooses by what the models are: the variant, else the most precise; two that could both be meant are an
  /// error that names both.
  init(_ candidates: [LayoutCandidate], variant: String?) throws(PipelineError) {
    var models: [LayoutCandidate] = []
    for candidate in candidates {
      if candidate.part == .unknown || !candidate.report.identity.isWhisper {
        left.append(
          LayoutReport.Left(path: candidate.shown, reason: "no part of Whisper was recognised in it"))
      } else {
        models.append(candidate)
      }
    }
    if let variant { models = try keeping(variant, models) }
    models = try oneInterface(models)
    let hasParts = models.contains { $0.part != .allInOne }
    for part in WhisperPart.allCases {
      let same = models.filter { $0.part == part }
      guard !same.isEmpty else { continue }
      if part == .allInOne, hasParts {
        leave(same, "the layout takes encoder and decoder apart")
        continue
      }
      parts[part] = try one(of: same)
    }
  }

  private mutating func leave(_ models: [LayoutCandidate], _ reason: String) {
    left += models.map { LayoutReport.Left(path: $0.shown, reason: reason) }
  }

  private mutating func keeping(
    _ variant: String, _ models: [LayoutCandidate]
  ) throws(PipelineError) -> [LayoutCandidate] {
    let kept = models.filter { $0.matches(variant) }
    if kept.isEmpty, !models.isEmpty {
      let names = Set(models.map(\.variantName)).sorted().joined(separator: ", ")
      throw PipelineError("no model is of the variant '\(variant)'; there are: \(names)", .usage)
    }
    leave(models.filter { !$0.matches(variant) }, "another variant than '\(variant)'")
    return kept
  }

  /// Models of different exporters do not run together, so one exporter's must be chosen.
  private mutating func oneInterface(_ models: [LayoutCandidate]) throws(PipelineError) -> [LayoutCandidate] {
    let groups = Dictionary(grouping: models.filter { $0.part != .allInOne }) {
      $0.report.identity.interfaceName
    }
    guard groups.count > 1 else { return models }
    let complete = groups.filter { _, group in
      group.contains { $0.part.hasEncoder } && group.contains { $0.part.hasDecoder && !$0.part.hasEncoder }
    }
    let names = groups.keys.sorted()
    guard complete.count == 1, let chosen = complete.keys.first else {
      let examples = names.compactMap { name in groups[name].map { "\($0[0].shown) is of \(name)" } }
      throw PipelineError(
        "models of different exporters do not run together: \(examples.joined(separator: ", ")); "
          + "give one of them as the source", .badInput)
    }
    leave(
      models.filter { $0.report.identity.interfaceName != chosen },
      "its inputs and outputs are of another exporter than \(chosen)")
    return models.filter { $0.report.identity.interfaceName == chosen }
  }

  private mutating func one(of models: [LayoutCandidate]) throws(PipelineError) -> LayoutCandidate {
    if let first = models.first, let other = models.first(where: { $0.width != first.width }) {
      throw PipelineError(
        "there are two models for the \(first.part.title) that do not belong together: \(first.shown) "
          + "has the hidden size \(first.width ?? 0), \(other.shown) has \(other.width ?? 0); "
          + "give the folder or file of one of them",
        .badInput)
    }
    let best = models.map(\.rank).min() ?? 0
    let precise = models.filter { $0.rank == best }
    for candidate in models where candidate.rank != best {
      leave(
        [candidate],
        "less precise (\(candidate.report.quantization.scheme)); "
          + "--variant \(candidate.variantName) chooses it"
      )
    }
    guard precise.count > 1 else { return precise[0] }
    let plain = precise.filter { $0.name.variant == nil }
    if plain.count == 1, best == 0 {
      leave(precise.filter { $0.name.variant != nil }, "the same part in another file")
      return plain[0]
    }
    throw PipelineError(
      "there are two models for the \(precise[0].part.title): \(precise[0].shown) and \(precise[1].shown); "
        + "choose with --variant, or give the folder or file of one of them", .badInput)
  }
}
