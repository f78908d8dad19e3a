import CKernels

/// Finds out whether a matrix is stored a second time the other way round.
public enum TransposeComparison {
  /// Whether rows `rows` of `first` equal, bit for bit, those columns of `second`.
  ///
  /// Stops at the first tile that differs. Row ranges can be shared out among threads; all of 0..<rowCount
  /// together are the whole matrix. +0 and -0 differ, and a NaN equals itself.
  ///
  /// - Parameters:
  ///   - first: [rowCount, columnCount], of any alignment.
  ///   - second: [columnCount, rowCount], of any alignment.
  ///   - elementByteCount: 2, 4 or 8.
  ///   - rows: the rows of `first` to look at.
  public static func isTranspose(
    _ first: RawSpan, _ second: RawSpan, rowCount: Int, columnCount: Int, elementByteCount: Int,
    rows: Range<Int>
  ) -> Bool {
    precondition([2, 4, 8].contains(elementByteCount), "elements of 2, 4 or 8 bytes")
    let (rowByteCount, overflows) = columnCount.multipliedReportingOverflow(by: elementByteCount)
    precondition(!overflows, "a row that can be addressed")
    requireMatrix(first.byteCount, rowCount: rowCount, columnCount: rowByteCount)
    precondition(second.byteCount == first.byteCount, "two matrices of one size")
    precondition(rows.lowerBound >= 0 && rows.upperBound <= rowCount, "rows of the matrix")
    if rows.isEmpty || columnCount == 0 { return true }
    // Safe: both hold rowCount x columnCount elements, and the rows are among them, as checked above.
    return unsafe first.withUnsafeBytes { first in
      unsafe second.withUnsafeBytes { second in
        unsafe ck_is_transpose(
          first.baseAddress, first.count, second.baseAddress, second.count, rowCount, columnCount,
          elementByteCount, rows.lowerBound, rows.upperBound) != 0
      }
    }
  }
}
