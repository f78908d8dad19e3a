/// Block-wise quantization, one block after the other.
package enum ReferenceBlocks {
  /// A quantized weight: per column n its blocks.
  package struct Block: Equatable {
    /// The scale; negative only where scales are signed.
    package var scale: Float
    /// The level of 0, as stored.
    package var zeroPoint: Int
    /// The levels as stored, without padding.
    package var values: [Int]
  }

  /// Quantizes the elements of one block.
  package static func quantized(_ w: [Float], format: BlockFormat) -> Block {
    let isFour = format.bits == .four
    let searches = format.range == .leastSquares
    let isBiased = format.layout == .matMulNBits && format.symmetry == .symmetric
    if format.symmetry == .symmetric && isFour {
      let scale = signedScale(w, searches: searches)
      let zero = isBiased ? 8 : 0
      let levels: QuantizedLevels = isBiased ? .unsigned4 : .signed4
      return Block(
        scale: scale, zeroPoint: zero,
        values: w.map { ReferenceRounding.quantized($0, scale: scale, zeroPoint: zero, levels: levels) })
    }
    let top = max(0, w.max() ?? 0)
    let bottom = min(0, w.min() ?? 0)
    let isAsymmetric = format.symmetry == .asymmetric
    let levels: QuantizedLevels = isAsymmetric ? (isFour ? .unsigned4 : .unsigned8) : .symmetric8
    let highest = Float(levels.highest)

    let first = usable((isAsymmetric ? top - bottom : max(top, -bottom)) / highest)
    let zero =
      isAsymmetric
      ? ReferenceRounding.saturated(-bottom / first, lowest: 0, highest: Int(levels.highest)) : 0
    var scale = first
    if searches {
      var best = score(w, scale: first, zeroPoint: zero, levels: levels)
      for multiplier: Float in [1, 0.93, 0.86, 0.79] {
        let candidate = usable(first * multiplier)
        let error = score(w, scale: candidate, zeroPoint: zero, levels: levels)
        if error < best { (best, scale) = (error, candidate) }
      }
    }
    let bias = isBiased ? 128 : 0
    return Block(
      scale: scale, zeroPoint: zero + bias,
      values: w.map {
        ReferenceRounding.quantized($0, scale: scale, zeroPoint: zero, levels: levels) + bias
      })
  }

  /// The scale that takes the value of largest magnitude to -8, or the best one near it.
  private static func signedScale(_ w: [Float], searches: Bool) -> Float {
    let size = w.map(\.magnitude).max() ?? 0
    let base = (w.contains(-size) ? -size : size) / -8
    if base == 0 { return 1 }
    if !searches { return base }
    var (best, scale) = (Float.infinity, base)
    for multiplier: Float in [1, 1.06, 1.03, 0.97, 0.94, 0.91] {
      let error = weightedScore(w, base: base, multiplier: multiplier)
      if error < best { (best, scale) = (error, base * multiplier) }
    }
    return scale
  }

  /// Σ |w| (w - q · scale)² in units of `base`, in Float, even and odd elements apart: the arithmetic that
  /// decides between candidates that are equally good to the last places.
  private static func weightedScore(_ w: [Float], base: Float, multiplier: Float) -> Float {
    let unit = 1 / base
    let reciprocal = 1 / multiplier
    var sums: [Float] = [0, 0]
    for (index, x) in w.enumerated() {
      let u = x * unit
      let v = u * reciprocal
      let difference = v - Float(ReferenceRounding.saturated(v, lowest: -8, highest: 7))
      sums[index % 2] += difference * difference * u.magnitude
    }
    return (sums[0] + sums[1]) * (multiplier * multiplier)
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
