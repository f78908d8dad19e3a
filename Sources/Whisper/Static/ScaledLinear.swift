import Tensors

extension LinearPart {
  /// The same layer with its result multiplied by a scalar: weight and bias are new float32 tensors in memory.
  func scaled(by scale: Float) -> LinearPart {
    if scale == 1 { return self }
    return LinearPart(
      weight: weight.scaled(by: scale), orientation: orientation, bias: bias?.scaled(by: scale),
      sourceName: sourceName)
  }
}

extension TensorContent {
  /// Float32 elements times a scalar, in memory; the source's pages are given back.
  fileprivate func scaled(by scale: Float) -> TensorContent {
    let wide = elementType == .float32 ? self : converted(to: .float32) ?? self
    let count = wide.shape.elementCount
    let buffer = TensorBuffer(byteCount: count * 4) { out in
      wide.bytes.withBytes { source in
        // Bytes have no padding, so reading and writing them raw is sound.
        let source = unsafe source.bytes
        var target = unsafe out.mutableBytes
        precondition(source.byteCount == count * 4 && target.byteCount == count * 4)
        for offset in stride(from: 0, to: count * 4, by: 4) {
          // Safe: both spans hold `count` elements of four bytes, as checked above.
          let element = unsafe source.unsafeLoadUnaligned(fromUncheckedByteOffset: offset, as: Float.self)
          unsafe target.storeBytes(of: element * scale, toUncheckedByteOffset: offset, as: Float.self)
        }
      }
    }
    bytes.release()
    return TensorContent(elementType: .float32, shape: wide.shape, bytes: .buffer(buffer))
  }
}
