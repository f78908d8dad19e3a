import Kernels
import Testing

@Suite("Ranges")
struct ValueRangesTests {
  @Test("The absolute maximum is the largest pattern without sign", arguments: sampleSizes)
  func absoluteMaximum(size: Int) {
    let values = awkward(size + 3, seed: 21, scale: 0.01)
    for offset in 0..<3 {
      let expected = values[offset..<offset + size].map { $0.magnitude.bitPattern }.max() ?? 0
      atEveryLevel { level in
        let part = values.span.extracting(offset..<offset + size)
        #expect(AbsoluteMaximum.bits(of: part) == expected, "\(level.name)")
      }
    }
  }

  @Test("Maxima and ranges per row and column agree with a plain loop", arguments: sampleSizes)
  func matrices(columnCount: Int) {
    for rowCount in [1, 3, 8, 19] {
      let values = awkward(rowCount * columnCount, seed: 22, scale: 0.01)
      let rows = (0..<rowCount).map { r in Array(values[r * columnCount..<(r + 1) * columnCount]) }
      let columns = (0..<columnCount).map { c in rows.map { $0[c] } }
      atEveryLevel { level in
        var rowBits = [UInt32](repeating: 7, count: rowCount)
        var rowSpan = rowBits.mutableSpan
        AbsoluteMaximum.bitsPerRow(of: values.span, columnCount: columnCount, into: &rowSpan)
        #expect(rowBits == rows.map { bits($0) }, "\(level.name)")

        // Two chunks, the second after the first.
        let cut = rowCount / 2 * columnCount
        var columnBits = [UInt32](repeating: 0, count: columnCount)
        var columnSpan = columnBits.mutableSpan
        AbsoluteMaximum.accumulatePerColumn(of: values.span.extracting(..<cut), into: &columnSpan)
        AbsoluteMaximum.accumulatePerColumn(of: values.span.extracting(cut...), into: &columnSpan)
        #expect(columnBits == columns.map { bits($0) }, "\(level.name)")

        var low = [Float](repeating: 0, count: rowCount)
        var high = low
        var lowSpan = low.mutableSpan
        var highSpan = high.mutableSpan
        SignedRanges.rangePerRow(
          of: values.span, columnCount: columnCount, lowest: &lowSpan, highest: &highSpan)
        #expect(low == rows.map { $0.min() ?? 0 } && high == rows.map { $0.max() ?? 0 }, "\(level.name)")

        var columnLow = [Float](repeating: 0, count: columnCount)
        var columnHigh = columnLow
        var columnLowSpan = columnLow.mutableSpan
        var columnHighSpan = columnHigh.mutableSpan
        SignedRanges.accumulatePerColumn(
          of: values.span.extracting(..<cut), lowest: &columnLowSpan, highest: &columnHighSpan)
        SignedRanges.accumulatePerColumn(
          of: values.span.extracting(cut...), lowest: &columnLowSpan, highest: &columnHighSpan)
        #expect(columnLow == columns.map { min(0, $0.min() ?? 0) }, "\(level.name)")
        #expect(columnHigh == columns.map { max(0, $0.max() ?? 0) }, "\(level.name)")
      }
    }
  }

  @Test("The signed range of all values, without zero when it has none", arguments: sampleSizes.dropFirst())
  func signedRange(size: Int) {
    for sign in [Float(1), -1] {
      let values = weights(size + 1, seed: 23).map { sign * ($0.magnitude + 1) }
      let part = values.dropFirst()
      atEveryLevel { level in
        let range = SignedRanges.range(of: values.span.extracting(droppingFirst: 1))
        #expect(range.lowest == part.min() && range.highest == part.max(), "\(level.name)")
      }
    }
  }

  @Test(
    "A NaN or infinity of either sign is seen wherever it is, and its index told",
    arguments: [1, 16, 33, 9000])
  func nonFinite(size: Int) {
    let bad: [Float] = [.nan, -Float.nan, .infinity, -.infinity, .signalingNaN]
    for (turn, value) in bad.enumerated() {
      for index in Set([0, size / 3, size - 1]) {
        var values = weights(size, seed: 24)
        values[index] = value
        if index + 1 < size { values[size - 1] = bad[(turn + 1) % bad.count] }
        atEveryLevel { level in
          #expect(!AbsoluteMaximum.isFinite(AbsoluteMaximum.bits(of: values.span)), "\(level.name)")
          #expect(!SignedRanges.range(of: values.span).isFinite, "\(level.name)")
          #expect(NonFiniteScan.firstIndex(in: values.span) == index, "\(level.name)")
          var running = [UInt32](repeating: 0, count: size)
          var runningSpan = running.mutableSpan
          AbsoluteMaximum.accumulatePerColumn(of: values.span, into: &runningSpan)
          #expect(!AbsoluteMaximum.isFinite(running[index]), "\(level.name)")
        }
      }
    }
    let finite = awkward(size, seed: 25, scale: 1)
    atEveryLevel { _ in #expect(NonFiniteScan.firstIndex(in: finite.span) == nil) }
  }

  @Test("Scales follow the rule of the maximum, and zeros get 1")
  func scales() {
    let bits = (Float(0.5).bitPattern, Float.leastNonzeroMagnitude.bitPattern)
    #expect(QuantizationScales.symmetric(absoluteMaximumBits: bits.0, levels: .symmetric8) == 0.5 / 127)
    #expect(QuantizationScales.symmetric(absoluteMaximumBits: 0, levels: .symmetric8) == 1)
    #expect(QuantizationScales.symmetric(absoluteMaximumBits: bits.1, levels: .symmetric8) == 1)
    let zeros = QuantizationScales.asymmetric(SignedRange(lowest: 0, highest: 0), levels: .unsigned8)
    #expect(zeros == AffineParameters(scale: 1, zeroPoint: 0))
    let positive = QuantizationScales.asymmetric(SignedRange(lowest: 1, highest: 5.1), levels: .unsigned8)
    #expect(positive == AffineParameters(scale: 5.1 / 255, zeroPoint: 0))
    let negative = QuantizationScales.asymmetric(SignedRange(lowest: -3, highest: -1), levels: .unsigned4)
    #expect(negative == AffineParameters(scale: 3 / 15, zeroPoint: 15))
    // -1 / 0.4 = 2.5, a tie that goes to 2.
    let tie = QuantizationScales.asymmetric(SignedRange(lowest: -1, highest: 5), levels: .unsigned4)
    #expect(tie == AffineParameters(scale: 6 / 15, zeroPoint: 2))
  }

  private func bits(_ values: [Float]) -> UInt32 { values.map { $0.magnitude.bitPattern }.max() ?? 0 }
}
