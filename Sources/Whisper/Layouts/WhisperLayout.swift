/// Who laid out a Whisper model: which names and shapes its inputs and outputs have.
///
/// The raw value is the stable name for machines.
public enum WhisperLayout: String, Sendable, CaseIterable {
  /// Hugging Face Optimum, onnx-community, and PyTorch exports with the same names.
  case optimum
  /// ONNX Runtime's own export, which onnxruntime-genai runs.
  case onnxRuntimeGenAI = "onnxruntime-genai"
  /// One operator (`WhisperBeamSearch`) that holds encoder and decoder and searches by itself.
  case beamSearch = "beam-search"
  /// sherpa-onnx, with stacked caches and metadata on the encoder.
  case sherpa = "sherpa-onnx"
  /// Qualcomm AI Hub: static shapes, one token a step, a cache for each layer with the heads first.
  case qualcommAIHub = "qualcomm-ai-hub"
  /// Compiled for one processor (`EPContext`); no weights to quantize are left.
  case epContext = "ep-context"
  /// None of these.
  case unknown

  /// The name for people.
  public var title: String {
    switch self {
    case .optimum: return "Hugging Face Optimum"
    case .onnxRuntimeGenAI: return "ONNX Runtime / genai"
    case .beamSearch: return "ONNX Runtime beam search"
    case .sherpa: return "sherpa-onnx"
    case .qualcommAIHub: return "Qualcomm AI Hub"
    case .epContext: return "compiled EPContext package"
    case .unknown: return "unknown"
    }
  }
}

/// What a file computes of Whisper.
///
/// The raw value is the stable name for machines.
public enum WhisperPart: String, Sendable, CaseIterable {
  /// Mel spectrum to hidden states, or to the caches of the decoder's cross-attention.
  case encoder
  /// Tokens and hidden states to logits, from the beginning of the text.
  case decoder
  /// As `decoder`, but takes the caches of earlier tokens; the only decoder of the genai, sherpa-onnx and
  /// AI Hub layouts, which begin with an empty past.
  case decoderWithPast = "decoder-with-past"
  /// Both decoders in one file, chosen by the input `use_cache_branch`.
  case decoderMerged = "decoder-merged"
  /// The first step of a decoder, which makes the caches.
  case decoderInit = "decoder-init"
  /// Encoder and first decoder step in one graph.
  case encoderDecoderInit = "encoder-decoder-init"
  /// A decoder without its token embedding.
  case decoderFromEmbeddings = "decoder-from-embeddings"
  /// Word time stamps from the cross-attention.
  case jumpTimes = "jump-times"
  /// Encoder, decoder and search.
  case allInOne = "all-in-one"
  case unknown

  /// The name for people.
  public var title: String {
    switch self {
    case .encoder: return "encoder"
    case .decoder: return "decoder"
    case .decoderWithPast: return "decoder with past"
    case .decoderMerged: return "merged decoder"
    case .decoderInit: return "first decoder step"
    case .encoderDecoderInit: return "encoder and first decoder step"
    case .decoderFromEmbeddings: return "decoder from embeddings"
    case .jumpTimes: return "word time stamps"
    case .allInOne: return "encoder, decoder and search in one"
    case .unknown: return "unknown part"
    }
  }

  /// Whether the file takes audio features.
  public var hasEncoder: Bool { self == .encoder || self == .encoderDecoderInit || self == .allInOne }

  /// Whether the file makes logits or, from embeddings, hidden states of text.
  public var hasDecoder: Bool {
    switch self {
    case .encoder, .jumpTimes, .unknown: return false
    default: return true
    }
  }
}
