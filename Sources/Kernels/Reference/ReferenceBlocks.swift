/// Block-wise quantization, one block after the other.
package enum ReferenceBlocks {
  /// A quantized weight: per column n its blocks.
  package struct Block: Equatable {
    /// The scale, above zero.
    package var scale: Float
    /// The level of 0, as stored.
    package var zeroPoint: Int
    /// The levels as stored, without padding.
    package var values: [Int]
  }

  /// Quantizes the elements of one block.
  package static func quantized(_ w: [Float], format: BlockFormat) -> Block {
    let isFour = format.bits == .four
    let top = max(0, w.max() ?? 0)
    let bottom = min(0, w.min() ?? 0)
    let isAsymmetric = format.symmetry == .asymmetric
    var levels: QuantizedLevels = isFour ? .symmetric4 : .symmetric8
    if isAsymmetric { levels = isFour ? .unsigned4 : .unsigned8 }
    var searches = false
    if case .leastSquares = format.range { searches = true }
    if !isAsymmetric && isFour && searches { levels = .signed4 }
    let highest = Float(levels.highest)

    let first = usable((isAsymmetric ? top - bottom : max(top, -bottom)) / highest)
    var base = first
    if levels == .signed4 { base = usable(max(top / 7, bottom / -8)) }
    let zero =
      isAsymmetric
      ? ReferenceRounding.saturated(-bottom / first, lowest: 0, highest: Int(levels.highest)) : 0
    var scale = first
    if case .leastSquares(let multipliers) = format.range {
      var best = score(w, scale: first, zeroPoint: zero, levels: levels)
      for multiplier in multipliers {
        let candidate = usable(base * multiplier)
        let error = score(w, scale: candidate, zeroPoint: zero, levels: levels)
        if error < best { (best, scale) = (error, candidate) }
      }
    }
    let isBiased = format.layout == .matMulNBits && !isAsymmetric
    let bias = isBiased ? (isFour ? 8 : 128) : 0
    return Block(
      scale: scale, zeroPoint: zero + bias,
      values: w.map {
        ReferenceRounding.quantized($0, scale: scale, zeroPoint: zero, levels: levels) + bias
      })
  }

  /// The sum of squared errors in Float, even and odd elements apart, by the reciprocal: as documented.
  private static func score(_ w: [Float], scale: Float, zeroPoint: Int, levels: QuantizedLevels) -> Float {
    let reciprocal = 1 / scale
    var sums: (even: Float, odd: Float) = (0, 0)
    for (index, x) in w.enumerated() {
      let q = ReferenceRounding.saturated(
        x * reciprocal, lowest: Int(levels.lowest) - zeroPoint, highest: Int(levels.highest) - zeroPoint)
      let difference = x - Float(q) * scale
      if index % 2 == 0 { sums.even += difference * difference } else { sums.odd += difference * difference }
    }
    return sums.even + sums.odd
  }

  private static func usable(_ scale: Float) -> Float { scale > 0 ? scale : 1 }
}
