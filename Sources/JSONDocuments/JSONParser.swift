/// Reads one JSON text strictly (RFC 8259), with the place of every value.
struct JSONParser {
  /// Lists and objects inside of each other; each costs stack, of which a thread may have no more than 512 KiB.
  static let depthLimit = 100

  let bytes: [UInt8]
  let source: String
  var at = 0
  /// What is open: its name for a sentence and its first byte.
  private var open: [(name: String, start: Int)] = []

  init(_ bytes: [UInt8], source: String) {
    self.bytes = bytes
    self.source = source
  }

  /// The whole text as one value.
  static func parse(_ bytes: [UInt8], source: String) throws(JSONError) -> JSONNode {
    var parser = JSONParser(bytes, source: source)
    try parser.checkBeginning()
    try parser.checkEncoding()
    try parser.skipBlanks()
    if parser.next == nil { throw parser.error(.empty, at: 0) }
    let node = try parser.readValue()
    try parser.skipBlanks()
    if parser.next != nil { throw parser.error(.afterEnd(found: parser.shown)) }
    return node
  }

  // MARK: Bytes

  var next: UInt8? { at < bytes.count ? bytes[at] : nil }

  func error(_ reason: JSONError.Reason, at offset: Int? = nil) -> JSONError {
    JSONError(reason, source: source, position: TextPosition(ofByte: offset ?? at, in: bytes))
  }

  /// The error of a text that ends too early.
  func endError(expected: String) -> JSONError {
    guard let last = open.last else {
      return error(.unexpected(found: "the end of the file", expected: expected))
    }
    let line = TextPosition(ofByte: last.start, in: bytes).line
    return error(.truncated(inside: last.name, line: line, expected: expected), at: bytes.count)
  }

  /// The error of a character that does not belong here.
  func unexpected(expected: String) -> JSONError {
    next == nil ? endError(expected: expected) : error(.unexpected(found: shown, expected: expected))
  }

  /// The character at the current place, for a sentence.
  var shown: String {
    guard let byte = next else { return "the end of the file" }
    if byte < 0x20 || byte == 0x7F { return "the byte \(hexadecimal(byte))" }
    // The encoding has been checked, so a character is whole.
    var end = at + 1
    while end < bytes.count, bytes[end] & 0xC0 == 0x80 { end += 1 }
    return "'\(String(decoding: bytes[at..<end], as: UTF8.self))'"
  }

