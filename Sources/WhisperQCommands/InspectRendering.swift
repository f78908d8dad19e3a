import Console
import Pipeline

/// Draws inspection reports; returns text, prints nothing.
struct InspectRendering {
  enum WeightList { case largest, all }

  let weights: WeightList
  /// Columns of the terminal, nil when there is none.
  let width: Int?

  private static let shortWeightCount = 10
  private static let shortPortCount = 12

  /// Columns for a table, which stands two columns in.
  private var tableWidth: Int? { width.map { max(0, $0 - Self.indent.count) } }

  private static let indent = "  "

  /// The lines of a table, two columns in.
  private func indented(_ lines: String) -> String {
    lines.split(separator: "\n").map { Self.indent + $0 + "\n" }.joined()
  }

  /// The tensors that a report shows.
  func shownTensors(_ report: InspectionReport) -> ArraySlice<InspectionReport.Tensor> {
    weights == .all ? report.weights.tensors[...] : report.weights.tensors.prefix(Self.shortWeightCount)
  }

  /// One block for each report, with an empty line between them.
  func text(_ reports: [InspectionReport]) -> String {
    reports.map(text).joined(separator: "\n")
  }

  private func text(_ report: InspectionReport) -> String {
    let parts = [
      Printable.name(report.path) + "\n" + indented(summary(report).render(width: tableWidth)),
      ports("inputs", report.inputs), ports("outputs", report.outputs),
      graphs(report), operators(report), types(report), tensors(report), dataFiles(report), metadata(report),
      nodes(report), sentences("notes", report.notes), sentences("problems", report.problems),
    ]
    return parts.filter { !$0.isEmpty }.joined(separator: "\n")
  }

  // MARK: Summary

  private func summary(_ report: InspectionReport) -> TextTable {
    var table = TextTable([.init(""), .init("")])
    let identity = report.identity
    table.append(["model", modelLine(identity)])
    table.append(["layout", layoutLine(identity)])
    let dimensions = dimensionLine(identity)
    if !dimensions.isEmpty { table.append(["dimensions", dimensions]) }
    let open = identity.openDimensions.joined(separator: ", ")
    table.append([
      "shapes", identity.hasStaticShapes ? "static" : "dynamic" + (open.isEmpty ? "" : ": " + open),
    ])
    table.append(["size", sizeLine(report)])
    table.append(["made by", headerLine(report.header)])
    table.append(["graph", graphLine(report)])
    table.append(["quantization", quantizationLine(report.quantization)])
    return table
  }

  private func modelLine(_ identity: InspectionReport.Identity) -> String {
    guard identity.isWhisper else { return "not recognised as Whisper" }
    let others = identity.sizeAlternatives.joined(separator: ", ")
    return "Whisper \(identity.sizeName ?? "of unknown size") \(identity.partTitle)"
      + (others.isEmpty ? "" : " (or \(others))")
  }

  private func layoutLine(_ identity: InspectionReport.Identity) -> String {
    let isPlain = identity.interfaceName == identity.layoutName || identity.interfaceName == "unknown"
    return identity.layoutTitle + (isPlain ? "" : ", inputs and outputs of \(identity.interfaceName)")
      + (identity.isWhisper ? "" : ", \(identity.partTitle)")
  }

  private func dimensionLine(_ identity: InspectionReport.Identity) -> String {
    var words: [String] = []
    if let count = identity.melCount { words.append("\(count) mels") }
    if let width = identity.width { words.append("width \(width)") }
    if let count = identity.encoderLayerCount {
      words.append("\(count) encoder layer\(count == 1 ? "" : "s")")
    }
    if let count = identity.decoderLayerCount {
      words.append("\(count) decoder layer\(count == 1 ? "" : "s")")
    }
    if let count = identity.headCount {
      words.append("\(count) heads" + (identity.headWidth.map { " of \($0)" } ?? ""))
    }
    if let count = identity.vocabularyCount { words.append("\(Format.integer(count)) tokens") }
    if let length = identity.selfCacheLength { words.append("cache of \(length) positions") }
    return words.joined(separator: ", ")
  }

  private func sizeLine(_ report: InspectionReport) -> String {
    let weights = report.weights
    let files = report.dataFiles.isEmpty ? "" : " with \(report.dataFiles.count) data file"
    return "\(Format.bytes(report.totalByteCount))\(files)\(report.dataFiles.count > 1 ? "s" : ""), "
      + "\(Format.count(weights.elementCount)) parameters in \(weights.tensorCount) tensors "
      + "(\(Format.bytes(weights.byteCount)))"
  }

  private func headerLine(_ header: InspectionReport.Header) -> String {
    var words = [header.producer ?? "unknown"]
    if let version = header.irVersion { words.append("IR \(version)") }
    words += header.operatorSets.map { "\($0.domain) \($0.version)" }
    return words.joined(separator: ", ")
  }

  private func graphLine(_ report: InspectionReport) -> String {
    var words = ["\(Format.integer(report.nodeCount)) node\(report.nodeCount == 1 ? "" : "s")"]
    if report.graphs.count > 1 { words.append("\(report.graphs.count) graphs") }
    let count = report.functions.count
    if count > 0 { words.append("\(count) function\(count == 1 ? "" : "s")") }
    return words.joined(separator: ", ")
  }

  private func quantizationLine(_ quantization: InspectionReport.Quantization) -> String {
    let layers =
      "\(quantization.quantizedLayerCount) of \(quantization.linearLayerCount) linear layers quantized"
    let counts = quantization.operators.map { "\($0.name) \($0.count)" }.joined(separator: ", ")
    return quantization.scheme + ", " + layers + (counts.isEmpty ? "" : " (\(counts))")
  }

