/// Why no decoder of fixed shapes can be made from a model: one sentence that names the file and the node.
public struct StaticSpeechError: Error, Sendable, Equatable {
  public enum Reason: Sendable, Equatable {
    /// The graph is not built as a Whisper decoder is.
    case pattern
    /// A part is not in this file, but may be in another one of the same model.
    case absent
    /// The weights are quantized, packed or missing.
    case weights
    /// The numbers that were asked for do not fit the model.
    case request
  }

  public let reason: Reason
  public let message: String

  public init(_ reason: Reason, _ message: String) {
    self.reason = reason
    self.message = message
  }
}
