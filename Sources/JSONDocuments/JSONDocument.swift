/// A JSON text that people edit too: what a change does not concern stays byte for byte, and what it writes looks
/// like its surroundings (indentation, line ends, blanks, one line or many).
public struct JSONDocument: Sendable {
  /// The file, or another name of the text, for errors.
  public let source: String
  public private(set) var bytes: [UInt8]
  public private(set) var root: JSONNode

  /// Reads a text; see `JSONError` for all that can be wrong with it.
  public init(_ bytes: [UInt8], source: String) throws(JSONError) {
    self.source = source
    self.bytes = bytes
    root = try JSONParser.parse(bytes, source: source)
  }

  /// Where a byte stands.
  public func position(ofByte offset: Int) -> TextPosition { TextPosition(ofByte: offset, in: bytes) }

  /// The node that a path of keys leads to; the root when the path is empty.
  public func node(at path: [String]) -> JSONNode? {
    var node = root
    for key in path {
      guard let next = node[key] else { return nil }
      node = next
    }
    return node
  }

  /// Gives a member of the object at `path` a value; a missing member is added at the end. A value that says the
  /// same as the one that is there changes nothing.
  public mutating func set(
    _ key: String, to value: JSON, at path: [String] = []
  ) throws(JSONEditError) {
    let object = try object(at: path)
    let style = JSONStyle(of: root, in: bytes)
    guard let member = object.member(key) else {
      try append(JSONMember(key, value), to: object, style)
      return
    }
    if member.value.value == value { return }
    var own = style
    own.adopt(member.value, bytes)
    let indentation = lineIndentation(of: member.keyRange.lowerBound, in: bytes)
    let layout = siblingLayout(of: member.value, in: object)
    try replace(
      member.value.range, with: JSONWriter(style: own).text(value, indentation: indentation, objects: layout))
  }

  /// Removes a member of the object at `path`; false when it has none of this key.
  @discardableResult
  public mutating func remove(_ key: String, at path: [String] = []) throws(JSONEditError) -> Bool {
    let object = try object(at: path)
    guard let index = object.members.firstIndex(where: { $0.key.hasSameBytes(as: key) }) else { return false }
    let members = object.members
    if members.count == 1 {
      try replace(object.range.lowerBound + 1..<object.range.upperBound - 1, with: "")
    } else if index == members.count - 1 {
      try replace(members[index - 1].value.range.upperBound..<members[index].value.range.upperBound, with: "")
    } else {
      try replace(members[index].keyRange.lowerBound..<members[index + 1].keyRange.lowerBound, with: "")
    }
    return true
  }

  /// Gives a member of the object at `path` another key, in its place; false when it has none of this key.
  @discardableResult
  public mutating func rename(
    _ key: String, to newKey: String, at path: [String] = []
  ) throws(JSONEditError) -> Bool {
    let object = try object(at: path)
    guard let member = object.member(key) else { return false }
    if key.hasSameBytes(as: newKey) { return true }
    if object.member(newKey) != nil { throw JSONEditError(.keyExists(newKey), source: source) }
    let style = JSONStyle(of: root, in: bytes)
    try replace(member.keyRange, with: JSONWriter(style: style).string(newKey))
    return true
  }

  // MARK: Text

  private func object(at path: [String]) throws(JSONEditError) -> JSONNode {
    guard let node = node(at: path), node.isObject else {
      throw JSONEditError(.noObject(path), source: source)
    }
    return node
  }

