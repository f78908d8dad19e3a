/// What the checker of ONNX asks of one operator in one version.
struct OperatorSchema: Sendable {
  let version: Int
  let isDeprecated: Bool
  let inputs: ClosedRange<Int>
  let outputs: ClosedRange<Int>
  /// The letters of `OperatorSchemaText` by attribute.
  let attributes: [String: Character]
  let requiredAttributes: [String]

  /// By operator, oldest version first.
  private static let all: [Substring: [OperatorSchema]] = parse()

  /// Whether the standard operator set ever had an operator of this name.
  static func isKnown(_ name: String) -> Bool { all[Substring(name)] != nil }

  /// The operator as version `version` of the operator set has it; nil when it has none.
  static func schema(of name: String, version: Int) -> OperatorSchema? {
    all[Substring(name)]?.last { $0.version <= version }
  }

  private static func parse() -> [Substring: [OperatorSchema]] {
    var entries: [[Substring]] = []
    for line in OperatorSchemaText.lines.split(separator: "\n") {
      let words = line.split(separator: " ")
      if words.first == "+", !entries.isEmpty {
        entries[entries.count - 1] += words.dropFirst()
      } else {
        entries.append(words)
      }
    }
    var result: [Substring: [OperatorSchema]] = [:]
    for words in entries where words.count >= 6 {
      func number(_ index: Int) -> Int { words[index] == "*" ? Int.max : Int(words[index]) ?? 0 }
      var attributes: [String: Character] = [:]
      var required: [String] = []
      for word in words.dropFirst(6) {
        let parts = word.split(separator: ":")
        guard parts.count == 2, let letter = parts[1].first else { continue }
        attributes[String(parts[0])] = letter
        if parts[1].hasSuffix("!") { required.append(String(parts[0])) }
      }
      let version = Int(words[1]) ?? 0
      result[words[0], default: []].append(
        OperatorSchema(
          version: abs(version), isDeprecated: version < 0, inputs: number(2)...max(number(2), number(3)),
          outputs: number(4)...max(number(4), number(5)), attributes: attributes, requiredAttributes: required
        ))
    }
    return result
  }
}
