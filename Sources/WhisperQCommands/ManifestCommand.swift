public import ArgumentParser
import ModelStore
import Pipeline

/// `whisperq manifest`: the list of models that an application can load.
public struct ManifestCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "manifest",
    abstract: "Edit and check manifest.json, the list of models that an application can load.",
    discussion: """
      Each entry has a key and says where a model is (path), what runs it (ep, the execution providers in order \
      of preference), what it takes (input), how it is quantized (quant), and its description, version, size_mb \
      and latency_target_ms; docs/manifest.md has all fields.

      An edit changes only the lines that it must: order, indentation, unknown fields and numbers stay as people \
      wrote them. Any number of programs may edit at the same time, and one that is killed leaves the old file or \
      the new one.

      EXAMPLES
        whisperq manifest list
        whisperq manifest add my_encoder --path encoder.onnx --ep QNN,CPU
        whisperq manifest set my_encoder latency_target_ms=200
        whisperq manifest check
        whisperq manifest export-config whisper_demo --format json

      EXIT CODE
        0 done, 2 when the manifest or a model is damaged or a check finds an
        error, 4 when a file cannot be read or written, 64 for wrong usage
        (an unknown key too).
      """,
    subcommands: [
      ManifestAddCommand.self, ManifestListCommand.self, ManifestShowCommand.self, ManifestSetCommand.self,
      ManifestRemoveCommand.self, ManifestRenameCommand.self, ManifestCheckCommand.self,
      ManifestExportCommand.self,
    ])

  public init() {}
}

/// Which manifest, and how the result is printed.
struct ManifestPlace: ParsableArguments {
  @Option(
    name: .customLong("manifest"),
    help: ArgumentHelp("The manifest.", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var path: String = ManifestFile.usualPath

  @Flag(help: "Print JSON instead of text.")
  var json = false
}
