import ByteIO
public import ModelStore

/// A model that someone named: by its path, or by its key in a manifest.
public struct ModelReference: Sendable {
  /// The file or folder.
  public let path: String
  /// The entry that it was found by; nil for a path.
  public let entry: ManifestEntry?
  /// The manifest that the entry is in, or that was named.
  public let manifestPath: String

  /// A model at a path.
  public init(path: String, manifestPath: String) {
    self.init(path: path, entry: nil, manifestPath: manifestPath)
  }

  private init(path: String, entry: ManifestEntry?, manifestPath: String) {
    self.path = path
    self.entry = entry
    self.manifestPath = manifestPath
  }

  /// Whether a word is the path of something.
  public static func isPath(_ word: String) -> Bool { kind(ofPath: word) != .missing }

  /// Finds what a word of a command line means.
  ///
  /// A path that exists wins; otherwise the word is a key of the manifest at `manifestPath`, or of
  /// `models/manifest.json`. A miss names keys that are near.
  public static func resolve(
    _ word: String, manifestPath: String? = nil
  ) throws(PipelineError) -> ModelReference {
    let file = ManifestFile(path: manifestPath ?? ManifestFile.usualPath)
    if word.isEmpty {
      throw PipelineError("a model's path is empty; give a path, or a key of \(file.path)", .usage)
    }
    if kind(ofPath: word) != .missing {
      return ModelReference(path: word, entry: nil, manifestPath: file.path)
    }
    let missing = ByteIOError(.notFound, path: word)
    guard couldBeKey(word) else { throw PipelineError(missing) }
    guard file.exists else {
      throw PipelineError(
        "\(word): there is no such file, and no manifest \(file.path) in which it could be a key; check the path",
        .inputOutput)
    }
    let manifest: Manifest
    let entry: ManifestEntry
    do {
      manifest = try file.read()
      guard manifest.contains(word) else {
        let near = NearWords.of(word, among: manifest.keys).map { "'\($0)'" }.joined(separator: " or ")
        throw PipelineError(
          "\(word): there is no such file, and no entry of this name in \(file.path)"
            + (near.isEmpty ? "; check the path" : "; did you mean \(near)?"), .inputOutput)
      }
      entry = try manifest.entry(word)
    } catch let error as ManifestError {
      throw PipelineError(error)
    } catch let error as PipelineError {
      throw error
    } catch {
      throw PipelineError("\(word): \(error)", .internal)
    }
    let path = ManifestPaths(manifestPath: file.path).resolve(entry.path)
    if kind(ofPath: path) == .missing {
      throw PipelineError(
        "\(file.path): \"\(word)\" leads to \(path), where there is no file; put the model there, or correct the "
          + "path with: whisperq manifest set \(word) path=...", .inputOutput)
    }
    return ModelReference(path: path, entry: entry, manifestPath: file.path)
  }

  /// Keys hold no slashes; a name with a model's ending is rather a path.
  private static func couldBeKey(_ word: String) -> Bool {
    !word.isEmpty && !word.utf8.contains(UInt8(ascii: "/")) && !word.hasSuffix(".onnx")
  }
}

extension PipelineError {
  public init(_ error: ManifestError) {
    switch error.reason {
    case .file(let cause): self = PipelineError(cause)
    case .json, .edit, .noObject, .field, .missingField, .noEntry, .tooLarge:
      self.init(error.message, .badInput)
    case .unknownKey, .keyExists, .badKey, .badValue, .unknownField: self.init(error.message, .usage)
    }
  }
}
