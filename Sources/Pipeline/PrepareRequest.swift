public import ONNXGraph
import Tensors

/// What `prepare` is asked to do with one model.
public struct PrepareOptions: Sendable {
  /// Lengths of open dimensions by name, or by `input.axis`.
  public var dimensions: [String: Int] = [:]
  /// Which branch of a merged decoder is meant; nil when the model has none.
  public var decoderBranch: DecoderBranch?
  /// How a decoder keeps what it has computed for earlier tokens.
  public var decoderForm: DecoderForm = .asExported
  public var encoderForm: EncoderForm = .asExported
  /// The version of ai.onnx that the result has at least.
  public var opset: Int64 = 21
  public var followsLinks = false
  public var threadCount = 0

  public init() {}
}

/// The two graphs in a merged decoder.
public enum DecoderBranch: String, Sendable, CaseIterable {
  case noPast = "no-past"
  case withPast = "with-past"
}

/// The form that a decoder gets; other forms are built from the exported one before the passes run.
public enum DecoderForm: Sendable, Equatable {
  /// Inputs and outputs as the export has them.
  case asExported
  /// One token a step, with caches of fixed length as inputs; nil is as many tokens as there are positions.
  case staticCaches(maximumTokenCount: Int?)
}

/// What an encoder gives.
public enum EncoderForm: Sendable, Equatable {
  /// Outputs as the export has them.
  case asExported
  /// The caches of the decoder's cross-attention, computed with the projections of the decoder at this path; nil for
  /// an encoder that gives caches in some form already.
  case crossCaches(decoderPath: String?)
}

/// A float model of fixed shapes in the form that an NPU compiles whole.
public struct PreparedModel: Sendable {
  public let graph: ModelGraph
  /// Of every value of the main graph.
  public let shapes: ShapeTable
  /// One for each pass that ran, in order.
  public let reports: [PassReport]
  public let source: SourceSignature
  public let seconds: Double
}

/// What a prepared model was made from.
public struct SourceSignature: Sendable {
  public let path: String
  /// Model file and data files.
  public let byteCount: Int
  /// Inputs and outputs as `name:type[dimensions]`, as the file declares them.
  public let inputs: [String]
  public let outputs: [String]
  /// Nodes of all graphs by operator.
  public let operators: [String: Int]

  init(_ graph: ModelGraph, path: String, byteCount: Int) {
    self.path = path
    self.byteCount = byteCount
    inputs = graph.requiredInputs.map { Self.text($0, graph) }
    outputs = graph[graph.root].outputs.map { Self.text($0, graph) }
    operators = graph.operatorCounts
  }

  static func text(_ value: ValueID, _ graph: ModelGraph) -> String {
    let type = graph[value].declaredElementType?.name ?? "?"
    let shape = graph.declaredShape(of: value)?.map(\.description).joined(separator: ",") ?? "?"
    return "\(graph[value].name):\(type)[\(shape)]"
  }
}

extension ModelGraph {
  /// Nodes of all graphs by operator, with its domain unless that is ai.onnx.
  var operatorCounts: [String: Int] {
    allNodes.reduce(into: [:]) { counts, node in
      let record = self[node]
      counts[record.domain.isEmpty ? record.opType : "\(record.domain).\(record.opType)", default: 0] += 1
    }
  }
}
