import ByteIO
import JSONDocuments
import ModelStore

/// Something that a check found in a manifest.
public struct ManifestFinding: Sendable {
  public enum Severity: String, Sendable {
    /// An application cannot use the entry.
    case error
    /// Something is not as the manifest says, or is missing from it.
    case warning
  }

  public let severity: Severity
  /// The entry; nil for what concerns the whole file.
  public let key: String?
  public let field: String?
  /// The line of the manifest, counted from 1.
  public let line: Int?
  /// One sentence.
  public let message: String
}

/// The journey of `whisperq manifest check`.
public enum ManifestCheck {
  public enum Depth: Sendable {
    /// Fields, paths and sizes.
    case quick
    /// Digests too, and every model is inspected.
    case full
  }

  /// What was looked at and what was found.
  public struct Result: Sendable {
    public let keys: [String]
    public let findings: [ManifestFinding]
  }

  /// Checks entries, all when `keys` is empty; a manifest that is no JSON is an error.
  public static func run(
    manifestPath: String, keys: [String] = [], depth: Depth = .full, followsLinks: Bool = false
  ) throws(PipelineError) -> Result {
    do {
      let manifest = try ManifestFile(path: manifestPath).read()
      for key in keys where !manifest.contains(key) { _ = try manifest.entry(key) }
      let checked = keys.isEmpty ? manifest.keys : keys
      var findings: [ManifestFinding] = []
      if keys.isEmpty {
        findings += manifest.strangers.map {
          ManifestFinding(
            severity: .warning, key: nil, field: nil, line: $0.position.line,
            message:
              "\"\($0.key)\" is \($0.found), no entry of a model; begin its key with _ if that is meant")
        }
      }
      for key in checked {
        var entry = EntryCheck(manifest, key, depth: depth, links: followsLinks ? .follow : .refuse)
        entry.run()
        findings += entry.findings
      }
      return Result(keys: checked, findings: findings)
    } catch {
      throw PipelineError(error)
    }
  }
}

/// The check of one entry.
private struct EntryCheck {
  let manifest: Manifest
  let key: String
  let depth: ManifestCheck.Depth
  let links: LinkPolicy
  var findings: [ManifestFinding] = []

  init(_ manifest: Manifest, _ key: String, depth: ManifestCheck.Depth, links: LinkPolicy) {
    self.manifest = manifest
    self.key = key
    self.depth = depth
    self.links = links
  }

  private mutating func note(
    _ severity: ManifestFinding.Severity, _ field: ManifestField?, _ message: String
  ) {
    let node = field.flatMap { manifest.document.node(at: [key, $0.rawValue]) }
    let line = node.map { manifest.document.position(ofByte: $0.range.lowerBound).line }
    findings.append(
      ManifestFinding(
        severity: severity, key: key, field: field?.rawValue, line: line ?? manifest.position(of: key)?.line,
        message: message))
  }

  mutating func run() {
    for problem in manifest.fieldProblems(of: key) { note(problem) }
    let entry: ManifestEntry
    do { entry = try manifest.entry(key) } catch {
      if findings.isEmpty { note(.error, nil, error.message) }
      return
    }
    checkProviders(entry)
    let path = ManifestPaths(manifestPath: manifest.path).resolve(entry.path)
    if entry.path.utf8.first == UInt8(ascii: "/") {
      note(.warning, .path, "the path is absolute, so the entry is of use on this machine only")
    }
    switch kind(ofPath: path) {
    case .file: break
    case .missing:
      note(.error, .path, "there is no file \(path)")
      return
    case .folder, .other:
      note(.error, .path, "\(path) is no file")
      return
    }
    let model: MappedFile
    do { model = try MappedFile(path: path) } catch {
      note(.error, .path, error.message)
      return
    }
    let records = checkRecords(entry, model)
    if depth == .full { inspect(entry, path, records) }
  }

  private mutating func note(_ problem: ManifestError) {
    guard case .missingField(_, let field) = problem.reason else {
      findings.append(
        ManifestFinding(
          severity: .error, key: key, field: problem.fieldName, line: problem.position?.line,
          message: problem.sentence))
      return
    }
    note(field == "path" ? .error : .warning, nil, "\"\(field)\" is missing")
  }

  private mutating func checkProviders(_ entry: ManifestEntry) {
    var seen: Set<String> = []
    for name in entry.providers {
      guard let short = ProviderNames.short(name) else {
        let near = NearWords.of(name, among: ProviderNames.known).first.map { "; did you mean \($0)?" }
        note(.error, .ep, "\(name) is no execution provider of ONNX Runtime" + (near ?? ""))
        continue
      }
      if !seen.insert(short).inserted { note(.warning, .ep, "\(short) is named twice") }
    }
  }

