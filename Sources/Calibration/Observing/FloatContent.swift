import Kernels
import Tensors

/// The elements of a tensor as floats.
enum FloatContent {
  /// Lends the elements of a float32 tensor, or a copy of half ones; other types are not lent.
  static func withFloats<Failure: Error>(
    _ content: TensorContent, _ body: (Span<Float>) throws(Failure) -> Void
  ) throws(Failure) {
    let count = content.shape.elementCount
    switch content.elementType {
    case .float32, .float16, .bfloat16: break
    default: return
    }
    if content.elementType == .float32, case .buffer(let buffer) = content.bytes, buffer.isAligned(to: 4) {
      return try body(buffer.elements(of: Float.self).extracting(first: count))
    }
    var floats = [Float](repeating: 0, count: count)
    content.bytes.withBytes { bytes in
      // Bytes have no padding, so reading them raw is sound.
      let raw = unsafe bytes.bytes
      var span = floats.mutableSpan
      switch content.elementType {
      case .float16: FloatConversion.float16(raw, into: &span)
      case .bfloat16: FloatConversion.bfloat16(raw, into: &span)
      default: FloatConversion.float32(raw, into: &span)
      }
    }
    try body(floats.span)
  }
}
