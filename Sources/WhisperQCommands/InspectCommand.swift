public import ArgumentParser
import Console
import Pipeline

/// `whisperq inspect`: what a model file is, what it holds, and whether it is healthy.
public struct InspectCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Show what an ONNX model is, what it holds, and whether its data is healthy.",
    discussion: """
      Recognises the exporter and the part of Whisper from the graph, not from the file's name, counts \
      operators and weights, guesses the quantization, and checks every external data file. The weights are \
      not read, so a model of several GB takes a moment.

      EXAMPLES
        whisperq inspect encoder_model.onnx
        whisperq inspect models/whisper_demo_onnx
        whisperq inspect whisper_demo_encoder
        whisperq inspect --weights decoder_model_merged.onnx | less -S
        whisperq inspect --json encoder.onnx | jq '.models[0].identity'

      JSON
        {"models": [...], "failures": [...]}; a failure has message and
        exit_code, a model:
          path, model_bytes, total_bytes, problems, notes
          identity: is_whisper, layout, interface, part, size,
            size_alternatives, static_shapes, open_dimensions, mels, width,
            encoder_layers, decoder_layers, heads, head_width, vocabulary,
            self_cache_length
          header: ir_version, producer, model_version,
            operator_sets (domain, version), metadata (key, value)
          inputs, outputs: name, type, shape (numbers, names of open
            dimensions, null for one without a name)
          graphs: name, place, nodes, initializers
          functions: domain, name, nodes
          operators: domain, name, count
          weights: tensors, elements, bytes,
            by_type (type, tensors, elements, bytes),
            largest (name, type, shape, bytes, users, location; ten of
            them, all with --weights)
          quantization: scheme, linear_layers, quantized_layers,
            operators (domain, name, count), activation_types (type, count)
          data_files: location, kind, bytes, used_bytes, trailing_bytes,
            tensors, broken_tensors
          nodes, with --nodes: graph, name, domain, operator, inputs,
            outputs
        What the file does not tell is null.

      EXIT CODE
        0 when every model is healthy, 2 when one has problems (after the
        report) or is no ONNX model, 4 when a file cannot be read. All are
        looked at before it ends; the gravest kind counts, 4 before 2.
      """)

  @Argument(
    help: ArgumentHelp(
      "Model files, their keys in the manifest, or folders whose .onnx files are all inspected.",
      valueName: "model"),
    completion: .file(extensions: ["onnx"]))
  var models: [String]

  @Option(
    help: ArgumentHelp(
      "The manifest in which keys are looked up. (default: models/manifest.json)", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var manifest: String?

  @Flag(help: "List every node with its inputs and outputs.")
  var nodes = false

  @Flag(help: "List all weights, not only the ten largest.")
  var weights = false

  @Flag(help: "Print JSON instead of text.")
  var json = false

  @Flag(
    help: """
      Accept symbolic links and files with several names on the way to external data; for models that you \
      trust.
      """)
  var followLinks = false

  public init() {}

  public func run() throws {
    let options = InspectOptions(
      links: followLinks ? .followed : .refused, nodes: nodes ? .included : .omitted)
    let result = try InspectPipeline.run(paths: models, manifestPath: manifest, options: options)
    let output = TerminalStream.standardOutput
    let rendering = InspectRendering(weights: weights ? .all : .largest, width: output.width)
    if json {
      try output.write(rendering.json(result.reports, failures: result.failures).text() + "\n")
    } else if !result.reports.isEmpty {
      try output.write(rendering.text(result.reports))
    }
    let notes = Notes(verbosity: .quiet)
    for failure in result.failures { notes.error(Printable.name(failure.message)) }
    let hasProblems = result.reports.contains { !$0.problems.isEmpty }
    let status = ExitStatus.gravest(of: result.failures.map(\.status) + (hasProblems ? [.badInput] : []))
    if status != .done { throw ExitCode(status.rawValue) }
  }
}
