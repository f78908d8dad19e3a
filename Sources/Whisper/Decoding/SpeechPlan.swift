/// A file that may belong to a Whisper, as far as its graph tells.
public struct SpeechFile: Sendable {
  /// How sentences call it; its path.
  public let name: String
  public let description: WhisperModelDescription
  public let outputs: [String]

  public init(name: String, description: WhisperModelDescription, outputs: [String]) {
    self.name = name
    self.description = description
    self.outputs = outputs
  }

  var givesCrossCaches: Bool { outputs.contains { GrowingCacheDecoder.isCross($0) } }
}

/// Which files of a model decode speech, and how the decoder remembers what it wrote.
public struct SpeechPlan: Sendable {
  /// How the caches of a decoder are kept.
  public enum Caches: Sendable {
    /// All tokens are read anew at each step.
    case none
    /// The file of the first step goes on from its own caches.
    case own
    /// Another file goes on from the caches of the first step.
    case other(SpeechFile)
    /// sherpa-onnx: all layers in one tensor of fixed length.
    case stacked
    /// AI Hub: a tensor of fixed length for each layer, one token a step.
    case fixed
  }

  /// Nil when the first step computes the encoder, too.
  public let encoder: SpeechFile?
  /// What reads the first tokens.
  public let first: SpeechFile
  public let caches: Caches

  /// The files in the order of use.
  public var files: [SpeechFile] {
    var files = [encoder, first].compactMap { $0 }
    if case .other(let next) = caches { files.append(next) }
    return files
  }

  /// Chooses among files of one model.
  ///
  /// With several decoders: the pair of first step and step with past, else a merged one, else one without caches.
  ///
  /// - Parameter inFolder: whether the files are what a named folder holds, which is what sentences about missing
  ///   ones go by.
  /// - Throws: `DecodingError` when a file is no part of Whisper, or one is missing.
  public init(_ files: [SpeechFile], inFolder: Bool = false) throws(DecodingError) {
    for file in files { try Self.check(file) }
    func file(_ part: WhisperPart) -> SpeechFile? { files.first { $0.description.part == part } }
    let encoder = file(.encoder)
    let joint = file(.encoderDecoderInit)
    guard encoder != nil || joint != nil else {
      let names = files.map(\.name).joined(separator: ", ")
      throw DecodingError(
        .missing,
        names.isEmpty
          ? "no models are named; name the folder of a model, or its encoder and decoder"
          : "there is no encoder among \(names); "
            + (inFolder
              ? "put it into the folder" : "name the encoder, too, or the folder that holds both"))
    }
    let choice = try Self.choose(files, encoder, joint, inFolder, file)
    (first, caches) = choice
    self.encoder = choice.first.description.part == .encoderDecoderInit ? nil : encoder
    try checkWidths()
  }

  private static func check(_ file: SpeechFile) throws(DecodingError) {
    switch file.description.part {
    case .allInOne:
      throw DecodingError(
        .unsupported,
        "\(file.name): encoder, decoder and beam search are one operator, which writes a whole text by itself; "
          + "use an export with separate encoder and decoder")
    case .unknown:
      throw DecodingError(.mismatch, "\(file.name): this is no part of Whisper that whisperq knows")
    default: break
    }
  }

  private static func choose(
    _ files: [SpeechFile], _ encoder: SpeechFile?, _ joint: SpeechFile?, _ inFolder: Bool,
    _ file: (WhisperPart) -> SpeechFile?
  ) throws(DecodingError) -> (first: SpeechFile, caches: Caches) {
    let withPast = file(.decoderWithPast)
    switch withPast?.description.interface {
    case .sherpa: if let withPast { return (withPast, .stacked) }
    case .qualcommAIHub: if let withPast { return (withPast, .fixed) }
    case .onnxRuntimeGenAI:
      if let withPast { return try runtime(withPast, encoder, joint, file(.decoderInit), inFolder) }
    default: break
    }
    if encoder != nil {
      if let first = file(.decoder), let withPast { return (first, .other(withPast)) }
      if let merged = file(.decoderMerged) { return (merged, .own) }
      if let first = file(.decoder) { return (first, .none) }
    }
    if let withPast {
      throw DecodingError(
        .missing,
        "\(withPast.name): the decoder goes on from caches that nothing here makes; "
          + remedy("decoder_model.onnx or decoder_model_merged.onnx of the same export", inFolder))
    }
    if let embedded = file(.decoderFromEmbeddings) {
      throw DecodingError(
        .unsupported,
        "\(embedded.name): the decoder has no token embedding, so it cannot read tokens; use an export whose decoder "
          + "takes input_ids")
    }
    throw DecodingError(
      .missing,
      "there is no decoder beside \(files.map(\.name).joined(separator: ", ")); "
        + (inFolder ? "put it into the folder" : "name the decoder, too, or the folder that holds both"))
  }

  private static func remedy(_ what: String, _ inFolder: Bool) -> String {
    inFolder ? "put \(what) into the folder" : "name \(what), too"
  }

  /// ONNX Runtime's export: the caches of cross-attention come from the encoder, else from the first step.
  private static func runtime(
    _ withPast: SpeechFile, _ encoder: SpeechFile?, _ joint: SpeechFile?, _ initial: SpeechFile?,
    _ inFolder: Bool
  ) throws(DecodingError) -> (first: SpeechFile, caches: Caches) {
    if let encoder, encoder.givesCrossCaches { return (withPast, .own) }
    if encoder != nil, let initial { return (initial, .other(withPast)) }
    if let joint { return (joint, .other(withPast)) }
    throw DecodingError(
      .missing,
      "\(withPast.name): the decoder goes on from caches that nothing here makes; "
        + remedy("the file of the first step (decoder_init or encoder_decoder_init)", inFolder))
  }

  private func checkWidths() throws(DecodingError) {
    guard let encoder, let width = encoder.description.dimensions.width else { return }
    for file in files.dropFirst() {
      guard let other = file.description.dimensions.width, other != width else { continue }
      throw DecodingError(
        .mismatch,
        "\(file.name): the decoder's hidden size is \(other), that of the encoder (\(encoder.name)) is \(width); "
          + "they are of different models")
    }
  }
}
