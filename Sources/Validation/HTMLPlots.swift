import ModelBackend

/// Plots as SVG inside a page.
enum HTMLPlots {
  // MARK: Histogram

  /// Bars for the shares of elements by size of error.
  static func histogram(_ difference: TensorDifference, name: String) -> HTMLText {
    let counts = difference.errorCounts
    let total = max(1, counts.reduce(0, +))
    let (width, height, base, left) = (360, 170, 130, 10)
    let step = (width - 2 * left) / max(1, counts.count)
    let most = max(1, counts.max() ?? 1)
    let edges = TensorDifference.errorBinEdges
    let bars = counts.indices.map { index -> HTMLText in
      let bar = Int((Double(counts[index]) / Double(most) * 100).rounded())
      let x = left + index * step
      let label =
        index < edges.count
        ? "≤ \(HTMLReport.short(edges[index]))" : "> \(HTMLReport.short(edges[edges.count - 1]))"
      let share = Double(counts[index]) / Double(total) * 100
      return """
        <g><title>\(label): \(rounded(share, 2)) % (\(counts[index]) element\(counts[index] == 1 ? "" : "s"))</title>
        <rect class="bar" x="\(x + 2)" y="\(base - bar)" width="\(step - 4)" height="\(max(bar, counts[index] > 0 ? 1 : 0))" rx="2"/>
        <text class="tick" x="\(x + step / 2)" y="\(base + 14)" text-anchor="end" transform="rotate(-40 \(x + step / 2) \(base + 14))">\(label)</text>
        \(share >= 1 ? "<text class=\"tick\" x=\"\(x + step / 2)\" y=\"\(base - bar - 4)\" text-anchor=\"middle\">\(rounded(share, 0))%</text>" as HTMLText : "")
        </g>

        """
    }
    return """
      <figure><figcaption>\(name)</figcaption>
      <svg viewBox="0 0 \(width) \(height)" role="img" aria-label="errors of \(name) by size">
      <line class="axis" x1="\(left)" y1="\(base)" x2="\(width - left)" y2="\(base)"/>
      \(bars)</svg></figure>

      """
  }

  // MARK: Layers

  /// A dot for each inner tensor: its SQNR over its place in the computation.
  static func layers(_ layers: [LayerReport]) -> HTMLText {
    let (width, height, left, right, top, bottom) = (960.0, 300.0, 46.0, 12.0, 14.0, 26.0)
    let levels = layers.map(\.difference.sqnr).filter(\.isFinite)
    let lowest = min(0, (((levels.min() ?? 0) / 10).rounded(.down)) * 10)
    let highest = max(lowest + 20, (((levels.max() ?? 60) / 10).rounded(.up)) * 10)
    func y(_ level: Double) -> Double {
      let clamped = level.isNaN ? lowest : min(max(level, lowest), highest)
      return top + (highest - clamped) / (highest - lowest) * (height - top - bottom)
    }
    func x(_ index: Int) -> Double {
      left + (layers.count > 1 ? Double(index) / Double(layers.count - 1) : 0.5) * (width - left - right)
    }
    let stepSize = highest - lowest > 120 ? 40.0 : highest - lowest > 60 ? 20.0 : 10.0
    let grid = stride(from: lowest, through: highest, by: stepSize).map { level -> HTMLText in
      """
      <line class="grid" x1="\(rounded(left, 1))" y1="\(rounded(y(level), 1))" x2="\(rounded(width - right, 1))" y2="\(rounded(y(level), 1))"/>
      <text class="tick" x="\(rounded(left - 6, 1))" y="\(rounded(y(level) + 4, 1))" text-anchor="end">\(rounded(level, 0))</text>

      """
    }
    let dots = layers.enumerated().map { index, layer -> HTMLText in
      let level = layer.difference.sqnr
      let kind = level.isNaN || level < 10 ? "low" : level < 20 ? "middle" : "high"
      return """
        <circle class="dot \(kind)" cx="\(rounded(x(index), 1))" cy="\(rounded(y(level), 1))" r="3"><title>\(layer.name) (\(layer.operatorName)): \(HTMLReport.decibels(level))</title></circle>

        """
    }
    return """
      <figure class="wide"><svg viewBox="0 0 \(rounded(width, 0)) \(rounded(height, 0))" role="img" aria-label="SQNR of inner tensors in dB">
      \(grid)\(dots)<text class="tick" x="\(rounded(left, 0))" y="\(rounded(height - 6, 0))">first</text>
      <text class="tick" x="\(rounded(width - right, 0))" y="\(rounded(height - 6, 0))" text-anchor="end">last</text>
      <text class="tick" x="4" y="10">dB</text></svg></figure>

      """
  }

  // MARK: Providers

  /// One bar whose parts are the providers' shares of the nodes.
  static func providerMap(_ placement: Placement) -> HTMLText {
    let total = placement.shares.reduce(0) { $0 + $1.nodeCount }
    guard total > 0 else { return "" }
    let width = 960.0
    var start = 0.0
    var parts = HTMLText()
    var legend = HTMLText()
    for (index, share) in placement.shares.enumerated() where share.nodeCount > 0 {
      let part = Double(share.nodeCount) / Double(total) * width
      parts +=
        "<rect class=\"share s\(index % 4)\" x=\"\(rounded(start, 1))\" y=\"0\" width=\"\(rounded(part, 1))\" height=\"26\"><title>\(share.provider): \(share.nodeCount) node\(share.nodeCount == 1 ? "" : "s")</title></rect>\n"
      legend +=
        "<li><span class=\"swatch s\(index % 4)\"></span>\(share.provider): \(share.nodeCount) of \(total) nodes</li>\n"
      start += part
    }
    return """
      <figure class="wide"><svg viewBox="0 0 \(rounded(width, 0)) 26" role="img" aria-label="nodes by provider" preserveAspectRatio="none">\(parts)</svg>
      <ul class="legend">\(legend)</ul></figure>

      """
  }
}
