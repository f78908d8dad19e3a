import Kernels
import Testing

@Suite("Block-wise quantization")
struct BlockQuantizerTests {
  /// A block size with a matrix: K that ends inside of a block or not, N around the vector lengths.
  struct Shape: Sendable {
    let blockSize, k, n: Int
  }

  static let shapes = [
    Shape(blockSize: 16, k: 16, n: 1), Shape(blockSize: 16, k: 40, n: 7), Shape(blockSize: 16, k: 37, n: 33),
    Shape(blockSize: 32, k: 64, n: 64), Shape(blockSize: 32, k: 71, n: 129),
    Shape(blockSize: 32, k: 1, n: 16),
    Shape(blockSize: 64, k: 100, n: 70), Shape(blockSize: 128, k: 255, n: 17),
    Shape(blockSize: 256, k: 300, n: 31),
  ]

  static var formats: [BlockFormat] {
    var formats: [BlockFormat] = []
    for bits in BlockBits.allCases {
      for symmetry in BlockSymmetry.allCases {
        for range in BlockRange.allCases {
          for layout in BlockLayout.allCases {
            formats.append(
              BlockFormat(blockSize: 16, bits: bits, symmetry: symmetry, range: range, layout: layout))
          }
        }
      }
    }
    return formats
  }

  @Test("Both orders of a weight give the reference's blocks in every format and layout", arguments: shapes)
  func agree(shape: Shape) {
    let (k, n) = (shape.k, shape.n)
    let byRows = sample(n: n, k: k, blockSize: shape.blockSize)
    var byColumns = byRows
    for row in 0..<n { for column in 0..<k { byColumns[column * n + row] = byRows[row * k + column] } }
    for base in Self.formats {
      var format = base
      format.blockSize = shape.blockSize
      let expected = (0..<n).map { row in
        stride(from: 0, to: k, by: shape.blockSize).map { from in
          ReferenceBlocks.quantized(
            Array(byRows[row * k + from..<row * k + min(from + shape.blockSize, k)]), format: format)
        }
      }
      let wantedRows = BlockParts(expected, format: format, order: .rows, k: k)
      let wantedColumns = BlockParts(expected, format: format, order: .columns, k: k)
      let (error, squaredSteps) = expectedError(expected, values: byRows, k: k, format: format)
      var energies: [ErrorEnergy] = []
      atEveryLevel { level in
        let rows = BlockParts(quantizingRows: byRows, n: n, k: k, format: format)
        #expect(rows == wantedRows, "rows, \(level.name), \(format)")
        let columns = BlockParts(quantizingPanels: byColumns, n: n, k: k, format: format)
        #expect(columns == wantedColumns, "panels, \(level.name), \(format)")
        #expect(
          isNear(rows.energy.error, error, squaredSteps: squaredSteps)
            && isNear(columns.energy.error, error, squaredSteps: squaredSteps), "\(level.name), \(format)")
        energies.append(rows.energy)
      }
      #expect(energies.allSatisfy { $0 == energies[0] }, "the levels give different sums")
    }
  }

  @Test("int4 blocks equal the ONNX reference evaluator")
  func golden() {
    let values = GoldenVectors.blockValues.map { Float(bitPattern: $0) }
    let format = BlockFormat(
      blockSize: 16, bits: .four, symmetry: .symmetric, range: .maximum, layout: .weightShape)
    atEveryLevel { level in
      let parts = BlockParts(
        quantizingPanels: values, n: GoldenVectors.blockColumnCount, k: 32, format: format)
      var signed = [Int8](repeating: 0, count: values.count)
      var span = signed.mutableSpan
      NibblePacking.unpackSigned(parts.values.span, into: &span)
      #expect(signed == GoldenVectors.blockQuantized, "\(level.name)")
      #expect(parts.scales.map { $0.bitPattern } == GoldenVectors.blockScales, "\(level.name)")
    }
  }

  @Test("Symmetric int4 MatMulNBits has the scales of ONNX Runtime and the levels of QuantizeLinear")
  func goldenMatMulNBits() {
    let values = GoldenMatMulNBits.values.map { Float(bitPattern: $0) }
    let n = GoldenMatMulNBits.columnCount
    let format = BlockFormat(
      blockSize: 16, bits: .four, symmetry: .symmetric, range: .maximum, layout: .matMulNBits)
    atEveryLevel { level in
      let parts = BlockParts(quantizingPanels: values, n: n, k: 32, format: format)
      #expect(parts.scales.map { $0.bitPattern } == GoldenMatMulNBits.scales, "\(level.name)")
      for column in 0..<n {
        let bytes = parts.values[column * 16..<column * 16 + 16]
        let levels = bytes.flatMap { [Int($0 & 15), Int($0 >> 4)] }
        let wanted = (0..<32).map { GoldenMatMulNBits.levels[$0 * n + column] }
        #expect(levels == wanted, "column \(column), \(level.name)")
        if !GoldenMatMulNBits.columnsWithTies.contains(column) {
          #expect(bytes == GoldenMatMulNBits.bytes[column * 16..<column * 16 + 16], "\(level.name)")
        }
      }
    }
  }

  @Test("MatMulNBits bytes of small blocks, spelled out")
  func spelledOut() {
    // The value of largest magnitude is negative, then positive, then both, in a padded end.
    var values: [Float] = [-8, 7, 0, 1, 2.5, 3.5, -0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    values += [8, -7, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]
    values += [4, -4]
    let format = BlockFormat(
      blockSize: 16, bits: .four, symmetry: .symmetric, range: .maximum, layout: .matMulNBits)
    let parts = BlockParts(quantizingRows: values, n: 1, k: 34, format: format)
    #expect(parts.scales == [1, -1, 0.5])
    #expect(
      parts.values == [
        0xF0, 0x98, 0xCA, 0x88, 0x88, 0x88, 0x88, 0x88, 0xF0, 0x78, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88,
        0x0F, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88,
      ])
  }

  @Test("A search over scales above zero is never worse than the maximum, and better with four bits")
  func searchHelps() {
    let values = weights(64 * 48, seed: 52)
    for (bits, symmetry, layout) in [
      (BlockBits.four, BlockSymmetry.asymmetric, BlockLayout.weightShape), (.four, .asymmetric, .matMulNBits),
      (.eight, .symmetric, .matMulNBits), (.eight, .symmetric, .weightShape),
    ] {
      var format = BlockFormat(
        blockSize: 32, bits: bits, symmetry: symmetry, range: .maximum, layout: layout)
      let maximum = BlockParts(quantizingRows: values, n: 48, k: 64, format: format)
      format.range = .leastSquares
      let searched = BlockParts(quantizingRows: values, n: 48, k: 64, format: format)
      #expect(searched.energy.error <= maximum.energy.error)
      #expect(searched.scales.allSatisfy { $0 > 0 })
      if bits == .four { #expect(searched.energy.error < 0.97 * maximum.energy.error) }
    }
  }

  @Test(
    "A search over signed scales finds the candidate with the least weighted error", arguments: [16, 32, 128])
  func signedSearch(blockSize: Int) {
    let blockCount = 400
    let values = weights(blockSize * blockCount, seed: 54)
    var format = BlockFormat(
      blockSize: blockSize, bits: .four, symmetry: .symmetric, range: .maximum, layout: .matMulNBits)
    let maximum = BlockParts(quantizingRows: values, n: 1, k: values.count, format: format)
    format.range = .leastSquares
    let searched = BlockParts(quantizingRows: values, n: 1, k: values.count, format: format)
    var chosen: [Float: Int] = [:]
    for (index, (base, scale)) in zip(maximum.scales, searched.scales).enumerated() {
      let block = values[index * blockSize..<(index + 1) * blockSize]
      let largest = block.max { $0.magnitude < $1.magnitude } ?? 0
      #expect(base == largest / -8)
      let candidates: [Float] = [1, 1.06, 1.03, 0.97, 0.94, 0.91]
      let errors = candidates.map { weightedError(block, scale: base * $0) }
      #expect(candidates.contains { base * $0 == scale }, "block \(index)")
      // Between equals, the last place of a Float decides.
      #expect(weightedError(block, scale: scale) <= (errors.min() ?? 0) * (1 + 1e-5), "block \(index)")
      chosen[scale / base, default: 0] += 1
    }
    #expect(chosen.count >= 6, "every candidate wins somewhere")
  }

  @Test("Blocks without a scale get 1, whatever the sign of their zeros")
  func zeros() {
    let tiny = Float.leastNonzeroMagnitude
    for range in BlockRange.allCases {
      for block: [Float] in [[0], [-0.0], [tiny], [-tiny, tiny]] {
        let values = (0..<16).map { block[$0 % block.count] }
        let format = BlockFormat(
          blockSize: 16, bits: .four, symmetry: .symmetric, range: range, layout: .matMulNBits)
        atEveryLevel { level in
          let parts = BlockParts(quantizingRows: values, n: 1, k: 16, format: format)
          #expect(parts.scales == [1], "\(block), \(level.name)")
          #expect(parts.values == [UInt8](repeating: 0x88, count: 8), "\(block), \(level.name)")
        }
      }
    }
  }

  @Test("A range of columns gives the same bytes as all of them")
  func columnRanges() {
    let (k, n, cut) = (50, 100, 37)
    let values = weights(k * n, seed: 53)
    let format = BlockFormat(
      blockSize: 32, bits: .four, symmetry: .asymmetric, range: .leastSquares, layout: .matMulNBits)
    let whole = BlockParts(quantizingPanels: values, n: n, k: k, format: format)
    let left = BlockParts(quantizingPanels: values, n: n, k: k, format: format, columns: 0..<cut)
    let right = BlockParts(quantizingPanels: values, n: n, k: k, format: format, columns: cut..<n)
    #expect(left.values + right.values == whole.values)
    #expect(left.scales + right.scales == whole.scales)
    #expect(left.zeroPoints + right.zeroPoints == whole.zeroPoints)
  }

  /// Ordinary weights with a block of zeros, one of one sign, two of ties, and tiny ones.
  private func sample(n: Int, k: Int, blockSize: Int) -> [Float] {
    var values = weights(n * k, seed: 51, width: 0.1)
    for row in 0..<n {
      for column in 0..<min(k, blockSize) {
        let index = row * k + column
        switch row % 8 {
        case 1: values[index] = column % 2 == 0 ? 0 : -0.0
        case 2: values[index] = values[index].magnitude + 0.5
        case 3: values[index] = Float(column % 15 - 7) * 0.5 * 0.25
        case 4: values[index] *= 1e-30
        case 5: values[index] = values[index] * 1e-20 * 1e-20
        case 6: values[index] = column % 3 == 0 ? 0.5 : -0.5 + Float(column % 5) * 0.125
        default: break
        }
      }
    }
    return values
  }

  /// Σ |w| (w - q · scale)² in Double.
  private func weightedError(_ block: ArraySlice<Float>, scale: Float) -> Double {
    block.reduce(0.0) { sum, w in
      let q = min(max((Double(w) / Double(scale)).rounded(.toNearestOrEven), -8), 7)
      let difference = Double(w) - q * Double(scale)
      return sum + Double(w.magnitude) * difference * difference
    }
  }

  private func expectedError(
    _ blocks: [[ReferenceBlocks.Block]], values: [Float], k: Int, format: BlockFormat
  ) -> (error: Double, squaredSteps: Double) {
    var sum = 0.0
    var squaredSteps = 0.0
    for (row, line) in blocks.enumerated() {
      for (b, block) in line.enumerated() {
        for (i, q) in block.values.enumerated() {
          sum += ReferenceRounding.squaredError(
            values[row * k + b * format.blockSize + i], quantized: q, scale: block.scale,
            zeroPoint: block.zeroPoint)
        }
        // A block of zeros has a scale of 1 and no error.
        let isZero = block.values.allSatisfy { $0 == block.zeroPoint }
        if !isZero { squaredSteps += Double(block.scale) * Double(block.scale) * Double(block.values.count) }
      }
    }
    return (sum, squaredSteps)
  }
}
