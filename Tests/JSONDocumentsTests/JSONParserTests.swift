import JSONDocuments
import TestSupport
import Testing

/// A text, where its mistake is, and words of the sentence about it.
struct BadJSON: Sendable, CustomTestStringConvertible {
  let bytes: [UInt8]
  let line: Int
  let column: Int
  let words: [String]

  init(_ text: String, _ line: Int, _ column: Int, _ words: String...) {
    self.init(Array(text.utf8), line, column, words)
  }

  init(_ bytes: [UInt8], _ line: Int, _ column: Int, _ words: [String]) {
    (self.bytes, self.line, self.column, self.words) = (bytes, line, column, words)
  }

  var testDescription: String { String(decoding: bytes.prefix(40), as: UTF8.self) }
}

@Suite("JSON: reading")
struct JSONParserTests {
  private func parse(_ text: String) throws -> JSON {
    try JSONDocument(Array(text.utf8), source: "t").root.value
  }

  @Test("Every kind of value is read, with order and with numbers as written")
  func values() throws {
    let value = try parse(
      #" {"b": [1, -0, 1.50, 2e3, -1E-2], "a": {"": null, "t": true, "f": false}, "s": "é"} "#)
    let members = try #require(value.members)
    #expect(members.map(\.key) == ["b", "a", "s"])
    let numbers = try #require(value["b"]?.array)
    #expect(numbers.map { $0.text() } == ["1", "-0", "1.50", "2e3", "-1E-2"])
    #expect(numbers.map(\.integer) == [1, 0, nil, 2000, nil])
    #expect(numbers.map(\.double) == [1, 0, 1.5, 2000, -0.01])
    #expect(value["a"]?[""] == .null && value["a"]?["t"] == .bool(true) && value["a"]?["f"] == .bool(false))
    #expect(value["s"]?.string == "é" && value["x"] == nil)
  }

  @Test("Escapes are read, those of characters beyond the basic plane too")
  func escapes() throws {
    let value = try parse(#""\" \\ \/ \b \f \n \r \t \u0041 \u00e9 \ud83d\ude00 \u0000""#)
    #expect(value.string == "\" \\ / \u{8} \u{C} \n \r \t A é 😀 \0")
  }

  @Test("Keys that look the same and are other bytes are two keys")
  func exactKeys() throws {
    let value = try parse("{\"\u{E9}\": 1, \"e\u{301}\": 2}")
    #expect(value["\u{E9}"]?.integer == 1 && value["e\u{301}"]?.integer == 2)
    #expect(JSON.string("\u{E9}") != .string("e\u{301}"))
  }

  @Test("Numbers are equal when they say the same, however they are written")
  func equality() throws {
    #expect(try parse("1500") == parse("1.5e3"))
    #expect(try parse("1500") == parse("1500.0"))
    #expect(try parse("1500") != parse("1501"))
    #expect(try parse("9007199254740993") != parse("9007199254740992"))
    #expect(try parse("1e999") != parse("2e999"))
  }

  static let bad: [BadJSON] = [
    BadJSON("", 1, 1, "empty"), BadJSON(" \n ", 1, 1, "empty"),
    BadJSON([0xEF, 0xBB, 0xBF, 0x7B, 0x7D], 1, 1, ["byte order mark", "UTF-8 without BOM"]),
    BadJSON([0xFF, 0xFE, 0x7B, 0], 1, 1, ["UTF-16"]),
    BadJSON("{\n  // note\n}", 2, 3, "comment (//)", "remove"), BadJSON("{/* x */}", 1, 2, "comment (/*)"),
    BadJSON("# x\n{}", 1, 1, "comment (#)"), BadJSON("[1, # x\n2]", 1, 5, "comment (#)"),
    BadJSON("{\"a\": 1,\n}", 1, 8, "comma", "'}'"), BadJSON("[1,2 ,]", 1, 6, "comma", "']'"),
    BadJSON("[1,,2]", 1, 4, "found ','", "expected a value"),
    BadJSON("{\"a\": 1,,}", 1, 9, "found ','", "a key in double quotes"),
    BadJSON("{\"a\": 1,\n \"b\": 2,\n \"a\": 3}", 3, 2, "\"a\" stands twice", "first on line 1"),
    BadJSON("{\"a\": NaN}", 1, 7, "NaN", "finite"), BadJSON("[-Infinity]", 1, 2, "-Infinity"),
    BadJSON("[Infinity]", 1, 2, "Infinity"), BadJSON("[+1]", 1, 2, "+1", "plus sign"),
    BadJSON("[01]", 1, 2, "01", "leading zeros"), BadJSON("[1.]", 1, 2, "1.", "after the decimal point"),
    BadJSON("[.5]", 1, 2, ".5", "before the decimal point"), BadJSON("[1e]", 1, 2, "1e", "exponent"),
    BadJSON("[0x10]", 1, 2, "0x10", "decimal"), BadJSON("[1_000]", 1, 2, "1_000", "decimal"),
    BadJSON("[-]", 1, 2, "minus"), BadJSON("[- 1]", 1, 2, "minus"), BadJSON("[1.2.3]", 1, 2, "1.2.3"),
    BadJSON("{'a': 1}", 1, 2, "single quote", "double quote"), BadJSON("{\"a\": 'x'}", 1, 7, "single quote"),
    BadJSON("{a: 1}", 1, 2, "key a without quotes", "\"a\""), BadJSON("[True]", 1, 2, "True", "true, false"),
    BadJSON("[None]", 1, 2, "None"), BadJSON("[undefined]", 1, 2, "undefined"),
    BadJSON([0x5B, 0x22, 0xFF, 0x22, 0x5D], 1, 3, ["0xFF", "UTF-8"]),
    BadJSON([0x22, 0xC3, 0x22], 1, 2, ["0xC3", "UTF-8"]),
    BadJSON([0x22, 0xED, 0xA0, 0x80, 0x22], 1, 2, ["0xED", "UTF-8"]),
    BadJSON("[\"a\nb\"]", 1, 4, "end of the line", "\\n"), BadJSON("[\"a\tb\"]", 1, 4, "0x09", "\\t"),
    BadJSON("[\"\u{1}\"]", 1, 3, "0x01", "\\u0001"), BadJSON(#"["\x"]"#, 1, 3, "'x'", "\\u and four"),
    BadJSON(#"["\u12g4"]"#, 1, 3, "\\u12", "hexadecimal"),
    BadJSON(#"["\ud800"]"#, 1, 3, "half of a character"),
    BadJSON(#"["\ud800\u0041"]"#, 1, 3, "half of a character"), BadJSON(#"["\udc00"]"#, 1, 3, "half"),
    BadJSON("{\"a\": [1, 2", 1, 12, "ends inside of a list", "line 1", "',' or ']'"),
    BadJSON("{\n\"a\": {\"b\": 1}", 2, 14, "ends inside of an object", "line 1"),
    BadJSON("{\"a\"", 1, 5, "ends inside of an object", "':'"), BadJSON("{\"a\":", 1, 6, "a value"),
    BadJSON("[\"abc", 1, 6, "ends inside of a string", "double quote"),
    BadJSON("[\"abc\\", 1, 7, "ends inside of a string"), BadJSON("[tru", 1, 5, "ends inside", "'tru"),
    BadJSON("{", 1, 2, "ends inside of an object", "key"), BadJSON("[-", 1, 3, "digits"),
    BadJSON("{\"a\" 1}", 1, 6, "found '1'", "':' after the key \"a\""),
    BadJSON("{\"a\": 1 \"b\": 2}", 1, 9, "found '\"'", "',' or '}' after the value of \"a\""),
    BadJSON("[1 2]", 1, 4, "found '2'", "',' or ']'"), BadJSON("[1}", 1, 3, "found '}'", "']'"),
    BadJSON("{} {}", 1, 4, "found '{'", "after the end"), BadJSON("1 é", 1, 3, "found 'é'"),
    BadJSON("é", 1, 1, "found 'é'", "a value"), BadJSON("{\"ü\": é}", 1, 7, "found 'é'"),
    BadJSON("[1;]", 1, 3, "found ';'"), BadJSON("{1: 2}", 1, 2, "key 1 without quotes"),
    BadJSON("[\u{0}]", 1, 2, "byte 0x00"), BadJSON("\u{A0}[]", 1, 1, "expected a value"),
  ]

  @Test("Each mistake has its own sentence with line and column", arguments: bad)
  func mistakes(example: BadJSON) throws {
    let error = try #require(throws: JSONError.self) {
      _ = try JSONDocument(example.bytes, source: "some/file.json")
    }
    #expect(
      error.position.line == example.line && error.position.column == example.column, "\(error.message)")
    #expect(error.message.hasPrefix("some/file.json: line \(example.line), column \(example.column): "))
    for word in example.words {
      #expect(error.message.contains(word), "'\(word)' is not in: \(error.message)")
    }
  }

  @Test("Depth is limited, and the limit is reached without trouble")
  func depth() throws {
    func nested(_ count: Int) -> String {
      String(repeating: "[", count: count) + String(repeating: "]", count: count)
    }
    _ = try parse(nested(100))
    for text in [nested(101), nested(1_000_000), String(repeating: "{\"a\":", count: 300_000)] {
      let error = try #require(throws: JSONError.self) { _ = try parse(text) }
      #expect(error.reason == .tooDeep(limit: 100), "\(error.message)")
    }
  }

  @Test("Any bytes are read or refused with a sentence; nothing else happens")
  func noise() {
    var random = SplitMix64.forThisRun()
    let seed = random.seed
    let sample = Array(#"{"a": [1, 2.5e-3, "x\u00e9\n", null], "b": {"c": true}, "d": "é😀"}"#.utf8)
    for turn in 0..<20_000 {
      var bytes = sample
      for _ in 0..<Int.random(in: 1...4, using: &random) where !bytes.isEmpty {
        let at = Int.random(in: 0..<bytes.count, using: &random)
        switch Int.random(in: 0..<4, using: &random) {
        case 0: bytes[at] = UInt8.random(in: 0...255, using: &random)
        case 1: bytes.remove(at: at)
        case 2: bytes.insert(bytes.randomElement(using: &random) ?? 0, at: at)
        default: bytes = Array(bytes.prefix(max(1, at)))
        }
      }
      do {
        let document = try JSONDocument(bytes, source: "noise")
        #expect(document.bytes == bytes, "turn \(turn), seed \(seed)")
      } catch {
        #expect(error.message.hasPrefix("noise: line "), "turn \(turn), seed \(seed)")
      }
    }
  }
}
