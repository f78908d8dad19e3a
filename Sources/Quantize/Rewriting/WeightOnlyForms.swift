import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors

/// Integer weights with float activations.
extension GraphRewriter {
  // MARK: DequantizeLinear

  /// DequantizeLinear where the weight was: per tensor, per axis, or blocked (ai.onnx 21).
  mutating func rewriteDequantize(_ weight: Weight, _ treatment: Treatment) {
    let graph = model[weight.value].graph
    let dimensions = weight.content.shape.dimensions
    let isFirst = !weight.uses.contains { use in
      switch use {
      case .matMul, .gemm(_, false): true
      default: false
      }
    }
    let type: ElementType =
      treatment.bits == 4
      ? (treatment.symmetric ? .int4 : .uint4) : (treatment.symmetric ? .int8 : .uint8)
    let channelCount = (isFirst ? dimensions.first : dimensions.last) ?? 1
    let reductionCount = channelCount == 0 ? 0 : weight.content.shape.elementCount / channelCount
    var scaleShape: [Int] = []
    var attributes: [AttributeProto] = []
    switch treatment.granularity {
    case .tensor: break
    case .channel:
      scaleShape = [channelCount]
      attributes = [.int("axis", isFirst ? 0 : Int64(dimensions.count - 1))]
    case .block:
      let size = treatment.blockSize ?? 32
      let blockCount = (reductionCount + size - 1) / size
      scaleShape = isFirst ? [channelCount, blockCount] : [blockCount, channelCount]
      // A pointwise convolution's [N, K, 1, 1] is blocked along K too.
      if isFirst { scaleShape += dimensions.dropFirst(2).map { _ in 1 } }
      attributes = [.int("axis", isFirst ? 1 : 0), .int("block_size", Int64(size))]
    }
    let values = promisedConstant("\(weight.name)_quantized", type, dimensions, in: graph)
    let scale = promisedConstant("\(weight.name)_scale", .float32, scaleShape, in: graph)
    var inputs: [ValueID?] = [values.value, scale.value]
    var zeroPoints: PayloadID?
    if !treatment.symmetric {
      let zeroPoint = promisedConstant("\(weight.name)_zero_point", type, scaleShape, in: graph)
      inputs.append(zeroPoint.value)
      zeroPoints = zeroPoint.payload
    }
    jobs.append(
      WeightJob(
        name: weight.name, content: weight.content, orientation: isFirst ? .channelsFirst : .reductionFirst,
        treatment: treatment, layout: .weightShape, values: values.payload, scales: scale.payload,
        scalesCopy: nil, zeroPoints: zeroPoints,
        storedByteCount: storedByteCount))
    let restored = restoredWeight(weight, inputs, attributes, in: graph)
    for use in model[weight.seenValue].uses { model.setInput(use.inputIndex, of: use.node, to: restored) }
  }

  /// DequantizeLinear [→ Cast to the weight's own type] at the beginning of the graph.
  mutating func restoredWeight(
    _ weight: Weight, _ inputs: [ValueID?], _ attributes: [AttributeProto], in graph: GraphID
  ) -> ValueID {
    let result = model.makeValue("\(weight.name)_dequantized", in: graph)
    let type = weight.seenType
    if type != .float32 {
      let wide = model.makeValue("\(weight.name)_float", in: graph)
      model.prepend(
        NodeDraft(
          "Cast", name: "\(weight.name)_Cast", inputs: [wide], outputs: [result],
          attributes: [.int("to", Int64(type.rawValue))]), to: graph)
      model.prepend(
        NodeDraft(
          "DequantizeLinear", name: "\(weight.name)_DequantizeLinear", inputs: inputs, outputs: [wide],
          attributes: attributes), to: graph)
    } else {
      model.prepend(
        NodeDraft(
          "DequantizeLinear", name: "\(weight.name)_DequantizeLinear", inputs: inputs, outputs: [result],
          attributes: attributes), to: graph)
    }
    return result
  }

  // MARK: MatMulNBits

