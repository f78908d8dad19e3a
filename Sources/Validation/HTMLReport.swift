import ModelBackend

/// The report of a validation as one page that needs nothing else: no script, no font, no picture from anywhere.
///
/// It follows the reader's choice of a light or dark page, and the same reports make the same bytes.
public enum HTMLReport {
  /// The page, in UTF-8 when written.
  public static func page(_ reports: [ModelReport], title: String = "whisperq validate") -> String {
    let failed = reports.filter { !$0.passes }.count
    let summary =
      failed == 0
      ? reports.count == 1 ? "The model passes" : "\(reports.count) of \(reports.count) models pass"
      : reports.count == 1
        ? "The model does not pass"
        : "\(failed) of \(reports.count) models do\(failed == 1 ? "es" : "") not pass"
    let body: HTMLText = """
      <p class="summary \(failed == 0 ? "good" : "bad")">\(summary)</p>
      \(overview(reports))
      \(reports.enumerated().map { section($1, number: $0 + 1) })
      """
    return document(title: title, body: body)
  }

  /// A page around what a report says.
  static func document(title: String, body: HTMLText) -> String {
    let page: HTMLText = """
      <!doctype html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
      <title>\(title)</title>
      <style>\(HTMLText(stringLiteral: HTMLStyle.sheet))</style>
      </head>
      <body>
      <main>
      <h1>\(title)</h1>
      \(body)
      </main>
      </body>
      </html>

      """
    return page.markup
  }

  /// All models in one table, when there are several.
  private static func overview(_ reports: [ModelReport]) -> HTMLText {
    guard reports.count > 1 else { return "" }
    let rows = reports.enumerated().map { index, report -> HTMLText in
      let worst = report.run.flatMap { worstDifference($0)?.difference }
      return """
        <tr><td>\(mark(report))</td><td><a href="#model-\(index + 1)">\(report.path)</a></td>
        <td>\(report.run?.engine.providerTitle ?? "–")</td>
        <td class="n">\(report.run.map { milliseconds($0.medianSeconds) } ?? "–")</td>
        <td class="n">\(worst.map { decibels($0.sqnr) } ?? "–")</td></tr>

        """
    }
    return """
      <div class="scroll"><table>
      <thead><tr><th></th><th>model</th><th>provider</th><th class="n">median time</th><th class="n">lowest SQNR</th></tr></thead>
      <tbody>\(rows)</tbody></table></div>
      """
  }

  private static func mark(_ report: ModelReport) -> HTMLText {
    report.passes ? "<span class=\"pill good\">passes</span>" : "<span class=\"pill bad\">fails</span>"
  }

  private static func section(_ report: ModelReport, number: Int) -> HTMLText {
    """
    <section id="model-\(number)">
    <h2>\(mark(report)) \(report.path)</h2>
    <p class="faint">\(report.title.isEmpty ? "not read" : report.title + ", " + megabytes(report.byteCount))</p>
    \(objections(report))
    \(report.run.map { runSection($0) } ?? "")
    \(processorSection(report.processor))
    \(placeSection(report.places))
    \(layerSection(report.layers))
    \(findingSection(report.findings))
    \(notes(report.notes))
    </section>

    """
  }

  private static func objections(_ report: ModelReport) -> HTMLText {
    guard !report.objections.isEmpty else { return "" }
    let items = report.objections.map { "<li>\($0.message)</li>\n" as HTMLText }
    return "<ul class=\"objections\">\(items)</ul>"
  }

  private static func notes(_ notes: [String]) -> HTMLText {
    guard !notes.isEmpty else { return "" }
    return "<ul class=\"faint\">\(notes.map { "<li>\($0)</li>" as HTMLText })</ul>"
  }

  // MARK: Numbers

  static func milliseconds(_ seconds: Double) -> String { rounded(seconds * 1000, 1) + " ms" }

  static func megabytes(_ byteCount: Int) -> String { rounded(Double(byteCount) / 1e6, 1) + " MB" }

  static func decibels(_ level: Double) -> String {
    level == .infinity ? "equal" : rounded(level, 1) + " dB"
  }

  /// Three digits, whatever the size.
  static func short(_ value: Double) -> String {
    let size = abs(value)
    if size == 0 || !size.isFinite { return rounded(value, 0) }
    return rounded(value, size >= 100 ? 1 : size >= 1 ? 3 : size >= 0.001 ? 5 : 9)
  }

  static func worstDifference(_ run: RunReport) -> (name: String, difference: TensorDifference)? {
    run.findings.compactMap { finding in finding.difference.map { (finding.name, $0) } }
      .min { rank($0.1) < rank($1.1) }
  }

  /// A NaN is the worst of all.
  static func rank(_ difference: TensorDifference) -> Double {
    difference.sqnr.isNaN ? -.infinity : difference.sqnr
  }
}
