import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors

/// Run-time activations: DynamicQuantizeLinear → MatMulInteger (or ConvInteger) → Cast → Mul(s_x · s_w).
///
/// Source: ONNX operators DynamicQuantizeLinear, MatMulInteger, ConvInteger; ONNX Runtime fuses this very
/// pattern, with a following Add of a bias, into one kernel.
extension GraphRewriter {
  mutating func rewriteDynamic(_ weight: Weight, _ treatment: Treatment) {
    let graph = model[weight.value].graph
    let dimensions = weight.content.shape.dimensions
    let isFirst = weight.uses.contains { use in
      switch use {
      case .gemm(_, true), .transposedMatMul, .convolution: true
      default: false
      }
    }
    let channelCount = (isFirst ? dimensions.first : dimensions.last) ?? 1
    let scaleShape = treatment.granularity == .tensor ? [] : [channelCount]
    let values = promisedConstant("\(weight.name)_quantized", .int8, dimensions, in: graph)
    let scale = promisedConstant("\(weight.name)_scale", .float32, scaleShape, in: graph)
    // ConvInteger takes none.
    let zeroPoint =
      treatment.form == .dynamicMatMul
      ? zeros("\(weight.name)_zero_point", .int8, scaleShape, in: graph) : nil
    jobs.append(
      WeightJob(
        name: weight.name, content: weight.content, orientation: isFirst ? .channelsFirst : .reductionFirst,
        treatment: treatment, layout: .weightShape, values: values.payload, scales: scale.payload,
        scalesCopy: nil, zeroPoints: nil,
        storedByteCount: storedByteCount))
    let integers = IntegerWeight(values: values.value, scale: scale.value, zeroPoint: zeroPoint)
    for use in weight.uses {
      switch use {
      case .matMul(let node):
        rewriteDynamicMatMul(node, integers, bias: nil, type: weight.seenType)
      case .transposedMatMul(let transpose, let node):
        replaceTransposed(transpose, by: values.value)
        rewriteDynamicMatMul(
          node, integers.with(values: transposedOutput(transpose)), bias: nil,
          type: weight.seenType)
      case .gemm(let node, let isTransposed):
        let operand = isTransposed ? insertTranspose(of: values.value, before: node) : values.value
        let bias = model[node].inputs.count > 2 ? model[node].inputs[2] : nil
        rewriteDynamicMatMul(
          node, integers.with(values: operand), bias: bias, type: weight.seenType)
      case .convolution(let node, _):
        rewriteDynamicConvolution(node, integers, weight, treatment)
      case .gather, .other: break
      }
    }
  }

  /// Integers with their parameters.
  struct IntegerWeight {
    let values: ValueID
    let scale: ValueID
    let zeroPoint: ValueID?

    func with(values: ValueID) -> IntegerWeight {
      IntegerWeight(values: values, scale: scale, zeroPoint: zeroPoint)
    }
  }

  /// The activation as u8, quantized once per graph however many nodes take it.
  private mutating func quantizedActivation(
    _ value: ValueID, type: ElementType, in graph: GraphID
  )
    -> QuantizedActivation
  {
    let key = ActivationKey(graph: graph, value: value)
    if let known = quantizedActivations[key] { return known }
    let name = model[value].name
    var input = value
    var drafts: [NodeDraft] = []
    if type != .float32 {
      input = model.makeValue("\(name)_float", in: graph)
      drafts.append(
        NodeDraft(
          "Cast", name: "\(name)_to_float", inputs: [value], outputs: [input],
          attributes: [.int("to", Int64(ElementType.float32.rawValue))]))
    }
    let result = QuantizedActivation(
      values: model.makeValue("\(name)_quantized", in: graph),
      scale: model.makeValue("\(name)_scale", in: graph),
      zeroPoint: model.makeValue("\(name)_zero_point", in: graph))
    drafts.append(
      NodeDraft(
        "DynamicQuantizeLinear", name: "\(name)_QuantizeLinear", inputs: [input],
        outputs: [result.values, result.scale, result.zeroPoint]))
    // Weights come in any order, so the first one's node may not be the first that takes the activation.
    insert(drafts, behind: value, in: graph)
    quantizedActivations[key] = result
    return result
  }

  mutating func rewriteDynamicMatMul(
    _ node: NodeID, _ weight: IntegerWeight, bias: ValueID?, type: ElementType
  ) {
    guard case let input?? = model[node].inputs.first, case let output?? = model[node].outputs.first else {
      return
    }
    let graph = model[node].graph
    let activation = quantizedActivation(input, type: type, in: graph)
    let base = name(of: node)
    let integer = model.makeValue("\(base)_integer", in: graph)
    var drafts = [
      NodeDraft(
        "MatMulInteger", name: "\(base)_quant",
        inputs: [activation.values, weight.values, activation.zeroPoint, weight.zeroPoint],
        outputs: [integer])
    ]
    drafts += scaled(
      integer, by: activation.scale, weight.scale, base: base, bias: bias, output: output, type: type,
      in: graph)
    model.replace(node, with: drafts)
  }

