/// How a text is laid out: what an edit must do to look like its surroundings.
struct JSONStyle {
  enum Layout { case lines, inline }

  var newline = "\n"
  /// One level of indentation.
  var indentation = "  "
  /// Between a key and its value.
  var colon = ": "
  /// Between elements on one line.
  var comma = ", "
  /// Inside of the braces and brackets of one-line objects and lists.
  var objectPadding = ""
  var listPadding = ""
  /// Of lists that hold no lists or objects.
  var lists = Layout.inline
  var objects = Layout.lines
  /// Whether characters beyond ASCII are written as `\u`.
  var escapesNonASCII = false

  /// The house's own style, and the one for texts that show none: two blanks, lists on one line.
  static let standard = JSONStyle()

  static let compact = JSONStyle(newline: "", indentation: "", colon: ":", comma: ",", objects: .inline)
}

extension JSONStyle {
  /// Reads the style of a text from what is there first; what it does not show is as in `standard`.
  init(of root: JSONNode, in bytes: [UInt8]) {
    self.init()
    if let end = bytes.firstIndex(of: UInt8(ascii: "\n")), end > 0, bytes[end - 1] == UInt8(ascii: "\r") {
      newline = "\r\n"
    }
    var reader = StyleReader(bytes: bytes)
    reader.read(root)
    if let found = reader.indentation { indentation = found }
    if let found = reader.colon { colon = found }
    if let found = reader.objectPadding { objectPadding = found }
    if let found = reader.listPadding { listPadding = found }
    if let found = reader.lists { lists = found }
    if let found = reader.comma {
      comma = found
    } else if reader.colon == ":" {
      comma = ","
    }
    // A text of one line stays one.
    if !root.members.isEmpty, !bytes[root.range].contains(UInt8(ascii: "\n")) { objects = .inline }
    escapesNonASCII = reader.hasEscapes && !bytes.contains { $0 >= 0x80 }
  }
}

/// Looks through a text until every question of the style has an answer.
private struct StyleReader {
  let bytes: [UInt8]
  var indentation: String?
  var colon: String?
  var comma: String?
  var objectPadding: String?
  var listPadding: String?
  var lists: JSONStyle.Layout?
  var hasEscapes = false

  mutating func read(_ node: JSONNode) {
    switch node.content {
    case .string(let text):
      if !hasEscapes, text.utf8.contains(where: { $0 >= 0x80 }) { hasEscapes = true }
    case .array(let elements): readList(node, elements)
    case .object(let members): readObject(node, members)
    case .null, .bool, .number: break
    }
  }

  private mutating func readList(_ node: JSONNode, _ elements: [JSONNode]) {
    guard let first = elements.first else { return }
    let padding = text(node.range.lowerBound + 1..<first.range.lowerBound)
    let isPlain = elements.allSatisfy { $0.members.isEmpty && $0.elements.isEmpty }
    if isPlain, lists == nil { lists = padding.utf8.contains(UInt8(ascii: "\n")) ? .lines : .inline }
    if isBlank(padding), listPadding == nil { listPadding = padding }
    for (left, right) in zip(elements, elements.dropFirst()) {
      noteComma(left.range.upperBound..<right.range.lowerBound)
    }
    noteIndentation(of: first.range.lowerBound, in: node)
    for element in elements { read(element) }
  }

  private mutating func readObject(_ node: JSONNode, _ members: [JSONNode.Member]) {
    guard let first = members.first else { return }
    let padding = text(node.range.lowerBound + 1..<first.keyRange.lowerBound)
    if isBlank(padding), objectPadding == nil { objectPadding = padding }
    for (left, right) in zip(members, members.dropFirst()) {
      noteComma(left.value.range.upperBound..<right.keyRange.lowerBound)
    }
    noteIndentation(of: first.keyRange.lowerBound, in: node)
    for member in members {
      if colon == nil {
        let found = text(member.keyRange.upperBound..<member.value.range.lowerBound)
        if !found.utf8.contains(UInt8(ascii: "\n")) { colon = found }
      }
      read(member.value)
    }
  }

  private mutating func noteComma(_ range: Range<Int>) {
    guard comma == nil else { return }
    let found = text(range)
    if !found.utf8.contains(UInt8(ascii: "\n")) { comma = found }
  }

  /// What a first element has more than the line on which its list or object begins.
  private mutating func noteIndentation(of inner: Int, in node: JSONNode) {
    guard indentation == nil, bytes[node.range.lowerBound..<inner].contains(UInt8(ascii: "\n")) else {
      return
    }
    let outer = lineIndentation(of: node.range.lowerBound, in: bytes)
    let found = lineIndentation(of: inner, in: bytes)
    if found.hasPrefix(outer), found.utf8.count > outer.utf8.count {
      indentation = String(decoding: found.utf8.dropFirst(outer.utf8.count), as: UTF8.self)
    }
  }

  private func isBlank(_ text: String) -> Bool { text.utf8.allSatisfy { $0 == 0x20 || $0 == 0x09 } }

  private func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }
}

/// The blanks at the beginning of the line that a byte is on.
func lineIndentation(of offset: Int, in bytes: [UInt8]) -> String {
  let start = bytes[..<offset].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
  return String(decoding: bytes[start..<offset].prefix { $0 == 0x20 || $0 == 0x09 }, as: UTF8.self)
}
