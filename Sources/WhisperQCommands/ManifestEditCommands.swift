import ArgumentParser
import Console
import ModelStore
import Pipeline

struct ManifestAddCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "add",
    abstract: "Add an entry; what is not given is read from the model.",
    discussion: """
      Input, quantization, description, version, size, layout and scheme come from the model itself, as inspect \
      shows them. ep is QNN,CPU when it is not given; latency_target_ms is only written when it is.

      EXAMPLES
        whisperq manifest add my_encoder --path encoder.onnx
        whisperq manifest add my_decoder --path decoder.onnx --digests
        whisperq manifest add slow --path decoder.onnx --latency-target-ms 900
        whisperq manifest add soon --path models/soon.onnx --no-inspect --quant int8

      JSON
        change (added, updated or unchanged), key, manifest, entry, notes

      EXIT CODE
        0 done, 2 when the model or the manifest is damaged, 4 when a file
        cannot be read or written, 64 when the key is there already.
      """)

  @Argument(help: "The key of the entry, such as whisper_large_encoder.")
  var key: String

  @Option(help: "The model file.", completion: .file(extensions: ["onnx"]))
  var path: String

  @Option(help: "Execution providers in order of preference, with commas. (default: QNN,CPU)")
  var ep: String?

  @Option(help: "What the application feeds: audio_16k_mono, tokens, ...")
  var input: String?

  @Option(help: "fp32, fp16, int8, int4, w8a16, ...")
  var quant: String?

  @Option(help: "A sentence for people.")
  var description: String?

  @Option(
    help: ArgumentHelp("The model's version, such as 3.0-int8; --version is the same.", valueName: "version"))
  var modelVersion: String?

  // The help has a --version of the program.
  @Option(help: .hidden)
  var version: String?

  @Option(
    name: [.customLong("size-mb"), .customLong("size_mb")], help: "Size with data files in millions of bytes."
  )
  var sizeMB: String?

  @Option(
    name: [.customLong("latency-target-ms"), .customLong("latency_target_ms")],
    help: "The time that one run may take.")
  var latencyTargetMS: String?

  @Option(help: "The processor that the model is made for.")
  var target: String?

  @Option(help: "Where the model comes from.")
  var source: String?

  @Option(
    help: ArgumentHelp(
      "Another field: name=text, or name:=JSON; may be given several times.", valueName: "field"))
  var set: [String] = []

  @Flag(help: "Write the SHA-256 of the model and of its data files.")
  var digests = false

  @Flag(help: "Update the entry if there is one, instead of refusing.")
  var replace = false

  @Flag(help: "Do not look at the model; only what is given is written.")
  var noInspect = false

  @Flag(help: "Accept links on the way to external data; for models that you trust.")
  var followLinks = false

  @OptionGroup var place: ManifestPlace

  func validate() throws {
    if digests && noInspect { throw ValidationError("--digests and --no-inspect exclude each other.") }
  }

  func run() throws {
    var request = ManifestPipeline.AddRequest(manifestPath: place.path, key: key, modelPath: path)
    let given: [(ManifestField, String?)] = [
      (.ep, ep), (.input, input), (.quant, quant), (.description, description),
      (.version, modelVersion ?? version),
      (.sizeMB, sizeMB), (.latencyTarget, latencyTargetMS), (.target, target), (.source, source),
    ]
    request.fields = try ManifestPipeline.fields(
      given.compactMap { field, text in text.map { "\(field.rawValue)=\($0)" } } + set)
    request.model = noInspect ? .unseen : .inspected
    request.digests = digests ? .computed : .omitted
    request.existing = replace ? .updated : .refused
    request.followsLinks = followLinks
    let outcome = try ManifestPipeline.add(request)
    try ManifestRendering(place).show(outcome)
  }
}

struct ManifestSetCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "set",
    abstract: "Give fields of an entry values.",
    discussion: """
      Values are checked: ep takes names with commas, size_mb and latency_target_ms take numbers. A field of your \
      own is written as name:=JSON.

      EXAMPLES
        whisperq manifest set whisper_demo_encoder latency_target_ms=200 quant=fp32
        whisperq manifest set whisper_demo_encoder ep=CPU 'team:={"owner": "speech"}'
        whisperq manifest set whisper_demo_encoder --unset team

      JSON
        change (updated or unchanged), key, manifest, entry, notes

      EXIT CODE
        0 done, 2 when the manifest is damaged, 4 when it cannot be read or
        written, 64 when the key, a field or a value is wrong.
      """)

  @Argument(help: "The key of the entry.")
  var key: String

  @Argument(help: ArgumentHelp("field=value, or field:=JSON.", valueName: "field=value"))
  var assignments: [String] = []

  @Option(help: ArgumentHelp("Remove a field; may be given several times.", valueName: "field"))
  var unset: [String] = []

  @OptionGroup var place: ManifestPlace

  func validate() throws {
    if assignments.isEmpty && unset.isEmpty { throw ValidationError("Say what to set: field=value.") }
    if unset.contains("path") {
      throw ValidationError("An entry without its path is none; remove it instead.")
    }
  }

  func run() throws {
    let outcome = try ManifestPipeline.set(
      ManifestPipeline.fields(assignments), unset: unset, of: key, manifestPath: place.path)
    try ManifestRendering(place).show(outcome)
  }
}

struct ManifestRemoveCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "remove",
    abstract: "Remove entries; the model files stay where they are.",
    discussion: """
      All of the entries are removed or, when a key is unknown, none.

      EXAMPLES
        whisperq manifest remove whisper_demo_decoder
        whisperq manifest remove old_encoder old_decoder --manifest other.json

      JSON
        manifest, removed (the keys)
      """)

  @Argument(help: "Keys of entries.")
  var keys: [String]

  @OptionGroup var place: ManifestPlace

  func run() throws {
    try ManifestPipeline.remove(keys, manifestPath: place.path)
    try ManifestRendering(place).showRemoved(keys)
  }
}

struct ManifestRenameCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rename",
    abstract: "Give an entry another key, in its place.",
    discussion: """
      EXAMPLES
        whisperq manifest rename whisper_demo_encoder my_encoder

      JSON
        change (renamed), key, manifest, entry, notes
      """)

  @Argument(help: "The key as it is.")
  var key: String

  @Argument(help: "The key as it shall be.")
  var newKey: String

  @OptionGroup var place: ManifestPlace

  func run() throws {
    let outcome = try ManifestPipeline.rename(key, to: newKey, manifestPath: place.path)
    try ManifestRendering(place).show(outcome)
  }
}
