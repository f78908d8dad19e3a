public import ArgumentParser
import Console
import Pipeline
import Validation

/// `whisperq validate`: whether models are whole, run, and still say what their originals say.
public struct ValidateCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "validate",
    abstract: "Check, run and judge models, alone or against their originals.",
    discussion: """
      First the file, without running it: what the checker of ONNX would refuse, scales and zero points, external \
      data, and for an NPU what it does not take. Then the model runs, on inputs that fit its layout, and its \
      outputs are looked at: NaN, infinity, zeros or one value everywhere fail. With an original (--reference, the \
      manifest's entry, or the file of the same name without _ctx, _quantized, _int8, ...) each output is compared. In a folder a compiled \
      model (NAME_ctx.onnx) is passed over when NAME.onnx is there and --ep is not for an NPU.

      Both branches of a merged decoder run, the one without a past under names that end in [no past]; --past 0 runs \
      that one alone. Of a cache that is fed, only the new positions are compared; empty outputs are not. Where some \
      models have an original, --min-sqnr, --min-cosine and --layers leave out the originals and say so.

      Nothing falls back in silence: the report says which provider ran how many nodes and why others did not. A \
      provider that is not there is passed over and named; when the last of --ep is, that is an error. Without --ep \
      the embedded engine comes last. A library that was named by an option or a variable must work. Where the NPU is \
      emulated, as on x86-64, the report says so: the numbers are the device's, the times are not.

      A static Q/DQ model that ran on the NPU runs on the processor as well: the report says for each output how far \
      the two agree and how far each is from the original, and where they differ by much, which nodes explain it. \
      A validation on a processor alone flatters: there 16-bit products stay 16 bits, on the NPU they do not.

      With --explain the report says of each node where it will run (NPU in integers, NPU in fp16, processor), on \
      which rule, and what would move it. It needs no runtime and goes well with --static.

      EXAMPLES
        whisperq validate encoder_int8.onnx --reference encoder_model.onnx
        whisperq validate whisper_large_onnx
        whisperq validate whisper_demo_encoder --ep embedded
        whisperq validate models/whisper_demo_onnx --report report.html
        whisperq validate encoder_model.onnx --static --target snapdragon-x-elite
        whisperq validate encoder_model.onnx --static --explain --dim batch_size=1
        whisperq validate encoder_int8.onnx --reference encoder.onnx --min-sqnr 15

      JSON
        {"passes": true or false, "exit_code": ..., "models": [...]}, a model:
          path, title, bytes, passes, exit_code, notes
          objections: kind (file, provider, verdict, input-output, usage),
            message
          findings: severity (error, refused, warning), rule, place, message,
            remedy
          run: null, or
            engine: provider, runtime, emulated, notes, shares (provider,
              nodes, operators), leftovers (node, operator, provider,
              reason), passed_over (provider, reason)
            inputs, outputs: name, type, shape; those of the branch without a
              past, where they differ, with [no past] behind the name
            made_up: null, or what --input did not give: seed, inputs (names)
            load_seconds, seconds (of each run), median_seconds
            reference: path, seconds, engine
            results, one for each output: name, branch (with-past, no-past,
              null where there is no choice), mismatch, not_compared (why
              not, though there is a reference: empty, for one),
              health (elements, nan, infinite, minimum, maximum, mean,
                deviation: null without finite values; faults),
              difference (equal, comparable, sqnr_db; cosine,
                largest_error, worst_place, mean_error); sqnr_db is null
                when equal is true (no difference), and when comparable is
                false (NaN, infinity, or a reference of zeros)
          layers, with --layers: name, operator, difference
          places, with --explain: node, operator, place (npu-integers,
            npu-float, processor, folded), rule, reason, change
          processor: null, or where a static model ran on the NPU the same
            on the processor: engine, seconds, outputs (name, agreement_db
              of the two, npu_db and processor_db against the reference,
              differs)

      EXIT CODE
        0 when every model passes; 1 when an output or a limit says no; 2 when
        a file is damaged or breaks the rules of ONNX; 3 when no provider runs
        it, not all of it with --require-npu, or a named library is wrong; 4
        when a file cannot be read; 64 for wrong options, inputs that do not
        fit, or nothing to compare with. All models are looked at before it
        ends; the gravest kind of failure counts.
      """)

  @OptionGroup var set: ModelSetOptions

  @Option(
    help: ArgumentHelp(
      "The original to compare with: a model, a key, or a folder with models of the same names.",
      valueName: "model"),
    completion: .file(extensions: ["onnx"]))
  var reference: String?

  @Flag(help: "Compare with nothing.")
  var noReference = false

  @Flag(help: "Only look at the file; run nothing.")
  var `static` = false

  @Flag(help: "Compare every inner tensor with the original's, worst first; by the embedded engine.")
  var layers = false

  @Flag(help: "Say of each node where it will run on the NPU, on which rule, and what would move it.")
  var explain = false

  @OptionGroup(title: "What must be reached")
  var limits: LimitOptions

  @OptionGroup(title: "What runs the models")
  var backends: BackendOptions

  @OptionGroup(title: "What they are fed")
  var feeds: FeedOptions

  @Option(parsing: .unconditional, help: "Timed runs, after one that is not timed.")
  var runs: Int = 3

  @Option(
    name: [.short, .long], parsing: .unconditional,
    help: "Models side by side. (default: as many as memory and processors allow)")
  var jobs: Int?

  @Flag(help: "Print JSON instead of text.")
  var json = false

  @Option(
    help: ArgumentHelp("Also write the report as one HTML page.", valueName: "file.html"),
    completion: .file(extensions: ["html"]))
  var report: String?

  @Flag(name: [.short, .long], help: "List every finding, node and layer.")
  var verbose = false

  public init() {}

  public func validate() throws {
    if runs < 1 { throw ValidationError("--runs takes 1 or more.") }
    if let jobs, jobs < 1 { throw ValidationError("--jobs takes 1 or more.") }
    if reference != nil, noReference {
      throw ValidationError("--reference and --no-reference exclude each other.")
    }
    if `static`, layers { throw ValidationError("--static runs nothing, so there are no --layers.") }
    if `static`, let limit = limits.given.first {
      throw ValidationError("--static runs nothing, so there is nothing to hold against \(limit).")
    }
  }

  public func run() throws {
    var request = ValidateRequest()
    request.models = set.models
    request.manifestPath = set.manifest
    request.followsLinks = set.followLinks
    request.backends = backends.choice
    request.backends.namesRefusedNodes = verbose || json
    request.depth = `static` ? .structure : layers ? .layers : .outputs
    request.reference = reference
    request.findsReference = !noReference
    request.inputs = feeds.choice(pastCount: 4)
    request.runCount = runs
    request.jobCount = jobs
    request.explains = explain
    request.limits.minimumSQNR = limits.minSqnr
    request.limits.minimumCosine = limits.minCosine
    request.limits.maximumLatency = limits.maxLatency.map { $0 / 1000 }
    if let report {
      try ResultFile.checkPlace(report, option: "--report", inputs: ValidatePipeline.inputs(request))
    }
    let progress = ModelProgress(label: "validating")
    let notes = Notes(verbosity: .normal)
    let reports = try ValidatePipeline.run(
      request,
      observer: ValidateObserver(
        began: progress.begin, finished: { progress.finished($0.path) },
        emulating: {
          notes.note(
            "\(Printable.name($0)): compiling for the emulated NPU, which may take minutes (--ep cpu is quick)"
          )
        }))
    progress.end()
    let output = TerminalStream.standardOutput
    let status = ValidatePipeline.status(of: reports)
    if json {
      try output.write(ValidateJSON.document(reports, status: status).text() + "\n")
    } else {
      let rendering = ValidateRendering(
        isTerminal: output.kind == .terminal, isVerbose: verbose, width: output.width, colors: output.colors,
        target: backends.chip.target ?? "snapdragon-x-elite")
      try output.write(rendering.text(reports))
    }
    if let report { try ResultFile.write(HTMLReport.page(reports), to: report) }
    if status != .done { throw ExitCode(status.rawValue) }
  }
}
