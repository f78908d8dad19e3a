extension TensorContent {
  /// A float32 tensor; there are as many values as the shape has elements.
  public init(floats: [Float], shape: Shape) {
    precondition(floats.count == shape.elementCount)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(floats.count * 4)
    for value in floats {
      let bits = value.bitPattern
      for shift in [0, 8, 16, 24] { bytes.append(UInt8(truncatingIfNeeded: bits >> UInt32(shift))) }
    }
    self.init(elementType: .float32, shape: shape, bytes: .owned(bytes))
  }

  /// The same numbers as another float or integer type; nil when either type has no such numbers (text, complex,
  /// below 8 bits). Halves are rounded to nearest even, integers to nearest and clamped; for inputs, not for weights.
  public func converted(to type: ElementType) -> TensorContent? {
    if type == elementType { return self }
    guard let values = numbers else { return nil }
    guard var bytes = type.byteCount(elementCount: 1).map({ _ in [UInt8]() }) else { return nil }
    func append<Value: FixedWidthInteger>(_ value: Value) {
      let bits = UInt64(truncatingIfNeeded: value)
      for index in 0..<(Value.bitWidth / 8) {
        bytes.append(UInt8(truncatingIfNeeded: bits >> UInt64(8 * index)))
      }
    }
    func clamped<Value: FixedWidthInteger>(_ value: Double, _: Value.Type) -> Value {
      if value.isNaN { return 0 }
      let rounded = value.rounded(.toNearestOrEven)
      return Value(exactly: rounded) ?? (rounded < 0 ? .min : .max)
    }
    for value in values {
      switch type {
      case .float32: append(Float(value).bitPattern)
      case .float64: append(value.bitPattern)
      case .float16: append(Self.half(Float(value)))
      case .bfloat16: append(Self.brain(Float(value)))
      case .bool: append(UInt8(value == 0 ? 0 : 1))
      case .int8: append(clamped(value, Int8.self))
      case .uint8: append(clamped(value, UInt8.self))
      case .int16: append(clamped(value, Int16.self))
      case .uint16: append(clamped(value, UInt16.self))
      case .int32: append(clamped(value, Int32.self))
      case .uint32: append(clamped(value, UInt32.self))
      case .int64: append(clamped(value, Int64.self))
      case .uint64: append(clamped(value, UInt64.self))
      default: return nil
      }
    }
    return TensorContent(elementType: type, shape: shape, bytes: .owned(bytes))
  }

  /// The elements as numbers; nil for types without. Integers beyond 2^53 are rounded. For small tensors.
  public var numbers: [Double]? {
    if elementType == .float32 { return floats?.map(Double.init) }
    if let integers {
      return elementType == .uint64
        ? integers.map { Double(UInt64(bitPattern: $0)) } : integers.map(Double.init)
    }
    let raw = bytes.copied()
    func word(_ start: Int, _ count: Int) -> UInt64 {
      (0..<count).reduce(0) { $0 | UInt64(raw[start + $1]) << UInt64(8 * $1) }
    }
    switch elementType {
    case .float64: return stride(from: 0, to: raw.count - 7, by: 8).map { Double(bitPattern: word($0, 8)) }
    case .float16:
      return stride(from: 0, to: raw.count - 1, by: 2).map { Double(Self.single(UInt16(word($0, 2)))) }
    case .bfloat16:
      return stride(from: 0, to: raw.count - 1, by: 2).map {
        Double(Float(bitPattern: UInt32(word($0, 2)) << 16))
      }
    default: return nil
    }
  }

  /// float32 to the bits of float16, to nearest even (IEEE 754).
  static func half(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    let sign = UInt16(truncatingIfNeeded: bits >> 16) & 0x8000
    let magnitude = bits & 0x7FFF_FFFF
    if magnitude > 0x7F80_0000 { return sign | 0x7E00 }
    // From 65520 on everything rounds to infinity.
    if magnitude >= 0x477F_F000 { return sign | 0x7C00 }
    if magnitude >= 0x3880_0000 {
      // Normal: drop 13 bits and move the exponent's bias from 127 to 15.
      let shifted = magnitude - 0x3800_0000
      let rounded = shifted + 0xFFF + ((shifted >> 13) & 1)
      return sign | UInt16(truncatingIfNeeded: rounded >> 13)
    }
    // Subnormal: a multiple of 2^-24.
    let steps = (Float(bitPattern: magnitude) * 0x1p24).rounded(.toNearestOrEven)
    return sign | UInt16(steps)
  }

  /// float32 to the bits of bfloat16, to nearest even.
  static func brain(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    if value.isNaN { return UInt16(truncatingIfNeeded: bits >> 16) | 0x40 }
    return UInt16(truncatingIfNeeded: (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16)
  }

  /// The bits of float16 as float32, exactly.
  static func single(_ bits: UInt16) -> Float {
    let sign: Float = bits & 0x8000 == 0 ? 1 : -1
    let exponent = Int(bits >> 10) & 0x1F
    let fraction = Float(bits & 0x3FF)
    switch exponent {
    case 0: return sign * fraction * 0x1p-24
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * Float(sign: .plus, exponent: exponent - 15, significand: 1 + fraction * 0x1p-10)
    }
  }
}
