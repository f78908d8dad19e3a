/// Something about a model that a person should know, found without running it.
public struct Finding: Sendable, Equatable {
  public enum Severity: String, Sendable, CaseIterable {
    /// The model is broken, or gives wrong numbers without saying so.
    case error
    /// The NPU does not take the node; it stays on the processor.
    case refused
    /// It runs, but worse than it could.
    case warning
  }

  public let severity: Severity
  /// The stable name of the rule.
  public let rule: String
  /// The node, input or tensor; nil for what concerns the whole model.
  public let place: String?
  /// One sentence.
  public let message: String
  /// What to do; nil when the message says it.
  public let remedy: String?

  public init(
    _ severity: Severity, rule: String, place: String?, _ message: String, remedy: String? = nil
  ) {
    self.severity = severity
    self.rule = rule
    self.place = place
    self.message = message
    self.remedy = remedy
  }
}

/// Findings of one rule, which share a remedy.
public struct FindingGroup: Sendable {
  public let severity: Finding.Severity
  public let rule: String
  public let findings: [Finding]

  /// Groups in the order of severity, and of first appearance within one.
  public static func groups(of findings: [Finding]) -> [FindingGroup] {
    var order: [String] = []
    var byRule: [String: [Finding]] = [:]
    for finding in findings {
      let key = finding.severity.rawValue + " " + finding.rule
      if byRule[key] == nil { order.append(key) }
      byRule[key, default: []].append(finding)
    }
    let groups = order.compactMap { key in
      byRule[key].flatMap { list in
        list.first.map { FindingGroup(severity: $0.severity, rule: $0.rule, findings: list) }
      }
    }
    return Finding.Severity.allCases.flatMap { severity in groups.filter { $0.severity == severity } }
  }
}
