import ByteIO
public import JSONDocuments
public import ModelStore

/// What becomes of an entry.
public enum ManifestChange: String, Sendable { case added, updated, unchanged, removed, renamed }

/// The journeys of `whisperq manifest` that change it.
public enum ManifestPipeline {
  /// What `add` is asked for.
  public struct AddRequest: Sendable {
    public enum Model: Sendable {
      /// What is not given is read from it.
      case inspected
      /// Only what is given is written; the file may be missing.
      case unseen
    }
    public enum Digests: Sendable { case omitted, computed }
    public enum Existing: Sendable { case refused, updated }

    public var manifestPath: String
    public var key: String
    public var modelPath: String
    /// What is given; it wins over what is read.
    public var fields: [JSONMember] = []
    public var model = Model.inspected
    public var digests = Digests.omitted
    public var existing = Existing.refused
    public var followsLinks = false

    public init(manifestPath: String, key: String, modelPath: String) {
      self.manifestPath = manifestPath
      self.key = key
      self.modelPath = modelPath
    }
  }

  /// An entry after a change, and what is worth knowing about its model.
  public struct Outcome: Sendable {
    public let change: ManifestChange
    public let entry: ManifestEntry
    public let manifestPath: String
    public let notes: [String]
  }

  /// Adds an entry.
  public static func add(_ request: AddRequest) throws(PipelineError) -> Outcome {
    var fields: [(ManifestField, JSON)] = []
    var notes: [String] = []
    let paths = ManifestPaths(manifestPath: request.manifestPath)
    if request.model == .inspected {
      let report = try InspectPipeline.run(
        path: request.modelPath, options: InspectOptions(links: request.followsLinks ? .followed : .refused))
      fields = ManifestFacts.fields(of: report)
      notes = report.problems
      if request.digests == .computed {
        fields += try digests(of: report, followsLinks: request.followsLinks)
      }
    }
    fields += [(.path, .string(paths.path(for: request.modelPath))), (.ep, .strings(["QNN", "CPU"]))]
    let given = Set(request.fields.map(\.key))
    let read = ManifestField.allCases.compactMap { field in
      fields.first { $0.0 == field && !given.contains(field.rawValue) }.map {
        JSONMember(field.rawValue, $0.1)
      }
    }
    let members = ordered(read + request.fields)
    return try edit(request.manifestPath, absence: .isCreated, notes: notes, key: request.key) {
      manifest throws(ManifestError) in
      guard manifest.contains(request.key), request.existing == .updated else {
        try manifest.add(request.key, members)
        return .added
      }
      return try set(members, of: request.key, in: &manifest)
    }
  }

  /// Gives fields of an entry values, and removes others.
  public static func set(
    _ members: [JSONMember], unset: [String] = [], of key: String, manifestPath: String
  ) throws(PipelineError) -> Outcome {
    try edit(manifestPath, key: key) { manifest throws(ManifestError) in
      let before = manifest.document.bytes
      try manifest.set(members, of: key)
      for field in unset { try manifest.unset(field, of: key) }
      return manifest.document.bytes == before ? .unchanged : .updated
    }
  }

  /// Removes entries, all or none; the models stay where they are.
  public static func remove(_ keys: [String], manifestPath: String) throws(PipelineError) {
    do {
      try ManifestFile(path: manifestPath).edit { manifest throws(ManifestError) in
        for key in keys { try manifest.remove(key) }
      }
    } catch {
      throw PipelineError(error)
    }
  }

  /// Gives an entry another key.
  public static func rename(
    _ key: String, to newKey: String, manifestPath: String
  ) throws(PipelineError) -> Outcome {
    try edit(manifestPath, key: newKey) { manifest throws(ManifestError) in
      try manifest.rename(key, to: newKey)
      return .renamed
    }
  }

  /// The fields of an entry from `field=text` and `field:=JSON`.
  ///
  /// Known fields are typed: `size_mb=1500`, `ep=QNN,CPU`. Others need `:=`, so that a slip of the pen is no new
  /// field.
  public static func fields(_ assignments: [String]) throws(PipelineError) -> [JSONMember] {
    var members: [JSONMember] = []
    for text in assignments {
      guard let sign = text.firstIndex(of: "=") else {
        throw PipelineError("'\(text)' is no assignment; write field=value", .usage)
      }
      let value = String(text[text.index(after: sign)...])
      var name = String(text[..<sign])
      let isRaw = name.hasSuffix(":")
      if isRaw { name.removeLast() }
      do throws(ManifestError) {
        members.append(JSONMember(name, try self.value(of: name, value, isRaw: isRaw)))
      } catch {
        throw PipelineError(error)
      }
    }
    return members
  }

  private static func value(
    of name: String, _ text: String, isRaw: Bool
  ) throws(ManifestError) -> JSON {
    let field = ManifestField(rawValue: name)
    if !isRaw {
      guard let field else {
        let near = NearWords.of(name, among: ManifestField.allCases.map(\.rawValue))
        throw ManifestError(.unknownField(name, near: near), path: "manifest")
      }
      return try field.value(from: text)
    }
    let document: JSONDocument
    do { document = try JSONDocument(Array(text.utf8), source: name) } catch {
      throw ManifestError(.json(error), path: name)
    }
    let value = document.root.value
    if let (_, expected) = field?.objection(to: value) {
      throw ManifestError(.badValue(field: name, text: text, expected: expected), path: "manifest")
    }
    return value
  }

  // MARK: Parts

  /// Known fields in the order of the guide, then the others as given.
  private static func ordered(_ members: [JSONMember]) -> [JSONMember] {
    let order = ManifestField.allCases.map(\.rawValue)
    let known = order.compactMap { name in members.last { $0.key == name } }
    return known + members.filter { !order.contains($0.key) }
  }

  static func set(
    _ members: [JSONMember], of key: String, in manifest: inout Manifest
  ) throws(ManifestError) -> ManifestChange {
    let before = manifest.document.bytes
    try manifest.set(members, of: key)
    return manifest.document.bytes == before ? .unchanged : .updated
  }

  static func edit(
    _ path: String, absence: ManifestFile.Absence = .isRefused, notes: [String] = [], key: String,
    _ change: (inout Manifest) throws(ManifestError) -> ManifestChange
  ) throws(PipelineError) -> Outcome {
    do {
      return try ManifestFile(path: path).edit(absence: absence) { manifest throws(ManifestError) in
        let kind = try change(&manifest)
        return Outcome(change: kind, entry: try manifest.entry(key), manifestPath: path, notes: notes)
      }
    } catch {
      throw PipelineError(error)
    }
  }

  /// Digests of the model and of the files beside it that it names.
  static func digests(
    of report: InspectionReport, followsLinks: Bool
  ) throws(PipelineError) -> [(ManifestField, JSON)] {
    do {
      let model = try MappedFile(path: report.path)
      var records: [JSON] = []
      for data in report.dataFiles {
        let file = try ContainedFile.map(
          data.location, in: folder(of: report.path), links: followsLinks ? .follow : .refuse)
        records.append(
          ManifestFileRecord(
            path: data.location, byteCount: file.byteCount, sha256: FileDigest.sha256(of: file)
          ).json)
      }
      let digest: [(ManifestField, JSON)] = [(.sha256, .string(FileDigest.sha256(of: model)))]
      return digest + (records.isEmpty ? [] : [(.files, .array(records))])
    } catch {
      throw PipelineError(error)
    }
  }
}
