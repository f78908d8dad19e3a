import ModelBackend
public import Validation
public import Whisper

/// Which model turns speech into text, and what runs it.
public struct SpeechChoice: Sendable {
  /// Folders, files and keys of the manifest that make one model; `NAME` also stands for the entries
  /// `NAME_encoder` and `NAME_decoder`.
  public var models: [String] = []
  public var manifestPath: String?
  public var followsLinks = false
  /// Whether the files become the source of other ones: then float ones go before quantized ones, and there is no
  /// --variant to choose with.
  public var prefersFloat = false
  /// The precision to take where a folder holds several; nil takes the most precise.
  public var variant: String?
  /// The tokenizer's folder or file; nil looks beside the models and above them.
  public var tokenizer: String?
  public var backends = BackendChoice()
  /// Providers of the encoder alone, and of the decoder alone.
  public var encoderProviders: String?
  public var decoderProviders: String?

  public init() {}

  /// The words as one name for reports.
  public var title: String { models.joined(separator: " + ") }

  /// Reads `A+B` as the two parts of one model.
  public static func parts(_ word: String) -> [String] {
    // A path may hold a plus sign.
    ModelReference.isPath(word) ? [word] : word.split(separator: "+").map(String.init)
  }
}

/// A file of a model that is ready to listen or to write.
public struct SpeechPartReport: Sendable {
  public let path: String
  public let part: WhisperPart
  public let byteCount: Int
  public let engine: EngineReport
  public let loadSeconds: Double
}

/// A model that is ready to transcribe.
public struct LoadedSpeech {
  public let transcriber: Transcriber
  public let parts: [SpeechPartReport]
  /// The folder of the tokenizer and the settings.
  public let tokenizerPath: String
  /// What the user should know: what was left, what was passed over.
  public let notes: [String]
}
