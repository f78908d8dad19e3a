public import ArgumentParser
import Console
import Pipeline

/// `whisperq bench`: how fast models run, and in how much memory.
public struct BenchCommand: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "bench",
    abstract: "Measure how fast models run, and in how much memory.",
    discussion: """
      Each model runs alone on each provider, once to warm up and then until its times are stable (the quartiles \
      within 1 % of the median) or the time is up. The first line is what the others are compared with. Encoders are \
      rated by seconds of audio per second, decoders by tokens per second with a cache of --past tokens.

      Each provider of --ep is measured by itself; without --ep ONNX Runtime's processor provider where it is found, \
      and the embedded engine (the manifest's ep is not asked). Times of an emulated NPU say nothing about a device, \
      and the report says so; it runs once only.

      EXAMPLES
        whisperq bench encoder_model.onnx
        whisperq bench encoder_model.onnx encoder_int8.onnx --ep embedded
        whisperq bench decoder.onnx --past 32 --threads 1
        whisperq bench encoder_model.onnx --profile --runs 5
        whisperq bench whisper_demo_encoder --json

      JSON
        {"exit_code": ..., "results": [...]}, a result:
          path, title, bytes, provider, error (null when it was measured)
          measured: null, or engine (as in validate), threads, load_seconds,
            first_seconds, seconds, median_seconds, spread (0.01 is 1 %, null
            for one run), stable (null with --runs, which does not ask),
            ratio (median over that of the first result),
            peak_memory_bytes (null where it cannot be told for one model),
            memory_before_bytes, real_time_factor (null without audio),
            tokens_per_second (null without tokens),
            profile, with --profile: operator, provider, nodes, seconds,
              share

      EXIT CODE
        0 when everything was measured (without --ep: each model somewhere), 2
        when a file is damaged, 3 when a provider of --ep or a named library is
        missing or does not run a model, 4 when a file cannot be read, 64 for
        wrong options.
      """)

  @OptionGroup var set: ModelSetOptions

  @OptionGroup(title: "What runs the models")
  var backends: BackendOptions

  @OptionGroup(title: "What they are fed")
  var feeds: FeedOptions

  @Option(parsing: .unconditional, help: "Exactly so many timed runs. (default: until times are stable)")
  var runs: Int?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Seconds after which no further run of a model begins.", valueName: "seconds"))
  var time: Double = 10

  @Flag(help: "Also measure what each operator takes.")
  var profile = false

  @Flag(help: "Print JSON instead of text.")
  var json = false

  public init() {}

  public func validate() throws {
    if let runs, runs < 1 { throw ValidationError("--runs takes 1 or more.") }
    if !(time > 0) { throw ValidationError("--time takes seconds above 0.") }
  }

  public func run() throws {
    var request = BenchRequest()
    request.models = set.models
    request.manifestPath = set.manifest
    request.followsLinks = set.followLinks
    request.backends = backends.choice
    request.inputs = feeds.choice(pastCount: 32)
    request.runCount = runs
    request.secondLimit = time
    request.profile = profile ? .byOperator : .omitted
    let stream = TerminalStream.standardError
    let results = try BenchPipeline.run(request) { stream.setStatusLine("measuring \(Printable.name($0))") }
    stream.setStatusLine(nil)
    let output = TerminalStream.standardOutput
    let status = BenchPipeline.status(of: results, request)
    let rendering = BenchRendering(width: output.width)
    try output.write(json ? rendering.json(results, status: status).text() + "\n" : rendering.text(results))
    if !json {
      let notes = Notes(verbosity: .normal)
      for result in results {
        guard case .failed(let error) = result.outcome else { continue }
        let text = "\(result.provider): \(error.message)"
        if status == .done { notes.warning(text) } else { notes.error(text) }
      }
    }
    if status != .done { throw ExitCode(status.rawValue) }
  }
}