  private mutating func append(
    _ member: JSONMember, to object: JSONNode, _ style: JSONStyle
  ) throws(JSONEditError) {
    let writer = JSONWriter(style: style)
    let key = writer.string(member.key)
    guard let last = object.members.last else {
      let outer = lineIndentation(of: object.range.lowerBound, in: bytes)
      let text = writer.text(.object([member]), indentation: outer)
      try replace(object.range, with: text)
      return
    }
    let separator = separator(in: object, style)
    let blanks = separator.utf8.reversed().prefix { $0 == 0x20 || $0 == 0x09 }.reversed()
    let startsLine = separator.utf8.contains(UInt8(ascii: "\n"))
    let indentation =
      startsLine
      ? String(decoding: blanks, as: UTF8.self) : lineIndentation(of: last.keyRange.lowerBound, in: bytes)
    var colon = text(last.keyRange.upperBound..<last.value.range.lowerBound)
    if colon.utf8.contains(UInt8(ascii: "\n")) { colon = style.colon }
    let sibling = object.members.last { $0.value.isObject && !$0.value.members.isEmpty }
    let layout = sibling.map { self.layout(of: $0.value) } ?? (startsLine ? nil : .inline)
    let value = writer.text(member.value, indentation: indentation, objects: layout)
    let end = last.value.range.upperBound
    try replace(end..<end, with: separator + key + colon + value)
  }

  /// What stands between the last two members, comma included; with one member, what would.
  private func separator(in object: JSONNode, _ style: JSONStyle) -> String {
    let members = object.members
    let last = members[members.count - 1]
    if members.count > 1 {
      return text(members[members.count - 2].value.range.upperBound..<last.keyRange.lowerBound)
    }
    let gap = text(object.range.lowerBound + 1..<last.keyRange.lowerBound)
    return gap.utf8.contains(UInt8(ascii: "\n")) ? "," + gap : style.comma
  }

  private func layout(of node: JSONNode) -> JSONStyle.Layout {
    bytes[node.range].contains(UInt8(ascii: "\n")) ? .lines : .inline
  }

  /// The layout for an object that replaces a value: its own if it had one, else that of an object beside it.
  private func siblingLayout(of node: JSONNode, in object: JSONNode) -> JSONStyle.Layout? {
    if node.isObject, !node.members.isEmpty { return layout(of: node) }
    let sibling = object.members.last { $0.value.isObject && !$0.value.members.isEmpty }
    if let sibling { return layout(of: sibling.value) }
    return layout(of: object) == .inline ? .inline : nil
  }

  private func text(_ range: Range<Int>) -> String { String(decoding: bytes[range], as: UTF8.self) }

  /// Changes the text and reads it again, which also proves that it still is JSON.
  private mutating func replace(_ range: Range<Int>, with text: String) throws(JSONEditError) {
    var changed = bytes
    changed.replaceSubrange(range, with: text.utf8)
    do {
      root = try JSONParser.parse(changed, source: source)
    } catch {
      throw JSONEditError(.broken(error), source: source)
    }
    bytes = changed
  }
}

extension JSONStyle {
  /// Takes the layout of a list that is about to be replaced.
  fileprivate mutating func adopt(_ node: JSONNode, _ bytes: [UInt8]) {
    guard let first = node.elements.first else { return }
    let padding = bytes[node.range.lowerBound + 1..<first.range.lowerBound]
    lists = padding.contains(UInt8(ascii: "\n")) ? .lines : .inline
    if lists == .inline { listPadding = String(decoding: padding, as: UTF8.self) }
    if node.elements.count > 1 {
      let gap = bytes[first.range.upperBound..<node.elements[1].range.lowerBound]
      if !gap.contains(UInt8(ascii: "\n")) { comma = String(decoding: gap, as: UTF8.self) }
    }
  }
}

/// An edit that a document does not allow.
public struct JSONEditError: Error, Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    /// The keys lead to nothing, or to something that is no object.
    case noObject([String])
    case keyExists(String)
    /// The result would be no JSON, for instance nested too deep.
    case broken(JSONError)
  }

  public let reason: Reason
  public let source: String

  public init(_ reason: Reason, source: String) {
    self.reason = reason
    self.source = source
  }

  /// One sentence: what, where, what was expected.
  public var message: String {
    switch reason {
    case .noObject(let path) where path.isEmpty:
      return "\(source): the file holds no object; expected { at its beginning"
    case .noObject(let path): return "\(source): \(path.joined(separator: ".")) is no object"
    case .keyExists(let key): return "\(source): the key \"\(key)\" is there already; remove it first"
    case .broken(let cause): return cause.message
    }
  }
}
