import ONNXGraph
import Tensors

extension HTPRules {
  // MARK: Weights

  static let weightRules: [HTPRule] = [
    .eachNode(
      "reduction-axis", .error, of: ["MatMul", "Gemm", "Conv"],
      remedy:
        "quantize weights per output channel: axis 1 of MatMul's [K, N], axis 0 of Gemm's with transB and of "
        + "Conv's"
    ) { node, view in
      let model = view.model
      guard let (site, axis, rank) = view.weight(of: view.input(1, of: node)), site.blockSize == 0,
        site.scales.map({ $0.shape.elementCount > 1 }) ?? false
      else { return nil }
      let outputAxis: Int
      switch model[node].opType {
      case "MatMul": outputAxis = rank - 1
      case "Gemm": outputAxis = model.integer("transB", of: node) == 1 ? 0 : 1
      default: outputAxis = 0
      }
      if axis == outputAxis { return nil }
      return
        "the scales of the weight are along axis \(axis), which \(model[node].opType) sums over; HTP accepts "
        + "that and computes garbage"
    },
    .eachNode(
      "bias-scale", .error, of: ["Gemm", "Conv", "LayerNormalization"],
      remedy:
        "the scale of an int32 bias must be the product of the scales of activation and weight, channel by "
        + "channel, and its zero point 0"
    ) { node, view in biasObjection(node, view) },
    HTPRule(
      "weight-only", .refused,
      remedy: "quantize the activations too (w8a16), or use one scale for the whole tensor"
    ) { view in
      view.all.compactMap { site in
        let model = view.model
        guard model[site.node].opType == "DequantizeLinear", !site.isPerTensor,
          model.constantSource(of: site.input) != nil,
          let output = model[site.node].outputs.first ?? nil
        else { return nil }
        let users = model[output].uses.map(\.node).filter { model[$0].opType != "Transpose" }
        let isWeightOnly = users.contains { user in
          linearOperators.contains(model[user].opType) && view.storedType(of: view.input(0, of: user)) == nil
        }
        guard isWeightOnly else { return nil }
        let form = site.blockSize > 0 ? "in blocks" : "per channel"
        return HTPRule.Hit(
          place: model.label(of: site.node),
          message:
            "the weight is quantized \(form) but the activation is float; HTP takes that for one scale per "
            + "tensor only")
      }
    },
    HTPRule(
      "negative-scale", .warning,
      remedy: "the processor runs them rightly; make the weights again with positive scales for an NPU"
    ) { view in
      view.all.compactMap { site in
        guard let scales = site.scales?.numbers, scales.contains(where: { $0 < 0 }) else { return nil }
        return HTPRule.Hit(
          place: view.model.label(of: site.node),
          message: "some scales are negative, which HTP was not seen to take")
      }
    },
    .eachNode(
      "linear-types", .refused, of: ["MatMul", "Gemm", "Conv"],
      remedy: "use 8-bit weights per output channel; with 16-bit activations also 4 and 16 bits"
    ) { node, view in
      guard let activation = view.storedType(of: view.input(0, of: node)),
        let (site, _, rank) = view.weight(of: view.input(1, of: node)), let weight = site.elementType
      else { return nil }
      let isConvolution = view.model[node].opType == "Conv"
      guard let accepted = (isConvolution ? convolutionWeights : linearWeights)[activation] else {
        return "an activation of type \(activation.name) is not taken by \(view.model[node].opType)"
      }
      if !accepted.contains(weight) {
        return "an activation of type \(activation.name) does not go with a weight of type \(weight.name)"
      }
      if !isConvolution, rank > 2, !site.isPerTensor {
        return "a weight of \(rank) dimensions may have one scale only"
      }
      if site.blockSize > 0, activation != .uint16 || !blockSizes.contains(site.blockSize) {
        return "blocks of \(site.blockSize) with an activation of type \(activation.name) are not taken"
      }
      return nil
    },
  ]

  private static let linearOperators: Set<String> = ["MatMul", "Gemm", "Conv", "ConvTranspose", "Transpose"]

  private static func biasObjection(_ node: NodeID, _ view: QuantizationView) -> String? {
    guard let bias = view.weight(of: view.input(2, of: node)), bias.site.elementType == .int32 else {
      return nil
    }
    if let zero = bias.site.zeroPoint?.numbers, zero.contains(where: { $0 != 0 }) {
      return "the int32 bias has a zero point that is not 0"
    }
    guard let activation = view.source(of: view.input(0, of: node))?.scale,
      let weights = view.weight(of: view.input(1, of: node))?.site.scales?.numbers,
      let scales = bias.site.scales?.numbers, !weights.isEmpty, !scales.isEmpty
    else { return nil }
    let count = max(weights.count, scales.count)
    guard weights.count == 1 || weights.count == count, scales.count == 1 || scales.count == count else {
      return "the bias has \(scales.count) scales, the weight \(weights.count)"
    }
    for channel in 0..<count {
      let expected = activation * weights[channel % weights.count]
      let found = scales[channel % scales.count]
      // A product that was rounded to float32 may be off by a few units in the last place.
      guard abs(found - expected) <= 1e-6 * abs(expected) else {
        return
          "the bias scale of channel \(channel) is \(found), but activation and weight make \(expected); HTP "
          + "accepts that and computes wrong numbers"
      }
    }
    return nil
  }

