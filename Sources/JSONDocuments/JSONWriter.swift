extension JSON {
  /// How a document is laid out.
  public enum TextLayout: Sendable {
    /// One line, no blanks.
    case compact
    /// One member a line, two blanks a level, lists of plain values on one line.
    case indented
  }

  /// The value as JSON text, without a line end after it; members keep their order.
  public func text(_ layout: TextLayout = .indented) -> String {
    JSONWriter(style: layout == .compact ? .compact : .standard).text(self, indentation: "")
  }
}

/// Writes values in a style.
struct JSONWriter {
  let style: JSONStyle

  /// A value; `indentation` is that of the line on which it begins.
  func text(_ value: JSON, indentation: String, objects: JSONStyle.Layout? = nil) -> String {
    switch value {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .number(let number): return number.text
    case .string(let value): return string(value)
    case .array(let elements):
      let isPlain = elements.allSatisfy { $0.array == nil && $0.members == nil }
      let layout = style.objects == .inline || objects == .inline || isPlain && style.lists == .inline
      return list(
        "[", elements.map { element in { text(element, indentation: $0, objects: objects) } }, "]",
        layout ? .inline : .lines, padding: style.listPadding, indentation: indentation)
    case .object(let members):
      let pieces = members.map { member in
        { string(member.key) + style.colon + text(member.value, indentation: $0, objects: objects) }
      }
      return list(
        "{", pieces, "}", objects ?? style.objects, padding: style.objectPadding, indentation: indentation)
    }
  }

  private func list(
    _ open: String, _ elements: [(String) -> String], _ close: String, _ layout: JSONStyle.Layout,
    padding: String, indentation: String
  ) -> String {
    if elements.isEmpty { return open + close }
    if layout == .inline {
      let texts = elements.map { $0(indentation) }
      return open + padding + texts.joined(separator: style.comma) + padding + close
    }
    let inner = indentation + style.indentation
    let texts = elements.map { inner + $0(inner) }
    return open + style.newline + texts.joined(separator: "," + style.newline) + style.newline + indentation
      + close
  }

  /// A string with the escapes that RFC 8259 asks for; control characters beyond those (DEL, C1, direction marks)
  /// are escaped as well, so that a file shown on a terminal cannot act on it.
  func string(_ value: String) -> String {
    var text = "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\u{08}": text += "\\b"
      case "\u{0C}": text += "\\f"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where scalar.value < 0x20 || Self.actsOnTerminals(scalar): text += escape(scalar)
      case _ where !scalar.isASCII && style.escapesNonASCII: text += escape(scalar)
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }

  private static func actsOnTerminals(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: return true
    default: return false
    }
  }

  /// `\u` and four digits, twice beyond the basic plane.
  private func escape(_ scalar: Unicode.Scalar) -> String {
    Unicode.UTF16.encode(scalar)?.reduce(into: "") { text, unit in
      let digits = String(unit, radix: 16)
      text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    } ?? ""
  }
}
