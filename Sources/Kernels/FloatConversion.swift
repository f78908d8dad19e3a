import CKernels

/// What narrowing to float16 does with finite values beyond ±65504.
public enum HalfOverflow: Sendable {
  /// They become infinite, as IEEE 754 rounds them.
  case infinity
  /// They become ±65504.
  case clamp
}

/// What narrowing to float16 lost, in elements.
public struct HalfNarrowing: Sendable, Equatable {
  /// Finite values that became infinite, or were clamped.
  public var overflowCount: UInt64
  /// Nonzero values that became zero.
  public var underflowCount: UInt64

  /// Counts of one piece, or zero to begin with.
  public init(overflowCount: UInt64 = 0, underflowCount: UInt64 = 0) {
    self.overflowCount = overflowCount
    self.underflowCount = underflowCount
  }

  /// Adds the counts of another piece.
  public static func += (sum: inout Self, piece: Self) {
    sum.overflowCount += piece.overflowCount
    sum.underflowCount += piece.underflowCount
  }
}

/// Float formats as they lie in files (little endian, any alignment) to Float and back.
///
/// Byte counts must be exactly element count × size; elements are in order. Every NaN stays a NaN with its
/// sign; its payload may become quiet.
public enum FloatConversion {
  /// Widens IEEE float16, exactly.
  public static func float16(_ bytes: RawSpan, into output: inout MutableSpan<Float>) {
    precondition(bytes.byteCount == output.count * 2, "two bytes per element")
    if output.isEmpty { return }
    let count = output.count
    // Safe: the counts were checked above.
    unsafe lending(bytes: bytes, &output) { unsafe ck_widen_half($0, bytes.byteCount, $1, count) }
  }

  /// Widens bfloat16, exactly.
  public static func bfloat16(_ bytes: RawSpan, into output: inout MutableSpan<Float>) {
    precondition(bytes.byteCount == output.count * 2, "two bytes per element")
    if output.isEmpty { return }
    let count = output.count
    // Safe: the counts were checked above.
    unsafe lending(bytes: bytes, &output) { unsafe ck_widen_bfloat($0, bytes.byteCount, $1, count) }
  }

  /// Copies float32 to where it is aligned.
  public static func float32(_ bytes: RawSpan, into output: inout MutableSpan<Float>) {
    precondition(bytes.byteCount == output.count * 4, "four bytes per element")
    if output.isEmpty { return }
    let count = output.count
    // Safe: the counts were checked above.
    unsafe lending(bytes: bytes, &output) { unsafe ck_copy_float($0, bytes.byteCount, $1, count) }
  }

  /// Rounds float64 to the nearest float32, ties to even; what is too large becomes infinite.
  public static func float64(_ bytes: RawSpan, into output: inout MutableSpan<Float>) {
    precondition(bytes.byteCount == output.count * 8, "eight bytes per element")
    if output.isEmpty { return }
    let count = output.count
    // Safe: the counts were checked above.
    unsafe lending(bytes: bytes, &output) { unsafe ck_round_double($0, bytes.byteCount, $1, count) }
  }

  /// The same bytes seen as float32, without a copy, or nil when their address is not a multiple of four.
  @_lifetime(copy bytes)
  public static func alignedFloat32(_ bytes: RawSpan) -> Span<Float>? {
    precondition(bytes.byteCount % 4 == 0, "four bytes per element")
    // Safe: only the address is looked at.
    let isAligned = unsafe bytes.withUnsafeBytes { UInt(bitPattern: $0.baseAddress) % 4 == 0 }
    guard isAligned else { return nil }
    // Aligned, a whole number of elements, and every bit pattern is a Float.
    return Span<Float>(_bytes: bytes)
  }

  /// Rounds to the bit patterns of float16, nearest, ties to even; infinities stay infinite in both modes.
  ///
  /// - Returns: how many values overflowed or became zero.
  public static func toFloat16(
    _ values: Span<Float>, overflow: HalfOverflow, into output: inout MutableSpan<UInt16>
  ) -> HalfNarrowing {
    precondition(values.count == output.count, "one output per value")
    if values.isEmpty { return HalfNarrowing() }
    let clamps: Int32 = overflow == .clamp ? 1 : 0
    // Safe: the counts were checked above.
    let lost = unsafe lending(values, &output) {
      unsafe ck_narrow_half($0, values.count, clamps, $1, values.count)
    }
    return HalfNarrowing(overflowCount: lost.overflows, underflowCount: lost.underflows)
  }

  /// Rounds to the bit patterns of bfloat16, nearest, ties to even.
  public static func toBFloat16(_ values: Span<Float>, into output: inout MutableSpan<UInt16>) {
    precondition(values.count == output.count, "one output per value")
    if values.isEmpty { return }
    // Safe: the counts were checked above.
    unsafe lending(values, &output) { unsafe ck_narrow_bfloat($0, values.count, $1, values.count) }
  }
}
