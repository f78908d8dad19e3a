public import JSONDocuments

/// A model that an application can load, as the manifest describes it. What the file does not say is nil.
public struct ManifestEntry: Sendable, Equatable {
  public let key: String
  /// As written; see `ManifestPaths` for what it is relative to.
  public let path: String
  /// Execution providers in order of preference, as written; empty when the entry names none.
  public let providers: [String]
  public let input: String?
  public let quant: String?
  public let description: String?
  public let version: String?
  public let sizeMB: Double?
  public let latencyTargetMS: Double?
  public let sha256: String?
  public let files: [ManifestFileRecord]
  public let layout: String?
  public let scheme: String?
  public let target: String?
  public let source: String?
  /// Every member of the entry in order, those without a meaning too.
  public let members: [JSONMember]

  /// Reads an entry strictly: every known field must be what it should be, and `path` must be there.
  init(_ member: JSONNode.Member, in document: JSONDocument) throws(ManifestError) {
    let value = member.value.value
    func error(_ reason: ManifestError.Reason, at node: JSONNode) -> ManifestError {
      ManifestError(
        reason, path: document.source, position: document.position(ofByte: node.range.lowerBound))
    }
    guard let members = value.members else {
      throw error(.noEntry(key: member.key, found: value.kindName), at: member.value)
    }
    for field in ManifestField.allCases {
      guard let node = member.value[field.rawValue] else { continue }
      if let (found, expected) = field.objection(to: node.value) {
        throw error(
          .field(key: member.key, field: field.rawValue, found: found, expected: expected), at: node)
      }
    }
    guard let path = value["path"]?.string else {
      throw error(.missingField(key: member.key, field: "path"), at: member.value)
    }
    func text(_ field: ManifestField) -> String? { value[field.rawValue]?.string }
    key = member.key
    self.path = path
    providers = value["ep"]?.array?.compactMap(\.string) ?? []
    input = text(.input)
    quant = text(.quant)
    description = text(.description)
    version = text(.version)
    sizeMB = value[ManifestField.sizeMB.rawValue]?.double
    latencyTargetMS = value[ManifestField.latencyTarget.rawValue]?.double
    sha256 = text(.sha256)
    files = value["files"]?.array?.compactMap { ManifestFileRecord($0) } ?? []
    layout = text(.layout)
    scheme = text(.scheme)
    target = text(.target)
    source = text(.source)
    self.members = members
  }
}
