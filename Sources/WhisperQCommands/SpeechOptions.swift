public import ArgumentParser
import Pipeline
public import Whisper

/// What decides how speech becomes text.
struct DecodingChoices: ParsableArguments {
  @Option(
    name: [.short, .long],
    help: ArgumentHelp(
      "The language spoken: a code or a name. (default: heard in the first 30 s)", valueName: "pt"))
  var language: String?

  @Option(help: "transcribe writes what is said, translate writes it in English.")
  var task: SpeechTask = .transcribe

  @Flag(
    name: [.customLong("fallback")],
    help: """
      Decode a window again at temperatures 0.2 to 1 when its text repeats itself or is unlikely, and leave out \
      silence; with Whisper's own limits (2.4, -1, 0.6).
      """)
  var usesFallback = false

  @Option(
    name: .customLong("temperature"), parsing: .upToNextOption,
    help: ArgumentHelp(
      "Temperatures tried one after the other; 0 is greedy. (default: 0)", valueName: "value"))
  var temperatures: [Float] = []

  @Option(help: ArgumentHelp("A text that packs better than this is decoded again.", valueName: "ratio"))
  var compressionRatioLimit: Double?

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("A text whose tokens are less likely than this is decoded again.", valueName: "log"))
  var logprobLimit: Double?

  @Option(help: ArgumentHelp("A window that is likelier silent than this is left out.", valueName: "share"))
  var noSpeechLimit: Double?

  @Flag(help: "Tell each window of long audio what was said before it.")
  var previousText = false

  @Option(
    help: ArgumentHelp("Words that the model is told as if they had been said before.", valueName: "text"))
  var initialPrompt: String?

  @Option(
    help: ArgumentHelp("Most tokens of a window of 30 s. (default: the model's own limit)", valueName: "n"))
  var maxTokens: Int?

  @Option(help: "The seed for temperatures above 0.")
  var seed: UInt64 = 1

  var options: DecodingOptions {
    var options = DecodingOptions()
    if usesFallback { options.useFallback() }
    options.language = language
    options.task = task
    if !temperatures.isEmpty { options.temperatures = temperatures }
    if let compressionRatioLimit { options.compressionRatioLimit = compressionRatioLimit }
    if let logprobLimit { options.logProbabilityLimit = logprobLimit }
    if let noSpeechLimit { options.noSpeechLimit = noSpeechLimit }
    options.context = previousText ? .previousText : .none
    options.initialPrompt = initialPrompt
    options.tokenLimit = maxTokens
    options.seed = seed
    return options
  }

  mutating func validate() throws {
    if temperatures.contains(where: { !(0...2).contains($0) }) {
      throw ValidationError("--temperature takes numbers from 0 to 2.")
    }
    if let maxTokens, maxTokens < 1 { throw ValidationError("--max-tokens takes 1 or more.") }
    if let noSpeechLimit, !(0...1).contains(noSpeechLimit) {
      throw ValidationError("--no-speech-limit takes a probability from 0 to 1.")
    }
  }
}

extension SpeechTask: ExpressibleByArgument {}

/// Where the parts of the model are, and what runs each.
struct SpeechFileOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The precision to take where a folder has several, such as int8 or fp16.", valueName: "name"))
  var variant: String?

  @Option(
    help: ArgumentHelp("The tokenizer's folder or file. (default: beside the models)", valueName: "path"),
    completion: .file())
  var tokenizer: String?

  @Option(
    help: ArgumentHelp(
      "The manifest in which keys are looked up. (default: models/manifest.json)", valueName: "file"),
    completion: .file(extensions: ["json"]))
  var manifest: String?

  @Flag(help: "Accept links on the way to external data; for models that you trust.")
  var followLinks = false

  @Option(help: ArgumentHelp("Providers of the encoder alone, as --ep.", valueName: "names"))
  var encoderEp: String?

  @Option(help: ArgumentHelp("Providers of the decoder alone, as --ep.", valueName: "names"))
  var decoderEp: String?

  func choice(_ models: [String], _ backends: BackendOptions) -> SpeechChoice {
    var choice = SpeechChoice()
    choice.models = models
    choice.manifestPath = manifest
    choice.followsLinks = followLinks
    choice.variant = variant
    choice.tokenizer = tokenizer
    choice.backends = backends.choice
    choice.encoderProviders = encoderEp
    choice.decoderProviders = decoderEp
    return choice
  }
}
