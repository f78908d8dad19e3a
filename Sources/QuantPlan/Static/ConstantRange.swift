import Kernels
import Tensors

/// The range of a float32 constant.
enum ConstantRange {
  /// Elements that are read at one time.
  private static let chunk = 1 << 16

  /// Smallest and largest element; nil for other types and when one is not finite.
  static func of(_ content: TensorContent) -> ClosedRange<Float>? {
    guard content.elementType == .float32, content.shape.elementCount > 0 else { return nil }
    var result: SignedRange?
    content.bytes.withBytes { bytes in
      var scratch = [Float](repeating: 0, count: chunk)
      var start = 0
      while start < bytes.count {
        let end = min(bytes.count, start + chunk * 4)
        // Bytes have no padding, so reading them raw is sound.
        let raw = unsafe bytes.extracting(start..<end).bytes
        let part: SignedRange
        if let aligned = FloatConversion.alignedFloat32(raw) {
          part = SignedRanges.range(of: aligned)
        } else {
          var all = scratch.mutableSpan
          var target = all._mutatingExtracting(0..<((end - start) / 4))
          FloatConversion.float32(raw, into: &target)
          part = SignedRanges.range(of: scratch.span.extracting(0..<((end - start) / 4)))
        }
        let known = result ?? part
        result = SignedRange(
          lowest: min(known.lowest, part.lowest), highest: max(known.highest, part.highest))
        if !part.isFinite { result = part }
        if !(result?.isFinite ?? false) { break }
        start = end
      }
    }
    guard let result, result.isFinite else { return nil }
    return result.lowest...result.highest
  }
}
