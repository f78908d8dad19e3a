import ArgumentParser
import Console
import ModelStore
import Pipeline

/// The manifest of a run that makes a model of another: where keys are looked up, and what is entered into it.
struct RecordingOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The manifest in which keys are looked up and results are entered. (default: models/manifest.json)",
      valueName: "file"),
    completion: .file(extensions: ["json"]))
  var manifest: String?

  @Flag(
    inversion: .prefixedNo,
    help: """
      Add or update the manifest's entry of the result. (default: when the model is a key, or --manifest-key is given)
      """)
  var updateManifest: Bool?

  @Option(
    help: ArgumentHelp(
      "The key of the result's entry. (default: that of the model with _quantized, or _compiled)",
      valueName: "key"))
  var manifestKey: String?

  /// Whether the result of a model is entered.
  func isWanted(for source: ModelReference) -> Bool {
    updateManifest ?? (source.entry != nil || manifestKey != nil)
  }

  /// Says before the work, not after it, that a manifest cannot be used.
  func check(_ source: ModelReference) throws {
    guard isWanted(for: source) else { return }
    try ManifestPipeline.checkRecording(source, key: manifestKey)
  }

  /// Refuses a key for a folder, whose models have one each.
  func checkFolder(_ source: ModelReference) throws {
    if manifestKey != nil {
      throw PipelineError("--manifest-key is for one model, but '\(source.path)' is a folder", .usage)
    }
    try check(source)
  }

  /// Enters the result, when that is wanted.
  func record(_ output: String, of source: ModelReference) throws -> [ManifestPipeline.Outcome] {
    guard isWanted(for: source) else { return [] }
    return [
      try ManifestPipeline.record(output, madeFrom: source.path, source: source, key: manifestKey)
    ]
  }

  /// The same for a model of a folder; one without an entry gets its key from the result's folder and its name there.
  func record(
    _ output: String, madeFrom input: String, of source: ModelReference, in folder: String
  ) throws -> [ManifestPipeline.Outcome] {
    guard isWanted(for: source) else { return [] }
    let part = ModelReference(path: input, manifestPath: source.manifestPath)
    let name = output.dropFirst(folder.count).drop { $0 == "/" }
    let newKey = ManifestPipeline.key(ofModel: String(name), in: folder)
    return [try ManifestPipeline.record(output, madeFrom: input, source: part, otherwise: newKey)]
  }

  /// What became of entries, a line for each.
  static func text(_ entries: [ManifestPipeline.Outcome]) -> String {
    entries.map { entry in
      "manifest: \(entry.change.rawValue) \(Printable.name(entry.entry.key)) in "
        + Printable.name(entry.manifestPath) + "\n"
    }.joined()
  }

  static func json(_ entries: [ManifestPipeline.Outcome]) -> JSONValue {
    .array(
      entries.map {
        [
          "change": .string($0.change.rawValue), "key": .string($0.entry.key),
          "manifest": .string($0.manifestPath),
        ]
      })
  }
}
