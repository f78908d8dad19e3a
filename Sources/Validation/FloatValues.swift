import Kernels
import Tensors

/// Reads the elements of a numeric tensor as floats, a piece at a time.
enum FloatValues {
  /// Elements per piece: 256 KiB of floats.
  private static let pieceElementCount = 1 << 16

  /// Whether the elements of a type are numbers that a comparison can take.
  static func covers(_ type: ElementType) -> Bool {
    switch type {
    case .float32, .float16, .bfloat16, .float64, .int8, .uint8, .int16, .uint16, .int32, .uint32, .int64,
      .uint64, .bool:
      return true
    default: return false
    }
  }

  /// Calls `body` with the elements in order; types outside `covers` are not read.
  static func forEachPiece(of tensor: TensorContent, _ body: (Span<Float>) -> Void) {
    forEachPiece(of: tensor.elementType, count: tensor.shape.elementCount) { range, floats in
      read(tensor, range, into: &floats)
      body(floats.span.extracting(0..<range.count))
    }
  }

  /// Calls `body` with the elements of two tensors of the same number of elements side by side.
  static func forEachPair(
    _ first: TensorContent, _ second: TensorContent, _ body: (Span<Float>, Span<Float>) -> Void
  ) {
    var others = [Float](repeating: 0, count: min(pieceElementCount, second.shape.elementCount))
    forEachPiece(of: first.elementType, count: first.shape.elementCount) { range, floats in
      read(first, range, into: &floats)
      read(second, range, into: &others)
      body(floats.span.extracting(0..<range.count), others.span.extracting(0..<range.count))
    }
  }

  private static func forEachPiece(
    of type: ElementType, count: Int, _ body: (Range<Int>, inout [Float]) -> Void
  ) {
    var floats = [Float](repeating: 0, count: min(pieceElementCount, count))
    for start in stride(from: 0, to: count, by: pieceElementCount) {
      body(start..<min(start + pieceElementCount, count), &floats)
    }
  }

  private static func read(_ tensor: TensorContent, _ range: Range<Int>, into floats: inout [Float]) {
    guard let bits = tensor.elementType.bitWidth, covers(tensor.elementType) else { return }
    let width = bits / 8
    tensor.bytes.withBytes { bytes in
      // Bytes have no padding, so reading them raw is sound.
      let part = unsafe bytes.extracting((range.lowerBound * width)..<(range.upperBound * width)).bytes
      var all = floats.mutableSpan
      var target = all._mutatingExtracting(0..<range.count)
      switch tensor.elementType {
      case .float32: FloatConversion.float32(part, into: &target)
      case .float16: FloatConversion.float16(part, into: &target)
      case .bfloat16: FloatConversion.bfloat16(part, into: &target)
      case .float64: FloatConversion.float64(part, into: &target)
      case .int8: integers(part, Int8.self, &target)
      case .uint8, .bool: integers(part, UInt8.self, &target)
      case .int16: integers(part, Int16.self, &target)
      case .uint16: integers(part, UInt16.self, &target)
      case .int32: integers(part, Int32.self, &target)
      case .uint32: integers(part, UInt32.self, &target)
      case .int64: integers(part, Int64.self, &target)
      default: integers(part, UInt64.self, &target)
      }
    }
  }

  private static func integers<Value: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: RawSpan, _ type: Value.Type, _ target: inout MutableSpan<Float>
  ) {
    for index in target.indices {
      // The span holds as many integers as the target has places.
      let value = unsafe bytes.unsafeLoadUnaligned(
        fromByteOffset: index * MemoryLayout<Value>.size, as: Value.self)
      target[index] = Float(Value(littleEndian: value))
    }
  }
}