  /// Checks the digests and sizes that the entry names; the sizes of its files by their paths.
  private mutating func checkRecords(_ entry: ManifestEntry, _ model: MappedFile) -> [String: Int] {
    if depth == .full, let digest = entry.sha256, FileDigest.sha256(of: model) != digest.lowercased() {
      note(.error, .sha256, "\(model.path) has another SHA-256; it is damaged, or was changed since")
    }
    var sizes: [String: Int] = [:]
    for record in entry.files {
      let file: MappedFile
      do { file = try ContainedFile.map(record.path, in: folder(of: model.path), links: links) } catch {
        note(.error, .files, error.message)
        continue
      }
      sizes[record.path] = file.byteCount
      if let expected = record.byteCount, expected != file.byteCount {
        note(.error, .files, "\(file.path) has \(file.byteCount) bytes; expected \(expected)")
      } else if depth == .full, let digest = record.sha256,
        FileDigest.sha256(of: file) != digest.lowercased()
      {
        note(.error, .files, "\(file.path) has another SHA-256; it is damaged, or was changed since")
      }
    }
    if depth == .quick {
      checkSize(entry, byteCount: model.byteCount + sizes.values.reduce(0, +), atLeast: true)
    }
    return sizes
  }

  /// Without an inspection there may be data files that the entry does not list, so only too little is telling.
  private mutating func checkSize(_ entry: ManifestEntry, byteCount: Int, atLeast: Bool) {
    guard let written = entry.sizeMB, !ManifestFacts.isNear(sizeMB: written, byteCount: byteCount) else {
      return
    }
    if atLeast, written * 1e6 > Double(byteCount) { return }
    let size = ManifestFacts.size(byteCount: byteCount).text(.compact)
    note(.warning, .sizeMB, "the model has \(size) MB with its data files")
  }

  /// Opens the model and compares what it is with what the entry says.
  private mutating func inspect(_ entry: ManifestEntry, _ path: String, _ records: [String: Int]) {
    let report: InspectionReport
    do throws(PipelineError) {
      report = try InspectPipeline.run(
        path: path, options: InspectOptions(links: links == .follow ? .followed : .refused))
    } catch {
      note(.error, .path, error.message)
      return
    }
    for problem in report.problems { note(.error, .path, "\(path): \(problem)") }
    checkSize(entry, byteCount: report.totalByteCount, atLeast: false)
    let isCompiled = report.quantization.scheme == "compiled"
    if isCompiled { checkSource(entry) }
    for (field, value) in ManifestFacts.fields(of: report) {
      // A compiled program does not show how its weights are stored.
      if isCompiled, field == .quant { continue }
      let written = manifest.document.node(at: [key, field.rawValue])?.value.string
      guard let written, let found = value.string, written.lowercased() != found else { continue }
      switch field {
      case .input where found != "tensor", .quant where found != "unknown", .layout, .scheme:
        note(.warning, field, "\"\(field.rawValue)\" is \"\(written)\", but the model's is \"\(found)\"")
      default: break
      }
    }
    checkDataFiles(entry, report)
  }

  /// A compiled model is quantized as the model is that it was compiled from.
  private mutating func checkSource(_ entry: ManifestEntry) {
    guard let source = entry.source, source != key, manifest.contains(source) else { return }
    let quants = [key, source].map {
      manifest.document.node(at: [$0, ManifestField.quant.rawValue])?.value.string
    }
    guard let written = quants[0], let found = quants[1], written.lowercased() != found.lowercased() else {
      return
    }
    note(.warning, .quant, "\"quant\" is \"\(written)\", but its source \(source) is \"\(found)\"")
  }

  private mutating func checkDataFiles(_ entry: ManifestEntry, _ report: InspectionReport) {
    if !entry.files.isEmpty {
      for data in report.dataFiles where !entry.files.contains(where: { $0.path == data.location }) {
        note(.warning, .files, "the model needs \(data.location), which is not listed")
      }
    }
  }
}

extension ManifestError {
  fileprivate var fieldName: String? {
    if case .field(_, let field, _, _) = reason { field } else { nil }
  }

  /// The message without file and place.
  fileprivate var sentence: String {
    if case .field(_, let field, let found, let expected) = reason {
      return "\"\(field)\" is \(found); expected \(expected)"
    }
    return message
  }
}
