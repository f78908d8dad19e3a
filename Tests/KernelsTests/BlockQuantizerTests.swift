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
        for range in [BlockRange.maximum, .leastSquares, .leastSquares(multipliers: [])] {
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

  @Test("MatMulNBits bytes of a small block, spelled out")
  func spelledOut() {
    // Levels -7...7 of scale 1, then a padded end.
    let values: [Float] = [7, -7, 0, 1, 2.5, 3.5, -0.5, 0, 0, 0, 0, 0, 0, 0, 0, 0, -7, 7]
    let format = BlockFormat(
      blockSize: 16, bits: .four, symmetry: .symmetric, range: .maximum, layout: .matMulNBits)
    let parts = BlockParts(quantizingRows: values, n: 1, k: 18, format: format)
    #expect(parts.scales == [1, 1])
    #expect(
      parts.values == [
        0x1F, 0x98, 0xCA, 0x88, 0x88, 0x88, 0x88, 0x88, 0xF1, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88,
      ])
  }

  @Test("A search is never worse than the maximum, and uses -8 where that helps")
  func searchHelps() {
    let values = weights(64 * 48, seed: 52)
    for (bits, symmetry) in [
      (BlockBits.four, BlockSymmetry.symmetric), (.four, .asymmetric), (.eight, .symmetric),
    ] {
      var format = BlockFormat(
        blockSize: 32, bits: bits, symmetry: symmetry, range: .maximum, layout: .matMulNBits)
      let maximum = BlockParts(quantizingRows: values, n: 48, k: 64, format: format)
      format.range = .leastSquares
      let searched = BlockParts(quantizingRows: values, n: 48, k: 64, format: format)
      #expect(searched.energy.error <= maximum.energy.error)
      #expect(searched.scales.allSatisfy { $0 > 0 })
      if bits == .four { #expect(searched.energy.error < 0.97 * maximum.energy.error) }
    }
    let block: [Float] = [-8, 7, 1, 2, 3, 4, 5, 6, -1, -2, -3, -4, -5, -6, -7, 0]
    let format = BlockFormat(
      blockSize: 16, bits: .four, symmetry: .symmetric, range: .leastSquares, layout: .weightShape)
    let parts = BlockParts(quantizingRows: block, n: 1, k: 16, format: format)
    #expect(parts.scales == [1] && parts.energy.error == 0 && parts.values[0] == 0x78)
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

  /// Ordinary weights with a block of zeros, one of one sign, one of ties, and tiny ones.
  private func sample(n: Int, k: Int, blockSize: Int) -> [Float] {
    var values = weights(n * k, seed: 51, width: 0.1)
    for row in 0..<n {
      for column in 0..<min(k, blockSize) {
        let index = row * k + column
        switch row % 6 {
        case 1: values[index] = column % 2 == 0 ? 0 : -0.0
        case 2: values[index] = values[index].magnitude + 0.5
        case 3: values[index] = Float(column % 15 - 7) * 0.5 * 0.25
        case 4: values[index] *= 1e-30
        default: break
        }
      }
    }
    return values
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
