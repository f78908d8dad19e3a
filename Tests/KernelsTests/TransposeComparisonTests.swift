import Kernels
import Testing

@Suite("Comparison with a transpose")
struct TransposeComparisonTests {
  /// A matrix and its transpose as bytes, each after some bytes of something else.
  struct Pair {
    let rowCount, columnCount, width, firstOffset, secondOffset: Int
    var first: [UInt8]
    var second: [UInt8]

    init(rowCount: Int, columnCount: Int, width: Int, firstOffset: Int = 0, secondOffset: Int = 0) {
      (self.rowCount, self.columnCount, self.width) = (rowCount, columnCount, width)
      (self.firstOffset, self.secondOffset) = (firstOffset, secondOffset)
      let byteCount = rowCount * columnCount * width
      first = [UInt8](repeating: 0xAA, count: firstOffset + byteCount)
      second = [UInt8](repeating: 0x55, count: secondOffset + byteCount)
      var generator = SeededGenerator(seed: 71)
      for row in 0..<rowCount {
        for column in 0..<columnCount {
          let element = generator.next()
          for byte in 0..<width {
            let value = UInt8(truncatingIfNeeded: element >> UInt64(8 * byte))
            first[firstOffset + (row * columnCount + column) * width + byte] = value
            second[secondOffset + (column * rowCount + row) * width + byte] = value
          }
        }
      }
    }

    func isTranspose(rows: Range<Int>? = nil) -> Bool {
      // Bytes have no padding, so reading them raw is sound.
      unsafe TransposeComparison.isTranspose(
        first.span.bytes.extracting(firstOffset..<first.count),
        second.span.bytes.extracting(secondOffset..<second.count),
        rowCount: rowCount, columnCount: columnCount, elementByteCount: width, rows: rows ?? 0..<rowCount)
    }
  }

  static let widths = [2, 4, 8]
  static let shapes = [
    (1, 1), (1, 17), (15, 1), (16, 16), (17, 33), (31, 16), (64, 48), (129, 65), (200, 131), (300, 20),
  ]

  @Test("A transpose is found at every size, width and alignment", arguments: widths)
  func equal(width: Int) {
    for (rowCount, columnCount) in Self.shapes {
      for (firstOffset, secondOffset) in [(0, 0), (1, 0), (3, 5), (0, 7)] {
        let pair = Pair(
          rowCount: rowCount, columnCount: columnCount, width: width, firstOffset: firstOffset,
          secondOffset: secondOffset)
        atEveryLevel { level in
          #expect(pair.isTranspose(), "\(rowCount) x \(columnCount), \(firstOffset), \(level.name)")
        }
      }
    }
  }

  @Test("One bit at any corner, edge or inner element makes the difference", arguments: widths)
  func oneBit(width: Int) {
    for (rowCount, columnCount) in Self.shapes {
      let rows = Set([0, rowCount / 2, rowCount - 1])
      let columns = Set([0, columnCount / 2, columnCount - 1])
      var pair = Pair(rowCount: rowCount, columnCount: columnCount, width: width, firstOffset: 1)
      for row in rows {
        for column in columns {
          for (byte, bit) in [(0, UInt8(1)), (width - 1, 0x80)] {
            let index = pair.firstOffset + (row * columnCount + column) * width + byte
            pair.first[index] ^= bit
            atEveryLevel { level in
              let place = "\(rowCount) x \(columnCount), row \(row), column \(column), \(level.name)"
              #expect(!pair.isTranspose(), "\(place)")
              #expect(!pair.isTranspose(rows: row..<row + 1), "\(place)")
              #expect(pair.isTranspose(rows: 0..<row), "\(place)")
              #expect(pair.isTranspose(rows: row + 1..<rowCount), "\(place)")
            }
            pair.first[index] ^= bit
          }
        }
      }
    }
  }

  @Test("A square matrix is not its own transpose, a symmetric one is", arguments: widths)
  func square(width: Int) {
    var pair = Pair(rowCount: 33, columnCount: 33, width: width)
    pair.second = pair.first
    atEveryLevel { level in #expect(!pair.isTranspose(), "\(level.name)") }
    pair.first = [UInt8](repeating: 0x3C, count: pair.first.count)
    pair.second = pair.first
    atEveryLevel { level in #expect(pair.isTranspose(), "\(level.name)") }
  }

  @Test("Values compare as bits: a NaN equals itself, and zeros differ by their sign")
  func bits() {
    let nan = Float.nan.bitPattern
    let zeros = [Float(0).bitPattern, Float(-0.0).bitPattern]
    func compared(_ a: [UInt32], _ b: [UInt32]) -> Bool {
      // Integers have no padding, so reading them raw is sound.
      unsafe TransposeComparison.isTranspose(
        a.span.bytes, b.span.bytes, rowCount: 1, columnCount: a.count, elementByteCount: 4, rows: 0..<1)
    }
    #expect(compared([nan, zeros[0]], [nan, zeros[0]]))
    #expect(!compared([nan, zeros[0]], [nan, zeros[1]]))
  }

  @Test("No rows or no columns hold no difference")
  func empty() {
    #expect(Pair(rowCount: 0, columnCount: 5, width: 4).isTranspose())
    #expect(Pair(rowCount: 5, columnCount: 0, width: 4).isTranspose())
    var pair = Pair(rowCount: 5, columnCount: 5, width: 4)
    pair.first[0] ^= 1
    #expect(pair.isTranspose(rows: 3..<3))
  }
}
