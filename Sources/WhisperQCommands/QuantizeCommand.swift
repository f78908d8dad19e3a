public import ArgumentParser
import Console
import Pipeline
import QuantPlan

/// `whisperq quantize`: a float model in, an integer model out.
public struct QuantizeCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "quantize",
    abstract: "Quantize a Whisper model, or every model of a folder.",
    discussion: """
      SCHEMES (measured losses: docs/accuracy.md)
        dynamic-int8   8-bit weights, activations quantized at run time; for
                       CPUs. About a quarter of the size.
        weight-int8    8-bit weights in blocks, float activations. About 28 %
                       of the size, hardly a loss.
        weight-int4    4-bit weights in blocks, float activations. About 16 %
                       of the size.
        fp16           weights and activations in binary16. Half the size.
      and for an NPU, with fixed shapes and fixed scales from --calibration:
        w8a16          8-bit weights, 16-bit activations, keys and values u8.
        w8a8           8-bit activations where linear layers tolerate them.
        w4a16          4-bit weights in blocks, 16-bit activations.
      A folder gives an encoder with the caches of cross-attention and a decoder with caches of fixed length \
      (docs/npu.md).

      PATTERNS for --include and --exclude: '*' is any text, '?' one character; compared with node names, weight \
      names and operators. 'node:', 'weight:' or 'op:' in front limits one to these.

      EXAMPLES
        whisperq quantize encoder_model.onnx --output encoder_int8.onnx
        whisperq quantize decoder.onnx --output int4.onnx --scheme weight-int4
        whisperq quantize whisper_large_onnx --output whisper_large_quantized
        whisperq quantize model.onnx --output out.onnx --exclude 'op:Gather'
        whisperq quantize model.onnx --output out.onnx --include '*/layers.0/*'
        whisperq quantize model.onnx --dry-run --json > plan.json
        whisperq quantize model.onnx --output out.onnx --plan plan.json
        whisperq quantize --input_model in.onnx --output_model out.onnx
        whisperq quantize whisper_demo_encoder
        whisperq quantize encoder.onnx -o npu.onnx --scheme w8a16 --calib speech

      MANIFEST
        The input may be the key of an entry in models/manifest.json (or in the
        file that --manifest names). Then --output may be left out, as in
        models/whisper_demo_quantized/whisper_encoder_int8.onnx, and the entry
        whisper_demo_encoder_quantized is added or updated; its providers,
        input, description and latency target stay when it is there.

      JSON
        {"models": [...], "carried_files": [...], "manifest": [...]}: change,
        key and manifest of each entry that was added or updated, and for each
        model:
          input, status (quantized, carried or failed), reason (for the last
            two, which have no more keys)
          output, output_data (null when the model is one file), scheme,
            bytes_before, bytes_after, reduction (0 to 1)
          seconds, bytes_per_second, peak_memory_bytes, threads, processor
          quantized: form, role, weights, bytes_before, bytes_after
          left: reason, weights, bytes
          weights: name, form, elements, bytes_before, bytes_after,
            sqnr_db (null when nothing was lost, and for fp16), overflows,
            underflows
          notes
        For an NPU: input, output, output_data, scheme, target, bytes_before,
          bytes_after, clips, prepare_seconds, calibration_seconds,
          quantize_seconds, peak_memory_bytes, float_nodes (node, operator,
          reason), places (with --explain), notes, manifest (as above); for a
          folder {"models": [encoder, decoder], "carried_files": [...],
          "manifest": [...]}; a failure is a failed model as above
        With --dry-run it is the plan that --plan takes, or for a folder
        {"models": [{"input": ..., "plan": ...}]}.

      EXIT CODE
        0 when the model is written, 2 when it or the policy is damaged, 3 when
        no weight can be quantized, 4 when a file cannot be read or written, 64
        for wrong options. A folder's run goes on after a model that fails.
      """)

  @Argument(
    help:
      "A model or its key in the manifest, or a folder: each model in it is quantized, others are carried along.",
    completion: .file(extensions: ["onnx"]))
  var input: String?

  @Option(
    name: [.customLong("input-model"), .customLong("input_model")],
    help: ArgumentHelp("The same as the argument.", valueName: "input"), completion: .file())
  var inputModel: String?

  @Option(
    name: [.long, .short, .customLong("output-model"), .customLong("output_model")],
    help: "Where the result goes: a file, or a folder when the input is one.", completion: .file())
  var output: String?

  @Option(
    name: [.long, .customLong("quantization-type"), .customLong("quantization_type")],
    help: ArgumentHelp(
      "dynamic-int8 (also int8), weight-int8, weight-int4 (also int4) or fp16; for an NPU w8a16, w8a8 or w4a16. "
        + "(default: dynamic-int8, or that of --plan)"),
    completion: .list(["dynamic-int8", "weight-int8", "weight-int4", "fp16", "w8a16", "w8a8", "w4a16"]))
  var scheme: String?

  @OptionGroup(title: "How weights are quantized")
  var weights: WeightOptions

  @OptionGroup(title: "What is quantized")
  var selection: SelectionOptions

  @OptionGroup(title: "The manifest")
  var recording: RecordingOptions

  @OptionGroup(title: "For an NPU: w8a16, w8a8, w4a16")
  var npu: StaticOptions

  @OptionGroup(title: "The output and the run")
  var running: RunOptions

  public init() {}

  public func validate() throws {
    if npu.printTarget { return }
    guard (input == nil) != (inputModel == nil) else {
      throw ValidationError(
        input == nil
          ? "Give a model or a folder: whisperq quantize INPUT --output OUTPUT"
          : "Give the input once, as an argument or as --input-model.")
    }
    if output == nil, !running.dryRun, running.debugDump == nil,
      ModelReference.isPath(input ?? inputModel ?? "")
    {
      throw ValidationError("Say where the result goes: --output FILE (or only look, with --dry-run).")
    }
    if running.threads < 0 { throw ValidationError("--threads takes 1 or more (0 uses all processors).") }
    if output?.isEmpty == true { throw ValidationError("--output is an empty path.") }
    if output == "-" { throw ValidationError("--output takes a file or folder, not standard output.") }
    if running.quiet && running.verbose { throw ValidationError("--quiet and --verbose exclude each other.") }
    // What is wrong with the settings themselves, the run says in its own words and with its own exit code.
    if let scheme = try? settings().choices.policy().scheme, !scheme.isStatic, let option = npu.firstGiven {
      throw ValidationError(
        "\(option) is for the schemes of an NPU (w8a16, w8a8, w4a16), not for \(scheme.rawValue); "
          + "add --scheme w8a16, or leave it out.")
    }
  }

  public func run() throws {
    if npu.printTarget {
      try TerminalStream.standardOutput.write(StaticChoices.targetText(named: npu.choices.target))
      return
    }
    let source = input ?? inputModel ?? ""
    let notes = Notes(verbosity: running.quiet ? .quiet : running.verbose ? .verbose : .normal)
    let rendering = QuantizeRendering(
      isJSON: running.json, showsAll: running.verbose, width: TerminalStream.standardOutput.width)
    if selection.plan != nil {
      let path = try ModelReference.resolve(source, manifestPath: recording.manifest).path
      if try FolderPipeline.isFolder(path) {
        throw PipelineError("--plan is for one model, but '\(path)' is a folder", .usage)
      }
    }
    let settings = try settings()
    if try settings.choices.policy().scheme.isStatic {
      try StaticSession(settings: settings, npu: npu, running: running, recording: recording, notes: notes)
        .run(input: source, output: output)
      return
    }
    let session = QuantizeSession(
      settings: settings, running: running, recording: recording, notes: notes, rendering: rendering)
    try session.run(input: source, output: output)
  }

  private func settings() throws -> QuantizeSettings {
    try QuantizeSettings(scheme: scheme, weights: weights, selection: selection)
  }
}
