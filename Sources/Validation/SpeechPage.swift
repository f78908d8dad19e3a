import ModelBackend
import Whisper

/// The report of an evaluation as one page that needs nothing else.
public enum SpeechPage {
  /// The page, in UTF-8 when written.
  public static func page(
    _ models: [SpeechModelReport], verdict: SpeechVerdict, title: String = "whisperq evaluate"
  ) -> String {
    let count = models.first?.utterances.count ?? 0
    let missed = verdict.objections.count
    let summary =
      verdict.passes
      ? "\(count) recording\(count == 1 ? "" : "s")"
      : "\(missed) limit\(missed == 1 ? " is" : "s are") missed"
    let objections = verdict.objections.map { "<li>\($0.model): \($0.message)</li>\n" as HTMLText }
    let body: HTMLText = """
      <p class="summary \(verdict.passes ? "good" : "bad")">\(summary)</p>
      \(objections.isEmpty ? "" as HTMLText : "<ul class=\"objections\">\(objections)</ul>")
      <section>
      \(table(models))
      \(intervals(models))
      </section>
      \(models.map { errors($0) })
      <section>
      <h2>Recordings</h2>
      <p class="faint">Worst first; <del>said and not written</del>, <ins>written and not said</ins>.</p>
      \(utterances(models))
      </section>
      """
    return HTMLReport.document(title: title, body: body)
  }

  private static func percent(_ share: Double?) -> String { share.map { rounded($0 * 100, 2) + " %" } ?? "–" }

  private static func table(_ models: [SpeechModelReport]) -> HTMLText {
    let rows = models.enumerated().map { index, model -> HTMLText in
      let comparison = index > 0 ? models.first.flatMap { model.comparison(to: $0) } : nil
      let difference = comparison.map { change in
        "\(rounded(change.difference * 100, 2)) (\(rounded(change.interval.lower * 100, 2)) to "
          + "\(rounded(change.interval.upper * 100, 2)))"
      }
      return """
        <tr><td>\(model.name)</td><td>\(model.providerTitle)</td><td class="n">\(HTMLReport.megabytes(model.byteCount))</td>
        <td class="n">\(percent(model.words.rate))</td><td class="n">\(percent(model.characters.rate))</td>
        <td class="n">\(model.words.substitutions) / \(model.words.insertions) / \(model.words.deletions)</td>
        <td class="n">\(difference ?? "")</td><td class="n">\(model.agreement.map { percent($0) } ?? "")</td>
        <td class="n">\(model.emptyCount)</td><td class="n">\(model.repetitionCount)</td>
        <td class="n">\(model.realTimeFactor.map { rounded($0, 1) } ?? "–")</td></tr>

        """
    }
    return """
      <div class="scroll"><table>
      <thead><tr><th>model</th><th>provider</th><th class="n">size</th><th class="n">WER</th><th class="n">CER</th>
      <th class="n">sub / ins / del</th><th class="n">points above the first</th><th class="n">token agreement</th>
      <th class="n">empty</th><th class="n">repeated</th><th class="n">× real time</th></tr></thead>
      <tbody>\(rows)</tbody></table></div>
      """
  }

  /// Word error rates with their intervals, on one scale.
  private static func intervals(_ models: [SpeechModelReport]) -> HTMLText {
    let found = models.map { ($0.name, $0.words.rate ?? 0, $0.interval()) }
    let largest = max(found.map { max($0.1, $0.2?.upper ?? 0) }.max() ?? 0, 0.01)
    let height = 34 * found.count + 20
    func x(_ share: Double) -> Double { 10 + 600 * share / largest }
    let rows = found.enumerated().map { index, entry -> HTMLText in
      let y = 24 + 34 * index
      var line: HTMLText = ""
      if let interval = entry.2 {
        let end = rounded(x(interval.upper), 1)
        line =
          "<line class=\"axis\" stroke-width=\"3\" x1=\"\(rounded(x(interval.lower), 1))\" x2=\"\(end)\" y1=\"\(y)\" y2=\"\(y)\"/>"
      }
      return """
        \(line)<circle class="bar" cx="\(rounded(x(entry.1), 1))" cy="\(y)" r="5"/>
        <text class="tick" x="10" y="\(y - 9)">\(entry.0): \(percent(entry.1))</text>

        """
    }
    return """
      <h3>Word error rate, 95 % confidence</h3>
      <svg class="wide" viewBox="0 0 640 \(height)" role="img" aria-label="word error rates">
      <line class="grid" x1="10" x2="10" y1="0" y2="\(height)"/>\(rows)</svg>
      """
  }

  /// How the errors spread over the recordings.
  private static func errors(_ model: SpeechModelReport) -> HTMLText {
    let counts = model.utterances.map(\.words.errors)
    guard let largest = counts.max(), largest > 0 else { return "" }
    let bins = (0...min(largest, 10)).map { bin in
      counts.count { bin == 10 ? $0 >= 10 : $0 == bin }
    }
    let highest = Double(max(bins.max() ?? 1, 1))
    let bars = bins.enumerated().map { bin, count -> HTMLText in
      let height = 90 * Double(count) / highest
      return """
        <rect class="bar" x="\(8 + 28 * bin)" y="\(rounded(100 - height, 1))" width="22" height="\(rounded(height, 1))"><title>\(count) recording\(count == 1 ? "" : "s")</title></rect>
        <text class="tick" x="\(13 + 28 * bin)" y="114">\(bin == 10 ? "10+" : "\(bin)")</text>

        """
    }
    return """
      <section>
      <h2>\(model.name)</h2>
      <h3>Recordings by number of wrong words</h3>
      <svg class="wide" viewBox="0 0 640 120" role="img" aria-label="wrong words">\(bars)</svg>
      </section>
      """
  }

  // MARK: Differences

  private static func utterances(_ models: [SpeechModelReport]) -> HTMLText {
    guard let first = models.first else { return "" }
    let others = models.map { model in
      Dictionary(model.utterances.map { ($0.id, $0) }, uniquingKeysWith: { first, _ in first })
    }
    let worst = first.utterances.map { result in
      (result, others.compactMap { $0[result.id]?.words.errors }.max() ?? 0)
    }
    .sorted { ($1.1, $0.0.id) < ($0.1, $1.0.id) }
    let items = worst.map { result, errors -> HTMLText in
      let texts = zip(models, others).map { model, known -> HTMLText in
        guard let found = known[result.id] else { return "" }
        return """
          <p><span class="faint">\(model.name)</span> \(difference(found))\(found.words.errors == 0 ? "" : " (\(found.words.errors))")</p>

          """
      }
      return """
        <details\(errors > 0 ? " open" : "" as HTMLText)><summary>\(result.id), \(errors) wrong</summary>
        \(texts)</details>

        """
    }
    return HTMLText(joining: items)
  }

  private static func difference(_ result: UtteranceResult) -> HTMLText {
    let said = ErrorRate.words(of: result.comparedReference)
    let written = ErrorRate.words(of: result.comparedHypothesis)
    let words = Alignment(reference: said, hypothesis: written).steps.map { step -> HTMLText in
      switch step {
      case .hit(let index, _): "\(said[index]) "
      case .substitution(let old, let new): "<del>\(said[old])</del> <ins>\(written[new])</ins> "
      case .deletion(let index): "<del>\(said[index])</del> "
      case .insertion(let index): "<ins>\(written[index])</ins> "
      }
    }
    return HTMLText(joining: words)
  }
}
