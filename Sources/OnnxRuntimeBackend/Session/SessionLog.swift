import ModelBackend

/// What the log of one session says, taken apart.
struct SessionLog {
  let lines: [RuntimeLog.Line]

  init(_ lines: [RuntimeLog.Line]) { self.lines = lines }

  /// Warnings and errors, each once. Lines that every session of QNN has are left out.
  var notes: [String] {
    var notes: [String] = []
    for line in lines where line.severity >= 2 {
      let text = RuntimeAPI.tidied(line.text)
      let isUsual = SessionLog.usual.contains { text.contains($0) }
      if !isUsual && !notes.contains(text) { notes.append(text) }
    }
    return notes
  }

  private static let usual = [
    "File mapped weights feature is only available on Windows",
    "EPContext encryption config unavailable",
    "Some nodes were not assigned to the preferred execution providers",
    "Rerunning with verbose output",
  ]

  /// Errors, each once.
  var errors: [String] {
    var errors: [String] = []
    for line in lines where line.severity >= 3 {
      let text = RuntimeAPI.tidied(line.text)
      if !errors.contains(where: { $0.contains(text) || text.contains($0) }) { errors.append(text) }
    }
    return errors
  }

  /// From the line "Backend build version: v2.51.0…".
  var qairtVersion: String? {
    for line in lines {
      guard let mark = line.text.firstRange(of: "Backend build version: ") else { continue }
      return String(line.text[mark.upperBound...].prefix { !$0.isWhitespace })
    }
    return nil
  }

  /// Adds what the log knows to an error of the runtime that came while `path` was opened.
  func explaining(_ error: BackendError, _ path: String, names: Bool = false) -> BackendError {
    if error.message.contains("fallback to CPU EP has been explicitly disabled") {
      let refusals = refusals
      let nodes = refusedNodes.map {
        RefusalList.Node(name: $0.name, operatorName: $0.operatorName, reason: refusals[$0.name])
      }
      return BackendError(
        .unsupported,
        "QNN must take all nodes of \(path), and it refused \(nodes.count)\(RefusalList(nodes).text(names: names))"
      )
    }
    let more = errors.filter { !error.message.contains($0) }
    return more.isEmpty
      ? error : BackendError(error.reason, error.message + "; " + more.joined(separator: "; "))
  }

  /// Why QNN refused nodes, by the node's name, in the plugin's words:
  ///
  ///     Validation FAILED for 1 nodes in OrtNodeUnit (Erf) :
  ///         Operator type: Erf Node name: erf Node index: 0
  ///         REASON : Operators of type `Erf` are not supported by QNN EP. …
  var refusals: [String: String] {
    var refusals: [String: String] = [:]
    for line in lines where line.text.hasPrefix("Validation FAILED") {
      let parts = line.text.split(whereSeparator: \.isNewline).map { $0.drop(while: \.isWhitespace) }
      guard let reason = parts.first(where: { $0.hasPrefix("REASON :") }) else { continue }
      let text = String(reason.dropFirst("REASON :".count).drop(while: \.isWhitespace))
      for part in parts {
        if let (_, name) = SessionLog.node(in: part) { refusals[name] = text }
      }
    }
    return refusals
  }

  /// Nodes that QNN looked at and refused, as operator and name, in the order of the model.
  var refusedNodes: [(operatorName: String, name: String)] {
    var nodes: [(index: Int, operatorName: String, name: String)] = []
    for line in lines where line.text.hasPrefix("Validation FAILED") {
      for part in line.text.split(whereSeparator: \.isNewline).map({ $0.drop(while: \.isWhitespace) }) {
        guard let (operatorName, name) = SessionLog.node(in: part) else { continue }
        let index = part.firstRange(of: " Node index: ").flatMap { Int(part[$0.upperBound...]) } ?? Int.max
        if !nodes.contains(where: { $0.index == index && $0.name == name }) {
          nodes.append((index, operatorName, name))
        }
      }
    }
    return nodes.sorted { $0.index < $1.index }.map { ($0.operatorName, $0.name) }
  }

  private static func node(in part: Substring) -> (operatorName: String, name: String)? {
    guard part.hasPrefix("Operator type: "), let name = part.firstRange(of: " Node name: ") else {
      return nil
    }
    let end = part.firstRange(of: " Node index: ")?.lowerBound ?? part.endIndex
    guard end >= name.upperBound else { return nil }
    let operatorName = part[part.index(part.startIndex, offsetBy: 15)..<name.lowerBound]
    return (String(operatorName), String(part[name.upperBound..<end]))
  }

  /// Providers with their nodes as the runtime lists them after loading; fused nodes are listed as one.
  ///
  ///     Node(s) placed on [CPUExecutionProvider]. Number of nodes: 2
  ///       Erf (erf)
  var placements: [(provider: String, count: Int, nodes: [(operatorName: String, name: String)])] {
    var found: [(provider: String, count: Int, nodes: [(operatorName: String, name: String)])] = []
    for line in lines where line.source.contains("VerifyEachNode") {
      if let mark = line.text.firstRange(of: "placed on ["),
        let end = line.text.firstRange(of: "]. Number of nodes: ")
      {
        let count = Int(line.text[end.upperBound...].prefix { $0.isWholeNumber }) ?? 0
        found.append((String(line.text[mark.upperBound..<end.lowerBound]), count, []))
      } else if !found.isEmpty, line.severity < 2 {
        let text = line.text.drop(while: \.isWhitespace)
        guard let open = text.firstRange(of: " ("), text.hasSuffix(")") else { continue }
        found[found.count - 1].nodes.append(
          (String(text[..<open.lowerBound]), String(text[open.upperBound...].dropLast())))
      }
    }
    return found
  }
}
