public import JSONDocuments

/// A manifest's text with its entries: reading is typed, editing touches only what it must.
public struct Manifest: Sendable {
  public private(set) var document: JSONDocument

  /// Reads a text; it must be an object. Entries are examined when they are asked for.
  public init(_ bytes: [UInt8], path: String) throws(ManifestError) {
    do { document = try JSONDocument(bytes, source: path) } catch {
      throw ManifestError(.json(error), path: path)
    }
    guard document.root.isObject else {
      throw ManifestError(.noObject(found: document.root.value.kindName), path: path)
    }
  }

  /// The text of a manifest without entries.
  public static let emptyText = Array("{}\n".utf8)

  public var path: String { document.source }

  /// Keys of all entries in file order. A top-level member whose key begins with `$` or `_` is none, nor is one
  /// with a plain value.
  public var keys: [String] { document.root.members.filter(Self.isEntry).map(\.key) }

  /// Top-level members that are no entries and do not say so with a `$` or `_` in front, with their places.
  public var strangers: [(key: String, found: String, position: TextPosition)] {
    document.root.members.filter { !Self.isEntry($0) && !Self.isMarked($0.key) }
      .map { ($0.key, $0.value.value.kindName, document.position(ofByte: $0.keyRange.lowerBound)) }
  }

  private static func isEntry(_ member: JSONNode.Member) -> Bool {
    member.value.isObject && !isMarked(member.key)
  }

  /// `$schema`, `_comment`.
  private static func isMarked(_ key: String) -> Bool { key.hasPrefix("$") || key.hasPrefix("_") }

  /// One entry; an unknown key names the ones that are near.
  public func entry(_ key: String) throws(ManifestError) -> ManifestEntry {
    guard let member = document.root.member(key) else { throw unknown(key) }
    return try ManifestEntry(member, in: document)
  }

  public func contains(_ key: String) -> Bool { document.root.member(key) != nil }

  /// The place of a key; nil when it is not there.
  public func position(of key: String) -> TextPosition? {
    document.root.member(key).map { document.position(ofByte: $0.keyRange.lowerBound) }
  }

  /// Fields of an entry that are not what they should be, as sentences with places, and fields that are missing.
  public func fieldProblems(of key: String) -> [ManifestError] {
    guard let member = document.root.member(key), member.value.isObject else { return [] }
    var problems: [ManifestError] = []
    for field in ManifestField.allCases {
      guard let node = member.value[field.rawValue] else {
        if field.isRequired {
          let place = document.position(ofByte: member.keyRange.lowerBound)
          problems.append(
            ManifestError(.missingField(key: key, field: field.rawValue), path: path, position: place))
        }
        continue
      }
      if let (found, expected) = field.objection(to: node.value) {
        problems.append(
          ManifestError(
            .field(key: key, field: field.rawValue, found: found, expected: expected), path: path,
            position: document.position(ofByte: node.range.lowerBound)))
      }
    }
    return problems
  }

  // MARK: Edits

  /// Adds an entry at the end.
  public mutating func add(_ key: String, _ members: [JSONMember]) throws(ManifestError) {
    try check(key)
    if contains(key) { throw ManifestError(.keyExists(key), path: path, position: position(of: key)) }
    try edit { document throws(JSONEditError) in try document.set(key, to: .object(members)) }
  }

  /// Gives fields of an entry values, one by one; fields that are not named stay, new ones go to the end.
  public mutating func set(_ members: [JSONMember], of key: String) throws(ManifestError) {
    guard contains(key) else { throw unknown(key) }
    for member in members {
      try edit { document throws(JSONEditError) in
        try document.set(member.key, to: member.value, at: [key])
      }
    }
  }

  /// Removes a field of an entry; one that is not there is fine.
  public mutating func unset(_ field: String, of key: String) throws(ManifestError) {
    guard contains(key) else { throw unknown(key) }
    try edit { document throws(JSONEditError) in _ = try document.remove(field, at: [key]) }
  }

  public mutating func remove(_ key: String) throws(ManifestError) {
    guard contains(key) else { throw unknown(key) }
    try edit { document throws(JSONEditError) in _ = try document.remove(key) }
  }

  /// Gives an entry another key, in its place.
  public mutating func rename(_ key: String, to newKey: String) throws(ManifestError) {
    guard contains(key) else { throw unknown(key) }
    try check(newKey)
    if !key.hasSameBytes(as: newKey), contains(newKey) {
      throw ManifestError(.keyExists(newKey), path: path, position: position(of: newKey))
    }
    try edit { document throws(JSONEditError) in _ = try document.rename(key, to: newKey) }
  }

  private mutating func edit(
    _ change: (inout JSONDocument) throws(JSONEditError) -> Void
  ) throws(ManifestError) {
    do { try change(&document) } catch { throw ManifestError(.edit(error), path: path) }
  }

  private func unknown(_ key: String) -> ManifestError {
    ManifestError(.unknownKey(key, near: NearWords.of(key, among: keys)), path: path)
  }

  /// Keys are words of command lines and file systems.
  private func check(_ key: String) throws(ManifestError) {
    var why: String?
    if key.isEmpty { why = "is empty" }
    if key.hasPrefix("$") || key.hasPrefix("_") { why = "begins with \(key.prefix(1)), which marks no model" }
    if key.hasPrefix("-") { why = "begins with a dash, as options do" }
    if key.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) {
      why = "holds a control character"
    }
    if key.utf8.contains(UInt8(ascii: "/")) { why = "holds a slash, as paths do" }
    if key.utf8.count > 200 { why = "is longer than 200 bytes" }
    if let why { throw ManifestError(.badKey(key, why: why), path: path) }
  }
}
