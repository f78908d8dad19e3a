import ArgumentParser
import Console
import ModelStore
import Pipeline

struct ManifestListCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "list",
    abstract: "List the entries.",
    discussion: """
      EXAMPLES
        whisperq manifest list
        whisperq manifest list --json | jq -r '.entries[].key'

      JSON
        manifest, entries: key, file (where the path leads), exists, entry
      """)

  @OptionGroup var place: ManifestPlace

  func run() throws {
    let manifest: Manifest
    do { manifest = try ManifestFile(path: place.path).read() } catch { throw PipelineError(error) }
    var entries: [ManifestEntry] = []
    var failure: ManifestError?
    for key in manifest.keys {
      do {
        entries.append(try manifest.entry(key))
      } catch {
        Notes(verbosity: .quiet).error(Printable.name(error.message))
        failure = failure ?? error
      }
    }
    try ManifestRendering(place).showList(entries)
    if let failure { throw ExitCode(PipelineError(failure).status.rawValue) }
  }
}

struct ManifestShowCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "show",
    abstract: "Show one entry, all of its fields.",
    discussion: """
      EXAMPLES
        whisperq manifest show whisper_demo_encoder
        whisperq manifest show whisper_demo_encoder --json

      JSON
        key, manifest, file (where the path leads), exists, entry
      """)

  @Argument(help: "The key of the entry.")
  var key: String

  @OptionGroup var place: ManifestPlace

  func run() throws {
    do {
      try ManifestRendering(place).showEntry(try ManifestFile(path: place.path).read().entry(key))
    } catch let error as ManifestError {
      throw PipelineError(error)
    }
  }
}

struct ManifestCheckCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Check entries: fields, paths, sizes, digests, providers, and the models themselves.",
    discussion: """
      An error is what keeps an application from using an entry; a warning is a difference between what the \
      entry says and what is there.

      EXAMPLES
        whisperq manifest check
        whisperq manifest check whisper_demo_encoder --strict
        whisperq manifest check --quick --json

      JSON
        manifest, keys, errors, warnings (numbers), and findings: severity,
        key, field, line, message

      EXIT CODE
        0 when there is no error, 2 when there is one (with --strict a warning
        too) or the manifest is no JSON, 4 when it cannot be read, 64 when a
        key is unknown.
      """)

  @Argument(help: "Keys of entries; without any, all are checked.")
  var keys: [String] = []

  @Flag(help: "Warnings count as errors.")
  var strict = false

  @Flag(help: "Look at fields, paths and sizes only; open no model and compute no digest.")
  var quick = false

  @Flag(help: "Accept links on the way to external data; for models that you trust.")
  var followLinks = false

  @OptionGroup var place: ManifestPlace

  func run() throws {
    let result = try ManifestCheck.run(
      manifestPath: place.path, keys: keys, depth: quick ? .quick : .full, followsLinks: followLinks)
    try ManifestRendering(place).show(result)
    if result.findings.contains(where: { strict || $0.severity == .error }) {
      throw ExitCode(ExitStatus.badInput.rawValue)
    }
  }
}

struct ManifestExportCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "export-config",
    abstract: "Print the configuration of an application that runs the models.",
    discussion: """
      Model name, paths of encoder and decoder, execution providers and session options, as a Python dictionary or \
      as JSON, YAML or TOML. A key may be the name of a model: whisper_large_quantized stands for \
      whisper_large_encoder_quantized and whisper_large_decoder_quantized. Without a key the manifest must hold \
      one model.

      EXAMPLES
        whisperq manifest export-config whisper_demo > whisper_config.py
        whisperq manifest export-config whisper_demo --format toml
        whisperq manifest export-config --format yaml

      EXIT CODE
        0 done, 2 when the manifest is damaged or an entry cannot be used, 4
        when it cannot be read, 64 when a key is unknown.
      """)

  @Argument(help: "Keys of entries, or the name of a model.")
  var keys: [String] = []

  @Option(
    help: "python, json, yaml or toml. (default: python)",
    completion: .list(["python", "json", "yaml", "toml"]))
  var format: String?

  @Option(help: "The model's name in the configuration. (default: from the keys)")
  var modelName: String?

  @Option(help: "The name of the Python dictionary.")
  var variable: String = "WHISPER_CONFIG"

  @OptionGroup var place: ManifestPlace

  func validate() throws {
    if place.json, format ?? "json" != "json" {
      throw ValidationError("--json and --format exclude each other.")
    }
    let isName =
      variable.unicodeScalars.allSatisfy {
        $0.isASCII && ($0.properties.isAlphabetic || $0 == "_" || "0"..."9" ~= $0)
      }
      && !(variable.unicodeScalars.first.map { "0"..."9" ~= $0 } ?? true)
    if !isName { throw ValidationError("--variable takes a Python name, not '\(variable)'.") }
  }

  func run() throws {
    let chosen: ManifestExport.Format =
      place.json ? .json : try QuantizeChoices.word(format ?? "python", "--format")
    let configuration = try ManifestExport.configuration(
      manifestPath: place.path, keys: keys, modelName: modelName)
    for note in configuration.notes { Notes(verbosity: .normal).warning(Printable.name(note)) }
    try TerminalStream.standardOutput.write(configuration.text(chosen, variable: variable))
  }
}
