extension JSONValue {
  /// How a document is laid out.
  public enum Layout: Sendable {
    /// One line, no blanks.
    case compact
    /// One value a line, two blanks a level.
    case indented
  }

  /// The document as text, without a line end after it; the same value gives the same bytes, always.
  public func text(_ layout: Layout = .indented) -> String {
    var writer = JSONWriter(layout: layout)
    writer.write(self, depth: 0)
    return writer.text
  }
}

/// Writes a document into a string.
private struct JSONWriter {
  let layout: JSONValue.Layout
  var text = ""

  mutating func write(_ value: JSONValue, depth: Int) {
    switch value {
    case .null: text += "null"
    case .bool(let value): text += value ? "true" : "false"
    case .integer(let value): text += value.description
    case .double(let value): text += value.isFinite ? value.description : "null"
    case .string(let value): writeString(value)
    case .array(let elements):
      writeList("[", elements, "]", depth: depth) { writer, element in
        writer.write(element, depth: depth + 1)
      }
    case .object(let members):
      let sorted = members.sorted { $0.key.utf8.lexicographicallyPrecedes($1.key.utf8) }
      writeList("{", sorted, "}", depth: depth) { writer, member in
        writer.writeString(member.key)
        writer.text += writer.layout == .compact ? ":" : ": "
        writer.write(member.value, depth: depth + 1)
      }
    }
  }

  private mutating func writeList<Element>(
    _ open: String, _ elements: [Element], _ close: String, depth: Int,
    _ writeElement: (inout JSONWriter, Element) -> Void
  ) {
    text += open
    for (index, element) in elements.enumerated() {
      text += index > 0 ? "," : ""
      breakLine(depth: depth + 1)
      writeElement(&self, element)
    }
    if !elements.isEmpty { breakLine(depth: depth) }
    text += close
  }

  private mutating func breakLine(depth: Int) {
    guard layout == .indented else { return }
    text += "\n" + String(repeating: "  ", count: depth)
  }

  /// A string with RFC 8259's escapes; control characters that JSON would allow as they are (DEL, C1, direction
  /// marks) are escaped as well, so that a document on a terminal cannot act on it.
  private mutating func writeString(_ value: String) {
    text += "\""
    for scalar in value.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\u{08}": text += "\\b"
      case "\u{0C}": text += "\\f"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case _ where Printable.isControl(scalar):
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    text += "\""
  }
}
