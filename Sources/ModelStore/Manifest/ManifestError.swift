public import ByteIO
public import JSONDocuments

/// Why a manifest could not be read or changed.
public struct ManifestError: Error, Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    case file(ByteIOError)
    case json(JSONError)
    case edit(JSONEditError)
    /// The file holds a list or a single value.
    case noObject(found: String)
    /// A field of an entry is not what it should be.
    case field(key: String, field: String, found: String, expected: String)
    case missingField(key: String, field: String)
    /// A top-level member that is no object.
    case noEntry(key: String, found: String)
    case unknownKey(String, near: [String])
    case keyExists(String)
    case badKey(String, why: String)
    /// Text for a field, from a command line, that does not fit.
    case badValue(field: String, text: String, expected: String)
    case unknownField(String, near: [String])
    case tooLarge(byteCount: Int, limit: Int)
  }

  public let reason: Reason
  public let path: String
  /// Where in the file, when it is there.
  public let position: TextPosition?

  public init(_ reason: Reason, path: String, position: TextPosition? = nil) {
    self.reason = reason
    self.path = path
    self.position = position
  }

  /// One sentence: file, line, key, what was found, what was expected, what to do.
  public var message: String {
    switch reason {
    case .file(let cause): return cause.message
    case .json(let cause): return cause.message
    case .edit(let cause): return cause.message
    default: return path + (position.map { ": \($0)" } ?? "") + ": " + detail
    }
  }

  private var detail: String {
    switch reason {
    case .file, .json, .edit: return ""
    case .noObject(let found):
      return "the file holds \(found); expected an object of entries: {\"key\": {...}}"
    case .field(let key, let field, let found, let expected):
      return "\"\(field)\" of \"\(key)\" is \(found); expected \(expected)"
    case .missingField(let key, let field):
      return "\"\(key)\" has no \"\(field)\"; add it with: whisperq manifest set \(key) \(field)=..."
    case .noEntry(let key, let found):
      return "\"\(key)\" is \(found); expected an object, an entry of a model"
    case .unknownKey(let key, let near):
      return "there is no entry \"\(key)\""
        + Self.suggestion(near, otherwise: "; list them with: whisperq manifest list")
    case .keyExists(let key):
      return "there is an entry \"\(key)\" already; choose another key, or update that one"
    case .badKey(let key, let why): return "\"\(key)\" cannot be a key: it \(why)"
    case .badValue(let field, let text, let expected):
      return "\(field)=\(text) does not fit; expected \(expected)"
    case .unknownField(let field, let near):
      return "\"\(field)\" is no field of an entry"
        + Self.suggestion(near, otherwise: "; for a field of your own write \(field):=JSON")
    case .tooLarge(let byteCount, let limit):
      return "\(byteCount) bytes are too many for a manifest; expected at most \(limit)"
    }
  }

  private static func suggestion(_ near: [String], otherwise: String) -> String {
    near.isEmpty ? otherwise : "; did you mean \(near.map { "\"\($0)\"" }.joined(separator: " or "))?"
  }
}
