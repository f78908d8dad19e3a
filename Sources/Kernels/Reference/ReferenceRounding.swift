/// Rounding spelled out, without tricks.
package enum ReferenceRounding {
  /// Rounds half to even and limits; NaN becomes `highest`.
  package static func saturated(_ x: Float, lowest: Int, highest: Int) -> Int {
    if x.isNaN || x >= Float(highest) { return highest }
    if x <= Float(lowest) { return lowest }
    let whole = Int(x)
    let rest = abs(x - Float(whole))
    let away = x < 0 ? whole - 1 : whole + 1
    if rest > 0.5 || (rest == 0.5 && whole % 2 != 0) { return away }
    return whole
  }

  /// QuantizeLinear for one value.
  package static func quantized(_ x: Float, scale: Float, zeroPoint: Int, levels: QuantizedLevels) -> Int {
    let highest = Int(levels.highest) - zeroPoint
    return saturated(x / scale, lowest: Int(levels.lowest) - zeroPoint, highest: highest) + zeroPoint
  }

  /// The squared error of one quantized value, in Double.
  package static func squaredError(_ x: Float, quantized: Int, scale: Float, zeroPoint: Int) -> Double {
    let difference = Double(x) - Double(quantized - zeroPoint) * Double(scale)
    return difference * difference
  }
}
