import JSONDocuments
import TestSupport

/// JSON texts as people and programs lay them out, and random edits of them.
struct RandomJSON {
  var random: SplitMix64
  private var newline = "\n"
  private var unit = "  "
  private var colon = ": "
  private var comma = ","
  private var blankLines = false
  private var escapes = false
  /// How many of ten objects stand on one line.
  private var inlineShare = 2

  init(_ random: SplitMix64) { self.random = random }

  private mutating func pick<Element>(_ elements: [Element]) -> Element {
    elements[Int.random(in: 0..<elements.count, using: &random)]
  }

  /// An object in a random layout, with a random end.
  mutating func document() -> String {
    newline = pick(["\n", "\n", "\r\n"])
    unit = pick(["  ", "    ", "\t", "   ", " "])
    colon = pick([": ", ": ", ":", " : ", ":\t"])
    comma = pick([",", ",", ",", " ,"])
    blankLines = pick([false, false, true])
    escapes = pick([false, true])
    inlineShare = pick([0, 2, 5, 10])
    let lead = pick(["", "", "\n", "  "])
    return lead + text(object(depth: 0), indentation: "") + pick(["", newline, newline + newline, " "])
  }

  private mutating func object(depth: Int) -> JSON {
    var members: [JSONMember] = []
    for _ in 0..<Int.random(in: depth == 0 ? 0...5 : 0...4, using: &random) {
      let key = key()
      if members.contains(where: { $0.key == key }) { continue }
      members.append(JSONMember(key, value(depth: depth + 1)))
    }
    return .object(members)
  }

  mutating func key() -> String {
    pick(["path", "ep", "quant", "a b", "schlüssel", "日本", "x\"y", "back\\slash", "", "k"])
      + pick(["", "", "1", "2", "3", "4"])
  }

  mutating func value(depth: Int) -> JSON {
    switch Int.random(in: 0..<(depth > 3 ? 6 : 9), using: &random) {
    case 0: return .null
    case 1: return .bool(pick([true, false]))
    case 2: return .integer(pick([0, -1, 1500, 9_007_199_254_740_993]))
    case 3: return .double(pick([0.5, -2.25, 1e30, 3e-7]))
    case 4: return .string(pick(["", "QNN", "größer", "😀 \u{1}\n\t", "a/b\\c \"d\"", "\u{7F}\u{200F}"]))
    case 5: return .strings(["QNN", "CPU"].prefix(Int.random(in: 0...2, using: &random)))
    case 6:
      return .array((0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth: depth + 1) })
    default: return object(depth: depth)
    }
  }

  private mutating func text(_ value: JSON, indentation: String) -> String {
    switch value {
    case .array(let elements):
      return list("[", elements.map { (nil, $0) }, "]", indentation)
    case .object(let members): return list("{", members.map { ($0.key, $0.value) }, "}", indentation)
    case .string(let value): return string(value)
    default: return value.text()
    }
  }

  private mutating func list(
    _ open: String, _ elements: [(String?, JSON)], _ close: String, _ indentation: String
  ) -> String {
    if elements.isEmpty { return open + pick(["", "", " ", newline + indentation]) + close }
    let isInline = Int.random(in: 0..<10, using: &random) < inlineShare
    let inner = isInline ? indentation : indentation + unit
    let parts = elements.map { key, value in
      (key.map { string($0) + colon } ?? "") + text(value, indentation: inner)
    }
    if isInline {
      let padding = pick(["", " "])
      return open + padding + parts.joined(separator: comma + " ") + padding + close
    }
    let gap = blankLines ? newline + newline : newline
    return open + newline + inner + parts.joined(separator: comma + gap + inner) + newline + indentation
      + close
  }

  private func string(_ value: String) -> String {
    let plain = JSON.string(value).text()
    guard escapes else { return plain }
    return plain.unicodeScalars.reduce(into: "") { text, scalar in
      guard !scalar.isASCII else {
        text.unicodeScalars.append(scalar)
        return
      }
      for unit in String(scalar).utf16 {
        let digits = String(unit, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      }
    }
  }
}
