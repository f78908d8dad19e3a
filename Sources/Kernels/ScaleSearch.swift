import CKernels

/// The cost of candidate scales, for ranges by least squared error with zero point 0.
///
/// A search stores nothing, so it multiplies by the reciprocal of the scale: where that takes a near tie to
/// the other side, both sides have the same error to the last place. Scales must be normal numbers above
/// zero; a NaN counts as the highest level. Sums are Float over at most 4,096 elements, then Double.
public enum ScaleSearch {
  /// Adds the squared errors of each row to `errors`; rows = `scales.count`.
  public static func accumulateSquaredErrorsPerRow(
    _ values: Span<Float>, columnCount: Int, scales: Span<Float>, levels: QuantizedLevels,
    into errors: inout MutableSpan<Double>
  ) {
    requireMatrix(values.count, rowCount: scales.count, columnCount: columnCount)
    precondition(errors.count == scales.count, "one sum per row")
    if values.isEmpty { return }
    // Safe: the counts were checked above.
    unsafe lending(values, scales, &errors) {
      unsafe ck_squared_errors_rows(
        $0, values.count, columnCount, $1, scales.count, levels.lowest, levels.highest, $2, scales.count)
    }
  }

  /// Adds the squared errors of each column of a chunk of whole rows to `errors`; columns = `scales.count`.
  ///
  /// Rows are summed eight at a time, so chunks of a multiple of eight rows give the same sums as one chunk.
  public static func accumulateSquaredErrorsPerColumn(
    _ values: Span<Float>, scales: Span<Float>, levels: QuantizedLevels,
    into errors: inout MutableSpan<Double>
  ) {
    requireWholeRows(values.count, columnCount: scales.count)
    precondition(errors.count == scales.count, "one sum per column")
    if values.isEmpty { return }
    // Safe: the counts were checked above.
    unsafe lending(values, scales, &errors) {
      unsafe ck_squared_errors_columns(
        $0, values.count, $1, scales.count, levels.lowest, levels.highest, $2, scales.count)
    }
  }
}