  /// Cast → Mul(s_x · s_w) [→ Add bias] [→ Cast back], ending in `output`.
  private mutating func scaled(
    _ integer: ValueID, by activationScale: ValueID, _ weightScale: ValueID, base: String, bias: ValueID?,
    output: ValueID, type: ElementType, in graph: GraphID
  ) -> [NodeDraft] {
    let cast = model.makeValue("\(base)_cast", in: graph)
    let scale = model.makeValue("\(base)_scales", in: graph)
    let isFloat = type == .float32
    let product = bias == nil && isFloat ? output : model.makeValue("\(base)_scaled", in: graph)
    var drafts = [
      NodeDraft(
        "Cast", name: "\(base)_quant_cast", inputs: [integer], outputs: [cast],
        attributes: [.int("to", Int64(ElementType.float32.rawValue))]),
      NodeDraft(
        "Mul", name: "\(base)_quant_scales_mul", inputs: [activationScale, weightScale], outputs: [scale]),
      NodeDraft("Mul", name: "\(base)_quant_output_scale_mul", inputs: [cast, scale], outputs: [product]),
    ]
    var last = product
    if !isFloat {
      let narrowed = bias == nil ? output : model.makeValue("\(base)_narrowed", in: graph)
      drafts.append(
        NodeDraft(
          "Cast", name: "\(base)_cast_back", inputs: [last], outputs: [narrowed],
          attributes: [.int("to", Int64(type.rawValue))]))
      last = narrowed
    }
    if let bias {
      drafts.append(NodeDraft("Add", name: "\(base)_bias", inputs: [last, bias], outputs: [output]))
    }
    return drafts
  }

  private mutating func rewriteDynamicConvolution(
    _ node: NodeID, _ weight: IntegerWeight, _ source: Weight, _ treatment: Treatment
  ) {
    guard case let input?? = model[node].inputs.first, case let output?? = model[node].outputs.first else {
      return
    }
    let type = source.seenType
    let rank = source.content.shape.rank
    let graph = model[node].graph
    let activation = quantizedActivation(input, type: type, in: graph)
    let base = name(of: node)
    let integer = model.makeValue("\(base)_integer", in: graph)
    // Channels are axis 1 of the output: scale and bias get trailing axes of one element.
    let trailing = [Int64](repeating: 1, count: rank - 2)
    var scale = weight.scale
    var bias = model[node].inputs.count > 2 ? model[node].inputs[2] : nil
    if treatment.granularity != .tensor || bias != nil {
      let shape = model.makeInitializer(
        "\(base)_channel_shape", .int64s([1, -1] + trailing, shape: [rank]), in: graph)
      if treatment.granularity != .tensor { scale = reshaped(scale, shape, "\(base)_scale", before: node) }
      bias = bias.map { reshaped($0, shape, "\(base)_bias", before: node) }
    }
    let attributes = model[node].attributes.map(\.message)
    var drafts = [
      NodeDraft(
        "ConvInteger", name: "\(base)_quant",
        inputs: [activation.values, weight.values, activation.zeroPoint], outputs: [integer],
        attributes: attributes)
    ]
    drafts += scaled(
      integer, by: activation.scale, scale, base: base, bias: bias, output: output, type: type, in: graph)
    model.replace(node, with: drafts)
  }

  private mutating func reshaped(
    _ value: ValueID, _ shape: ValueID, _ base: String, before node: NodeID
  )
    -> ValueID
  {
    let result = model.makeValue("\(base)_by_channel", in: model[node].graph)
    model.insert(
      NodeDraft("Reshape", name: "\(base)_reshape", inputs: [value, shape], outputs: [result]), before: node)
    return result
  }

  // MARK: Transposed weights

  /// Lets an existing Transpose take the integers; what it gives is integer too.
  mutating func replaceTransposed(_ transpose: NodeID, by value: ValueID) {
    guard model[transpose].inputs[0] != value else { return }
    model.setInput(0, of: transpose, to: value)
    if let output = model[transpose].outputs[0], let type = model[value].declaredElementType {
      model[output].info = model[output].info?.withElementType(type)
    }
  }

  func transposedOutput(_ transpose: NodeID) -> ValueID {
    guard case let output?? = model[transpose].outputs.first else {
      preconditionFailure("the catalog saw its output")
    }
    return output
  }

  /// [N, K] to [K, N], as a node that runtimes fold into the constant.
  mutating func insertTranspose(of value: ValueID, before node: NodeID) -> ValueID {
    let result = model.makeValue("\(model[value].name)_transposed", in: model[node].graph)
    model.insert(
      NodeDraft(
        "Transpose", name: "\(model[value].name)_Transpose", inputs: [value], outputs: [result],
        attributes: [.ints("perm", [1, 0])]), before: node)
    return result
  }
}
