/// Text from files made safe to show: what could move the cursor, colour the screen or turn the direction of
/// writing is spelt out instead of sent.
public enum Printable {
  /// `text` for one place in a line, for example a name: line ends are spelt out too.
  public static func name(_ text: String) -> String {
    escaped(text, keeping: [])
  }

  /// `text` of one or more lines: line ends and tabs stay.
  public static func lines(_ text: String) -> String {
    escaped(text, keeping: ["\n", "\t"])
  }

  /// `text` of several lines as one: "; " stands for a line end, a blank for one that breaks a sentence before its list.
  public static func sentence(_ text: String) -> String {
    var result = ""
    for line in text.split(separator: "\n") {
      let line = name(String(line.drop { $0 == " " }))
      if line.isEmpty { continue }
      if !result.isEmpty { result += result.hasSuffix(" in") || result.hasSuffix(":") ? " " : "; " }
      result += line
    }
    return result
  }

  /// Whether a terminal acts on the character instead of showing it: the control characters C0, DEL and C1,
  /// line and paragraph separators, and the characters that turn the direction of text (Unicode UAX #9).
  package static func isControl(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x00...0x1F, 0x7F...0x9F: true
    case 0x061C, 0x200E, 0x200F, 0x2028, 0x2029, 0x202A...0x202E, 0x2066...0x2069: true
    default: false
    }
  }

  private static func escaped(_ text: String, keeping kept: [Unicode.Scalar]) -> String {
    guard text.unicodeScalars.contains(where: { isControl($0) && !kept.contains($0) }) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isControl(scalar), !kept.contains(scalar) {
        result += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  /// The columns that `text` takes on a terminal: East Asian wide characters and emoji take two.
  public static func columnCount(_ text: String) -> Int {
    text.reduce(0) { $0 + columnCount($1) }
  }

  /// The columns that one character takes.
  package static func columnCount(_ character: Character) -> Int {
    guard let scalar = character.unicodeScalars.first else { return 0 }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F900...0x1F9FF, 0x20000...0x3FFFD:
      return 2
    default:
      return scalar.properties.generalCategory == .nonspacingMark ? 0 : 1
    }
  }

  /// `text` cut at its end to at most `columnCount` columns.
  package static func prefix(_ text: String, columnCount: Int) -> String {
    var used = 0
    var result = ""
    for character in text {
      used += Printable.columnCount(character)
      if used > columnCount { break }
      result.append(character)
    }
    return result
  }

  /// `text` cut in its middle to at most `columnCount` columns, with "…" for what is left out; the two ends of a
  /// name tell it apart best.
  package static func middleCut(_ text: String, columnCount: Int) -> String {
    guard Printable.columnCount(text) > columnCount else { return text }
    guard columnCount > 1 else { return prefix("…", columnCount: columnCount) }
    let headColumnCount = (columnCount - 1) / 2
    let tailColumnCount = columnCount - 1 - headColumnCount
    let tail = String(prefix(String(text.reversed()), columnCount: tailColumnCount).reversed())
    return prefix(text, columnCount: headColumnCount) + "…" + tail
  }
}