  // MARK: Tables

  private func ports(_ title: String, _ ports: [InspectionReport.Port]) -> String {
    guard !ports.isEmpty else { return "" }
    var table = TextTable([.init(title), .init("type"), .init("shape")])
    // Large decoders have 129 of them, all alike.
    let isLong = ports.count > Self.shortPortCount
    let shown = isLong ? ports.prefix(Self.shortPortCount - 2) + ports.suffix(1) : ports[...]
    for (index, port) in shown.enumerated() {
      if isLong, index == shown.count - 1 {
        table.append(["… \(ports.count - shown.count) more", "", "(all with --json)"])
      }
      table.append([
        port.name, port.elementType ?? "?",
        port.shape.map(text) ?? "?",
      ])
    }
    return indented(table.render(width: tableWidth))
  }

  private func text(_ shape: [InspectionReport.Dimension]) -> String {
    let words = shape.map { dimension in
      switch dimension {
      case .fixed(let extent): return String(extent)
      case .named(let name): return name
      case .unknown: return "?"
      }
    }
    return "[" + words.joined(separator: ", ") + "]"
  }

  private func graphs(_ report: InspectionReport) -> String {
    guard report.graphs.count > 1 || !report.functions.isEmpty else { return "" }
    var table = TextTable([
      .init("graph"), .init("place"), .init("nodes", .right), .init("constants", .right),
    ])
    for graph in report.graphs {
      table.append([
        graph.name, graph.place ?? "main", Format.integer(graph.nodeCount),
        Format.integer(graph.initializerCount),
      ])
    }
    for function in report.functions {
      table.append([
        function.name, "function of \(function.domain)", Format.integer(function.nodeCount),
      ])
    }
    return indented(table.render(width: tableWidth))
  }

  private func operators(_ report: InspectionReport) -> String {
    guard !report.operators.isEmpty else { return "" }
    var table = TextTable([.init("operator"), .init("domain"), .init("count", .right)])
    for entry in report.operators {
      table.append([entry.name, entry.domain, Format.integer(entry.count)])
    }
    return indented(table.render(width: tableWidth))
  }

  private func types(_ report: InspectionReport) -> String {
    guard !report.weights.types.isEmpty else { return "" }
    var table = TextTable([
      .init("weights by type"), .init("tensors", .right), .init("parameters", .right),
      .init("bytes", .right),
      .init("share", .right),
    ])
    for entry in report.weights.types {
      table.append([
        entry.elementType, Format.integer(entry.tensorCount), Format.count(entry.elementCount),
        Format.bytes(entry.byteCount), Format.percent(entry.byteCount, of: report.weights.byteCount),
      ])
    }
    return indented(table.render(width: tableWidth))
  }

  private func tensors(_ report: InspectionReport) -> String {
    let shown = shownTensors(report)
    guard !shown.isEmpty else { return "" }
    let title = weights == .all ? "weights" : "largest weights"
    var table = TextTable([
      .init(title), .init("type"), .init("shape"), .init("bytes", .right), .init("used by"),
    ])
    for tensor in shown {
      table.append([
        tensor.name, tensor.elementType, "[\(tensor.shape.map(String.init).joined(separator: ", "))]",
        Format.bytes(tensor.byteCount),
        tensor.users.isEmpty ? "nothing" : tensor.users.joined(separator: ", "),
      ])
    }
    return indented(table.render(width: tableWidth))
  }

  private func dataFiles(_ report: InspectionReport) -> String {
    guard !report.dataFiles.isEmpty else { return "" }
    var table = TextTable([
      .init("data file"), .init("holds"), .init("size", .right), .init("used", .right),
      .init("unused end", .right),
      .init("tensors", .right), .init("broken", .right),
    ])
    for file in report.dataFiles {
      table.append([
        file.location, file.kind == .tensors ? "tensors" : "compiled program",
        file.byteCount.map { Format.bytes($0) } ?? "missing", Format.bytes(file.usedByteCount),
        Format.bytes(file.trailingByteCount), Format.integer(file.tensorCount),
        Format.integer(file.brokenTensorCount),
      ])
    }
    return indented(table.render(width: tableWidth))
  }

  private func metadata(_ report: InspectionReport) -> String {
    guard !report.header.metadata.isEmpty else { return "" }
    var table = TextTable([.init("metadata"), .init("value")])
    for entry in report.header.metadata { table.append([entry.key, entry.value]) }
    return indented(table.render(width: tableWidth))
  }

  private func nodes(_ report: InspectionReport) -> String {
    guard !report.nodes.isEmpty else { return "" }
    var table = TextTable([
      .init("graph", .right), .init("operator"), .init("node"), .init("inputs"), .init("outputs"),
    ])
    for node in report.nodes {
      let isStandard = node.domain == "ai.onnx"
      table.append([
        "\(node.graphIndex)", isStandard ? node.operatorName : "\(node.domain).\(node.operatorName)",
        node.name,
        node.inputs.joined(separator: " "), node.outputs.joined(separator: " "),
      ])
    }
    return indented(table.render(width: tableWidth))
  }

  private func sentences(_ title: String, _ sentences: [String]) -> String {
    guard !sentences.isEmpty else { return "" }
    return "  \(title)\n" + sentences.map { "  - \(Printable.name($0))\n" }.joined()
  }
}
