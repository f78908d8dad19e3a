public import JSONDocuments

/// The fields of a manifest's entry that have a meaning; others are carried along.
public enum ManifestField: String, CaseIterable, Sendable {
  /// The model file.
  case path
  /// Execution providers in order of preference.
  case ep
  /// What the application feeds: `audio_16k_mono`, `tokens`.
  case input
  /// `fp32`, `int8`, ...
  case quant
  case description
  case version
  /// Model and data files, in millions of bytes.
  case sizeMB = "size_mb"
  case latencyTarget = "latency_target_ms"
  /// SHA-256 of the model file.
  case sha256
  /// The files beside the model that it needs.
  case files
  /// Who exported it; the names that `inspect` prints.
  case layout
  /// How exactly it is quantized; the names that `inspect` prints.
  case scheme
  /// The processor that it is made for.
  case target
  /// Where it comes from: the key it was quantized from, a URL, a repository.
  case source
  /// The chip that a compiled model is tied to.
  case soc
  /// The version of QAIRT that a compiled model is tied to.
  case qairt

  /// What the value of a field looks like.
  public enum Kind: Sendable { case text, names, number, digest, records }

  public var kind: Kind {
    switch self {
    case .path, .input, .quant, .description, .version, .layout, .scheme, .target, .source, .soc, .qairt:
      return .text
    case .ep: return .names
    case .sizeMB, .latencyTarget: return .number
    case .sha256: return .digest
    case .files: return .records
    }
  }

  /// Whether an application that reads the manifest may count on it.
  public var isRequired: Bool {
    switch self {
    case .path, .ep, .input, .quant, .version, .sizeMB: return true
    default: return false
    }
  }

  /// For sentences about what should be there.
  var expectation: String {
    switch kind {
    case .text: return self == .path ? "the path of a model as a string" : "a string"
    case .names: return "a list of provider names, such as [\"QNN\", \"CPU\"]"
    case .number: return "a number, 0 or more"
    case .digest: return "64 hexadecimal digits"
    case .records: return "a list of {\"path\": ..., \"bytes\": ..., \"sha256\": ...}"
    }
  }

  /// Why a value is not right, as (found, expected); nil when it is.
  public func objection(to value: JSON) -> (found: String, expected: String)? {
    func wrong(_ found: String) -> (found: String, expected: String) { (found, expectation) }
    switch kind {
    case .text:
      guard let text = value.string else { return wrong(value.kindName) }
      if text.isEmpty, self != .description { return wrong("empty") }
      if self == .path, text.utf8.contains(0) { return wrong("a text with a NUL byte") }
    case .names:
      guard let names = value.array else { return wrong(value.kindName) }
      if names.isEmpty { return wrong("an empty list") }
      if let odd = names.first(where: { $0.string?.isEmpty ?? true }) {
        return wrong("a list with \(odd.string == nil ? odd.kindName : "an empty string") in it")
      }
    case .number:
      guard let number = value.double else { return wrong(value.kindName) }
      if !number.isFinite || number < 0 { return wrong(value.text(.compact)) }
    case .digest:
      guard let text = value.string else { return wrong(value.kindName) }
      if !FileDigest.isDigest(text) { return wrong("\"\(text)\"") }
    case .records:
      guard let records = value.array else { return wrong(value.kindName) }
      for record in records where ManifestFileRecord(record) == nil {
        return wrong("a list with \(record.text(.compact)) in it")
      }
    }
    return nil
  }

  /// A value from the text of a command line: `QNN,CPU` for a list of names, JSON for records.
  public func value(from text: String) throws(ManifestError) -> JSON {
    var value: JSON?
    switch kind {
    case .text: value = .string(text)
    case .digest: value = .string(text.lowercased())
    case .names:
      let names = text.utf8.split(separator: UInt8(ascii: ",")).map { String(decoding: $0, as: UTF8.self) }
      value = text.hasPrefix("[") ? Self.parsed(text) : .strings(names.map(Self.trimmed))
    case .number, .records: value = Self.parsed(text)
    }
    guard let value, objection(to: value) == nil else {
      let sample = self == .ep ? "provider names, such as QNN,CPU" : expectation
      throw ManifestError(.badValue(field: rawValue, text: text, expected: sample), path: "manifest")
    }
    if self == .ep,
      let name = value.array?.compactMap(\.string).first(where: { ProviderNames.short($0) == nil })
    {
      let near = NearWords.of(name, among: ProviderNames.known).first
      throw ManifestError(
        .badValue(
          field: rawValue, text: name,
          expected: "execution providers of ONNX Runtime, such as \(near ?? "QNN,CPU")"), path: "manifest")
    }
    return value
  }

  static func parsed(_ text: String) -> JSON? {
    (try? JSONDocument(Array(text.utf8), source: "value"))?.root.value
  }

  private static func trimmed(_ text: String) -> String {
    let kept = text.unicodeScalars.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed()
    return kept.reduce(into: "") { $0.unicodeScalars.append($1) }
  }
}

/// A file beside a model that it needs.
public struct ManifestFileRecord: Sendable, Equatable {
  /// Relative to the model's folder, as the model names it.
  public let path: String
  public let byteCount: Int?
  public let sha256: String?

  public init(path: String, byteCount: Int?, sha256: String?) {
    self.path = path
    self.byteCount = byteCount
    self.sha256 = sha256
  }

  /// Reads a record; nil when it is none.
  init?(_ value: JSON) {
    guard let path = value["path"]?.string, !path.isEmpty else { return nil }
    if let bytes = value["bytes"], (bytes.integer ?? -1) < 0 { return nil }
    if let digest = value["sha256"], !FileDigest.isDigest(digest.string ?? "") { return nil }
    self.init(path: path, byteCount: value["bytes"]?.integer, sha256: value["sha256"]?.string)
  }

  public var json: JSON {
    var members = [JSONMember("path", .string(path))]
    if let byteCount { members.append(JSONMember("bytes", .integer(byteCount))) }
    if let sha256 { members.append(JSONMember("sha256", .string(sha256))) }
    return .object(members)
  }
}
