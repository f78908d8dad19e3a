import CKernels

/// Maxima of |w| as the bit patterns of Floats without their sign.
///
/// Patterns of one sign order like their values, with infinity and NaN above all, so one comparison at the
/// end (`isFinite`) finds what a comparison of Floats would drop. Accumulators begin with 0.
public enum AbsoluteMaximum {
  /// The largest pattern; 0 for no values.
  public static func bits(of values: Span<Float>) -> UInt32 {
    if values.isEmpty { return 0 }
    // Safe: the span and its own count.
    return unsafe lending(values) { unsafe ck_absmax($0, values.count) }
  }

  /// The largest pattern of each row of [rows, columnCount]; rows = `output.count`.
  public static func bitsPerRow(
    of values: Span<Float>, columnCount: Int, into output: inout MutableSpan<UInt32>
  ) {
    requireMatrix(values.count, rowCount: output.count, columnCount: columnCount)
    if output.isEmpty { return }
    let rowCount = output.count
    // Safe: the counts were checked above.
    unsafe lending(values, &output) { unsafe ck_absmax_rows($0, values.count, columnCount, $1, rowCount) }
  }

  /// Raises the running maximum of each column by a chunk of whole rows; columns = `running.count`.
  public static func accumulatePerColumn(of values: Span<Float>, into running: inout MutableSpan<UInt32>) {
    requireWholeRows(values.count, columnCount: running.count)
    if values.isEmpty { return }
    let columnCount = running.count
    // Safe: the counts were checked above.
    unsafe lending(values, &running) { unsafe ck_absmax_columns($0, values.count, $1, columnCount) }
  }

  /// Whether a maximum says that no value was NaN or infinite.
  public static func isFinite(_ bits: UInt32) -> Bool { bits < 0x7F80_0000 }
}

/// Smallest and largest value of a tensor or a part of it.
public struct SignedRange: Sendable, Equatable {
  /// The smallest value; not finite when a value was a negative NaN or infinity.
  public var lowest: Float
  /// The largest value; not finite when a value was a positive NaN or infinity.
  public var highest: Float

  /// A range from its ends.
  public init(lowest: Float, highest: Float) {
    self.lowest = lowest
    self.highest = highest
  }

  /// Whether no value was NaN or infinite.
  public var isFinite: Bool { lowest.isFinite && highest.isFinite }
}

/// Signed ranges: -0 sorts below +0, NaN outside of the infinity of its sign.
public enum SignedRanges {
  /// The range of all values; 0...0 for no values.
  public static func range(of values: Span<Float>) -> SignedRange {
    if values.isEmpty { return SignedRange(lowest: 0, highest: 0) }
    // Safe: the span and its own count.
    let range = unsafe lending(values) { unsafe ck_range_all($0, values.count) }
    return SignedRange(lowest: range.lowest, highest: range.highest)
  }

  /// The range of each row of [rows, columnCount]; rows = `lowest.count`.
  public static func rangePerRow(
    of values: Span<Float>, columnCount: Int,
    lowest: inout MutableSpan<Float>, highest: inout MutableSpan<Float>
  ) {
    precondition(lowest.count == highest.count, "two ends per row")
    requireMatrix(values.count, rowCount: lowest.count, columnCount: columnCount)
    if lowest.isEmpty { return }
    let rowCount = lowest.count
    // Safe: the counts were checked above.
    unsafe lending(values, &lowest) { values, lowest in
      unsafe highest.withUnsafeMutableBufferPointer {
        unsafe ck_range_rows(
          values, rowCount * columnCount, columnCount, lowest, rowCount, $0.baseAddress, rowCount)
      }
    }
  }

  /// Widens the running range of each column by a chunk of whole rows; columns = `lowest.count`.
  ///
  /// Begin with the first row, or with 0 where ranges include 0.
  public static func accumulatePerColumn(
    of values: Span<Float>, lowest: inout MutableSpan<Float>, highest: inout MutableSpan<Float>
  ) {
    precondition(lowest.count == highest.count, "two ends per column")
    requireWholeRows(values.count, columnCount: lowest.count)
    if values.isEmpty { return }
    let columnCount = lowest.count
    let count = values.count
    // Safe: the counts were checked above.
    unsafe lending(values, &lowest) { values, lowest in
      unsafe highest.withUnsafeMutableBufferPointer {
        unsafe ck_range_columns(values, count, lowest, columnCount, $0.baseAddress, columnCount)
      }
    }
  }
}

/// The search for values that cannot be quantized.
public enum NonFiniteScan {
  /// Index of the first NaN or infinity, or nil.
  public static func firstIndex(in values: Span<Float>) -> Int? {
    if values.isEmpty { return nil }
    // Safe: the span and its own count.
    let index = unsafe lending(values) { unsafe ck_first_nonfinite($0, values.count) }
    return index == values.count ? nil : index
  }
}

/// `count` elements must be `rowCount` rows of `columnCount`.
func requireMatrix(_ count: Int, rowCount: Int, columnCount: Int) {
  precondition(columnCount >= 0, "a column count is not negative")
  let (product, overflows) = rowCount.multipliedReportingOverflow(by: columnCount)
  precondition(!overflows && product == count, "rows x columns elements")
}

/// `count` elements must be whole rows of `columnCount`.
func requireWholeRows(_ count: Int, columnCount: Int) {
  precondition(columnCount == 0 ? count == 0 : count % columnCount == 0, "whole rows")
}