  /// com.microsoft MatMulNBits for every MatMul and Gemm of the weight; Gather takes the same blocks.
  mutating func rewriteMatMulNBits(_ weight: Weight, twin: Weight?, _ treatment: Treatment) {
    let graph = model[weight.value].graph
    let dimensions = weight.content.shape.dimensions
    let isFirst = weight.uses.contains { use in
      switch use {
      case .gemm(_, true), .transposedMatMul, .gather: true
      default: false
      }
    }
    let n = isFirst ? dimensions[0] : dimensions[1]
    let k = isFirst ? dimensions[1] : dimensions[0]
    let size = treatment.blockSize ?? 32
    let blockCount = (k + size - 1) / size
    let values = promisedConstant(
      "\(weight.name)_Q\(treatment.bits)", .uint8, [n, blockCount, size * treatment.bits / 8], in: graph)
    let scale = promisedConstant("\(weight.name)_scales", .float32, [n, blockCount], in: graph)
    var zeroPoint: (value: ValueID, payload: PayloadID)?
    if !treatment.symmetric {
      zeroPoint = promisedConstant(
        "\(weight.name)_zero_points", .uint8, [n, (blockCount * treatment.bits + 7) / 8], in: graph)
    }
    jobs.append(
      WeightJob(
        name: weight.name, content: weight.content, orientation: isFirst ? .channelsFirst : .reductionFirst,
        treatment: treatment, layout: .matMulNBits, values: values.payload, scales: scale.payload,
        scalesCopy: nil, zeroPoints: zeroPoint?.payload,
        storedByteCount: storedByteCount))
    let blocks = BlockWeight(
      values: values.value, scales: scale.value, zeroPoints: zeroPoint?.value, n: n, k: k,
      treatment: treatment, type: weight.seenType)
    for use in weight.uses + (twin?.uses ?? []) {
      switch use {
      case .matMul(let node): replaceByMatMulNBits(node, blocks, bias: nil)
      case .transposedMatMul(let transpose, let node):
        replaceByMatMulNBits(node, blocks, bias: nil)
        removeIfIdle(transpose)
      case .gemm(let node, _):
        replaceByMatMulNBits(node, blocks, bias: model[node].inputs.count > 2 ? model[node].inputs[2] : nil)
      case .gather(let node): gatherBlocks(node, blocks)
      case .convolution, .other: break
      }
    }
    model.importOpset(domain: "com.microsoft", version: 1)
  }

  /// What MatMulNBits needs of a weight.
  struct BlockWeight {
    let values: ValueID
    let scales: ValueID
    let zeroPoints: ValueID?
    let n: Int
    let k: Int
    let treatment: Treatment
    let type: ElementType
  }

  private mutating func replaceByMatMulNBits(_ node: NodeID, _ weight: BlockWeight, bias: ValueID?) {
    guard case let input?? = model[node].inputs.first, case let output?? = model[node].outputs.first else {
      return
    }
    let graph = model[node].graph
    let base = name(of: node)
    let operand = asFloat(input, like: weight.type, before: node)
    var inputs: [ValueID?] = [operand, weight.values, weight.scales]
    if let zeroPoints = weight.zeroPoints { inputs.append(zeroPoints) }
    let isFloat = weight.type == .float32
    let product = isFloat && bias == nil ? output : model.makeValue("\(base)_product", in: graph)
    var drafts = [
      NodeDraft(
        "MatMulNBits", domain: "com.microsoft", name: "\(base)_Q\(weight.treatment.bits)", inputs: inputs,
        outputs: [product],
        attributes: [
          .int("K", Int64(weight.k)), .int("N", Int64(weight.n)),
          .int("bits", Int64(weight.treatment.bits)),
          .int("block_size", Int64(weight.treatment.blockSize ?? 32)),
        ])
    ]
    var last = product
    if !isFloat {
      let narrowed = bias == nil ? output : model.makeValue("\(base)_narrowed", in: graph)
      drafts.append(
        NodeDraft(
          "Cast", name: "\(base)_cast_back", inputs: [last], outputs: [narrowed],
          attributes: [.int("to", Int64(weight.type.rawValue))]))
      last = narrowed
    }
    if let bias {
      drafts.append(NodeDraft("Add", name: "\(base)_bias", inputs: [last, bias], outputs: [output]))
    }
    model.replace(node, with: drafts)
  }

  /// A Transpose whose last MatMul is gone goes too.
  mutating func removeIfIdle(_ transpose: NodeID) {
    let output = transposedOutput(transpose)
    if model[output].uses.isEmpty && model[output].graphOutputCount == 0 {
      model.replace(transpose, with: [])
    }
  }
}
