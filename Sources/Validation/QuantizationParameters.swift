import ONNXGraph
import Tensors

extension StructureCheck {
  /// Scales, zero points and axes of `QuantizeLinear`, `DequantizeLinear` and `MatMulNBits`.
  static func parameters(_ model: ModelGraph) -> [Finding] {
    let view = QuantizationView(model)
    var found: [Finding] = []
    for node in model.allNodes {
      if let site = view.site(node) {
        found += objections(site, model)
      } else if model[node].opType == "MatMulNBits", let scale = view.input(2, of: node),
        let scales = model.constantContent(of: scale),
        let objection = objection(toScales: scales, allowsNegative: true)
      {
        found.append(finding("scale", node, model, objection))
      }
    }
    return found
  }

  private static func finding(
    _ rule: String, _ node: NodeID, _ model: ModelGraph, _ message: String
  ) -> Finding {
    Finding(.error, rule: rule, place: model.label(of: node), "\(model[node].opType): \(message)")
  }

  /// Types below 16 bits have been there since operator set 10, those of 16 and 4 bits since 21.
  private static let typesBefore21: Set<ElementType> = [
    .int8, .uint8, .int32, .float8E4M3FN, .float8E4M3FNUZ, .float8E5M2, .float8E5M2FNUZ,
  ]

  private static func objections(_ site: QuantizationSite, _ model: ModelGraph) -> [Finding] {
    var found: [Finding] = []
    func note(_ rule: String, _ message: String) { found.append(finding(rule, site.node, model, message)) }
    let isQuantizing = model[site.node].opType == "QuantizeLinear"
    if let scales = site.scales {
      // Symmetric 4-bit blocks may have a negative scale, so that the largest magnitude gets the lowest code.
      let hasZero = site.zeroPoint?.numbers?.contains { $0 != 0 } ?? false
      let isBlock = site.blockSize > 0 && [.int4, .uint4].contains(site.elementType) && !hasZero
      if let objection = objection(toScales: scales, allowsNegative: isBlock && !isQuantizing) {
        note("scale", objection)
      }
      if let zeroPoint = site.zeroPoint, zeroPoint.shape.elementCount != scales.shape.elementCount {
        note(
          "zero-point",
          "there are \(zeroPoint.shape.elementCount) zero points for \(scales.shape.elementCount) scales")
      }
      if let objection = axisObjection(site, scales, model) { note("axis", objection) }
    }
    if let type = site.elementType {
      if let zeroPoint = site.zeroPoint, zeroPoint.elementType != type {
        note("zero-point", "the zero point is \(zeroPoint.elementType.name), but the tensor is \(type.name)")
      }
      if type == .int32, let zeros = site.zeroPoint?.numbers, zeros.contains(where: { $0 != 0 }) {
        note("zero-point", "an int32 tensor must have the zero point 0")
      }
      if model[site.node].domain.isEmpty, let version = model.opsetVersion(), version < 21,
        !typesBefore21.contains(type)
      {
        note("opset", "\(type.name) needs operator set 21, and the model imports \(version)")
      }
    }
    return found
  }

  private static func objection(toScales scales: TensorContent, allowsNegative: Bool) -> String? {
    guard let values = scales.numbers else { return nil }
    for (index, value) in values.enumerated() {
      if !value.isFinite { return "scale \(index) is \(value), expected a finite number" }
      if value == 0 { return "scale \(index) is 0" }
      if value < 0, !allowsNegative { return "scale \(index) is negative (\(value))" }
    }
    return nil
  }

  private static func axisObjection(
    _ site: QuantizationSite, _ scales: TensorContent, _ model: ModelGraph
  ) -> String? {
    if scales.shape.elementCount == 1, site.blockSize == 0 { return nil }
    let source = model[site.node].opType == "DequantizeLinear" ? site.input : nil
    guard
      let dimensions = source.flatMap({ model.constantSource(of: $0)?.dimensions })
        ?? model.declaredShape(of: site.input).flatMap({ shape in
          let extents = shape.compactMap(\.extent)
          return extents.count == shape.count ? extents : nil
        })
    else { return nil }
    let axis = site.axis < 0 ? site.axis + dimensions.count : site.axis
    guard dimensions.indices.contains(axis) else {
      return "axis \(site.axis) is outside the \(dimensions.count) dimensions of the tensor"
    }
    if site.blockSize > 0 {
      let blocks = (dimensions[axis] + site.blockSize - 1) / site.blockSize
      var expected = dimensions
      expected[axis] = blocks
      let found = scales.shape.dimensions
      return found == expected
        ? nil : "the scales are \(found), expected \(expected) for blocks of \(site.blockSize)"
    }
    let count = scales.shape.elementCount
    return count == dimensions[axis]
      ? nil : "there are \(count) scales for the \(dimensions[axis]) channels along axis \(axis)"
  }
}
