import Kernels
import Testing

@Suite("QuantizeLinear")
struct QuantizeLinearTests {
  @Test("Equals the ONNX reference evaluator on ties and near ties")
  func golden() {
    let values = GoldenVectors.values.map { Float(bitPattern: $0) }
    let scales = GoldenVectors.scales.map { Float(bitPattern: $0) }
    let zeroPoints = GoldenVectors.zeroPoints
    // The vectors must tell a division from a product with the reciprocal.
    let byReciprocal = values.indices.map { index in
      let scale = scales[index % GoldenVectors.columnCount]
      return ReferenceRounding.saturated(values[index] * (1 / scale), lowest: -128, highest: 127)
    }
    #expect(byReciprocal != GoldenVectors.signed.map { Int($0) })
    atEveryLevel { level in
      var signed = [Int8](repeating: 0, count: values.count)
      var signedSpan = signed.mutableSpan
      _ = QuantizeLinear.quantizeColumns(
        values.span, scales: scales.span, levels: .signed8, into: &signedSpan)
      #expect(signed == GoldenVectors.signed, "\(level.name)")
      var unsigned = [UInt8](repeating: 0, count: values.count)
      var unsignedSpan = unsigned.mutableSpan
      _ = QuantizeLinear.quantizeColumns(
        values.span, scales: scales.span, zeroPoints: zeroPoints.span, levels: .unsigned8,
        into: &unsignedSpan)
      #expect(unsigned == GoldenVectors.unsigned, "\(level.name)")
    }
  }

  @Test("Rows and columns agree with the reference at every size, level and offset", arguments: sampleSizes)
  func sizes(columnCount: Int) {
    for (rowCount, offset) in [(1, 0), (3, 1), (9, 2)] {
      let scale: Float = 0.013
      let all = awkward(rowCount * columnCount + offset, seed: 31, scale: scale)
      let values = Array(all.dropFirst(offset))
      let zeroPoints = (0..<max(rowCount, columnCount)).map { UInt8(truncatingIfNeeded: $0 &* 37) }
      for levels in [QuantizedLevels.symmetric8, .signed8, .symmetric4, .signed4, .unsigned8, .unsigned4] {
        for axis in [MatrixAxis.rows, .columns] {
          let count = axis == .rows ? rowCount : columnCount
          let scales = (0..<count).map { scale * (1 + Float($0 % 3)) }
          let zeros = zeroPoints.prefix(count).map { min($0, UInt8(max(levels.highest, 0))) }
          let expected = reference(
            values, columnCount: columnCount, axis: axis, scales: scales, zeroPoints: zeros, levels: levels)
          var energies: [ErrorEnergy] = []
          atEveryLevel { level in
            let (found, energy) = quantize(
              all, offset: offset, columnCount: columnCount, axis: axis, scales: scales, zeroPoints: zeros,
              levels: levels)
            let farthest = zip(found, expected).map { abs($0 - $1) }.max() ?? 0
            #expect(farthest <= integerToleranceInSteps, "\(level.name) \(levels) \(axis)")
            #expect(found.count == expected.count)
            energies.append(energy)
          }
          #expect(energies.allSatisfy { $0 == energies[0] }, "the levels give different sums")
        }
      }
    }
  }

  @Test("The energies are those of the stored values", arguments: [5, 16, 1023, 5120])
  func energies(columnCount: Int) {
    let rowCount = 11
    let values = weights(rowCount * columnCount, seed: 32, width: 0.05)
    let scales = [Float](repeating: 0.1 / 127, count: columnCount)
    let zeroPoints = [UInt8](repeating: 131, count: columnCount)
    atEveryLevel { level in
      for levels in [QuantizedLevels.symmetric8, .unsigned8] {
        let isSigned = levels.lowest < 0
        let (found, energy) = quantize(
          values, offset: 0, columnCount: columnCount, axis: .columns, scales: scales, zeroPoints: zeroPoints,
          levels: levels)
        var expected = ErrorEnergy()
        for (value, q) in zip(values, found) {
          expected.error += ReferenceRounding.squaredError(
            value, quantized: q, scale: scales[0], zeroPoint: isSigned ? 0 : 131)
          expected.signal += Double(value) * Double(value)
        }
        #expect(isNear(energy.error, expected.error), "\(level.name) \(energy.error) \(expected.error)")
        #expect(isNear(energy.signal, expected.signal), "\(level.name)")
      }
    }
  }

