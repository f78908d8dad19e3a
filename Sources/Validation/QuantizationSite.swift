import ONNXGraph
import QuantPlan
import Tensors

/// A `QuantizeLinear` or `DequantizeLinear` node with its parameters, as far as they are constants.
struct QuantizationSite {
  let node: NodeID
  let input: ValueID
  /// The type of the quantized side; nil when nothing tells.
  let elementType: ElementType?
  /// The scales; nil when they are computed.
  let scales: TensorContent?
  /// Nil when there is none or it is computed.
  let zeroPoint: TensorContent?
  let hasZeroPoint: Bool
  /// As written, may be negative; 1 by default.
  let axis: Int
  let blockSize: Int

  init?(_ node: NodeID, _ model: ModelGraph, _ types: ElementTypeInference) {
    let record = model[node]
    guard record.opType == "QuantizeLinear" || record.opType == "DequantizeLinear",
      record.domain.isEmpty || record.domain == "com.microsoft", record.inputs.count >= 2,
      let input = record.inputs[0], let scale = record.inputs[1]
    else { return nil }
    self.node = node
    self.input = input
    scales = model.constantContent(of: scale)
    let zero = record.inputs.count > 2 ? record.inputs[2] : nil
    hasZeroPoint = zero != nil
    zeroPoint = zero.flatMap { model.constantContent(of: $0) }
    axis = Int(clamping: model.integer("axis", of: node) ?? 1)
    blockSize = Int(clamping: model.integer("block_size", of: node) ?? 0)
    if record.opType == "DequantizeLinear" {
      elementType = types[input]
    } else {
      let declared = model.integer("output_dtype", of: node).flatMap { number in
        number == 0 ? nil : ElementType(rawValue: Int32(clamping: number))
      }
      elementType = zero.flatMap { types[$0] } ?? declared ?? .uint8
    }
  }

  /// One scale for the whole tensor.
  var isPerTensor: Bool { scales.map { $0.shape.elementCount == 1 && blockSize == 0 } ?? false }

  /// The only scale.
  var scale: Double? { isPerTensor ? scales?.numbers?.first : nil }
}

/// The quantization around a node: what its operands come from and what its result becomes.
struct QuantizationView {
  let model: ModelGraph
  let types: ElementTypeInference
  /// By node.
  private let sites: [NodeID: QuantizationSite]
  /// Extents of open dimensions in the run.
  let dimensions: [String: Int]
  let target: Target

  init(_ model: ModelGraph, _ dimensions: [String: Int] = [:], _ target: Target = .snapdragonXElite) {
    self.target = target
    self.model = model
    self.dimensions = dimensions
    let types = ElementTypeInference(model)
    self.types = types
    var sites: [NodeID: QuantizationSite] = [:]
    for node in model.allNodes { sites[node] = QuantizationSite(node, model, types) }
    self.sites = sites
  }

  /// All sites in the order of the nodes.
  var all: [QuantizationSite] { model.allNodes.compactMap { sites[$0] } }

  func site(_ node: NodeID) -> QuantizationSite? { sites[node] }

  /// The `DequantizeLinear` that makes a value.
  func source(of value: ValueID?) -> QuantizationSite? {
    guard let producer = value.flatMap({ model[$0].producer }), model[producer].opType == "DequantizeLinear"
    else { return nil }
    return sites[producer]
  }

  /// The `DequantizeLinear` of a constant operand, seen through a Transpose, with the axis of its scales as the
  /// operand's user sees it; nil for others.
  func weight(of value: ValueID?) -> (site: QuantizationSite, axis: Int, rank: Int)? {
    guard var current = value else { return nil }
    var permutations: [[Int]?] = []
    while let producer = model[current].producer, model[producer].opType == "Transpose" {
      permutations.append(model.integers("perm", of: producer)?.map { Int(clamping: $0) })
      guard permutations.count < 8, let next = model[producer].inputs.first ?? nil else { return nil }
      current = next
    }
    guard let site = source(of: current), let stored = model.constantSource(of: site.input) else {
      return nil
    }
    let rank = stored.dimensions.count
    var axis = site.axis < 0 ? site.axis + rank : site.axis
    for permutation in permutations.reversed() {
      if let permutation {
        guard let place = permutation.firstIndex(of: axis) else { return nil }
        axis = place
      } else {
        axis = rank - 1 - axis
      }
    }
    return (site, axis, rank)
  }

  /// The type that an operand has before it is dequantized; nil for float.
  func storedType(of value: ValueID?) -> ElementType? { source(of: value)?.elementType }

  /// The `QuantizeLinear` that takes a result, when nothing else uses it.
  func result(of value: ValueID?) -> QuantizationSite? {
    guard let value, model[value].graphOutputCount == 0, model[value].uses.count == 1,
      let use = model[value].uses.first,
      model[use.node].opType == "QuantizeLinear", use.inputIndex == 0
    else { return nil }
    return sites[use.node]
  }

  func inputs(_ node: NodeID) -> [ValueID?] { model[node].inputs }

  func input(_ index: Int, of node: NodeID) -> ValueID? {
    let inputs = model[node].inputs
    return inputs.indices.contains(index) ? inputs[index] : nil
  }
}
