/// Decimal numbers with a fixed count of digits after the point, rounded correctly: to the nearest, and to the
/// even digit when the exact value lies in the middle, as C's printf does.
enum FixedPoint {
  /// The powers of ten that the digits after the point need.
  private static let powersOfTen: [UInt128] = [
    1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000,
  ]

  /// `value` with `digitCount` digits after the point (0 to 9).
  ///
  /// Values of 2^63 and more are integers already and are written in Swift's shortest form; infinities are
  /// `inf` and `-inf`, and a value that is no number is `nan`.
  static func text(_ value: Double, digitCount: Int) -> String {
    precondition((0...9).contains(digitCount), "digitCount is 0 to 9")
    guard value.isFinite, value.magnitude < 0x1p63 else { return value.description }
    let scaled = UInt128(value.significandScaled) * powersOfTen[digitCount]
    let units = shiftedToNearest(scaled, by: value.exponentOfScaled)
    // A value that rounds to nothing carries no sign: "-0.0" tells a reader nothing.
    return (value < 0 && units > 0 ? "-" : "") + text(units: units, digitCount: digitCount)
  }

  /// `numerator / denominator` with `digitCount` digits after the point (0 to 9).
  static func text(_ numerator: UInt64, over denominator: UInt64, digitCount: Int) -> String {
    text(units: quotient(numerator, over: denominator, digitCount: digitCount), digitCount: digitCount)
  }

  /// `numerator / denominator` in units of the last digit, rounded to the nearest and in the middle to even.
  static func quotient(_ numerator: UInt64, over denominator: UInt64, digitCount: Int) -> UInt128 {
    precondition(denominator > 0 && (0...9).contains(digitCount), "a quotient needs a denominator over zero")
    let divisor = UInt128(denominator)
    let scaled = UInt128(numerator) * powersOfTen[digitCount]
    let (whole, rest) = scaled.quotientAndRemainder(dividingBy: divisor)
    let isUp = rest * 2 > divisor || (rest * 2 == divisor && whole % 2 == 1)
    return whole + (isUp ? 1 : 0)
  }

  /// `units` of the last digit as a decimal number.
  static func text(units: UInt128, digitCount: Int) -> String {
    guard digitCount > 0 else { return units.description }
    let (whole, fraction) = units.quotientAndRemainder(dividingBy: powersOfTen[digitCount])
    let digits = fraction.description
    return "\(whole)." + String(repeating: "0", count: digitCount - digits.count) + digits
  }

  /// `value` · 2^`exponent`, rounded to the nearest integer and in the middle to the even one.
  private static func shiftedToNearest(_ value: UInt128, by exponent: Int) -> UInt128 {
    guard exponent < 0 else { return value << UInt128(exponent) }
    let count = -exponent
    // A 53-bit significand times 10^9 has fewer than 84 bits, so half a unit of 2^100 is out of its reach.
    guard count < 100 else { return 0 }
    let whole = value >> UInt128(count)
    let rest = value & ((1 << UInt128(count)) - 1)
    let half: UInt128 = 1 << UInt128(count - 1)
    return rest > half || (rest == half && whole % 2 == 1) ? whole + 1 : whole
  }
}

extension Double {
  /// The significand as an integer: the value is exactly this times 2 to the `exponentOfScaled`.
  fileprivate var significandScaled: UInt64 {
    isNormal ? significandBitPattern | 1 << 52 : significandBitPattern
  }

  /// See `significandScaled`.
  fileprivate var exponentOfScaled: Int {
    Int(max(exponentBitPattern, 1)) - 1075
  }
}
