import CKernels

/// 8-bit quantization of activations with one scale.
public enum ByteQuantization {
  /// `output` becomes saturate(round(x / scale) + zeroPoint) within `range`; signed codes are their bit patterns.
  public static func quantize(
    _ x: Span<Float>, scale: Float, zeroPoint: Int32, range: ClosedRange<Int32>,
    into output: inout MutableSpan<UInt8>, threads: Int
  ) {
    precondition(output.count == x.count, "one code per element")
    let count = x.count
    if count == 0 { return }
    // Safe: the counts are equal; ranges do not overlap and lie within them.
    unsafe lending(x, &output) { x, output in
      guard let x = unsafe x, let output = unsafe output else { return }
      WorkSharing.forRanges(count, grain: FloatFunctions.grain, threads: threads) { part in
        unsafe ck_quantize_bytes(
          x + part.lowerBound, part.count, scale, zeroPoint, range.lowerBound, range.upperBound,
          output + part.lowerBound)
      }
    }
  }

  /// `output` becomes (q − zeroPoint) · scale.
  public static func dequantize(
    _ q: Span<UInt8>, _ sign: ByteSign, scale: Float, zeroPoint: Int32, into output: inout MutableSpan<Float>,
    threads: Int
  ) {
    precondition(output.count == q.count, "one value per code")
    let count = q.count
    if count == 0 { return }
    // Safe: as above.
    unsafe lending(q, &output) { q, output in
      guard let q = unsafe q, let output = unsafe output else { return }
      WorkSharing.forRanges(count, grain: FloatFunctions.grain, threads: threads) { part in
        unsafe ck_dequantize_bytes(
          q + part.lowerBound, part.count, sign == .signed ? 1 : 0, scale, zeroPoint, output + part.lowerBound
        )
      }
    }
  }

  /// The smallest and largest of the values and zero.
  public static func bounds(_ x: Span<Float>, threads: Int) -> ClosedRange<Float> {
    if x.isEmpty { return 0...0 }
    let grain = 1 << 16
    let pieceCount = (x.count + grain - 1) / grain
    var lows = [Float](repeating: 0, count: pieceCount)
    var highs = lows
    var lowSpan = lows.mutableSpan
    var highSpan = highs.mutableSpan
    let count = x.count
    // Safe: pieces lie within `x`, and each writes its own pair.
    unsafe lending(x, &lowSpan) { x, lows in
      unsafe highSpan.withUnsafeMutableBufferPointer { highs in
        guard let x = unsafe x, let lows = unsafe lows, let highs = highs.baseAddress else { return }
        WorkSharing.forEach(pieceCount, threads: threads) { piece in
          let first = piece * grain
          unsafe ck_bounds_with_zero(x + first, min(grain, count - first), lows + piece, highs + piece)
        }
      }
    }
    let low = lows.min() ?? 0
    return low...max(low, highs.max() ?? 0)
  }
}
