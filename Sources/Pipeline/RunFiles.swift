import ByteIO
import ModelStore
import ONNXFile

/// The files that a run reads and writes, looked at before the work: nothing that is read may be replaced, and no two
/// results may have one name.
public enum RunFiles {

  /// Refuses results that would replace what is read, or each other; those that are not wanted are nil.
  public static func check(
    _ outputs: [(option: String, path: String?)], reading inputs: [String]
  ) throws(PipelineError) {
    var read: [FileIdentity: String] = [:]
    for input in inputs {
      if let id = identity(ofPath: input), kind(ofPath: input) == .file { read[id] = input }
    }
    var taken: [Place: String] = [:]
    for case (let option, let path?) in outputs {
      if path.isEmpty { throw PipelineError("\(option) is an empty path; name a file", .usage) }
      if let id = identity(ofPath: path), read[id] != nil {
        throw PipelineError(
          "\(option) \(path): this file is read, so it cannot be written; name another one", .inputOutput)
      }
      if let other = taken.updateValue(option, forKey: Place(path)) {
        throw PipelineError(
          "\(path) would be written twice, by \(other) and by \(option); give one of them another name",
          .usage)
      }
    }
  }

  /// The files of a model that is written to a path: the model, and the weights that may lie beside it.
  public static func model(_ option: String, _ path: String?) -> [(option: String, path: String?)] {
    guard let path else { return [] }
    return [
      (option, path),
      ("the weights of \(option)", joined(folder(of: path), ModelOutput.dataFileName(forModel: path))),
    ]
  }

  /// The files of ranges.
  public static func ranges(_ path: String?) -> [(option: String, path: String?)] {
    guard let path else { return [] }
    return [("--ranges", path), ("--ranges", path + ".channels")]
  }

  /// The files behind words for models, paths or keys: each model with its weights, everything in a folder. What is
  /// not there is left out, for whoever reads it says so.
  public static func models(_ words: [String], manifestPath: String? = nil) -> [String] {
    words.flatMap { word -> [String] in
      guard let path = try? ModelReference.resolve(word, manifestPath: manifestPath).path else {
        return [word]
      }
      switch kind(ofPath: path) {
      case .folder: return ((try? FolderPipeline.files(of: path)) ?? []).map { joined(path, $0) }
      case .file:
        let weights = (try? ModelReader.read(path: path))?.externalLocations ?? []
        return [path] + Set(weights).sorted().map { joined(folder(of: path), $0) }
      case .missing, .other: return [path]
      }
    }
  }

  /// Files, and what folders hold of them.
  public static func files(_ paths: [String]) -> [String] {
    paths.flatMap { path in
      guard kind(ofPath: path) == .folder else { return [path] }
      return ((try? names(inFolder: path)) ?? []).map { joined(path, $0) }
    }
  }

  /// Where a file will be, whether it is there or not.
  private struct Place: Hashable {
    let home: FileIdentity?
    let name: String

    init(_ path: String) {
      let folder = folder(of: path)
      home = identity(ofPath: folder.isEmpty ? "." : folder)
      // A folder that is yet to be made has no identity, so its path stands for it.
      name = home == nil ? path : fileName(of: path)
    }
  }
}

extension ValidatePipeline {
  /// Files that a validation may read.
  public static func inputs(_ request: ValidateRequest) -> [String] {
    let manifest = ManifestFile(path: request.manifestPath ?? ManifestFile.usualPath)
    let words = request.models.isEmpty ? (try? manifest.read())?.keys ?? [] : request.models
    let arrays = request.inputs.files.map { word in
      kind(ofPath: word) == .file
        ? word : word.firstIndex(of: "=").map { String(word[word.index(after: $0)...]) } ?? word
    }
    return RunFiles.models(words + [request.reference].compactMap { $0 }, manifestPath: request.manifestPath)
      + arrays + [manifest.path]
  }
}
