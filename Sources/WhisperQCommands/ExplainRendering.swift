import Console
import Validation

/// Where the nodes of a model will run, as text and as JSON.
enum ExplainRendering {
  private static let shownCount = 3

  /// Lines without an indentation: how many nodes are where, then a group for each rule.
  static func text(_ places: [NodePlace], target: String, isVerbose: Bool) -> String {
    let nodes = places.filter { !$0.isPair }
    var text = "where it will run on \(target): "
    text += NodePlace.Place.allCases.compactMap { place in
      let count = nodes.count { $0.place == place }
      return count == 0 ? nil : "\(count) \(words(place))"
    }.joined(separator: ", ")
    let strayPairs = places.filter { $0.isPair && $0.place == .processor }
    text += "; of \(places.count - nodes.count) Q and DQ \(strayPairs.count) on the processor\n"
    for place in NodePlace.Place.allCases {
      let here = nodes.filter { $0.place == place } + (place == .processor ? strayPairs : [])
      for group in groups(here) { text += self.text(group, isVerbose: isVerbose) }
    }
    return text
  }

  private static func text(_ group: [NodePlace], isVerbose: Bool) -> String {
    guard let first = group.first else { return "" }
    let operators = Dictionary(group.map { ($0.operatorName, 1) }, uniquingKeysWith: +)
      .sorted { ($1.value, $0.key) < ($0.value, $1.key) }
      .map { "\($0.value) \($0.key)" }.joined(separator: ", ")
    var text = "  \(words(first.place)), \(first.rule): \(operators)\n"
    let isException = first.place == .float || first.place == .processor
    if isException {
      text += "    \(first.reason)" + (group.count > 1 ? " (the first of \(group.count))" : "") + "\n"
    }
    if let change = first.change { text += "    to move it: \(change)\n" }
    guard isVerbose || isException else { return text }
    for node in isVerbose ? group[...] : group.prefix(shownCount) {
      let why = isVerbose && isException ? ": \(node.reason)" : ""
      text += "    '\(Printable.name(node.node))'\(why)\n"
    }
    if !isVerbose, group.count > shownCount {
      text += "    and \(group.count - shownCount) more; --verbose lists them\n"
    }
    return text
  }

  /// Nodes of one rule, in the order of their first appearance.
  private static func groups(_ places: [NodePlace]) -> [[NodePlace]] {
    var order: [String] = []
    var byRule: [String: [NodePlace]] = [:]
    for place in places {
      if byRule[place.rule] == nil { order.append(place.rule) }
      byRule[place.rule, default: []].append(place)
    }
    return order.compactMap { byRule[$0] }
  }

  private static func words(_ place: NodePlace.Place) -> String {
    switch place {
    case .integers: "NPU in integers"
    case .float: "NPU in fp16"
    case .processor: "processor"
    case .folded: "folded away"
    }
  }

  static func json(_ places: [NodePlace]) -> JSONValue {
    .array(
      places.map {
        [
          "node": .string($0.node), "operator": .string($0.operatorName), "place": .string($0.place.rawValue),
          "rule": .string($0.rule), "reason": .string($0.reason), "change": .string(ifPresent: $0.change),
        ]
      })
  }
}
