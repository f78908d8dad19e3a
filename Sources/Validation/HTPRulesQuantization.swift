import ONNXGraph
import QuantPlan
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
      remedy: "quantize operands and result of its user in one type (w8a16), or use one scale for the tensor"
    ) { view in
      view.all.compactMap { site in
        let model = view.model
        guard model[site.node].opType == "DequantizeLinear", let form = site.formThatCannotStandAlone,
          model.constantSource(of: site.input) != nil,
          let user = view.users(of: site.node).first(where: { !view.grouping(of: $0).isOneOperation })
        else { return nil }
        return HTPRule.Hit(
          place: model.label(of: site.node),
          message:
            "the weight is quantized \(form), which HTP takes only as a part of an integer operation, and "
            + "\(model.label(of: user)) is none: \(view.grouping(of: user).words)", node: site.node)
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
      guard view.grouping(of: node).isOneOperation,
        let activation = view.storedType(of: view.input(0, of: node)),
        let (site, _, _) = view.weight(of: view.input(1, of: node)), let weight = site.elementType
      else { return nil }
      let name = view.model[node].opType
      guard let accepted = view.target.weightTypes(of: name, activation: activation) else {
        return "an activation of type \(activation.name) is not taken by \(name)"
      }
      if !accepted.contains(weight) {
        return "an activation of type \(activation.name) does not go with a weight of type \(weight.name)"
      }
      guard site.blockSize > 0 else { return nil }
      let isTaken =
        activation == .uint16 && view.target.blockSizes.contains(site.blockSize)
        && view.target.blockOperators.contains(name)
      return isTaken
        ? nil : "blocks of \(site.blockSize) with an activation of type \(activation.name) are not taken"
    },
    .eachNode(
      "gather-zero-point", .refused, of: ["Gather"],
      remedy: "give the rows the scale and the zero point of their table"
    ) { node, view in
      guard view.grouping(of: node).isOneOperation,
        let table = view.source(of: view.input(0, of: node))?.zeroPoint?.numbers,
        let rows = view.result(of: view.model[node].outputs.first ?? nil)?.zeroPoint?.numbers, table != rows
      else { return nil }
      return "the rows that it gathers have another zero point than the table"
    },
    .eachNode(
      "gemm-result", .refused, of: ["Gemm"],
      remedy: "quantize its result in the type of its input; a MatMul would run in floating point"
    ) { node, view in
      guard view.source(of: view.input(0, of: node)) != nil, view.weight(of: view.input(1, of: node)) != nil,
        view.result(of: view.model[node].outputs.first ?? nil) == nil
      else { return nil }
      return "Gemm takes integers and gives floats"
    },
  ]

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
      guard view.grouping(of: node).isOneOperation,
        let activation = view.storedType(of: view.input(0, of: node)),
        let gamma = view.weight(of: view.input(1, of: node))?.site.elementType,
        let accepted = Target.OperandType(activation).flatMap({ view.target.gammas[$0.rawValue] }),
        !accepted.map(\.elementType).contains(gamma)
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
      "same-type", .warning,
      remedy:
        "change the type in a DequantizeLinear → QuantizeLinear pair of its own; so the node runs in fp16, 10 "
        + "to 25 times slower in the emulation"
    ) { node, view in
      guard case .apart(.types(let words)) = view.grouping(of: node) else { return nil }
      return words
    },
    .eachNode(
      "block-weights", .warning, of: ["MatMul", "Gemm"],
      remedy: "use one scale per channel for integers; blocks are more exact, and fp16 slower"
    ) { node, view in
      guard view.grouping(of: node).isOneOperation, view.storedType(of: view.input(0, of: node)) == .uint16,
        let site = view.weight(of: view.input(1, of: node))?.site, site.blockSize > 0
      else { return nil }
      return "HTP multiplies weights in blocks in fp16, after making its activation a float"
    },
    .eachNode(
      "softmax-u8", .warning, of: ["Softmax"],
      remedy: "give Softmax a 16-bit result; with 1,500 keys every probability would round to zero"
    ) { node, view in
      guard let site = view.result(of: view.model[node].outputs.first ?? nil), site.elementType == .uint8,
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
      guard let pair = view.product(node), view.target.narrowedProducts.contains(pair)
      else { return nil }
      return
        "both operands are u16; HTP makes the second one u8 by itself (48 dB), while a processor computes "
        + "16 bits (85 dB)"
    },
    .eachNode(
      "product-types", .refused, of: ["MatMul"], remedy: "use u16 times u8, u16 times s16, or u8 times u8"
    ) { node, view in
      guard let pair = view.product(node), !view.target.narrowedProducts.contains(pair),
        !view.target.products.contains(pair)
      else { return nil }
      return "a product of \(pair[0].rawValue) and \(pair[1].rawValue) is not taken"
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
        guard holdsInfinity || lowest.minimum < -view.target.widestRange else { return nil }
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
