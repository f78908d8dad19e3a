extension HTMLReport {
  /// The NPU beside the processor; nothing where only one of them ran.
  static func processorSection(_ comparison: ProcessorComparison?) -> HTMLText {
    guard let comparison else { return "" }
    func cell(_ value: Double?) -> HTMLText { "<td class=\"n\">\(value.map(decibels) ?? "–")</td>" }
    let rows = comparison.outputs.map { output -> HTMLText in
      """
      <tr><td>\(output.name)</td>\(cell(output.agreement))\(cell(output.npuSQNR))\(cell(output.processorSQNR))
      <td class="badtext">\(output.differsMuch ? "differs" : "")</td></tr>

      """
    }
    return """
      <h3>NPU and processor</h3>
      <p class="faint">The same model on \(comparison.engine.providerTitle) (\(comparison.engine.runtime)).</p>
      <div class="scroll"><table>
      <thead><tr><th>output</th><th class="n">they agree to</th><th class="n">NPU to reference</th>
      <th class="n">processor to reference</th><th></th></tr></thead>
      <tbody>\(rows)</tbody></table></div>
      """
  }

  /// Where nodes will run: counts by place and rule, and the exceptions by name.
  static func placeSection(_ places: [NodePlace]) -> HTMLText {
    guard !places.isEmpty else { return "" }
    let nodes = places.filter { !$0.isPair || $0.place == .processor }
    var order: [String] = []
    var groups: [String: [NodePlace]] = [:]
    for node in nodes {
      let key = node.place.rawValue + " " + node.rule
      if groups[key] == nil { order.append(key) }
      groups[key, default: []].append(node)
    }
    let rows = order.compactMap { groups[$0] }.map { group -> HTMLText in
      let isException = group[0].place == .processor || group[0].place == .float
      let names = isException ? group.prefix(20).map(\.node).joined(separator: ", ") : ""
      return """
        <tr><td>\(group[0].place.rawValue)</td><td>\(group[0].rule)</td><td class="n">\(String(group.count))</td>
        <td>\(group[0].reason)</td><td>\(group[0].change ?? "")</td><td>\(names)</td></tr>

        """
    }
    return """
      <h3>Where nodes will run</h3>
      <div class="scroll"><table>
      <thead><tr><th>place</th><th>rule</th><th class="n">nodes</th><th>why (the first)</th><th>what moves them</th>
      <th>which</th></tr></thead>
      <tbody>\(rows)</tbody></table></div>
      """
  }
}
