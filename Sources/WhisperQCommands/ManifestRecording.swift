import ArgumentParser
import Console
import ModelStore
import Pipeline

/// The manifest of a run of `quantize`: where keys are looked up, and what is entered into it.
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
      Add or update the manifest's entry of the result. (default: when INPUT is a key, or --manifest-key is given)
      """)
  var updateManifest: Bool?

  @Option(
    help: ArgumentHelp(
      "The key of the result's entry. (default: that of INPUT with _quantized)", valueName: "key"))
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

  /// Enters the result, when that is wanted.
  func record(_ report: QuantizeReport, of source: ModelReference) throws -> [ManifestPipeline.Outcome] {
    isWanted(for: source) ? [try ManifestPipeline.record(report, source: source, key: manifestKey)] : []
  }

  /// The same for a model of a folder; one without an entry gets its key from folder and name.
  func record(
    _ report: QuantizeReport, of source: ModelReference, in folder: String, named name: String
  ) throws -> [ManifestPipeline.Outcome] {
    guard isWanted(for: source) else { return [] }
    let newKey = ManifestPipeline.key(ofModel: name, in: folder)
    return [try ManifestPipeline.record(report, source: source, otherwise: newKey)]
  }
}