  // MARK: Arithmetic

  static let arithmeticRules: [HTPRule] = [
    .eachNode(
      "norm-gamma", .refused, of: ["LayerNormalization"],
      remedy: "use s16 gamma with u16 activations, u8 gamma with u8 activations"
    ) { node, view in
      guard let activation = view.storedType(of: view.input(0, of: node)),
        let gamma = view.weight(of: view.input(1, of: node))?.site.elementType,
        let accepted = gammas[activation], !accepted.contains(gamma)
      else { return nil }
      return "an activation of type \(activation.name) does not go with a gamma of type \(gamma.name)"
    },
    .eachNode(
      "norm-gamma-u8", .warning, of: ["LayerNormalization"],
      remedy: "s16 gamma keeps 82 dB where u8 keeps 55 dB"
    ) { node, view in
      guard view.storedType(of: view.input(0, of: node)) == .uint16,
        view.weight(of: view.input(1, of: node))?.site.elementType == .uint8
      else { return nil }
      return "8-bit gamma caps a 16-bit LayerNormalization at about 55 dB"
    },
    .eachNode(
      "same-type", .refused, of: ["LayerNormalization", "Gemm"],
      remedy: "change the type in a DequantizeLinear → QuantizeLinear pair of its own"
    ) { node, view in
      guard let input = view.storedType(of: view.input(0, of: node)),
        let output = view.target(of: view.model[node].outputs.first ?? nil)?.elementType, input != output
      else { return nil }
      return "\(view.model[node].opType) takes \(input.name) and gives \(output.name)"
    },
    .eachNode(
      "softmax-u8", .warning, of: ["Softmax"],
      remedy: "give Softmax a 16-bit result; with 1,500 keys every probability would round to zero"
    ) { node, view in
      guard let site = view.target(of: view.model[node].outputs.first ?? nil), site.elementType == .uint8,
        let scale = site.scale, scale >= 1 / 512
      else { return nil }
      return "an 8-bit Softmax rounds probabilities below \(rounded(scale / 2, 5)) to zero"
    },
    .eachNode(
      "u16-product", .warning, of: ["MatMul"],
      remedy:
        "make the second operand u8 by a DequantizeLinear → QuantizeLinear pair with a calibrated range, or "
        + "s16 (exact, but it compiles 14 to 25 times slower)"
    ) { node, view in
      guard let first = view.storedType(of: view.input(0, of: node)),
        let second = view.storedType(of: view.input(1, of: node)),
        view.weight(of: view.input(1, of: node)) == nil, first == .uint16, second == .uint16
      else { return nil }
      return
        "both operands are u16; HTP makes the second one u8 by itself (48 dB), while a processor computes "
        + "16 bits (85 dB)"
    },
    .eachNode(
      "product-types", .refused, of: ["MatMul"], remedy: "use u16 times u8, u16 times s16, or u8 times u8"
    ) { node, view in
      guard let first = view.storedType(of: view.input(0, of: node)),
        let second = view.storedType(of: view.input(1, of: node)),
        view.weight(of: view.input(1, of: node)) == nil, [first, second] != [.uint16, .uint16],
        !productPairs.contains([first, second])
      else { return nil }
      return "a product of \(first.name) and \(second.name) is not taken"
    },
    HTPRule(
      "mask-sentinel", .warning,
      remedy:
        "use -100 in additive masks; larger numbers wreck the ranges of activations (-inf makes a scale infinite)"
    ) { view in
      let model = view.model
      let constants =
        model.allInitializers
        + model.allNodes.filter { model.constantTensor(of: $0) != nil }
        .compactMap { model[$0].outputs.first ?? nil }
      return constants.compactMap { value in
        guard let content = model.constantContent(of: value), content.shape.elementCount <= 1 << 20,
          [.float32, .float16].contains(content.elementType), isMaskOperand(value, model),
          let lowest = TensorHealth(content)
        else { return nil }
        let holdsInfinity = lowest.infiniteCount > 0
        guard holdsInfinity || lowest.minimum < -10_000 else { return nil }
        let shown = holdsInfinity ? "-inf" : "\(lowest.minimum)"
        return HTPRule.Hit(
          place: model[value].name, message: "the constant '\(model[value].name)' masks with \(shown)")
      }
    },
  ]

  private static func isMaskOperand(_ value: ValueID, _ model: ModelGraph) -> Bool {
    let maskOperators: Set<String> = [
      "Where", "Add", "Mul", "Expand", "ConstantOfShape", "Trilu", "QuantizeLinear", "Cast",
    ]
    return model[value].uses.contains { maskOperators.contains(model[$0.node].opType) }
  }
}
