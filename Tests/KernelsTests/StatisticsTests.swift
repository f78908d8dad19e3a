import Kernels
import Testing

@Suite("Counting and weighing")
struct StatisticsTests {
  /// The bin of a value by the definition.
  private func bin(_ value: Float, _ width: Float, _ count: Int) -> Int {
    let place = (Double(value) / Double(width)).rounded(.down) + Double(count / 2)
    return min(max(Int(max(min(place, 1e9), -1e9)), 0), count - 1)
  }

  @Test("Every bin counts the values between its edges", arguments: sampleSizes)
  func bins(size: Int) {
    for (step, binCount, width) in [(1, 64, Float(0.25)), (3, 2048, 0x1p-7), (7, 2, 1), (16, 256, 0x1p-20)] {
      let values = awkward(size, seed: 31, scale: 0.125)
      var expected = [UInt32](repeating: 5, count: binCount)
      for index in stride(from: 0, to: size, by: step) { expected[bin(values[index], width, binCount)] += 1 }
      atEveryLevel { level in
        var counts = [UInt32](repeating: 5, count: binCount)
        var span = counts.mutableSpan
        BinCounting.count(values.span, step: step, binWidth: width, into: &span)
        #expect(counts == expected, "\(level.name), step \(step)")
      }
    }
  }

  @Test("Edges belong to the bin above them, and the next number below to the bin below")
  func edges() {
    for bits in -4...4 {
      let edge = Float(bits) * 0.5
      for value in [edge, edge.nextUp, edge.nextDown] {
        var counts = [UInt32](repeating: 0, count: 16)
        var span = counts.mutableSpan
        BinCounting.count([value].span, binWidth: 0.5, into: &span)
        #expect(counts[bin(value, 0.5, 16)] == 1, "\(value)")
      }
    }
  }

  @Test("Threads find what one finds")
  func threads() {
    let values = weights(300_011, seed: 32)
    for step in [1, 7] {
      var alone = [UInt32](repeating: 0, count: 512)
      var span = alone.mutableSpan
      BinCounting.count(values.span, step: step, binWidth: 0x1p-7, into: &span)
      #expect(alone.reduce(0, +) == UInt32((values.count + step - 1) / step))
      for threads in [1, 2, 5] {
        var shared = [UInt32](repeating: 0, count: 512)
        BinCounting.count(values.span, step: step, binWidth: 0x1p-7, into: &shared, threads: threads)
        #expect(shared == alone)
        #expect(SignedRanges.range(of: values.span, threads: threads) == SignedRanges.range(of: values.span))
      }
    }
    let rows = values.span.extracting(first: 300_000)
    var (low, high) = ([Float](repeating: 0, count: 300), [Float](repeating: 0, count: 300))
    SignedRanges.accumulatePerColumn(of: rows, lowest: &low, highest: &high, threads: 3)
    for column in [0, 17, 299] {
      let own = stride(from: column, to: 300_000, by: 300).map { values[$0] }
      #expect(low[column] == own.min() && high[column] == own.max())
    }
  }

  @Test("A value that is no number is seen by every number of threads")
  func notFinite() {
    var values = weights(200_000, seed: 33)
    values[150_000] = .nan
    for threads in [1, 2] { #expect(!SignedRanges.range(of: values.span, threads: threads).isFinite) }
  }

  @Test("Weighted errors are those of a plain loop", arguments: [1, 2, 15, 16, 17, 33])
  func weightedErrors(columnCount: Int) {
    let rowCount = 37
    let values = weights(rowCount * columnCount, seed: 34)
    let importance = weights(rowCount, seed: 35).map { $0.magnitude }
    let scales = weights(columnCount, seed: 36).map { $0.magnitude / 8 + 0.01 }
    for levels in [QuantizedLevels.symmetric8, .symmetric4] {
      var expected = [Double](repeating: 1, count: columnCount)
      for row in 0..<rowCount {
        for column in 0..<columnCount {
          let value = values[row * columnCount + column]
          let code = (value / scales[column]).rounded(.toNearestOrEven)
          let clipped = min(max(code, Float(levels.lowest)), Float(levels.highest))
          let error = Double(value - clipped * scales[column])
          expected[column] += error * error * Double(importance[row])
        }
      }
      atEveryLevel { level in
        var errors = [Double](repeating: 1, count: columnCount)
        var span = errors.mutableSpan
        ScaleSearch.accumulateWeightedErrorsPerColumn(
          values.span, weights: importance.span, scales: scales.span, levels: levels, into: &span)
        for (found, wanted) in zip(errors, expected) { #expect(isNear(found, wanted), "\(level.name)") }
      }
    }
  }

  @Test("A product of parts of matrices is that of a plain loop, for any number of threads")
  func panels() {
    let (a, b) = (weights(60 * 70, seed: 37), weights(60 * 90, seed: 38))
    let (m, n, k) = (33, 41, 50)
    // Aᵀ of columns 5 ..< 38 of A times columns 7 ..< 48 of B, rows 3 ..< 53 of both.
    var results: [[Float]] = []
    for threads in [1, 2, 4] {
      var c = [Float](repeating: .nan, count: m * n)
      var span = c.mutableSpan
      MatrixProduct.panel(
        ProductShape(m: m, n: n, k: k, isATransposed: true), a.span,
        at: MatrixPlace(offset: 3 * 70 + 5, rowStride: 70),
        b.span, at: MatrixPlace(offset: 3 * 90 + 7, rowStride: 90), into: &span, threads: threads)
      results.append(c)
    }
    #expect(results.allSatisfy { $0 == results[0] })
    for row in [0, 16, 32] {
      for column in [0, 40] {
        let sum = (3..<53).reduce(0.0) { $0 + Double(a[$1 * 70 + 5 + row]) * Double(b[$1 * 90 + 7 + column]) }
        #expect(abs(Double(results[0][row * n + column]) - sum) < 1e-4)
      }
    }
  }
}
