import ByteIO
import ModelStore
import ONNXFile

/// A model to validate, and what it is compared with.
struct ValidateTarget: Sendable {
  let path: String
  let entry: ManifestEntry?
  let referencePath: String?
  /// Why there is nothing to look at; nil when there is.
  var failure: PipelineError?
  /// Of a compiled model in a folder, the model beside it that it was made from.
  var sourcePath: String?
}

/// Finds models and their references.
struct ValidateTargets {
  private let manifest: Manifest?
  private let manifestFile: ManifestFile
  private let reference: String?
  private let findsReference: Bool
  private var entries: [FileIdentity: ManifestEntry] = [:]

  init(_ request: ValidateRequest) throws(PipelineError) {
    try self.init(
      manifestPath: request.manifestPath, reference: request.reference, findsReference: request.findsReference
    )
  }

  init(manifestPath: String?, reference: String? = nil, findsReference: Bool = false) throws(PipelineError) {
    self.reference = reference
    self.findsReference = findsReference
    manifestFile = ManifestFile(path: manifestPath ?? ManifestFile.usualPath)
    if manifestPath != nil {
      do { manifest = try manifestFile.read() } catch { throw PipelineError(error) }
    } else {
      // A manifest that nobody named must not keep a file from being validated.
      manifest = try? manifestFile.read()
    }
    let paths = ManifestPaths(manifestPath: manifestFile.path)
    for key in manifest?.keys ?? [] {
      guard let entry = try? manifest?.entry(key), let id = identity(ofPath: paths.resolve(entry.path)) else {
        continue
      }
      entries[id] = entry
    }
  }

  /// The models that words stand for, each once; without words all entries of the manifest.
  func models(_ words: [String]) throws(PipelineError) -> [ValidateTarget] {
    var words = words
    if words.isEmpty {
      guard let manifest else {
        throw PipelineError(
          "\(manifestFile.path): there is no manifest; name models, or the manifest with --manifest",
          .inputOutput)
      }
      words = manifest.keys
      if words.isEmpty { throw PipelineError("\(manifestFile.path): the manifest has no entry", .badInput) }
    }
    var seen: Set<FileIdentity> = []
    var targets: [ValidateTarget] = []
    for word in words {
      // What is wrong with one word does not keep the others from being looked at.
      let source: ModelReference
      do throws(PipelineError) {
        source = try ModelReference.resolve(word, manifestPath: manifestFile.path)
        guard kind(ofPath: source.path) != .folder else {
          let names = try FolderPipeline.contents(of: source.path).models
          for name in names {
            let path = joined(source.path, name)
            if let id = identity(ofPath: path), !seen.insert(id).inserted { continue }
            var target = target(path, entry: nil, name)
            target.sourcePath = Self.source(of: name, among: names).map { joined(source.path, $0) }
            targets.append(target)
          }
          continue
        }
      } catch {
        targets.append(ValidateTarget(path: word, entry: nil, referencePath: nil, failure: error))
        continue
      }
      if let id = identity(ofPath: source.path), !seen.insert(id).inserted { continue }
      targets.append(target(source.path, entry: source.entry, fileName(of: source.path)))
    }
    // A word that leads nowhere concerns every model.
    if let reference { _ = try ModelReference.resolve(reference, manifestPath: manifestFile.path) }
    if let reference, targets.count > 1, kind(ofPath: reference) == .file {
      throw PipelineError(
        "--reference \(reference) is one model, but there are \(targets.count) to compare; give a folder",
        .usage)
    }
    return targets
  }

  private func target(_ path: String, entry: ManifestEntry?, _ name: String) -> ValidateTarget {
    let known = entry ?? identity(ofPath: path).flatMap { entries[$0] }
    do throws(PipelineError) {
      return ValidateTarget(path: path, entry: known, referencePath: try reference(of: path, known, name))
    } catch {
      return ValidateTarget(path: path, entry: known, referencePath: nil, failure: error)
    }
  }

  // MARK: References

  /// Endings of names of models that were made from another one.
  private static let endings = [
    "_quantized", "_int8", "_uint8", "_int4", "_q4f16", "_q4", "_bnb4", "_fp16", "_bf16", "_w8a16", "_w8a8",
    "_w4a16",
    "_q8", ".int8", ".fp16", "-int8", "-fp16", compiledEnding,
  ]

  /// Of what `compile` makes when nobody says another name.
  private static let compiledEnding = "_ctx"

  private static func source(of name: String, among names: [String]) -> String? {
    let ending = compiledEnding + ".onnx"
    guard name.hasSuffix(ending) else { return nil }
    let source = String(name.dropLast(ending.count)) + ".onnx"
    return names.contains(source) ? source : nil
  }

  private func reference(
    of path: String, _ entry: ManifestEntry?, _ name: String
  ) throws(PipelineError) -> String? {
    if let reference { return try named(reference, path, name) }
    guard findsReference else { return nil }
    return fromManifest(entry, path) ?? neighbour(of: path)
  }

  /// A model, a key, or in a folder the model of the same name or of the name without its ending.
  private func named(_ word: String, _ path: String, _ name: String) throws(PipelineError) -> String? {
    let found = try ModelReference.resolve(word, manifestPath: manifestFile.path).path
    guard kind(ofPath: found) == .folder else { return found }
    for candidate in [name] + originals(of: name) where kind(ofPath: joined(found, candidate)) == .file {
      return joined(found, candidate)
    }
    // A folder that holds one model only has no choice.
    let models = try FolderPipeline.contents(of: found).models
    let sameFile = models.filter { fileName(of: $0) == fileName(of: name) }
    if sameFile.count == 1 { return joined(found, sameFile[0]) }
    let remedy = StaticInterface.exists(atPath: path) ? "; \(StaticInterface.remedy)" : ""
    throw PipelineError("\(found): there is no reference for \(path) in this folder\(remedy)", .usage)
  }

  private func fromManifest(_ entry: ManifestEntry?, _ path: String) -> String? {
    guard let entry, let manifest else { return nil }
    var keys = [entry.source].compactMap { $0 }
    if entry.key.hasSuffix("_quantized") { keys.append(String(entry.key.dropLast(10))) }
    for key in keys {
      guard key != entry.key, let original = try? manifest.entry(key) else { continue }
      let file = ManifestPaths(manifestPath: manifestFile.path).resolve(original.path)
      if kind(ofPath: file) == .file, identity(ofPath: file) != identity(ofPath: path) { return file }
    }
    return nil
  }

  private func neighbour(of path: String) -> String? {
    originals(of: fileName(of: path)).map { joined(folder(of: path), $0) }.first { kind(ofPath: $0) == .file }
  }

  private func originals(of name: String) -> [String] {
    guard name.hasSuffix(".onnx") else { return [] }
    let stem = String(name.dropLast(5))
    // A compiled model's name may have the ending of its source, too.
    return Self.endings.filter { stem.hasSuffix($0) }.flatMap { ending -> [String] in
      let original = String(stem.dropLast(ending.count)) + ".onnx"
      return [original] + originals(of: original)
    }
  }
}
