import Tensors

/// Compares tensors as numpy's `assert_allclose` does; integers must be equal.
struct TensorComparison {
  let relative: Double
  let absolute: Double

  /// Two units in the last place, relative: a chain of nodes in 16-bit floats rounds after every node, the
  /// expected values were computed in one go.
  static let float16Step = 0x1p-9
  static let bfloat16Step = 0x1p-6

  /// What differs, or nil.
  func problem(_ found: TensorContent, _ wanted: TensorContent) -> String? {
    guard found.elementType == wanted.elementType, found.shape == wanted.shape else {
      return
        "found \(found.elementType.name)\(found.shape), expected \(wanted.elementType.name)\(wanted.shape)"
    }
    guard let a = Self.numbers(found), let b = Self.numbers(wanted) else {
      return found.bytes.copied() == wanted.bytes.copied() ? nil : "the bytes differ"
    }
    let step =
      switch found.elementType {
      case .float16: Self.float16Step
      case .bfloat16: Self.bfloat16Step
      default: 0.0
      }
    for (index, (x, y)) in zip(a, b).enumerated() {
      if x == y || (x.isNaN && y.isNaN) { continue }
      if abs(x - y) <= absolute + max(relative, step) * abs(y) { continue }
      return "element \(index) of \(found.shape) is \(x), expected \(y)"
    }
    return nil
  }

  /// Floats as numbers; nil for integers, which are compared as bytes.
  static func numbers(_ tensor: TensorContent) -> [Double]? {
    let bytes = tensor.bytes.copied()
    func words<Word: FixedWidthInteger>(_ type: Word.Type) -> [Word] {
      let width = MemoryLayout<Word>.size
      return stride(from: 0, to: bytes.count, by: width).map { start in
        (0..<width).reduce(Word(0)) { $0 | Word(truncatingIfNeeded: bytes[start + $1]) << Word(8 * $1) }
      }
    }
    switch tensor.elementType {
    case .float32: return words(UInt32.self).map { Double(Float(bitPattern: $0)) }
    case .float64: return words(UInt64.self).map { Double(bitPattern: $0) }
    case .bfloat16: return words(UInt16.self).map { Double(Float(bitPattern: UInt32($0) << 16)) }
    case .float16: return words(UInt16.self).map(half)
    default: return nil
    }
  }

  private static func half(_ pattern: UInt16) -> Double {
    let (exponent, mantissa) = (Int(pattern >> 10 & 31), Double(pattern & 1023))
    let magnitude: Double
    switch exponent {
    case 0: magnitude = mantissa * 0x1p-24
    case 31: magnitude = mantissa == 0 ? .infinity : .nan
    default: magnitude = (1 + mantissa / 1024) * Double(sign: .plus, exponent: exponent - 15, significand: 1)
    }
    return pattern & 0x8000 == 0 ? magnitude : -magnitude
  }
}
