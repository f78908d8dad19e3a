import CKernels

/// Functions of whole rows.
public enum RowFunctions {
  /// What softmax gives.
  public enum SoftmaxResult: Sendable {
    case probabilities
    case logarithms
  }

  /// `output` becomes the softmax of each row of `columnCount` elements.
  public static func softmax(
    _ x: Span<Float>, columnCount: Int, _ result: SoftmaxResult, into output: inout MutableSpan<Float>,
    threads: Int
  ) {
    precondition(output.count == x.count, "one result per element")
    if x.isEmpty { return }
    precondition(columnCount > 0 && x.count % columnCount == 0, "whole rows")
    let rowCount = x.count / columnCount
    let logarithm: Int32 = result == .logarithms ? 1 : 0
    // Safe: rows lie within the counts, and no two pieces have the same.
    unsafe lending(x, &output) { x, output in
      guard let x = unsafe x, let output = unsafe output else { return }
      let grain = max(1, FloatFunctions.grain / 2 / columnCount)
      WorkSharing.forRanges(rowCount, grain: grain, threads: threads) { rows in
        let first = rows.lowerBound * columnCount
        unsafe ck_softmax(x + first, output + first, rows.count, columnCount, logarithm)
      }
    }
  }

  /// Whether the mean is taken out before rows are scaled.
  public enum Centering: Sendable {
    case aroundMean
    case none
  }

  /// `output` becomes (x − mean) / √(variance + epsilon) · scale + bias for each row as long as `scale`.
  ///
  /// `bias` may be empty; `means` and `inverseDeviations` get one number per row unless they are empty.
  public static func normalize(
    _ x: Span<Float>, scale: Span<Float>, bias: Span<Float>, epsilon: Float, _ centering: Centering,
    into output: inout MutableSpan<Float>, means: inout MutableSpan<Float>,
    inverseDeviations: inout MutableSpan<Float>, threads: Int
  ) {
    let columnCount = scale.count
    precondition(output.count == x.count && (bias.isEmpty || bias.count == columnCount), "counts that fit")
    if x.isEmpty { return }
    precondition(columnCount > 0 && x.count % columnCount == 0, "whole rows")
    let rowCount = x.count / columnCount
    precondition(means.isEmpty || means.count == rowCount, "a mean per row")
    precondition(inverseDeviations.isEmpty || inverseDeviations.count == rowCount, "a deviation per row")
    let hasBias = !bias.isEmpty
    // Safe: rows lie within the counts, and no two pieces have the same.
    unsafe lending(scale, bias, &means) { scale, bias, means in
      unsafe lending(x, &output) { x, output in
        unsafe inverseDeviations.withUnsafeMutableBufferPointer { deviations in
          guard let x = unsafe x, let output = unsafe output else { return }
          let deviations = deviations.isEmpty ? nil : deviations.baseAddress
          let grain = max(1, FloatFunctions.grain / columnCount)
          WorkSharing.forRanges(rowCount, grain: grain, threads: threads) { rows in
            let first = rows.lowerBound * columnCount
            unsafe ck_normalize(
              x + first, scale, hasBias ? bias : nil, epsilon, centering == .aroundMean ? 1 : 0,
              output + first,
              means.map { unsafe $0 + rows.lowerBound }, deviations.map { unsafe $0 + rows.lowerBound },
              rows.count,
              columnCount)
          }
        }
      }
    }
  }
}
