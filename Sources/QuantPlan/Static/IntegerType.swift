public import Tensors

/// An integer type of static quantization.
public enum IntegerType: String, NamedChoice, Sendable {
  case s4, s8, u8, s16, u16, s32

  /// ONNX's element type.
  public var elementType: ElementType {
    switch self {
    case .s4: .int4
    case .s8: .int8
    case .u8: .uint8
    case .s16: .int16
    case .u16: .uint16
    case .s32: .int32
    }
  }

  /// The type with an ONNX name; nil when static quantization does not use it.
  public init?(_ type: ElementType) {
    guard let found = Self.allCases.first(where: { $0.elementType == type }) else { return nil }
    self = found
  }

  /// Whether the zero point is 0 and −max…max are used.
  public var isSymmetric: Bool { self != .u8 && self != .u16 }

  /// The smallest and the largest level in use: −127…127 for s8, 0…255 for u8.
  public var levels: ClosedRange<Int> {
    switch self {
    case .s4: -7...7
    case .s8: -127...127
    case .u8: 0...255
    case .s16: -32767...32767
    case .u16: 0...65535
    case .s32: -2_147_483_647...2_147_483_647
    }
  }
}

/// Scale and zero point of one tensor: x = scale · (q − zeroPoint).
///
/// Source: ONNX operator QuantizeLinear; rounding is to nearest even of x / scale.
public struct ScaleAndZeroPoint: Sendable, Codable, Equatable {
  public var scale: Float
  public var zeroPoint: Int

  enum CodingKeys: String, CodingKey, CaseIterable {
    case scale
    case zeroPoint = "zero_point"
  }

  public init(scale: Float, zeroPoint: Int) {
    self.scale = scale
    self.zeroPoint = zeroPoint
  }

  /// The parameters that hold a range, which is widened to contain 0; an empty one gets the scale 1 / levels.
  public init(holding range: ClosedRange<Float>, as type: IntegerType) {
    let (low, high) = (Double(min(range.lowerBound, 0)), Double(max(range.upperBound, 0)))
    let top = Double(type.levels.upperBound)
    let width = type.isSymmetric ? max(-low, high) : high - low
    let wanted = Float((width > 0 ? width : 1) / top)
    // A scale below the normal numbers would divide to infinity, and the zero point needs the one that is kept.
    scale = min(max(wanted, Float.leastNormalMagnitude), Float.greatestFiniteMagnitude)
    let place = type.isSymmetric ? 0 : (-low / Double(scale)).rounded(.toNearestOrEven)
    zeroPoint = Int(min(max(place, 0), top))
  }

  /// The level of a number.
  public func level(of value: Float, as type: IntegerType) -> Int {
    let quotient = (value / scale).rounded(.toNearestOrEven)
    let moved = Double(quotient) + Double(zeroPoint)
    return Int(min(max(moved, Double(type.levels.lowerBound)), Double(type.levels.upperBound)))
  }
}
