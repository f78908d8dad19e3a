import ArgumentParser
import Pipeline

/// Numbers and forms of the integers.
struct WeightOptions: ParsableArguments {
  @Flag(
    name: [.customLong("per-channel"), .customLong("per_channel")],
    help: "One scale per output channel (the default of dynamic-int8).")
  var perChannel = false

  @Flag(
    name: [.customLong("per-tensor"), .customLong("per_tensor")],
    help: "One scale per weight; smaller by nothing, worse by 1 dB and more.")
  var perTensor = false

  @Option(
    name: [.customLong("block-size"), .customLong("block_size")],
    help: "Elements that share a scale in the weight-only schemes: 16, 32, 64, 128 or 256. (default: 32)")
  var blockSize: Int?

  @Flag(help: "Give blocks a zero point (unsigned weights).")
  var asymmetric = false

  @Option(
    help:
      "How ranges are chosen: maximum or least-squares. (default: least-squares for 4-bit blocks, else maximum)",
    completion: .list(["maximum", "least-squares"]))
  var range: String?

  @Option(
    help: """
      Operators of block-wise weights: contrib (com.microsoft MatMulNBits) or qdq (DequantizeLinear, opset 21). \
      (default: contrib)
      """,
    completion: .list(["contrib", "qdq"]))
  var format: String?

  @Option(
    help: "Types at the model's inputs and outputs with fp16: keep or fp16. (default: keep)",
    completion: .list(["keep", "fp16"]))
  var io: String?
}

/// Which weights.
struct SelectionOptions: ParsableArguments {
  @Option(
    help: "Quantize only what this pattern matches; may be given several times.")
  var include: [String] = []

  @Option(help: "Leave what this pattern matches; may be given several times.")
  var exclude: [String] = []

  @Option(
    help: "Convolutions: auto (where it pays), always or never. (default: auto)",
    completion: .list(["auto", "always", "never"]))
  var conv: String?

  @Flag(help: "Leave Gather tables (token and position embeddings).")
  var noEmbeddings = false

  @Option(help: "Leave weights with fewer elements. (default: 1024)")
  var minimumElements: Int?

  @Option(
    help: "Settings and exceptions as JSON; options on the command line win.",
    completion: .file(extensions: ["json"]))
  var policy: String?

  @Option(
    help: "Execute this plan (from --dry-run --json, edited or not) instead of making one.",
    completion: .file(extensions: ["json"]))
  var plan: String?
}

/// Output, speed, words.
struct RunOptions: ParsableArguments {
  @Option(
    name: [.customLong("external-data"), .customLong("external_data")],
    help: """
      Weights in a second file, OUTPUT.data: auto (above 2 GB), always or never; reference is auto, but unchanged \
      weights stay in the data file of INPUT.
      """,
    completion: .list(["auto", "always", "never", "reference"]))
  var externalData: String = "auto"

  @Flag(help: "Print the plan, each weight with its reason, and write nothing.")
  var dryRun = false

  @Flag(help: "Print JSON instead of text.")
  var json = false

  @Option(help: "Threads to use; 0 is all processors.")
  var threads = 0

  @Flag(help: "Accept symbolic and hard links on the way to external data; for models that you trust.")
  var followLinks = false

  @Flag(help: "Write the model even when no weight changes.")
  var allowUnchanged = false

  @Flag(name: .shortAndLong, help: "Say nothing but errors and the result.")
  var quiet = false

  @Flag(name: .shortAndLong, help: "List every weight in the report.")
  var verbose = false

  @Option(help: ArgumentHelp("Print a stop on the way: graph or plan.", visibility: .hidden))
  var debugDump: String?
}
