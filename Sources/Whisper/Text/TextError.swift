public import ByteIO
public import JSONDocuments

/// What stands in the way of text: files of a tokenizer that cannot be used, and wishes that a model cannot
/// fulfil.
public struct TextError: Error, Sendable, Equatable {
  public enum Reason: Sendable, Equatable {
    /// The system does not give the file.
    case unreadable(ByteIOError)
    /// A file that should be JSON is none.
    case notJSON(JSONError)
    /// No file of a tokenizer lies in the folder.
    case noTokenizer(lookedFor: [String])
    /// A field of a file holds something else than it must.
    case malformed(place: String, found: String, expected: String)
    /// A file is well-formed, but of a kind that is not covered here.
    case unsupported(place: String, found: String, supported: String)
    /// The tokenizer lacks a token that every Whisper has.
    case missingToken(String)
    /// No language has this name or code.
    case unknownLanguage(String)
    /// The model was not trained for the language.
    case absentLanguage(String)
    /// The model transcribes English only.
    case englishOnly(asked: String)
    /// The model has no token for the task.
    case absentTask(String)
  }

  public let reason: Reason
  /// The file or folder that is meant.
  public let source: String

  public init(_ reason: Reason, source: String) {
    self.reason = reason
    self.source = source
  }

  /// One sentence: what, where, what was expected, what to do.
  public var message: String {
    switch reason {
    case .unreadable(let cause): return cause.message
    case .notJSON(let cause): return cause.message
    case .noTokenizer(let names):
      return "\(source): no tokenizer lies in this folder; expected \(Self.list(names))"
    case .malformed(let place, let found, let expected):
      return "\(source): \(place) is \(found); expected \(expected)"
    case .unsupported(let place, let found, let supported):
      return "\(source): \(place) is \(found), which is not supported; expected \(supported)"
    case .missingToken(let token):
      return "\(source): the tokenizer has no token \(token), which Whisper needs; "
        + "use the tokenizer that was published with the model"
    case .unknownLanguage(let name):
      return "\(source): no language of Whisper is called '\(name)'; "
        + "give a code such as pt or a name such as portuguese"
    case .absentLanguage(let name):
      return "\(source): the model has no token for the language \(name); choose another language or model"
    case .englishOnly(let asked):
      return "\(source): the model transcribes English only, so it cannot \(asked); use a multilingual model"
    case .absentTask(let task):
      return "\(source): the model has no token for the task \(task); use a multilingual model"
    }
  }

  private static func list(_ names: [String]) -> String {
    names.count < 2
      ? names.joined() : names.dropLast().joined(separator: ", ") + " or " + names[names.count - 1]
  }
}

/// The files of a folder, read whole.
enum TextFile {
  /// The bytes of a file; nil when there is none of this name.
  static func bytes(ifPresent path: String) throws(TextError) -> [UInt8]? {
    let file: MappedFile
    do {
      file = try MappedFile(path: path)
    } catch {
      if error.reason == .notFound { return nil }
      throw TextError(.unreadable(error), source: path)
    }
    let limit = 256 << 20
    guard file.byteCount <= limit else {
      throw TextError(
        .malformed(place: "its size", found: "\(file.byteCount) bytes", expected: "at most \(limit)"),
        source: path)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(file.byteCount)
    let span = file.bytes
    for index in span.indices { bytes.append(span[index]) }
    return bytes
  }

  /// The JSON value of a file; nil when there is none of this name.
  static func json(ifPresent path: String) throws(TextError) -> JSONNode? {
    guard let bytes = try bytes(ifPresent: path) else { return nil }
    do {
      return try JSONDocument(bytes, source: path).root
    } catch {
      throw TextError(.notJSON(error), source: path)
    }
  }
}
