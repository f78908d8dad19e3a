import JSONDocuments
import TestSupport
import Testing

@Suite("JSON: edits leave everything else as it is")
struct JSONEditTests {
  /// A text, an edit of it, and the text that must come out.
  struct Example: Sendable, CustomTestStringConvertible {
    enum Edit: Sendable {
      case set([String], String, JSON)
      case remove([String], String)
      case rename([String], String, String)
    }
    let name: String
    let before: String
    let edit: Edit
    let after: String
    var testDescription: String { name }

    init(_ name: String, _ before: String, _ edit: Edit, _ after: String) {
      (self.name, self.before, self.edit, self.after) = (name, before, edit, after)
    }
  }

  private static let entry: JSON = .object([
    JSONMember("path", .string("m.onnx")), JSONMember("ep", .strings(["QNN", "CPU"])),
  ])

  static let examples: [Example] = [
    Example("empty file object", "{}\n", .set([], "a", .integer(1)), "{\n  \"a\": 1\n}\n"),
    Example("no final newline stays none", "{}", .set([], "a", .integer(1)), "{\n  \"a\": 1\n}"),
    Example(
      "one line stays one line", "{\"a\": 1}", .set([], "b", entry),
      "{\"a\": 1, \"b\": {\"path\": \"m.onnx\", \"ep\": [\"QNN\", \"CPU\"]}}"),
    Example(
      "minified stays minified", "{\"a\":1,\"b\":2}", .set([], "c", .strings(["x", "y"])),
      "{\"a\":1,\"b\":2,\"c\":[\"x\",\"y\"]}"),
    Example("a minified single member", "{\"a\":1}", .set([], "c", .integer(2)), "{\"a\":1,\"c\":2}"),
    Example("blanks inside of braces", "{ \"a\": 1 }", .set([], "b", .integer(2)), "{ \"a\": 1, \"b\": 2 }"),
    Example(
      "two blanks", "{\n  \"a\": {\n    \"x\": 1\n  }\n}\n", .set([], "b", entry),
      "{\n  \"a\": {\n    \"x\": 1\n  },\n  \"b\": {\n    \"path\": \"m.onnx\",\n    \"ep\": [\"QNN\", \"CPU\"]\n  }\n}\n"
    ),
    Example(
      "four blanks", "{\n    \"a\": {\n        \"x\": 1\n    }\n}", .set(["a"], "y", .bool(true)),
      "{\n    \"a\": {\n        \"x\": 1,\n        \"y\": true\n    }\n}"),
    Example(
      "tabs and CRLF", "{\r\n\t\"a\": {\r\n\t\t\"x\": 1\r\n\t}\r\n}\r\n", .set([], "b", entry),
      "{\r\n\t\"a\": {\r\n\t\t\"x\": 1\r\n\t},\r\n\t\"b\": {\r\n\t\t\"path\": \"m.onnx\",\r\n\t\t\"ep\": [\"QNN\", \"CPU\"]\r\n\t}\r\n}\r\n"
    ),
    Example(
      "entries of one line each", "{\n  \"a\": {\"x\": 1},\n  \"b\": {\"x\": 2}\n}\n", .set([], "c", entry),
      "{\n  \"a\": {\"x\": 1},\n  \"b\": {\"x\": 2},\n  \"c\": {\"path\": \"m.onnx\", \"ep\": [\"QNN\", \"CPU\"]}\n}\n"
    ),
    Example(
      "lists of many lines", "{\n  \"a\": {\n    \"ep\": [\n      \"CPU\"\n    ]\n  }\n}\n",
      .set(["a"], "ep", .strings(["QNN", "CPU"])),
      "{\n  \"a\": {\n    \"ep\": [\n      \"QNN\",\n      \"CPU\"\n    ]\n  }\n}\n"),
    Example(
      "blank lines between entries", "{\n  \"a\": 1,\n\n  \"b\": 2\n}\n", .set([], "c", .integer(3)),
      "{\n  \"a\": 1,\n\n  \"b\": 2,\n\n  \"c\": 3\n}\n"),
    Example(
      "commas in front", "{ \"a\": 1\n, \"b\": 2\n}\n", .set([], "c", .integer(3)),
      "{ \"a\": 1\n, \"b\": 2\n, \"c\": 3\n}\n"),
    Example(
      "aligned colons", "{\n  \"a\"  : 1,\n  \"bb\" : 2\n}\n", .set([], "bb", .integer(3)),
      "{\n  \"a\"  : 1,\n  \"bb\" : 3\n}\n"),
    Example(
      "escaped texts stay escaped", #"{"a": "gr\u00f6\u00dfer"}"#, .set([], "b", .string("ü😀")),
      #"{"a": "gr\u00f6\u00dfer", "b": "\u00fc\ud83d\ude00"}"#),
    Example(
      "the same number in another form changes nothing", "{\"a\": 1.50e1}", .set([], "a", .integer(15)),
      "{\"a\": 1.50e1}"),
    Example(
      "the same list in another form changes nothing", "{\"a\": [1 ,\n2]}",
      .set([], "a", .array([.integer(1), .integer(2)])), "{\"a\": [1 ,\n2]}"),
    Example("remove the first", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", .remove([], "a"), "{\n  \"b\": 2\n}\n"),
    Example(
      "remove from the middle", "{\n  \"a\": 1,\n\n  \"b\": 2,\n  \"c\": 3\n}\n", .remove([], "b"),
      "{\n  \"a\": 1,\n\n  \"c\": 3\n}\n"),
    Example("remove the last", "{\n  \"a\": 1,\n  \"b\": 2\n}\n", .remove([], "b"), "{\n  \"a\": 1\n}\n"),
    Example("remove the only one", "{\n  \"a\": 1\n}\n", .remove([], "a"), "{}\n"),
    Example("remove what is not there", "{\"a\": 1}", .remove([], "b"), "{\"a\": 1}"),
    Example(
      "rename", "{\n  \"a\": 1,\n  \"b\" : 2\n}", .rename([], "b", "é"), "{\n  \"a\": 1,\n  \"é\" : 2\n}"),
  ]

  @Test("An edit looks like its surroundings", arguments: examples)
  func looksLikeItsSurroundings(_ example: Example) throws {
    var document = try JSONDocument(Array(example.before.utf8), source: "t")
    switch example.edit {
    case .set(let path, let key, let value): try document.set(key, to: value, at: path)
    case .remove(let path, let key): try document.remove(key, at: path)
    case .rename(let path, let key, let new): try document.rename(key, to: new, at: path)
    }
    #expect(String(decoding: document.bytes, as: UTF8.self) == example.after)
  }

  @Test("Edits that cannot be done are refused and change nothing")
  func refusals() throws {
    let text = Array("{\"a\": {\"x\": 1}, \"b\": 2}".utf8)
    var document = try JSONDocument(text, source: "t")
    let noObject = try #require(throws: JSONEditError.self) { try document.set("y", to: .null, at: ["b"]) }
    #expect(noObject.message == "t: b is no object")
    #expect(throws: JSONEditError.self) { try document.remove("y", at: ["a", "x"]) }
    #expect(throws: JSONEditError.self) { try document.set("y", to: .null, at: ["none"]) }
    let exists = try #require(throws: JSONEditError.self) { try document.rename("a", to: "b") }
    #expect(exists.message.contains("\"b\" is there already"))
    var deep = JSON.null
    for _ in 0..<300 { deep = .array([deep]) }
    let broken = try #require(throws: JSONEditError.self) { try document.set("c", to: deep) }
    #expect(broken.message.contains("100 levels"))
    #expect(document.bytes == text && document.root["c"] == nil)
  }

  /// The bytes that an edit may change: everything else must stay.
  private func allowed(_ document: JSONDocument, _ path: [String], _ key: String, keyOnly: Bool) -> Range<Int>
  {
    guard let object = document.node(at: path) else { return 0..<0 }
    let members = object.members
    let inside = object.range.lowerBound + 1..<object.range.upperBound - 1
    guard let index = members.firstIndex(where: { Array($0.key.utf8) == Array(key.utf8) }) else {
      guard let last = members.last else { return inside }
      return last.value.range.upperBound..<last.value.range.upperBound
    }
    if keyOnly { return members[index].keyRange }
    return members[index].value.range
  }

  /// What a removal may change: one comma, the member and the blanks on one side of it.
  private func removable(_ document: JSONDocument, _ path: [String], _ key: String) -> Range<Int> {
    guard let object = document.node(at: path) else { return 0..<0 }
    let members = object.members
    guard let index = members.firstIndex(where: { Array($0.key.utf8) == Array(key.utf8) }) else {
      return object.range.lowerBound..<object.range.lowerBound
    }
    if members.count == 1 { return object.range.lowerBound + 1..<object.range.upperBound - 1 }
    if index + 1 < members.count {
      return members[index].keyRange.lowerBound..<members[index + 1].keyRange.lowerBound
    }
    return members[index - 1].value.range.upperBound..<members[index].value.range.upperBound
  }

  @Test("Random edits of random layouts change the bytes they must, and mean what Python's edits mean")
  func property() throws {
    var maker = RandomJSON(.forThisRun())
    let seed = maker.random.seed
    var cases: [JSON] = []
    var editCount = 0
    for turn in 0..<1500 {
      let before = maker.document()
      var document = try JSONDocument(Array(before.utf8), source: "turn \(turn), seed \(seed)")
      var edits: [JSON] = []
      for _ in 0..<Int.random(in: 1...5, using: &maker.random) {
        edits.append(try edit(&document, &maker))
        editCount += 1
      }
      cases.append(
        .object([
          JSONMember("before", .string(before)), JSONMember("edits", .array(edits)),
          JSONMember("after", .string(String(decoding: document.bytes, as: UTF8.self))),
        ]))
    }
    #expect(editCount > 1500)
    let answer = try PythonOracle.output(
      script: "json_edits.py", stdin: Array(JSON.array(cases).text(.compact).utf8))
    #expect(answer == "1500\n", "seed \(seed)")
  }

  /// One random edit, checked byte by byte, in the oracle's words.
  private func edit(_ document: inout JSONDocument, _ maker: inout RandomJSON) throws -> JSON {
    let objects = Self.objects(document.root, path: [])
    let path = try #require(objects.randomElement(using: &maker.random))
    let keys = document.node(at: path)?.members.map(\.key) ?? []
    let isNew = keys.isEmpty || Int.random(in: 0..<3, using: &maker.random) == 0
    let key = isNew ? maker.key() : keys[Int.random(in: 0..<keys.count, using: &maker.random)]
    let before = document
    let range: Range<Int>
    let words: [JSON]
    switch Int.random(in: 0..<6, using: &maker.random) {
    case 0:
      range = removable(document, path, key)
      try document.remove(key, at: path)
      words = [.string("remove"), .strings(path), .string(key)]
    case 1 where !isNew:
      let new = maker.key()
      range = allowed(document, path, key, keyOnly: true)
      do {
        try document.rename(key, to: new, at: path)
        words = [.string("rename"), .strings(path), .string(key), .string(new)]
      } catch {
        #expect(error.reason == .keyExists(new))
        words = [.string("rename"), .strings(path), .string(key), .string(key)]
      }
    default:
      let value = maker.value(depth: 1)
      range = allowed(document, path, key, keyOnly: false)
      try document.set(key, to: value, at: path)
      words = [.string("set"), .strings(path), .string(key), value]
    }
    let tail = before.bytes.count - range.upperBound
    #expect(document.bytes.starts(with: before.bytes[..<range.lowerBound]), "\(document.source)")
    #expect(document.bytes.suffix(tail) == before.bytes.suffix(tail), "\(document.source)")
    let fresh = try JSONDocument(document.bytes, source: "again")
    #expect(fresh.root.value == document.root.value, "\(document.source)")
    return .array(words)
  }

  /// The paths of all objects that keys lead to.
  private static func objects(_ node: JSONNode, path: [String]) -> [[String]] {
    guard node.isObject else { return [] }
    return [path] + node.members.flatMap { objects($0.value, path: path + [$0.key]) }
  }
}
