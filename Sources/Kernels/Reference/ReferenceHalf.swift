/// float16 and bfloat16, one field after the other.
package enum ReferenceHalf {
  /// Widens a float16 pattern by its definition.
  package static func widened(_ bits: UInt16) -> Float {
    let negative = bits & 0x8000 != 0
    let exponent = Int(bits >> 10 & 0x1F)
    let mantissa = Float(bits & 0x3FF) / 1024
    let size: Float
    switch exponent {
    case 0: size = mantissa * twoToThe(-14)
    case 31: size = mantissa == 0 ? .infinity : .nan
    default: size = (1 + mantissa) * twoToThe(exponent - 15)
    }
    return negative ? -size : size
  }

  /// Narrows to float16 by a search for the nearest pattern, the even one of two equally near.
  package static func narrowed(_ x: Float, overflow: HalfOverflow) -> UInt16 {
    let sign: UInt16 = x.sign == .minus ? 0x8000 : 0
    let size = Double(x.magnitude)
    if x.isNaN { return sign | 0x7E00 }
    if x.isInfinite { return sign | 0x7C00 }
    // Patterns without sign order like their values: find the last one that is not above.
    var low: UInt16 = 0
    var high: UInt16 = 0x7C00
    while high - low > 1 {
      let middle = (low + high) / 2
      if Double(widened(middle)) <= size { low = middle } else { high = middle }
    }
    // Beyond the largest, rounding goes on as if there were a next value, 65536.
    let below = Double(widened(low))
    let above = high == 0x7C00 ? 65536 : Double(widened(high))
    let isUp = size - below > above - size || (size - below == above - size && low % 2 != 0)
    let nearest = isUp ? high : low
    return sign | (nearest == 0x7C00 && overflow == .clamp ? 0x7BFF : nearest)
  }

  /// Narrows to bfloat16.
  package static func narrowedToBFloat(_ x: Float) -> UInt16 {
    if x.isNaN { return UInt16(x.bitPattern >> 16) | 0x40 }
    let kept = x.bitPattern >> 16
    let rest = x.bitPattern & 0xFFFF
    let isUp = rest > 0x8000 || (rest == 0x8000 && kept % 2 != 0)
    return UInt16(isUp ? kept + 1 : kept)
  }

  private static func twoToThe(_ exponent: Int) -> Float {
    Float(sign: .plus, exponent: exponent, significand: 1)
  }
}
