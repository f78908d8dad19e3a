import ArgumentParser
import Pipeline

/// Which models, and how they are read.
struct ModelSetOptions: ParsableArguments {
  @Argument(
    help: ArgumentHelp(
      "Model files, keys of the manifest, or folders; without any, all entries of the manifest.",
      valueName: "model"),
    completion: .file(extensions: ["onnx"]))
  var models: [String] = []

  @Option(
    help: ArgumentHelp(
      "The manifest in which keys are looked up. (default: models/manifest.json)", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var manifest: String?

  @Flag(help: "Accept links on the way to external data; for models that you trust.")
  var followLinks = false
}

/// What runs the models.
struct BackendOptions: ParsableArguments {
  @Option(
    name: [.customLong("ep"), .customLong("provider"), .customLong("providers")],
    help: ArgumentHelp(
      """
      Providers in the order in which they are tried: qnn (the NPU), cpu (ONNX Runtime), embedded (whisperq's own \
      engine). (default: the manifest's ep, else cpu, and embedded last; bench: cpu and embedded)
      """, valueName: "names"))
  var providers: String?

  @Flag(
    name: [.customLong("require-npu"), .customLong("require-qnn")],
    help: "Every node must run on the NPU; otherwise exit code 3 and a list of those that do not.")
  var requireNPU = false

  @OptionGroup
  var chip: ChipOptions

  @Option(name: [.short, .long], parsing: .unconditional, help: "Threads of a run; 0 is one per processor.")
  var threads: Int = 0

  var choice: BackendChoice {
    var choice = chip.choice
    choice.providers = providers
    choice.npu = requireNPU ? .required : .optional
    choice.threadCount = threads > 0 ? threads : nil
    return choice
  }

  mutating func validate() throws {
    if threads < 0 { throw ValidationError("--threads takes 1 or more (0 uses all processors).") }
    if threads > BackendChoice.threadLimit {
      throw ValidationError(
        "--threads takes \(BackendChoice.threadLimit) at most, for more only wait for each other.")
    }
    do throws(PipelineError) { try choice.validated() } catch {
      // A damaged file is no wrong option: the run says it, with its own exit code.
      if error.status == .usage { throw ValidationError(error.message) }
    }
  }
}

/// The chip of the NPU, and where the libraries are that run it.
struct ChipOptions: ParsableArguments {
  @Option(
    name: [.customLong("target"), .customLong("soc")],
    help: ArgumentHelp(
      "The chip of the NPU, by name or number. (default: snapdragon-x-elite)", valueName: "chip"),
    completion: .list(BackendChoice.targetNames))
  var target: String?

  @Option(
    help: ArgumentHelp(
      "ONNX Runtime's library, or the folder that holds it. (default: it is looked for)", valueName: "file"),
    completion: .file())
  var ortLibrary: String?

  @Option(
    help: ArgumentHelp(
      "Qualcomm's QNN plugin for ONNX Runtime, or its folder. (default: it is looked for)", valueName: "file"),
    completion: .file())
  var qnnLibrary: String?

  /// A choice of these alone.
  var choice: BackendChoice {
    var choice = BackendChoice()
    choice.target = target
    choice.runtimeLibrary = ortLibrary
    choice.qnnLibrary = qnnLibrary
    return choice
  }
}

/// What the models are fed.
struct FeedOptions: ParsableArguments {
  @Option(
    name: [.customLong("input"), .customLong("inputs")],
    help: ArgumentHelp(
      """
      Arrays of NumPy: file.npz with the inputs by name, or NAME=file.npy; may be given several times. \
      (default: made-up inputs that fit)
      """, valueName: "file"),
    completion: .file(extensions: ["npy", "npz"]))
  var inputs: [String] = []

  @Option(
    name: .customLong("dim"),
    help: ArgumentHelp(
      "The extent of an open dimension; may be given several times.", valueName: "name=extent"))
  var dimensions: [String] = []

  @Option(
    name: .customLong("shape"),
    help: ArgumentHelp("The shape of an input; may be given several times.", valueName: "name=1,80,3000"))
  var shapes: [String] = []

  @Option(help: "The seed of made-up inputs.")
  var seed: UInt64 = 1

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Tokens that a decoder with a cache has seen before; 0 is the first step of a merged decoder.",
      valueName: "tokens"))
  var past: Int?

  func choice(pastCount: Int) -> InputChoice {
    var choice = InputChoice()
    choice.files = inputs
    choice.dimensions = dimensions
    choice.shapes = shapes
    choice.seed = seed
    choice.pastCount = past ?? pastCount
    return choice
  }

  mutating func validate() throws {
    if let past, past < 0 || past > 1 << 20 {
      throw ValidationError("--past takes a number of tokens, 0 or more.")
    }
  }
}

/// What a model must reach.
struct LimitOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Least signal-to-noise ratio of each output, in dB.", valueName: "dB"))
  var minSqnr: Double?

  @Option(help: ArgumentHelp("Least cosine of each output, -1 to 1.", valueName: "cosine"))
  var minCosine: Double?

  @Option(help: ArgumentHelp("Longest median time of a run, in milliseconds.", valueName: "ms"))
  var maxLatency: Double?

  /// The options that were given.
  var given: [String] {
    [
      minSqnr == nil ? nil : "--min-sqnr", minCosine == nil ? nil : "--min-cosine",
      maxLatency == nil ? nil : "--max-latency",
    ].compactMap { $0 }
  }

  mutating func validate() throws {
    if let maxLatency, !(maxLatency > 0) {
      throw ValidationError("--max-latency takes milliseconds above 0.")
    }
    if let minCosine, !(-1...1).contains(minCosine) {
      throw ValidationError("--min-cosine takes a number from -1 to 1.")
    }
    if let minSqnr, minSqnr.isNaN { throw ValidationError("--min-sqnr takes decibels.") }
  }
}
