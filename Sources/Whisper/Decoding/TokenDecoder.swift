public import Tensors

/// What an encoder made of one window of audio.
public struct EncodedAudio: Sendable {
  /// The log-mel features that went in.
  public let features: TensorContent
  /// Hidden states, or the caches of the decoder's cross-attention, by output name.
  public let tensors: [String: TensorContent]

  public init(features: TensorContent, tensors: [String: TensorContent]) {
    self.features = features
    self.tensors = tensors
  }
}

/// Turns tokens into logits, whatever the layout of its files; remembers the tokens before in caches.
public protocol TokenDecoder: AnyObject {
  /// How many tokens fit, prompt and text together; nil when the files do not tell.
  var tokenLimit: Int? { get }
  /// Files in the order of use, for reports.
  var parts: [SpeechPart] { get }

  /// Forgets all tokens and listens to other audio.
  func begin(_ audio: EncodedAudio) throws(DecodingError)

  /// Reads tokens after those before, and gives for each of them the logits of the token that follows it.
  ///
  /// - Returns: one row of as many floats as the vocabulary has tokens, for each token.
  func step(_ tokens: [Int]) throws(DecodingError) -> [[Float]]
}
