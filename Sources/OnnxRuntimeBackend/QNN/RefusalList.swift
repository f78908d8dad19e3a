import ModelBackend

/// The nodes that QNN did not take, as lines of an error: by reason and operator, not one by one.
struct RefusalList {
  /// One node.
  struct Node {
    let name: String
    let operatorName: String
    let reason: String?
  }

  private struct Group {
    let reason: String
    let hasReason: Bool
    /// Names by operator, in the order of appearance.
    var operators: [(name: String, nodes: [String])] = []

    var count: Int { operators.reduce(0) { $0 + $1.nodes.count } }
    /// What names an operator or a rule tells more than what follows from it.
    var rank: Int {
      if !hasReason { return 2 }
      return reason.contains("not supported") || reason.contains("(") ? 0 : 1
    }
  }

  private var groups: [Group] = []

  init(_ nodes: [Node]) {
    for node in nodes {
      // The plugin puts the node's name into its reason; the same reason is said once.
      let reason = node.reason.map { Self.without(node.name, $0) } ?? "no reason given"
      let index: Int
      if let known = groups.firstIndex(where: { $0.reason == reason }) {
        index = known
      } else {
        index = groups.count
        groups.append(Group(reason: reason, hasReason: node.reason != nil))
      }
      if let place = groups[index].operators.firstIndex(where: { $0.name == node.operatorName }) {
        groups[index].operators[place].nodes.append(node.name)
      } else {
        groups[index].operators.append((node.operatorName, [node.name]))
      }
    }
  }

  init(_ leftovers: [Placement.Leftover]) {
    self.init(leftovers.map { Node(name: $0.node, operatorName: $0.operatorName, reason: $0.reason) })
  }

  /// The lines, each beginning with a line end and two blanks, the most telling reason first; with `names`, all
  /// nodes stand there by name.
  func text(names: Bool) -> String {
    let sorted = groups.enumerated().sorted { left, right in
      (left.element.rank, -left.element.count, left.offset)
        < (right.element.rank, -right.element.count, right.offset)
    }
    return sorted.map { _, group in
      let words = group.operators.sorted { $0.nodes.count > $1.nodes.count }.map { entry in
        if names { return entry.nodes.map { "\(entry.name) \"\($0)\"" }.joined(separator: ", ") }
        return entry.nodes.count == 1
          ? "\(entry.name) \"\(entry.nodes[0])\"" : "\(entry.nodes.count) \(entry.name)"
      }
      return "\n  \(words.joined(separator: ", ")): \(group.reason)"
    }.joined()
  }

  private static func without(_ name: String, _ reason: String) -> String {
    guard !name.isEmpty else { return reason }
    var (result, rest) = ("", reason[...])
    while let place = rest.firstRange(of: "`\(name)`") {
      result += rest[..<place.lowerBound] + "`…`"
      rest = rest[place.upperBound...]
    }
    return result + rest
  }
}
