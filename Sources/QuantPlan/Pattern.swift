/// A shell-like pattern: `*` is any text, `?` one character; everything else stands for itself.
///
/// It is compared with node names, weight names and operator types. `node:`, `weight:` or `op:` in front
/// limits it to one of them.
struct Pattern: Sendable {
  let text: String
  private let glob: [Character]
  private let kind: Substring?

  init(_ text: String) {
    self.text = text
    let parts = text.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
    if parts.count == 2, ["node", "weight", "op"].contains(parts[0]) {
      kind = parts[0]
      glob = Array(parts[1])
    } else {
      kind = nil
      glob = Array(text)
    }
  }

  func matches(weights: [String], nodes: [String], operators: [String]) -> Bool {
    if kind == nil || kind == "weight", weights.contains(where: matches) { return true }
    if kind == nil || kind == "node", nodes.contains(where: matches) { return true }
    if kind == nil || kind == "op", operators.contains(where: matches) { return true }
    return false
  }

  /// Greedy matching with one step back per star: linear for patterns with one star.
  func matches(_ name: String) -> Bool {
    let name = Array(name)
    var inName = 0
    var inGlob = 0
    var star: (glob: Int, name: Int)?
    while inName < name.count {
      if inGlob < glob.count, glob[inGlob] == "*" {
        star = (inGlob, inName)
        inGlob += 1
      } else if inGlob < glob.count, glob[inGlob] == "?" || glob[inGlob] == name[inName] {
        inGlob += 1
        inName += 1
      } else if let last = star {
        inGlob = last.glob + 1
        inName = last.name + 1
        star = (last.glob, inName)
      } else {
        return false
      }
    }
    return glob[inGlob...].allSatisfy { $0 == "*" }
  }
}