  @Test("Random scales from denormal to huge give what a division gives")
  func anyScale() {
    let seed: UInt64 = 33
    var generator = SeededGenerator(seed: seed)
    for _ in 0..<2000 {
      let scale = Float(bitPattern: UInt32.random(in: 1..<0x7F80_0000, using: &generator))
      let values = (0..<48).map { _ -> Float in
        let steps = Float(Int.random(in: -300...300, using: &generator)) / 2
        let value = Bool.random(using: &generator) ? steps * scale : (steps * scale).nextUp
        return value.isFinite ? value : 0
      }
      let expected = values.map {
        ReferenceRounding.quantized($0, scale: scale, zeroPoint: 0, levels: .symmetric8)
      }
      atEveryLevel { level in
        var output = [Int8](repeating: 0, count: values.count)
        var span = output.mutableSpan
        _ = QuantizeLinear.quantizeAll(values.span, scale: scale, levels: .symmetric8, into: &span)
        #expect(output.map { Int($0) } == expected, "\(level.name) scale \(scale) seed \(seed)")
        let scales = [Float](repeating: scale, count: values.count)
        var columnSpan = output.mutableSpan
        _ = QuantizeLinear.quantizeColumns(
          values.span, scales: scales.span, levels: .symmetric8, into: &columnSpan)
        #expect(output.map { Int($0) } == expected, "\(level.name) scale \(scale) seed \(seed)")
      }
    }
  }

  @Test("One scale and zero point for all, and NaN and infinity saturate")
  func all() {
    let values: [Float] = [-1, 0, 1, 0.5, 1.5, .infinity, -.infinity, .nan]
    atEveryLevel { level in
      var output = [UInt8](repeating: 0, count: values.count)
      var span = output.mutableSpan
      let parameters = AffineParameters(scale: 1, zeroPoint: 3)
      _ = QuantizeLinear.quantizeAll(values.span, parameters: parameters, levels: .unsigned4, into: &span)
      #expect(output == [2, 3, 4, 3, 5, 15, 0, 15], "\(level.name)")
    }
  }

  @Test("Squared errors of candidates agree with the reference", arguments: sampleSizes)
  func search(columnCount: Int) {
    for rowCount in [1, 8, 21] {
      let values = weights(rowCount * columnCount, seed: 34, width: 0.1)
      for axis in [MatrixAxis.rows, .columns] {
        let count = axis == .rows ? rowCount : columnCount
        let scales = (0..<count).map { 0.2 / 127 * (0.6 + Float($0 % 5) / 10) }
        var expected = [Double](repeating: 0, count: count)
        for index in values.indices {
          let at = axis == .rows ? index / columnCount : index % columnCount
          let q = ReferenceRounding.quantized(
            values[index], scale: scales[at], zeroPoint: 0, levels: .symmetric8)
          expected[at] += ReferenceRounding.squaredError(
            values[index], quantized: q, scale: scales[at], zeroPoint: 0)
        }
        var first: [Double]?
        atEveryLevel { level in
          var errors = [Double](repeating: 0, count: count)
          var span = errors.mutableSpan
          switch axis {
          case .rows:
            ScaleSearch.accumulateSquaredErrorsPerRow(
              values.span, columnCount: columnCount, scales: scales.span, levels: .symmetric8, into: &span)
          case .columns:
            ScaleSearch.accumulateSquaredErrorsPerColumn(
              values.span, scales: scales.span, levels: .symmetric8, into: &span)
          }
          let steps =
            Double(scales.max() ?? 0) * Double(scales.max() ?? 0)
            * Double(values.count / max(count, 1))
          #expect(zip(errors, expected).allSatisfy { isNear($0, $1, squaredSteps: steps) }, "\(level.name)")
          if first == nil { first = errors }
          #expect(errors == first, "the levels give different sums")
        }
      }
    }
  }

  private enum MatrixAxis { case rows, columns }

  private func reference(
    _ values: [Float], columnCount: Int, axis: MatrixAxis, scales: [Float], zeroPoints: [UInt8],
    levels: QuantizedLevels
  ) -> [Int] {
    values.indices.map { index in
      let at = axis == .rows ? index / columnCount : index % columnCount
      let zero = levels.lowest < 0 ? 0 : Int(zeroPoints[at])
      return ReferenceRounding.quantized(values[index], scale: scales[at], zeroPoint: zero, levels: levels)
    }
  }

  private func quantize(
    _ all: [Float], offset: Int, columnCount: Int, axis: MatrixAxis, scales: [Float], zeroPoints: [UInt8],
    levels: QuantizedLevels
  ) -> ([Int], ErrorEnergy) {
    let values = all.span.extracting(droppingFirst: offset)
    let energy: ErrorEnergy
    if levels.lowest < 0 {
      var output = [Int8](repeating: 99, count: values.count)
      var span = output.mutableSpan
      switch axis {
      case .rows:
        energy = QuantizeLinear.quantizeRows(
          values, columnCount: columnCount, scales: scales.span, levels: levels, into: &span)
      case .columns:
        energy = QuantizeLinear.quantizeColumns(values, scales: scales.span, levels: levels, into: &span)
      }
      return (output.map { Int($0) }, energy)
    }
    var output = [UInt8](repeating: 99, count: values.count)
    var span = output.mutableSpan
    switch axis {
    case .rows:
      energy = QuantizeLinear.quantizeRows(
        values, columnCount: columnCount, scales: scales.span, zeroPoints: zeroPoints.span, levels: levels,
        into: &span)
    case .columns:
      energy = QuantizeLinear.quantizeColumns(
        values, scales: scales.span, zeroPoints: zeroPoints.span, levels: levels, into: &span)
    }
    return (output.map { Int($0) }, energy)
  }
}