  private func checkBeginning() throws(JSONError) {
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { throw error(.byteOrderMark(encoding: "UTF-8"), at: 0) }
    if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
      throw error(.byteOrderMark(encoding: "UTF-16"), at: 0)
    }
  }

  private func checkEncoding() throws(JSONError) {
    do {
      _ = try UTF8Span(validating: bytes.span)
    } catch let failure {
      let offset = failure.byteOffsets.lowerBound
      throw error(.invalidUTF8(byte: bytes[offset]), at: offset)
    }
  }

  mutating func skipBlanks() throws(JSONError) {
    while let byte = next {
      switch byte {
      case 0x20, 0x09, 0x0A, 0x0D: at += 1
      case UInt8(ascii: "#"): throw error(.comment("#"))
      case UInt8(ascii: "/"):
        let second = at + 1 < bytes.count ? bytes[at + 1] : 0
        if second == UInt8(ascii: "/") { throw error(.comment("//")) }
        if second == UInt8(ascii: "*") { throw error(.comment("/*")) }
        return
      default: return
      }
    }
  }

  // MARK: Values

  mutating func readValue() throws(JSONError) -> JSONNode {
    let start = at
    let content: JSONNode.Content
    switch next {
    case UInt8(ascii: "{"): content = .object(try readMembers())
    case UInt8(ascii: "["): content = .array(try readElements())
    case UInt8(ascii: "\""): content = .string(try readString())
    case UInt8(ascii: "'"): throw error(.singleQuote)
    case let byte? where Self.beginsNumber(byte): content = .number(try readNumber())
    case let byte? where Self.isWordByte(byte): content = try readWord()
    default: throw unexpected(expected: "a value")
    }
    return JSONNode(content: content, range: start..<at)
  }

  private mutating func enter(_ name: String) throws(JSONError) {
    if open.count >= Self.depthLimit { throw error(.tooDeep(limit: Self.depthLimit)) }
    open.append((name, at))
    at += 1
    try skipBlanks()
  }

  private mutating func readElements() throws(JSONError) -> [JSONNode] {
    try enter("a list")
    var elements: [JSONNode] = []
    while next != UInt8(ascii: "]") {
      elements.append(try readValue())
      guard try readComma(before: "]", expected: "',' or ']' after an element") else { break }
    }
    return leave(elements)
  }

  private mutating func readMembers() throws(JSONError) -> [JSONNode.Member] {
    try enter("an object")
    var members: [JSONNode.Member] = []
    var keys: [ExactKey: Int] = [:]
    while next != UInt8(ascii: "}") {
      let start = at
      let key = try readKey()
      if let first = keys.updateValue(start, forKey: ExactKey(text: key)) {
        let line = TextPosition(ofByte: first, in: bytes).line
        throw error(.duplicateKey(key, firstLine: line), at: start)
      }
      let end = at
      try skipBlanks()
      guard next == UInt8(ascii: ":") else { throw unexpected(expected: "':' after the key \"\(key)\"") }
      at += 1
      try skipBlanks()
      members.append(JSONNode.Member(key: key, keyRange: start..<end, value: try readValue()))
      guard try readComma(before: "}", expected: "',' or '}' after the value of \"\(key)\"") else { break }
    }
    return leave(members)
  }

  /// Steps over the closing bracket.
  private mutating func leave<Content>(_ content: Content) -> Content {
    open.removeLast()
    at += 1
    return content
  }

  /// Whether a comma and then more follows; false at the closing bracket.
  private mutating func readComma(before closing: Unicode.Scalar, expected: String) throws(JSONError) -> Bool
  {
    try skipBlanks()
    if next == UInt8(ascii: closing) { return false }
    guard next == UInt8(ascii: ",") else { throw unexpected(expected: expected) }
    let comma = at
    at += 1
    try skipBlanks()
    if next == UInt8(ascii: "}") || next == UInt8(ascii: "]") {
      throw error(.trailingComma(before: next == UInt8(ascii: "}") ? "}" : "]"), at: comma)
    }
    return true
  }

  private mutating func readKey() throws(JSONError) -> String {
    switch next {
    case UInt8(ascii: "\""): return try readString()
    case UInt8(ascii: "'"): throw error(.singleQuote)
    case let byte? where Self.isWordByte(byte): throw error(.unquotedKey(word()))
    default: throw unexpected(expected: "a key in double quotes or '}'")
    }
  }

  private mutating func readWord() throws(JSONError) -> JSONNode.Content {
    let word = word()
    let content: JSONNode.Content
    switch word {
    case "true": content = .bool(true)
    case "false": content = .bool(false)
    case "null": content = .null
    case "NaN", "nan", "Infinity", "infinity", "inf": throw error(.notFinite(word))
    default:
      let isCut = at + word.utf8.count == bytes.count
      if isCut, ["true", "false", "null"].contains(where: { $0.hasPrefix(word) }) {
        throw endError(expected: "the rest of the word '\(word)'")
      }
      throw error(.unknownWord(word))
    }
    at += word.utf8.count
    return content
  }

  /// The letters and digits from here on, at most forty.
  func word() -> String {
    String(decoding: bytes[at...].prefix(40).prefix { Self.isWordByte($0) }, as: UTF8.self)
  }

  static func isWordByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"), UInt8(ascii: "$"):
      return true
    default: return false
    }
  }

  private static func beginsNumber(_ byte: UInt8) -> Bool {
    isDigit(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: "+") || byte == UInt8(ascii: ".")
  }

  // MARK: Strings

  private mutating func readString() throws(JSONError) -> String {
    open.append(("a string", at))
    at += 1
    var text = ""
    var start = at
    while true {
      switch next {
      case UInt8(ascii: "\""):
        text += String(decoding: bytes[start..<at], as: UTF8.self)
        return leave(text)
      case UInt8(ascii: "\\"):
        text += String(decoding: bytes[start..<at], as: UTF8.self)
        text.unicodeScalars.append(try readEscape())
        start = at
      case let byte? where byte < 0x20: throw error(.controlCharacter(byte))
      case nil: throw endError(expected: "a double quote (\")")
      default: at += 1
      }
    }
  }

  private mutating func readEscape() throws(JSONError) -> Unicode.Scalar {
    guard at + 1 < bytes.count else {
      at = bytes.count
      throw endError(expected: "the rest of an escape")
    }
    let letter = bytes[at + 1]
    let plain: Unicode.Scalar
    switch letter {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): plain = Unicode.Scalar(letter)
    case UInt8(ascii: "b"): plain = "\u{08}"
    case UInt8(ascii: "f"): plain = "\u{0C}"
    case UInt8(ascii: "n"): plain = "\n"
    case UInt8(ascii: "r"): plain = "\r"
    case UInt8(ascii: "t"): plain = "\t"
    case UInt8(ascii: "u"): return try readUnicodeEscape()
    default:
      at += 1
      let found = shown
      at -= 1
      throw error(.badEscape("'\\' and \(found)"))
    }
    at += 2
    return plain
  }

  private mutating func readUnicodeEscape() throws(JSONError) -> Unicode.Scalar {
    let start = at
    let first = try readFourDigits()
    if let scalar = Unicode.Scalar(first) { return scalar }
    let half = String(decoding: bytes[start..<at], as: UTF8.self)
    guard first < 0xDC00, bytes[at...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) else {
      throw error(.loneSurrogate(half), at: start)
    }
    let second = try readFourDigits()
    guard (0xDC00...0xDFFF).contains(second),
      let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
    else { throw error(.loneSurrogate(half), at: start) }
    return scalar
  }

  /// The number of an escape with four hexadecimal digits.
  private mutating func readFourDigits() throws(JSONError) -> UInt32 {
    let digits = bytes[(at + 2)...].prefix(4).prefix { Self.isWordByte($0) }
    let text = String(decoding: digits, as: UTF8.self)
    guard digits.count == 4, let value = UInt32(text, radix: 16) else {
      throw error(.badEscape("\\u\(text)"))
    }
    at += 6
    return value
  }
}

/// A key that is compared by its bytes.
private struct ExactKey: Hashable {
  let text: String

  static func == (left: ExactKey, right: ExactKey) -> Bool { left.text.hasSameBytes(as: right.text) }

  func hash(into hasher: inout Hasher) {
    for byte in text.utf8 { hasher.combine(byte) }
  }
}
