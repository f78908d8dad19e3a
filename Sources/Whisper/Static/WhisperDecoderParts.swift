public import Tensors

/// A linear layer's constants; the weight stays where it is in its file.
public struct LinearPart: Sendable {
  /// Which axis of the weight is which.
  public enum Orientation: Sendable {
    /// [K, N], as `MatMul` takes it.
    case inputFirst
    /// [N, K], as PyTorch keeps it and `Gemm` takes it with `transB`.
    case outputFirst
  }

  /// Rank 2.
  public let weight: TensorContent
  public let orientation: Orientation
  /// [N]; nil when there is none.
  public var bias: TensorContent?
  /// The weight's name in the source.
  public let sourceName: String

  /// Features that go in (K).
  public var inputCount: Int { weight.shape.dimensions[orientation == .inputFirst ? 0 : 1] }
  /// Features that come out (N).
  public var outputCount: Int { weight.shape.dimensions[orientation == .inputFirst ? 1 : 0] }
}

/// A layer normalization over the last axis.
public struct NormPart: Sendable {
  public let gamma: TensorContent
  public let beta: TensorContent?
  public let epsilon: Float
}

/// One attention of a decoder layer, with the normalization before it.
public struct AttentionPart: Sendable {
  public let norm: NormPart
  public let query: LinearPart
  /// Nil where the file takes finished keys: the cross-attention of a decoder with a past.
  public let key: LinearPart?
  public let value: LinearPart?
  public let output: LinearPart
  /// The product of all scalars between the projections and Softmax; 1/√64 in every published Whisper.
  public let scale: Float
}

/// The feed-forward half of a decoder layer, with the normalization before it.
public struct FeedForwardPart: Sendable {
  /// Which Gelu stands in the middle.
  public enum Activation: String, Sendable {
    /// With the error function.
    case exact = "none"
    /// With the hyperbolic tangent.
    case tanh
  }

  public let norm: NormPart
  /// d to 4d.
  public let up: LinearPart
  public let activation: Activation
  /// 4d to d.
  public let down: LinearPart
}

/// A layer of the decoder in the order of computation.
public struct DecoderLayerPart: Sendable {
  public let selfAttention: AttentionPart
  public let crossAttention: AttentionPart
  public let feedForward: FeedForwardPart
}

/// The constants of a Whisper decoder by their roles, whatever the form of the export they were found in.
public struct WhisperDecoderParts: Sendable {
  /// The hidden size d.
  public let width: Int
  public let headCount: Int
  /// The token embedding [V, d].
  public let tokenTable: TensorContent
  /// The position embedding [448, d].
  public let positionTable: TensorContent
  public let layers: [DecoderLayerPart]
  public let finalNorm: NormPart
  /// Hidden state to logits.
  public let logits: LinearPart
  /// Whether the logits are computed with the token embedding itself, not with a copy of it.
  public let sharesEmbedding: Bool

  public var headWidth: Int { width / headCount }
  public var vocabularyCount: Int { logits.outputCount }
  public var positionCount: Int { positionTable.shape.dimensions[0] }

  /// Whether keys and values of the cross-attention can be computed from this file.
  public var hasCrossProjections: Bool {
    layers.allSatisfy { $0.crossAttention.key != nil && $0.crossAttention.value != nil }
  }
}
