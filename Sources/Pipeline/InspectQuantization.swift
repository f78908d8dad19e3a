import ONNXGraph
import Tensors

extension InspectionReport.Quantization {
  private static let dynamicOperators: Set<String> = [
    "DynamicQuantizeLinear", "MatMulInteger", "MatMulIntegerToFloat", "DynamicQuantizeMatMul", "ConvInteger",
    "DynamicQuantizeLSTM",
  ]
  private static let staticOperators: Set<String> = [
    "QLinearMatMul", "QLinearConv", "QGemm", "QLinearAdd", "QLinearMul", "QAttention",
  ]
  private static let blockOperators: Set<String> = ["MatMulNBits", "MatMulBnb4", "GatherBlockQuantized"]
  private static let edgeOperators: Set<String> = ["QuantizeLinear", "DequantizeLinear", "EPContext"]

  /// Judges a model; `operators` are those of all its graphs and functions.
  init(_ graph: ModelGraph, _ operators: [InspectionReport.OperatorCount]) {
    let layers = graph.allNodes.compactMap(graph.linearLayer)
    linearLayerCount = layers.count
    quantizedLayerCount = layers.filter(\.isQuantized).count
    let telling = Self.dynamicOperators.union(Self.staticOperators).union(Self.blockOperators)
      .union(Self.edgeOperators)
    self.operators = operators.filter { telling.contains($0.name) }
    var evidence = Evidence(graph, layers)
    evidence.names = Set(self.operators.map(\.name))
    activationTypes = evidence.activations.map { ($0.key.name, $0.value) }
      .sorted { (-$0.1, $0.0) < (-$1.1, $1.0) }
    scheme = evidence.scheme
  }

  private struct Evidence {
    var names: Set<String> = []
    /// Results of `QuantizeLinear` on values that are no constants.
    var activations: [ElementType: Int] = [:]
    /// Elements of the layers' weights that `DequantizeLinear` restores, by type; of other constants when no
    /// layer has such a weight.
    var restored: [ElementType: Int] = [:]
    /// Elements of block-quantized weights, by bits.
    var blocks: [Int: Int] = [:]
    /// Bytes of float constants.
    var floats: [ElementType: Int] = [:]

    init(_ graph: ModelGraph, _ layers: [LinearLayer]) {
      for case let weight? in layers.map(\.weight) where weight.isDequantized { countRestored(weight) }
      let isWeightless = restored.isEmpty
      for node in graph.allNodes {
        switch graph[node].opType {
        case "QuantizeLinear": countActivation(node, graph)
        case "DequantizeLinear" where isWeightless:
          if let value = graph[node].inputs.first ?? nil, let source = graph.constantSource(of: value),
            source.elementType != .int32
          {
            countRestored(source)
          }
        case "MatMulNBits", "MatMulBnb4":
          let bits = Int(clamping: graph.integer("bits", of: node) ?? 4)
          let extents = ["K", "N"].map { Int(clamping: graph.integer($0, of: node) ?? 0) }
          blocks[bits, default: 0].addClamped(Shape(extents)?.elementCount ?? 0)
        default: break
        }
      }
      for value in graph.allInitializers {
        guard let source = graph.constantSource(of: value), let type = source.elementType,
          let elementCount = Shape(source.dimensions)?.elementCount
        else { continue }
        switch type {
        case .float32, .float16, .bfloat16, .float64:
          floats[type, default: 0].addClamped(type.byteCount(elementCount: elementCount) ?? 0)
        default: break
        }
      }
    }

    private mutating func countActivation(_ node: NodeID, _ graph: ModelGraph) {
      let inputs = graph[node].inputs
      guard let value = inputs.first ?? nil, graph.constantSource(of: value) == nil else { return }
      let zeroPoint = inputs.count > 2 ? inputs[2] : nil
      let type =
        zeroPoint.flatMap { graph.constantSource(of: $0)?.elementType }
        ?? graph.integer("output_dtype", of: node).flatMap { ElementType(rawValue: Int32(clamping: $0)) }
        ?? .uint8
      activations[type, default: 0] += 1
    }

    private mutating func countRestored(_ source: ConstantSource) {
      guard let type = source.elementType else { return }
      restored[type, default: 0].addClamped(Shape(source.dimensions)?.elementCount ?? 0)
    }

    /// The scheme in the words of the command line.
    var scheme: String {
      if names.contains("EPContext") { return "compiled" }
      let activationBits = mostBits(activations)
      let weightBits = mostBits(restored)
      if let activationBits {
        let isBlock = weightBits == nil && !blocks.isEmpty
        return "w\(weightBits ?? (isBlock ? largest(blocks) ?? 4 : 8))a\(activationBits)"
      }
      if !names.isDisjoint(with: staticOperators) { return "w8a8" }
      if !names.isDisjoint(with: dynamicOperators) { return "dynamic-int8" }
      if let bits = largest(blocks) { return "weight-int\(bits)" }
      if let type = largest(restored) {
        return type.name.hasPrefix("float") ? "weight-\(type.name)" : "weight-int\(type.bitWidth ?? 8)"
      }
      switch largest(floats) {
      case .float32?: return "fp32"
      case .float16?: return "fp16"
      case .bfloat16?: return "bf16"
      case .float64?: return "fp64"
      default: return "none"
      }
    }

    private func mostBits(_ counts: [ElementType: Int]) -> Int? { largest(counts)?.bitWidth }
  }

  /// The key with the largest number; among equals the one whose description comes first.
  private static func largest<Key>(_ counts: [Key: Int]) -> Key? {
    counts.max { ($0.value, String(describing: $1.key)) < ($1.value, String(describing: $0.key)) }?.key
  }
}

extension Int {
  /// Adds, and stays at the largest number when the sum does not fit.
  fileprivate mutating func addClamped(_ other: Int) { self = addingClamped(other) }
}
