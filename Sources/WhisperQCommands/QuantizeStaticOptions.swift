import ArgumentParser
import Pipeline

/// The schemes for an NPU: w8a16, w8a8, w4a16.
struct StaticOptions: ParsableArguments {
  @Option(
    name: [.customLong("calibration"), .customLong("calib")],
    help: ArgumentHelp(
      """
      Recordings, folders of them, or .npz files with the inputs of runs; may be given several times. 4 to 16 clips \
      of speech like that of your users.
      """, valueName: "path"),
    completion: .file())
  var calibration: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp(
      "Calibrate on so many made-up inputs instead: a last resort that costs accuracy.", valueName: "count"))
  var synthetic: Int?

  @Option(
    help: ArgumentHelp(
      """
      Ranges are read from here when the file is there, and kept here after every run; those of channels beside it, in \
      FILE.channels, and a folder's in FILE-encoder and FILE-decoder. With --rounding nearest they do without \
      --calibration, in w8a8 with --narrow-share 100 each time.
      """, valueName: "file"),
    completion: .file(extensions: ["json"]))
  var ranges: String?

  @Option(
    help:
      "How ranges of activations are chosen: min-max, moving, percentile, mse or entropy. (default: min-max)",
    completion: .list(["min-max", "moving", "percentile", "mse", "entropy"]))
  var observer: String?

  @Option(help: "Percent of the values that --observer percentile keeps. (default: 99.99)")
  var percentile: Double?

  @Option(
    help: ArgumentHelp(
      """
      The chip, by name, or a file of the form that 'whisperq quantize --print-target' shows. \
      (default: snapdragon-x-elite)
      """, valueName: "chip|file"),
    completion: .file(extensions: ["json"]))
  var target: String?

  @Flag(help: "Print the target as JSON, to be changed and given to --target, and do nothing else.")
  var printTarget = false

  @Option(
    help: "Type of keys and values: u8, or s16 (better, but slow to compile). (default: u8)",
    completion: .list(["u8", "s16"]))
  var kv: String?

  @Option(
    help: "How weights are rounded: error-aware (GPTQ) or nearest. (default: error-aware)",
    completion: .list(["error-aware", "nearest"]))
  var rounding: String?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Tokens that a decoder's caches hold, prompt and text. (default: all positions)"))
  var maxTokens: Int?

  @Option(
    help: ArgumentHelp(
      "Language of the recordings that calibrate a decoder. (default: each is listened to)", valueName: "code"
    ))
  var language: String?

  @Option(
    name: .customLong("dim"),
    help: ArgumentHelp(
      "The extent of an open dimension; may be given several times.", valueName: "name=extent"))
  var dimensions: [String] = []

  @Option(
    help: ArgumentHelp(
      "Also write the float model that was quantized: fixed shapes, fused.", valueName: "path"),
    completion: .file())
  var keepPrepared: String?

  @Option(
    help: ArgumentHelp(
      "Fold channel sizes into weights: on, off, attention (keys, values) or outputs (w8a8). (default: on)",
      valueName: "what"),
    completion: .list(["on", "off", "attention", "outputs"]))
  var equalize: String?

  @Option(
    help: ArgumentHelp(
      "SmoothQuant into LayerNormalization: off, auto or a power from 0 to 1. (default: off)",
      valueName: "power"))
  var smooth: String?

  @Option(
    help: "Correct biases by what error-aware rounding takes from the means: on or off. (default: on)",
    completion: .list(["on", "off"]))
  var biasCorrection: String?

  @Option(help: "Bits of the weights of convolutions: 16 or 8. (default: 16)")
  var stemBits: Int?

  @Option(help: "Bits of Gelu between 8-bit layers (w8a8): 16 or 8. (default: 16)")
  var geluBits: Int?

  @Option(help: ArgumentHelp("Linear layers that keep 16-bit activations in w8a8.", valueName: "pattern"))
  var wide: [String] = []

  @Option(
    help: ArgumentHelp("Linear layers that have 8-bit activations whatever it costs.", valueName: "pattern"))
  var narrow: [String] = []

  @Option(
    help: ArgumentHelp(
      "Percent of the linear layers' multiplications with 8-bit activations, at least. (default: 80)",
      valueName: "percent"))
  var narrowShare: Double?

  @Flag(help: "Say of each node where it will run, on which rule, and what would move it.")
  var explain = false

  /// The first option that was given, by its name; nil when none was.
  var firstGiven: String? {
    if target != nil { return "--target" }
    if language != nil { return "--language" }
    return explain ? "--explain" : choices.firstGiven
  }

  var choices: StaticChoices {
    var choices = StaticChoices()
    choices.calibration = calibration
    choices.syntheticCount = synthetic
    choices.rangesPath = ranges
    choices.observer = observer
    choices.percentile = percentile
    if let target { choices.target = target }
    choices.keysAndValues = kv
    choices.rounding = rounding
    choices.maximumTokenCount = maxTokens
    choices.dimensions = dimensions
    choices.keptPreparedPath = keepPrepared
    choices.equalize = equalize
    choices.smooth = smooth
    choices.biasCorrection = biasCorrection
    choices.stemBits = stemBits
    choices.geluBits = geluBits
    choices.wide = wide
    choices.narrow = narrow
    choices.narrowShare = narrowShare
    return choices
  }
}
