/// A tensor's type, shape and little-endian bytes, wherever they are kept.
public struct TensorContent: Sendable {
  public let elementType: ElementType
  public let shape: Shape
  /// Packed as in ONNX's `raw_data`; empty for text.
  public let bytes: TensorBytes

  /// Parts that belong together: the bytes hold as many elements as the shape has.
  public init(elementType: ElementType, shape: Shape, bytes: TensorBytes) {
    self.elementType = elementType
    self.shape = shape
    self.bytes = bytes
  }
}

extension TensorContent {
  /// The elements of an integer tensor, sign-extended; nil for other types. For small tensors.
  public var integers: [Int64]? {
    guard let width = elementType.bitWidth, width >= 8 else { return nil }
    let isSigned: Bool
    switch elementType {
    case .int8, .int16, .int32, .int64: isSigned = true
    case .uint8, .uint16, .uint32, .uint64, .bool: isSigned = false
    default: return nil
    }
    let step = width / 8
    let raw = bytes.copied()
    return stride(from: 0, to: raw.count - raw.count % step, by: step).map { start in
      var value: UInt64 = 0
      for index in 0..<step { value |= UInt64(raw[start + index]) << UInt64(8 * index) }
      let unused = UInt64(64 - width)
      return isSigned ? Int64(bitPattern: value << unused) >> Int64(unused) : Int64(bitPattern: value)
    }
  }

  /// The elements of a float32 tensor; nil for other types. For small tensors.
  public var floats: [Float]? {
    guard elementType == .float32 else { return nil }
    let raw = bytes.copied()
    return stride(from: 0, to: raw.count - raw.count % 4, by: 4).map { start in
      var pattern: UInt32 = 0
      for index in 0..<4 { pattern |= UInt32(raw[start + index]) << UInt32(8 * index) }
      return Float(bitPattern: pattern)
    }
  }
}
