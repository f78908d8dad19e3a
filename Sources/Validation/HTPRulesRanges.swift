import ONNXGraph
import QuantPlan
import Tensors

extension HTPRules {
  // MARK: Ranges

  static let rangeRules: [HTPRule] = [
    .eachNode(
      "mask-range", .warning, of: ["QuantizeLinear"],
      remedy:
        "mask with -100 in place of -inf or -3.4e38, and calibrate again; 'whisperq prepare' clamps constant masks"
    ) { node, view in
      guard let site = view.site(node), let scale = site.scale, let type = site.elementType,
        let levels = Target.OperandType(type).flatMap(levelCount), isScore(site, view)
      else { return nil }
      let width = scale * levels
      guard width > Double(view.target.widestRange) else { return nil }
      return
        "the range is \(rounded(width, 0)) wide, as a mask makes it; one step is \(rounded(scale, 4)), and what lies "
        + "between small numbers is lost"
    }
  ]

  private static func levelCount(_ type: Target.OperandType) -> Double? {
    switch type {
    case .u8, .s8: 255
    case .u16, .s16: 65_535
    default: nil
    }
  }

  /// Whether a tensor is a mask or scores: a result of Add or Where, or on the way to Softmax or Add.
  private static func isScore(_ site: QuantizationSite, _ view: QuantizationView) -> Bool {
    let model = view.model
    if let producer = model[site.input].producer {
      let carriers = ["Add", "Where", "Mul", "Expand", "Unsqueeze", "Concat", "Slice"]
      return carriers.contains(model[producer].opType)
    }
    // An input of the model or a constant.
    return true
  }
}
