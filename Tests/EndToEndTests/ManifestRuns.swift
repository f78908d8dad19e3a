import Foundation
import TestSupport
import Testing

/// A project folder with models and a manifest, in which `whisperq manifest` runs.
struct ManifestProject {
  let folder: TemporaryFolder

  /// The demo models in the guide's shape, and the text of `models/manifest.json` when one is given.
  init(manifest: String? = nil) throws {
    folder = try TemporaryFolder()
    for part in ["encoder", "decoder"] {
      let name = "models/whisper_demo_onnx/\(part)/whisper_\(part).onnx"
      try folder.write(Data(contentsOf: URL(filePath: PackageRoot.path(name))), to: name)
    }
    if let manifest { try folder.write(Array(manifest.utf8), to: "models/manifest.json") }
  }

  /// The same with the repository's own manifest.
  static func demo() throws -> ManifestProject {
    try ManifestProject(
      manifest: String(contentsOfFile: PackageRoot.path("models/manifest.json"), encoding: .utf8))
  }

  /// Runs `whisperq` in the project's folder.
  func run(_ arguments: [String], sourceLocation: SourceLocation = #_sourceLocation) throws -> SpawnResult {
    try WhisperQBinary.run(arguments, workingFolder: folder.path, sourceLocation: sourceLocation)
  }

  /// Runs `whisperq manifest …` and expects it to end well; the result is its standard output.
  @discardableResult
  func manifest(_ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    let result = try run(["manifest"] + arguments, sourceLocation: sourceLocation)
    try #require(
      result.exitCode == 0, "\(arguments): \(result.stdout) \(result.stderr)", sourceLocation: sourceLocation)
    return result.stdout
  }

  /// The manifest's text.
  func text() throws -> String { String(decoding: try folder.read("models/manifest.json"), as: UTF8.self) }

  /// The manifest as a dictionary.
  func entries() throws -> [String: [String: Any]] {
    let value = try JSONSerialization.jsonObject(with: Data(folder.read("models/manifest.json")))
    return try #require(value as? [String: [String: Any]])
  }
}
