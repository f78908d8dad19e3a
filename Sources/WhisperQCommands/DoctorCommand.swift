public import ArgumentParser
import Console
import Pipeline

/// `whisperq doctor`: what this machine can run, and what is missing.
public struct DoctorCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "doctor",
    abstract: "Show what this machine can run, what is missing, and how to get it.",
    discussion: """
      Looks at the processor, ONNX Runtime and Qualcomm's QNN plugin (found where, which version, where else was \
      looked), runs a model of one node on the NPU or its emulation, and compares memory and disk with what the given \
      models need. What is not there is a note, a warning when an entry of the manifest asks for it, and a problem \
      when --ep, --require-npu or a path does. No model runs but that of one node: --ep says what must be there, not \
      an order.

      EXAMPLES
        whisperq doctor
        whisperq doctor --ep cpu || echo "no ONNX Runtime here"
        whisperq doctor models/whisper_demo_onnx --json
        whisperq doctor encoder_model.onnx --verbose

      JSON
        {"exit_code": ..., "checks": [...], "targets": [...]}
          check: name (platform, processor, embedded, onnx-runtime,
            qnn-plugin, qnn-backend, npu, model, memory, disk, manifest),
            state (good, note, warning, problem), message, remedy,
            facts (name, value)
          target: name, chipset, number, npu_version

      EXIT CODE
        0 when nothing is wrong (notes and warnings count as nothing), 2 when
        the manifest or a model is damaged, 3 when a runtime that was asked
        for is missing or does not work, 4 when a file cannot be read, or
        memory or disk do not do, 64 for wrong options.
      """)

  @Argument(
    help: ArgumentHelp("Models that the machine must have room for.", valueName: "model"),
    completion: .file(extensions: ["onnx"]))
  var models: [String] = []

  @Option(
    help: ArgumentHelp("The manifest. (default: models/manifest.json)", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var manifest: String?

  @OptionGroup(title: "What must be there")
  var backends: BackendOptions

  @Flag(name: [.short, .long], help: "Show every fact, the places that were looked at among them.")
  var verbose = false

  @Flag(help: "Print JSON instead of text.")
  var json = false

  public init() {}

  public func run() throws {
    var request = DoctorRequest()
    request.backends = backends.choice
    request.manifestPath = manifest
    request.models = models
    let report = try DoctorPipeline.run(request)
    let output = TerminalStream.standardOutput
    if json {
      try output.write(DoctorRendering.json(report).text() + "\n")
    } else {
      try output.write(
        DoctorRendering(isTerminal: output.kind == .terminal, isVerbose: verbose, colors: output.colors).text(
          report))
    }
    if report.status != .done { throw ExitCode(report.status.rawValue) }
  }
}
