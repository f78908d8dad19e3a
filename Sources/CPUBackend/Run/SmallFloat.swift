import Tensors

/// What becomes of finite values that a float format of few bits cannot hold.
enum FloatOverflow: Sendable {
  /// The largest finite value.
  case saturates
  /// Infinity, or NaN where there is none.
  case isSpecial
}

/// A float format of at most 16 bits, by its parameters.
///
/// Source: the IEEE 754 binary interchange formats, the OCP 8-bit and MX formats, and ONNX's notes on float8.
struct SmallFloat {
  let exponentBits: Int
  let mantissaBits: Int
  let bias: Int
  let largest: Double
  let infinity: UInt16?
  /// Of a positive NaN; the sign is added unless the format has one NaN only.
  let notANumber: UInt16?
  /// One zero and one NaN (the pattern of the negative zero).
  let isUnsignedZero: Bool

  init?(_ type: ElementType) {
    switch type {
    case .float16: self.init(5, 10, 15, 65504, infinity: 0x7C00, nan: 0x7E00)
    case .bfloat16: self.init(8, 7, 127, 0x1.FEp127, infinity: 0x7F80, nan: 0x7FC0)
    case .float8E4M3FN: self.init(4, 3, 7, 448, nan: 0x7F)
    case .float8E4M3FNUZ: self.init(4, 3, 8, 240, nan: 0x80, isUnsignedZero: true)
    case .float8E5M2: self.init(5, 2, 15, 57344, infinity: 0x7C, nan: 0x7E)
    case .float8E5M2FNUZ: self.init(5, 2, 16, 57344, nan: 0x80, isUnsignedZero: true)
    case .float4E2M1: self.init(2, 1, 1, 6)
    default: return nil
    }
  }

  private init(
    _ exponentBits: Int, _ mantissaBits: Int, _ bias: Int, _ largest: Double, infinity: UInt16? = nil,
    nan: UInt16? = nil, isUnsignedZero: Bool = false
  ) {
    (self.exponentBits, self.mantissaBits, self.bias) = (exponentBits, mantissaBits, bias)
    (self.largest, self.infinity, notANumber) = (largest, infinity, nan)
    self.isUnsignedZero = isUnsignedZero
  }

  private var signBit: UInt16 { 1 << UInt16(exponentBits + mantissaBits) }

  func decode(_ pattern: UInt16) -> Double {
    if isUnsignedZero && pattern == signBit { return .nan }
    let isNegative = pattern & signBit != 0
    let magnitude = pattern & (signBit - 1)
    let exponent = Int(magnitude >> UInt16(mantissaBits))
    let mantissa = Double(magnitude & (1 << UInt16(mantissaBits) - 1))
    if let infinity {
      if magnitude == infinity { return isNegative ? -.infinity : .infinity }
      if magnitude > infinity { return .nan }
    } else if let notANumber, !isUnsignedZero, magnitude == notANumber {
      return .nan
    }
    let scale = Double(sign: .plus, exponent: max(exponent, 1) - bias - mantissaBits, significand: 1)
    let value = (exponent == 0 ? mantissa : mantissa + Double(1 << mantissaBits)) * scale
    return isNegative ? -value : value
  }

  /// Rounds to nearest, ties to even.
  func encode(_ value: Double, _ overflow: FloatOverflow) -> UInt16 {
    let sign = value.sign == .minus ? signBit : 0
    if value.isNaN {
      // float4e2m1 has no NaN; ONNX makes it a negative zero.
      guard let notANumber else { return signBit }
      return isUnsignedZero ? notANumber : notANumber | sign
    }
    let magnitude = abs(value)
    var rounded = magnitude
    if magnitude.isFinite && magnitude > 0 {
      let exponent = max(Int(magnitude.exponent), 1 - bias)
      let quantum = Double(sign: .plus, exponent: exponent - mantissaBits, significand: 1)
      rounded = (magnitude / quantum).rounded(.toNearestOrEven) * quantum
    }
    if rounded > largest {
      let special = overflow == .isSpecial || exponentBits + mantissaBits > 8
      if special, let infinity { return infinity | sign }
      if special, let notANumber { return isUnsignedZero ? notANumber : notANumber | sign }
      rounded = largest
    }
    if isUnsignedZero && rounded == 0 { return 0 }
    return pattern(of: rounded) | sign
  }

  /// The pattern of a positive value that the format holds exactly.
  private func pattern(of value: Double) -> UInt16 {
    if value == 0 { return 0 }
    let exponent = Int(value.exponent)
    if exponent < 1 - bias {
      return UInt16(value / Double(sign: .plus, exponent: 1 - bias - mantissaBits, significand: 1))
    }
    let mantissa = (value.significand - 1) * Double(1 << mantissaBits)
    return UInt16(exponent + bias) << UInt16(mantissaBits) | UInt16(mantissa)
  }
}
