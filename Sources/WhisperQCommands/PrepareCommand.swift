public import ArgumentParser
import Console
import Pipeline

/// `whisperq prepare`: an export in, a float model of fixed shapes in the form of an NPU out.
public struct PrepareCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "prepare",
    abstract: "Bring a Whisper export to the float form that an NPU compiles whole.",
    discussion: """
      Fixes every dimension, folds what does not depend on the inputs, chooses the branch of a merged decoder, and \
      rewrites LayerNormalization, Gelu, linear layers, scales and masks to the forms that Qualcomm's HTP takes. The \
      result computes the same (within 1e-5 of its largest value) and is still float: quantize it, or run it anywhere.

      DIMENSIONS that nothing says are taken as batch 1, 3000 mel frames, 1500 encoder positions. --dim takes the name \
      that `whisperq inspect` shows, or INPUT.AXIS for one without a name. A merged decoder \
      also needs --decoder-branch no-past or with-past.

      DECODERS that keep what they have computed get a form of their own with --static-kv: \
      one token a step, caches of fixed length as inputs, the new keys and values as \
      outputs (docs/npu.md). It is built from any export: Optimum's decoder, decoder with \
      past or merged decoder, genai, sherpa-onnx. Its encoder gives the caches of \
      cross-attention: --cross-cache encoder takes the projections from the decoder's \
      file. For a folder both are done.

      EXAMPLES
        whisperq prepare encoder_model.onnx -o encoder_npu.onnx
        whisperq prepare models/whisper_demo_onnx -o npu --max-tokens 64
        whisperq prepare decoder.onnx -o kv.onnx --static-kv
        whisperq prepare decoder.onnx -o npu.onnx --dim decoder_sequence_length=1
        whisperq prepare decoder.onnx -o out.onnx --dim input_ids.1=8 --json

      JSON
        {"input": ..., "output": ..., "output_data": ..., "seconds": ...,
         "bytes_before": ..., "bytes_after": ..., "peak_memory_bytes": ...,
         "inputs": [...], "outputs": [...],
         "operators_before": {...}, "operators_after": {...},
         "passes": [{"name": ..., "changes": ..., "notes": [...]}]}
        For a folder {"models": [...], "carried_files": [...]}.

      EXIT CODE
        0 when the model is written, 2 when it is damaged, 3 when it has an
        operator whose shape is not known, 4 when a file cannot be read or
        written, 64 for wrong options and dimensions that nothing fixes.
      """)

  @Argument(
    help: ArgumentHelp("A model, or the folder of a Whisper: encoder and decoder.", valueName: "model"),
    completion: .file(extensions: ["onnx"]))
  var input: String

  @Option(name: [.short, .long], help: "Where the result goes.", completion: .file(extensions: ["onnx"]))
  var output: String

  @Option(
    name: .customLong("dim"), parsing: .singleValue,
    help: ArgumentHelp("The length of an open dimension; repeat it for others.", valueName: "name=n"))
  var dimensions: [String] = []

  @Option(
    help: "The branch of a merged decoder: no-past or with-past.",
    completion: .list(["no-past", "with-past"]))
  var decoderBranch: String?

  @Flag(
    name: .customLong("static-kv"),
    help: "Build a decoder of one token a step whose caches have a fixed length. (a folder's always is)")
  var staticKV = false

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens that fit into the caches, prompt and text. (default: all positions, 448)", valueName: "count"))
  var maxTokens: Int?

  @Option(
    help: "Where the caches of cross-attention are computed: encoder adds them to this encoder.",
    completion: .list(["encoder"]))
  var crossCache: String?

  @Option(
    help: ArgumentHelp(
      "The decoder whose projections --cross-cache takes, when the encoder has none of its own.",
      valueName: "file"),
    completion: .file(extensions: ["onnx"]))
  var decoder: String?

  @Option(
    help: ArgumentHelp("Where weights go: auto, always (a .data file) or never.", valueName: "policy"),
    completion: .list(["auto", "always", "never"]))
  var externalData = "auto"

  @Flag(help: "Follow symbolic links of the model's data files.")
  var followLinks = false

  @Flag(name: [.short, .long], help: "Say nothing but the result.")
  var quiet = false

  @Flag(help: "Print JSON instead of text.")
  var json = false

  public init() {}

  public func validate() throws {
    if input.isEmpty { throw ValidationError("The path of the model is empty.") }
    if output.isEmpty { throw ValidationError("--output is an empty path.") }
    if decoder?.isEmpty == true { throw ValidationError("--decoder is an empty path.") }
    if output == "-" { throw ValidationError("--output takes a file, not standard output.") }
    _ = try lengths()
    if let crossCache, crossCache != "encoder" {
      throw ValidationError("--cross-cache '\(crossCache)' is unknown; choose encoder.")
    }
    if decoder != nil, crossCache == nil {
      throw ValidationError("--decoder goes with --cross-cache encoder.")
    }
    if staticKV, crossCache != nil {
      throw ValidationError("--static-kv is for a decoder, --cross-cache for an encoder.")
    }
    if staticKV, decoderBranch != nil {
      throw ValidationError(
        "--decoder-branch is not for --static-kv, which takes what it needs of both branches; leave it out.")
    }
  }

  public func run() throws {
    if try FolderPipeline.isFolder(input) { return try runFolder() }
    if maxTokens != nil, !staticKV {
      throw PipelineError("--max-tokens goes with --static-kv; add that, or leave --max-tokens out", .usage)
    }
    var options = PrepareOptions()
    options.dimensions = try lengths()
    if staticKV { options.decoderForm = .staticCaches(maximumTokenCount: maxTokens) }
    if crossCache != nil { options.encoderForm = .crossCaches(decoderPath: decoder) }
    if let decoderBranch {
      options.decoderBranch = try QuantizeChoices.word(decoderBranch, "--decoder-branch")
    }
    options.followsLinks = followLinks
    let progress = ProgressSlot()
    let notes = Notes(verbosity: quiet ? .quiet : .normal)
    let label = "preparing \(Printable.name(input))"
    let observer = WorkObserver(
      began: { progress.begin(label, $0, notes) }, advanced: { progress.advance(by: $0) })
    do {
      let report = try PreparePipeline.run(
        input, outputPath: output,
        externalData: QuantizeChoices.word(externalData, "--external-data"), options, observer: observer)
      progress.finish()
      let rendering = PrepareRendering(report)
      try TerminalStream.standardOutput.write(json ? rendering.json.text() + "\n" : rendering.text)
    } catch {
      progress.abandon()
      throw error
    }
  }

  /// Encoder and decoder of a folder.
  private func runFolder() throws {
    if decoderBranch != nil || crossCache != nil || staticKV {
      throw PipelineError(
        "--decoder-branch, --static-kv and --cross-cache are for one model, and \(input) is a folder; leave them out, "
          + "for a folder's models get what they need", .usage)
    }
    var choice = SpeechChoice()
    choice.models = [input]
    var request = SpeechPairRequest(speech: choice, outputPath: output)
    request.maximumTokenCount = maxTokens
    request.dimensions = try lengths()
    request.externalData = try QuantizeChoices.word(externalData, "--external-data")
    request.followsLinks = followLinks
    let report = try SpeechPairPipeline.prepare(request)
    let notes = Notes(verbosity: quiet ? .quiet : .normal)
    for note in report.notes { notes.warning(Printable.name(note)) }
    let parts = [PrepareRendering(report.encoder), PrepareRendering(report.decoder)]
    let text: String
    if json {
      let document: JSONValue = [
        "models": .array(parts.map(\.json)), "carried_files": .array(report.carried.map(JSONValue.string)),
      ]
      text = document.text() + "\n"
    } else {
      text =
        parts.map(\.text).joined(separator: "\n") + QuantizeRendering.carried(report.carried)
    }
    try TerminalStream.standardOutput.write(text)
  }

  /// `NAME=N` words as lengths.
  private func lengths() throws -> [String: Int] {
    var result: [String: Int] = [:]
    for word in dimensions {
      guard let sign = word.lastIndex(of: "="), sign != word.startIndex,
        let length = Int(word[word.index(after: sign)...]), length > 0
      else { throw ValidationError("--dim '\(word)' is not NAME=N with N of 1 or more.") }
      let name = String(word[..<sign])
      guard result.updateValue(length, forKey: name) == nil else {
        throw ValidationError("--dim '\(name)' is given twice.")
      }
    }
    return result
  }
}
