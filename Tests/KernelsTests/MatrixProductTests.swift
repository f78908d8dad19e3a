import Kernels
import Testing

/// Float sums of a few hundred products of numbers below one, against Double.
private let productTolerance: Float = 1e-4

@Suite("Matrix products")
struct MatrixProductTests {
  /// Extents around the tiles of every level, and beyond the packed parts.
  static let shapes = [
    (1, 1, 1), (1, 33, 7), (4, 300, 65), (5, 16, 3), (6, 17, 384), (7, 31, 385), (12, 32, 16), (13, 33, 17),
    (25, 65, 129), (200, 40, 33), (3, 600, 40), (50, 530, 400),
  ]

  @Test(
    "Float products agree with sums in double precision at every level, transposed or not", arguments: shapes)
  func floats(m: Int, n: Int, k: Int) {
    let a = weights(m * k, seed: 1)
    let b = weights(k * n, seed: 2)
    let bias = weights(n, seed: 3)
    for (transposesA, transposesB) in [(false, false), (false, true), (true, false), (true, true)] {
      let shape = ProductShape(m: m, n: n, k: k, isATransposed: transposesA, isBTransposed: transposesB)
      var expected = [Float](repeating: 0, count: m * n)
      for row in 0..<m {
        for column in 0..<n {
          var sum = 0.0
          for inner in 0..<k {
            let x = a[transposesA ? inner * m + row : row * k + inner]
            let y = b[transposesB ? column * k + inner : inner * n + column]
            sum += Double(x) * Double(y)
          }
          expected[row * n + column] = Float(sum * 0.5) + bias[column]
        }
      }
      // The right operand lies at an odd place, as in a file.
      let bytes: [UInt8] = [0xAA] + littleEndianBytes(b.map(\.bitPattern), offset: 0)
      atEveryLevel { level in
        for threads in [1, 2] {
          var found = [Float](repeating: .nan, count: m * n)
          var span = found.mutableSpan
          MatrixProduct.floats(
            shape, a.span, bytes.span.extracting(1..<bytes.count), batch: [ProductOffsets(a: 0, b: 0)],
            alpha: 0.5,
            bias: bias.span, into: &span, threads: threads)
          let worst = zip(found, expected).map { abs($0 - $1) }.max() ?? 0
          #expect(
            worst <= productTolerance, "\(shape) at \(level.name) with \(threads) threads")
        }
      }
    }
  }

  @Test("Every product of a batch takes its own operands")
  func batch() {
    let a: [Float] = [1, 2, 3, 4]
    let b = littleEndianBytes([Float](arrayLiteral: 10, 100, 1000).map(\.bitPattern), offset: 0)
    var found = [Float](repeating: 0, count: 3)
    var span = found.mutableSpan
    let nothing: [Float] = []
    MatrixProduct.floats(
      ProductShape(m: 1, n: 1, k: 1), a.span, b.span,
      batch: [ProductOffsets(a: 3, b: 0), ProductOffsets(a: 0, b: 2), ProductOffsets(a: 1, b: 1)],
      bias: nothing.span, into: &span, threads: 2)
    #expect(found == [40, 1000, 200])
  }

  @Test(
    "Products of bytes are exact at every level, with or without dot product instructions", arguments: shapes)
  func integers(m: Int, n: Int, k: Int) {
    var generator = SeededGenerator(seed: 9)
    let a = (0..<m * k).map { _ in UInt8.random(in: 0...255, using: &generator) }
    let b = (0..<k * n).map { _ in UInt8.random(in: 0...255, using: &generator) }
    for (signA, signB, isTransposed, perRow) in [
      (ByteSign.unsigned, ByteSign.signed, false, false), (.signed, .signed, false, true),
      (.unsigned, .unsigned, true, true), (.signed, .unsigned, true, false),
    ] {
      func value(_ byte: UInt8, _ sign: ByteSign) -> Int32 {
        sign == .signed ? Int32(Int8(bitPattern: byte)) : Int32(byte)
      }
      let zeroA = (0..<(perRow ? m : 1)).map { _ in value(UInt8.random(in: 0...255, using: &generator), signA)
      }
      let zeroB = (0..<(perRow ? n : 1)).map { _ in value(UInt8.random(in: 0...255, using: &generator), signB)
      }
      var expected = [Int32](repeating: 0, count: m * n)
      for row in 0..<m {
        for column in 0..<n {
          for inner in 0..<k {
            let x = value(a[row * k + inner], signA) - zeroA[perRow ? row : 0]
            let y = value(b[isTransposed ? column * k + inner : inner * n + column], signB)
            expected[row * n + column] += x * (y - zeroB[perRow ? column : 0])
          }
        }
      }
      let operands = IntegerProduct.Operands(
        ProductShape(m: m, n: n, k: k, isBTransposed: isTransposed), a: a.span, signA: signA, b: b.span,
        signB: signB,
        zeroA: zeroA.span, zeroB: zeroB.span)
      func product() -> [Int32] {
        var found = [Int32](repeating: -1, count: m * n)
        var span = found.mutableSpan
        IntegerProduct.integers(operands, into: &span, threads: 2)
        return found
      }
      for level in CPUFeatures.availableLevels {
        let (found, plain) = CPUFeatures.withLevel(level) {
          (product(), CPUFeatures.withoutDotProducts { product() })
        }
        #expect(found == expected, "\(m) x \(n) x \(k) at \(level.name)")
        #expect(plain == expected, "\(m) x \(n) x \(k) at \(level.name) without dot products")
      }
    }
  }

  @Test("Scaled products of bytes are the integers times their scales")
  func scaled() {
    let a: [UInt8] = [1, 2, 3, 250, 0, 7]
    let b: [UInt8] = [1, 0xFF, 2, 5, 0x80, 9]
    let (zeroA, zeroB): ([Int32], [Int32]) = ([2], [0])
    let scales: [Float] = [0.5, 0.25]
    let bias: [Float] = [1, -1]
    var found = [Float](repeating: 0, count: 4)
    var span = found.mutableSpan
    let operands = IntegerProduct.Operands(
      ProductShape(m: 2, n: 2, k: 3), a: a.span, signA: .unsigned, b: b.span, signB: .signed,
      zeroA: zeroA.span,
      zeroB: zeroB.span)
    IntegerProduct.scaled(operands, scales: scales.span, bias: bias.span, into: &span, threads: 1)
    // Rows (-1, 0, 1) and (248, -2, 5) times columns (1, 2, -128) and (-1, 5, 9).
    let expected: [Float] = [-63.5, 1.5, -197, -54.25]
    #expect(found == expected)
  }
}
