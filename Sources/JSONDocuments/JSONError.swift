/// A text that is no JSON (RFC 8259): where, what was found, what was expected.
public struct JSONError: Error, Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    /// Nothing but blanks.
    case empty
    /// Bytes before the text that name an encoding: `UTF-8`, `UTF-16`.
    case byteOrderMark(encoding: String)
    /// `//`, `/*` or `#`.
    case comment(String)
    /// A comma with nothing but a bracket after it.
    case trailingComma(before: String)
    case duplicateKey(String, firstLine: Int)
    /// NaN and the infinities.
    case notFinite(String)
    case badNumber(String, why: String)
    case singleQuote
    case unquotedKey(String)
    case unknownWord(String)
    case invalidUTF8(byte: UInt8)
    /// A line break or another control character inside of a string.
    case controlCharacter(UInt8)
    case badEscape(String)
    /// Half of a UTF-16 pair, which stands for no character.
    case loneSurrogate(String)
    case tooDeep(limit: Int)
    /// The text ends inside of something that began on a line.
    case truncated(inside: String, line: Int, expected: String)
    case unexpected(found: String, expected: String)
    /// Something behind the one value of a text.
    case afterEnd(found: String)
  }

  public let reason: Reason
  /// The file, or another name of the text.
  public let source: String
  public let position: TextPosition

  public init(_ reason: Reason, source: String, position: TextPosition) {
    self.reason = reason
    self.source = source
    self.position = position
  }

  /// One sentence: file, line and column, what was found, what was expected, what to do.
  public var message: String { "\(source): \(position): \(detail)" }

  private var detail: String {
    switch reason {
    case .empty:
      return "the file is empty; expected JSON, at least {}"
    case .byteOrderMark(let encoding) where encoding == "UTF-8":
      return "the file begins with a byte order mark (EF BB BF), which JSON does not have; "
        + "save it as UTF-8 without BOM"
    case .byteOrderMark(let encoding):
      return "the file is \(encoding), but JSON is UTF-8; save it as UTF-8 without BOM"
    case .comment(let mark):
      return "found a comment (\(mark)), which JSON does not have; remove it"
    case .trailingComma(let bracket):
      return
        "found a comma with nothing between it and '\(bracket)', which JSON does not allow; remove the comma"
    case .duplicateKey(let key, let line):
      return
        "the key \"\(key)\" stands twice in one object, first on line \(line); remove or rename one of them"
    case .notFinite(let word):
      return "found \(word), which is no JSON number; expected a finite number or null"
    case .badNumber(let text, let why):
      return "found the number \(text), but \(why)"
    case .singleQuote:
      return "found a single quote ('); expected a double quote (\") around keys and strings"
    case .unquotedKey(let word):
      return "found the key \(word) without quotes; expected \"\(word)\""
    case .unknownWord(let word):
      return "found \(word); expected a value: a string in double quotes, a number, true, false, null, [ or {"
    case .invalidUTF8(let byte):
      return "found the byte \(hexadecimal(byte)), which is no valid UTF-8; save the file as UTF-8"
    case .controlCharacter(let byte) where byte == 0x0A || byte == 0x0D:
      return "found the end of the line inside of a string; expected a double quote (\") before it, "
        + "or \\n for a line break in the text"
    case .controlCharacter(let byte):
      let escape = byte == 0x09 ? "\\t" : "\\u00" + String(hexadecimal(byte).dropFirst(2))
      return "found the control character \(hexadecimal(byte)) inside of a string; expected it as \(escape)"
    case .badEscape(let text):
      return "found \(text) in a string; expected one of \\\" \\\\ \\/ \\b \\f \\n \\r \\t or \\u and four "
        + "hexadecimal digits"
    case .loneSurrogate(let text):
      return
        "found \(text), which is half of a character; expected both halves, \\uD800-DBFF and \\uDC00-DFFF"
    case .tooDeep(let limit):
      return "found a list or object more than \(limit) levels deep; expected fewer"
    case .truncated(let inside, let line, let expected):
      return "the file ends inside of \(inside) that begins on line \(line); expected \(expected)"
    case .unexpected(let found, let expected):
      return "found \(found); expected \(expected)"
    case .afterEnd(let found):
      return "found \(found) after the end of the JSON value; expected nothing more"
    }
  }
}

/// `0x0A`.
func hexadecimal(_ byte: UInt8) -> String {
  let digits = String(byte, radix: 16, uppercase: true)
  return "0x" + (digits.count == 1 ? "0" : "") + digits
}
