import ModelBackend
import Tensors

extension HTMLReport {
  static func runSection(_ run: RunReport) -> HTMLText {
    let worst = worstDifference(run)
    let emulated: HTMLText =
      run.engine.isEmulated
      ? "<p class=\"warning\">The NPU is emulated: numbers are the device's, times are not.</p>" : ""
    return """
      <div class="tiles">
      \(tile(run.seconds.count == 1 ? "one run" : "median of \(run.seconds.count) runs", milliseconds(run.medianSeconds)))
      \(tile("loading", milliseconds(run.loadSeconds)))
      \(tile("provider", run.engine.providerTitle))
      \(worst.map { tile("lowest SQNR", decibels($0.difference.sqnr)) } ?? "")
      \(worst.map { tile("its cosine", rounded($0.difference.cosine, 6)) } ?? "")
      </div>
      \(emulated)
      <h3>Outputs</h3>
      \(outputTable(run))
      \(histograms(run))
      \(providerSection(run.engine))
      \(referenceLine(run))
      <h3>Inputs</h3>
      \(inputTable(run))
      """
  }

  private static func tile(_ label: String, _ value: String) -> HTMLText {
    "<div class=\"tile\"><span>\(label)</span><strong>\(value)</strong></div>\n"
  }

  private static func outputTable(_ run: RunReport) -> HTMLText {
    let rows = run.findings.map { finding -> HTMLText in
      let port = run.outputs.first { $0.name == finding.name }
      let health = finding.health
      let faults = health?.faults.map(\.words).joined(separator: ", ") ?? ""
      return """
        <tr><td>\(finding.name)</td><td>\(port.map { "\($0.elementType.name) \($0.shape)" } ?? "")</td>
        <td class="n">\(health.map { $0.finiteCount == 0 ? "–" : "\(short(Double($0.minimum))) … \(short(Double($0.maximum)))" } ?? "")</td>
        <td class="n">\(finding.difference.map { decibels($0.sqnr) } ?? "–")</td>
        <td class="n">\(finding.difference.map { rounded($0.cosine, 6) } ?? "–")</td>
        <td class="n">\(finding.difference.map { short($0.largestError) } ?? finding.reason ?? "–")</td>
        <td class="badtext">\([finding.mismatch, faults.isEmpty ? nil : faults].compactMap { $0 }.joined(separator: "; "))</td></tr>

        """
    }
    return """
      <div class="scroll"><table>
      <thead><tr><th>name</th><th>type and shape</th><th class="n">range</th><th class="n">SQNR</th>
      <th class="n">cosine</th><th class="n">largest error</th><th></th></tr></thead>
      <tbody>\(rows)</tbody></table></div>
      """
  }

  /// More outputs than this (the caches of a large decoder) would only repeat themselves.
  private static let histogramLimit = 6

  private static func histograms(_ run: RunReport) -> HTMLText {
    let compared = run.findings.compactMap { finding in finding.difference.map { (finding.name, $0) } }
      .filter { $0.1.sqnr < .infinity }
      .sorted { rank($0.1) < rank($1.1) }
    guard !compared.isEmpty else { return "" }
    let plots = compared.prefix(histogramLimit).map { HTMLPlots.histogram($0.1, name: $0.0) }
    return """
      <h3>Errors by size</h3>
      <p class="faint">Share of the elements by |reference − candidate|, in units of the reference's root mean
      square\(compared.count > histogramLimit ? "; the \(histogramLimit) worst of \(compared.count) outputs" : "").</p>
      <div class="plots">\(plots)</div>
      """
  }

  private static func inputTable(_ run: RunReport) -> HTMLText {
    let rows = run.inputs.map { port -> HTMLText in
      let origin = run.madeUp?.names.contains(port.name) == true ? ", made up" : ""
      return "<tr><td>\(port.name)</td><td>\(port.elementType.name) \("\(port.shape)")\(origin)</td></tr>\n"
    }
    return "<div class=\"scroll\"><table><tbody>\(rows)</tbody></table></div>"
  }

  private static func referenceLine(_ run: RunReport) -> HTMLText {
    guard let reference = run.reference else { return "" }
    return """
      <p class="faint">Compared with \(reference.path) on \(reference.engine.providerTitle)
      (\(reference.engine.runtime)), \(milliseconds(reference.seconds)).</p>
      """
  }

