/// The integers that quantized values may take.
public struct QuantizedLevels: Sendable, Equatable {
  /// The lowest level.
  public let lowest: Int32
  /// The highest level.
  public let highest: Int32

  /// Levels from `lowest` to `highest`, which fit one byte.
  public init(_ levels: ClosedRange<Int32>) {
    precondition(levels.lowerBound >= -128 && levels.upperBound <= 255, "levels of one byte")
    lowest = levels.lowerBound
    highest = levels.upperBound
  }

  /// -127...127, the levels of symmetric weights.
  public static let symmetric8 = Self(-127...127)
  /// -128...127
  public static let signed8 = Self(-128...127)
  /// 0...255
  public static let unsigned8 = Self(0...255)
  /// -7...7
  public static let symmetric4 = Self(-7...7)
  /// -8...7
  public static let signed4 = Self(-8...7)
  /// 0...15
  public static let unsigned4 = Self(0...15)
}

/// A scale with its zero point.
public struct AffineParameters: Sendable, Equatable {
  /// The size of a step, above zero.
  public var scale: Float
  /// The level of 0.
  public var zeroPoint: UInt8

  /// A scale and a zero point.
  public init(scale: Float, zeroPoint: UInt8) {
    self.scale = scale
    self.zeroPoint = zeroPoint
  }
}

/// Scales from ranges, by the rule of the maximum.
///
/// A scale is always above zero: where all values are zero, or so small that the quotient is zero, it is 1
/// and every value becomes the level of 0.
public enum QuantizationScales {
  /// max|w| / highest level.
  public static func symmetric(absoluteMaximumBits bits: UInt32, levels: QuantizedLevels) -> Float {
    usable(Float(bitPattern: bits) / Float(levels.highest))
  }

  /// The same for every row or column.
  public static func symmetric(
    absoluteMaximumBits bits: Span<UInt32>, levels: QuantizedLevels, into scales: inout MutableSpan<Float>
  ) {
    precondition(bits.count == scales.count, "one scale per maximum")
    for index in bits.indices {
      scales[index] = symmetric(absoluteMaximumBits: bits[index], levels: levels)
    }
  }

  /// (highest - lowest) / (number of levels - 1) over the range widened to include 0, and
  /// saturate(roundHalfEven(lowest level - lowest / scale)); levels from 0.
  public static func asymmetric(_ range: SignedRange, levels: QuantizedLevels) -> AffineParameters {
    precondition(levels.lowest == 0, "unsigned levels")
    let lowest = min(range.lowest, 0)
    let highest = max(range.highest, 0)
    let scale = usable((highest - lowest) / Float(levels.highest))
    // Adding 1.5 · 2²³ rounds to the nearest integer, ties to even; -lowest / scale is never negative.
    let rounder: Float = 12_582_912
    let zeroPoint = (min(-lowest / scale, Float(levels.highest)) + rounder) - rounder
    return AffineParameters(scale: scale, zeroPoint: UInt8(zeroPoint))
  }

  private static func usable(_ scale: Float) -> Float { scale > 0 ? scale : 1 }
}
