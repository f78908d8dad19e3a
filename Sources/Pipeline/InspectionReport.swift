/// What `whisperq inspect` finds out about one model file; nothing of it needs the weights themselves.
public struct InspectionReport: Sendable {
  public let path: String
  /// Length of the model file.
  public let modelByteCount: Int
  public let identity: Identity
  public let header: Header
  public let inputs: [Port]
  public let outputs: [Port]
  /// The main graph first, then the graphs inside its nodes.
  public let graphs: [GraphLine]
  public let functions: [FunctionLine]
  /// Of all graphs and functions: the most frequent first, then by domain and name.
  public let operators: [OperatorCount]
  public let weights: Weights
  public let quantization: Quantization
  /// Files beside the model that it names, by name.
  public let dataFiles: [DataFile]
  /// All nodes, when the options ask for them.
  public let nodes: [NodeLine]
  /// What keeps the model from being used, each a sentence; empty for a healthy model.
  public let problems: [String]
  /// What is odd and harmless, each a sentence.
  public let notes: [String]

  /// Nodes of all graphs and functions.
  public var nodeCount: Int {
    graphs.reduce(0) { $0 + $1.nodeCount } + functions.reduce(0) { $0 + $1.nodeCount }
  }

  /// The model file and the files beside it that it names.
  public var totalByteCount: Int { modelByteCount + dataFiles.reduce(0) { $0 + ($1.byteCount ?? 0) } }
}

extension InspectionReport {
  /// Which part of which Whisper the file is; names are stable, titles are for people.
  public struct Identity: Sendable {
    public let isWhisper: Bool
    public let layoutName: String
    public let layoutTitle: String
    /// The layout whose inputs and outputs a compiled package has; else the same as `layoutName`.
    public let interfaceName: String
    public let partName: String
    public let partTitle: String
    /// The published model, such as `large-v3`, or `custom`; nil when it cannot be told.
    public let sizeName: String?
    /// Other published models that the file fits as well.
    public let sizeAlternatives: [String]
    public let hasStaticShapes: Bool
    public let openDimensions: [String]
    public let melCount: Int?
    public let width: Int?
    public let encoderLayerCount: Int?
    public let decoderLayerCount: Int?
    public let headCount: Int?
    public let headWidth: Int?
    public let vocabularyCount: Int?
    public let selfCacheLength: Int?
  }

  /// The model's own fields.
  public struct Header: Sendable {
    public let irVersion: Int?
    public let producer: String?
    public let modelVersion: Int?
    /// Domain (`ai.onnx` for the standard one) and version, in file order.
    public let operatorSets: [(domain: String, version: Int)]
    public let metadata: [(key: String, value: String)]
  }

  /// An input or output of the main graph.
  public struct Port: Sendable {
    public let name: String
    /// ONNX's name of the element type, such as `float`; nil when this is no tensor or the type is unknown.
    public let elementType: String?
    /// Nil when not even the rank is known.
    public let shape: [Dimension]?
  }

  /// An extent: fixed, open under a name, or open without one.
  public enum Dimension: Sendable, Equatable {
    case fixed(Int)
    case named(String)
    case unknown
  }

  public struct GraphLine: Sendable {
    public let name: String
    /// The node and attribute that hold it; nil for the main graph.
    public let place: String?
    public let nodeCount: Int
    public let initializerCount: Int
  }

  public struct FunctionLine: Sendable {
    public let domain: String
    public let name: String
    public let nodeCount: Int
  }

  public struct OperatorCount: Sendable {
    /// `ai.onnx` for the standard operators.
    public let domain: String
    public let name: String
    public let count: Int
  }

  public struct NodeLine: Sendable {
    /// Index into `graphs`.
    public let graphIndex: Int
    public let name: String
    public let domain: String
    public let operatorName: String
    /// Names of values; "" is an optional one that is not given.
    public let inputs: [String]
    public let outputs: [String]
  }

  /// Constant tensors: initializers, and `Constant` nodes of at least 1,024 bytes. Two tensors that are the
  /// same bytes of a file count once.
  public struct Weights: Sendable {
    public let tensorCount: Int
    public let elementCount: Int
    public let byteCount: Int
    /// By bytes, the most first.
    public let types: [TypeTotal]
    /// By bytes, the largest first; all of them.
    public let tensors: [Tensor]
  }

  public struct TypeTotal: Sendable {
    public let elementType: String
    public let tensorCount: Int
    public let elementCount: Int
    public let byteCount: Int
  }

  public struct Tensor: Sendable {
    public let name: String
    public let elementType: String
    public let shape: [Int]
    public let byteCount: Int
    /// Operators that take it, each once, sorted: `MatMul`, or `DequantizeLinear → MatMul`.
    public let users: [String]
    /// The file beside the model that holds it; nil when it is in the model.
    public let location: String?
  }

  /// How the model is quantized, judged by its operators and the types of its weights.
  public struct Quantization: Sendable {
    /// `fp32`, `fp16`, `bf16`, `dynamic-int8`, `weight-int8`, `weight-int4`, `w8a8`, `w8a16`, `w4a16`, ...,
    /// `compiled`, or `none` for a model without weights.
    public let scheme: String
    /// Matrix products and convolutions with a constant weight, and how many of them have a quantized one.
    public let linearLayerCount: Int
    public let quantizedLayerCount: Int
    /// Operators that quantize, dequantize or compute with integers, by name.
    public let operators: [OperatorCount]
    /// Types of activations that `QuantizeLinear` makes, with their numbers.
    public let activationTypes: [(elementType: String, count: Int)]
  }

  /// A file beside the model that holds tensors or a compiled program.
  public struct DataFile: Sendable {
    /// As the model writes it.
    public let location: String
    public let kind: Kind
    /// Nil when the file could not be opened.
    public let byteCount: Int?
    /// Bytes that some tensor takes.
    public let usedByteCount: Int
    /// Bytes behind the last tensor.
    public let trailingByteCount: Int
    public let tensorCount: Int
    /// Tensors whose bytes cannot be had.
    public let brokenTensorCount: Int

    public enum Kind: String, Sendable {
      case tensors
      case compiledProgram = "compiled-program"
    }
  }
}

/// What an inspection looks at.
public struct InspectOptions: Sendable {
  /// Whether links are accepted on the way to a data file.
  public enum Links: Sendable { case refused, followed }

  /// Whether the report has a line for each node.
  public enum NodeList: Sendable { case omitted, included }

  public var links: Links
  public var nodes: NodeList

  public init(links: Links = .refused, nodes: NodeList = .omitted) {
    self.links = links
    self.nodes = nodes
  }
}