  // MARK: Providers

  private static func providerSection(_ engine: EngineReport) -> HTMLText {
    let passed = engine.passedOver.map {
      "<li>\($0.provider.rawValue) was passed over: \($0.error.message)</li>\n" as HTMLText
    }
    let operators = Set(engine.placement.shares.flatMap(\.operators.keys)).sorted()
    let rows = operators.map { name -> HTMLText in
      let cells = engine.placement.shares.map { share -> HTMLText in
        "<td class=\"n\">\(share.operators[name].map(String.init) ?? "–")</td>"
      }
      return "<tr><td>\(name)</td>\(cells)</tr>\n"
    }
    let heads = engine.placement.shares.map { "<th class=\"n\">\($0.provider)</th>" as HTMLText }
    let leftovers = engine.placement.leftovers.map {
      "<tr><td>\($0.operatorName)</td><td>\($0.node)</td><td>\($0.provider)</td><td>\($0.reason ?? "")</td></tr>\n"
        as HTMLText
    }
    let table: HTMLText =
      operators.isEmpty
      ? ""
      : """
      <details><summary>\(operators.count) kinds of operators by provider</summary>
      <div class="scroll"><table><thead><tr><th>operator</th>\(heads)</tr></thead><tbody>\(rows)</tbody></table></div></details>
      """
    let leftoverTable: HTMLText =
      leftovers.isEmpty
      ? ""
      : """
      <h3>Nodes that the first choice did not take</h3>
      <div class="scroll"><table><thead><tr><th>operator</th><th>node</th><th>ran on</th><th>reason</th></tr></thead>
      <tbody>\(leftovers)</tbody></table></div>
      """
    return """
      <h3>Providers</h3>
      <p class="faint">\(engine.runtime)</p>
      \(HTMLPlots.providerMap(engine.placement))
      \(passed.isEmpty ? "" : "<ul class=\"warning\">\(passed)</ul>")
      \(table)
      \(leftoverTable)
      """
  }

  // MARK: Layers and findings

  private static let layerRowLimit = 40

  static func layerSection(_ layers: [LayerReport]) -> HTMLText {
    guard !layers.isEmpty else { return "" }
    let worst = layers.sorted { rank($0.difference) < rank($1.difference) }
    let rows = worst.prefix(layerRowLimit).map { layer -> HTMLText in
      """
      <tr><td>\(layer.name)</td><td>\(layer.operatorName)</td><td class="n">\(decibels(layer.difference.sqnr))</td>
      <td class="n">\(rounded(layer.difference.cosine, 6))</td><td class="n">\(short(layer.difference.largestError))</td></tr>

      """
    }
    return """
      <h3>Inner tensors</h3>
      <p class="faint">SQNR of \(layers.count) tensors in the order of computation; hold the pointer over a dot for its
      name.</p>
      \(HTMLPlots.layers(layers))
      <details><summary>the \(min(layerRowLimit, layers.count)) worst</summary>
      <div class="scroll"><table><thead><tr><th>tensor</th><th>operator</th><th class="n">SQNR</th>
      <th class="n">cosine</th><th class="n">largest error</th></tr></thead><tbody>\(rows)</tbody></table></div></details>
      """
  }

  private static let placeLimit = 20

  static func findingSection(_ findings: [Finding]) -> HTMLText {
    guard !findings.isEmpty else { return "" }
    let groups = FindingGroup.groups(of: findings).map { group -> HTMLText in
      let places = group.findings.compactMap(\.place).prefix(placeLimit).joined(separator: ", ")
      let more = group.findings.count - min(group.findings.count, placeLimit)
      return """
        <tr><td><span class="pill \(group.severity.rawValue)">\(group.severity.rawValue)</span></td>
        <td>\(group.rule)</td><td class="n">\(group.findings.count)</td>
        <td>\(group.findings.first?.message ?? "")<br><span class="faint">\(group.findings.first?.remedy ?? "")</span>
        <details><summary>where</summary>\(places)\(more > 0 ? " and \(more) more" : "")</details></td></tr>

        """
    }
    return """
      <h3>Findings</h3>
      <div class="scroll"><table><thead><tr><th></th><th>rule</th><th class="n">nodes</th><th>the first of them</th></tr></thead>
      <tbody>\(groups)</tbody></table></div>
      """
  }
}
