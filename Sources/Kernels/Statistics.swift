import CKernels
import Synchronization

/// Counts of values in bins of equal width.
public enum BinCounting {
  /// Adds every `step`-th value, the first one among them, to the bin that holds it.
  ///
  /// Zero is the lower edge of bin `counts.count` / 2. What lies beyond goes to the bins at the ends.
  ///
  /// - Parameters:
  ///   - values: finite numbers.
  ///   - binWidth: a power of two, normal and with a normal reciprocal, so that edges are exact.
  ///   - counts: at least two and an even number; the caller keeps them below 2^32.
  public static func count(
    _ values: Span<Float>, step: Int = 1, binWidth: Float, into counts: inout MutableSpan<UInt32>
  ) {
    precondition(step >= 1 && counts.count >= 2 && counts.count % 2 == 0, "an even number of bins")
    precondition(binWidth > 0 && binWidth.significand == 1 && (1 / binWidth).isNormal, "a power of two")
    if values.isEmpty { return }
    let binCount = counts.count
    // Safe: the counts are those of the spans.
    unsafe lending(values, &counts) {
      unsafe ck_count_bins($0, values.count, step, 1 / binWidth, $1, binCount)
    }
  }
}

extension ScaleSearch {
  /// Adds the squared errors of each column, each row times its weight, to `errors`; columns = `scales.count`,
  /// rows = `weights.count`.
  public static func accumulateWeightedErrorsPerColumn(
    _ values: Span<Float>, weights: Span<Float>, scales: Span<Float>, levels: QuantizedLevels,
    into errors: inout MutableSpan<Double>
  ) {
    requireMatrix(values.count, rowCount: weights.count, columnCount: scales.count)
    precondition(errors.count == scales.count, "one sum per column")
    if values.isEmpty { return }
    let (count, columnCount) = (values.count, scales.count)
    // Safe: the counts were checked above.
    unsafe lending(values, scales, &errors) { values, scales, errors in
      unsafe lending(weights) { weights in
        unsafe ck_weighted_errors_columns(
          values, count, weights, scales, columnCount, levels.lowest, levels.highest, errors, columnCount)
      }
    }
  }
}

// Pieces of about this many elements are shared among threads. What they find is joined by minima, maxima and
// integer sums, so the order does not matter.
private let grain = 1 << 16

extension SignedRanges {
  /// The range of all values; 0...0 for no values.
  public static func range(of values: Span<Float>, threads: Int) -> SignedRange {
    if values.isEmpty { return SignedRange(lowest: 0, highest: 0) }
    let found = Mutex([SignedRange]())
    WorkSharing.forRanges(values.count, grain: grain, threads: threads) { part in
      let range = range(of: values.extracting(part))
      found.withLock { $0.append(range) }
    }
    let ends = found.withLock { ranges in ranges.flatMap { [$0.lowest, $0.highest] } }
    // Once more through the kernel, which knows where a NaN belongs.
    return range(of: ends.span)
  }

  /// Widens the running range of each column by whole rows; columns = `lowest.count`.
  public static func accumulatePerColumn(
    of values: Span<Float>, lowest: inout [Float], highest: inout [Float], threads: Int
  ) {
    precondition(lowest.count == highest.count, "two ends per column")
    requireWholeRows(values.count, columnCount: lowest.count)
    if values.isEmpty { return }
    let columnCount = lowest.count
    let (low, high) = (lowest, highest)
    let found = Mutex([([Float], [Float])]())
    WorkSharing.forRanges(
      values.count / columnCount, grain: max(1, grain / columnCount), threads: threads
    ) { rows in
      var (low, high) = (low, high)
      var lowSpan = low.mutableSpan
      var highSpan = high.mutableSpan
      let part = values.extracting(rows.lowerBound * columnCount..<rows.upperBound * columnCount)
      accumulatePerColumn(of: part, lowest: &lowSpan, highest: &highSpan)
      found.withLock { $0.append((low, high)) }
    }
    for (low, high) in found.withLock({ $0 }) {
      for column in 0..<columnCount {
        lowest[column] = min(lowest[column], low[column])
        highest[column] = max(highest[column], high[column])
      }
    }
  }
}

extension BinCounting {
  /// The same on several threads.
  public static func count(
    _ values: Span<Float>, step: Int = 1, binWidth: Float, into counts: inout [UInt32], threads: Int
  ) {
    let sampleCount = (values.count + step - 1) / step
    let binCount = counts.count
    let found = Mutex([[UInt32]]())
    WorkSharing.forRanges(sampleCount, grain: grain, threads: threads) { samples in
      var own = [UInt32](repeating: 0, count: binCount)
      var span = own.mutableSpan
      let end = min(values.count, (samples.upperBound - 1) * step + 1)
      count(
        values.extracting(samples.lowerBound * step..<end), step: step, binWidth: binWidth, into: &span)
      found.withLock { $0.append(own) }
    }
    for part in found.withLock({ $0 }) {
      for bin in counts.indices { counts[bin] += part[bin] }
    }
  }
}
