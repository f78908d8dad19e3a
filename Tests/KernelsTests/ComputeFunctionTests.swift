import Foundation
import Kernels
import Synchronization
import Testing

/// Of the vector functions, against Foundation in double precision: relative to the result or to one.
private let functionTolerance = 4e-7
private let rowTolerance: Float = 2e-6

@Suite("Functions of floats")
struct ComputeFunctionTests {
  private func reference(_ function: UnaryFunction, _ x: Double) -> Double {
    switch function {
    case .negate: -x
    case .absolute: abs(x)
    case .squareRoot: x.squareRoot()
    case .reciprocal: 1 / x
    case .relu: max(x, 0)
    case .exponential: exp(x)
    case .sigmoid: 1 / (1 + exp(-x))
    case .tanh: tanh(x)
    case .errorFunction: erf(x)
    case .gelu: 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
    case .geluTanh: 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
    case .quickGelu: x / (1 + exp(-1.702 * x))
    }
  }

  @Test(
    "Every function is right to a few last places, at every level and size", arguments: UnaryFunction.allCases
  )
  func unary(_ function: UnaryFunction) {
    for size in sampleSizes {
      let x = (0..<size).map { Float($0 - size / 2) * 20 / Float(max(size, 1)) + 0.01 }
      atEveryLevel { level in
        var found = [Float](repeating: .nan, count: size)
        var span = found.mutableSpan
        FloatFunctions.apply(function, x.span, into: &span, threads: 1)
        for (value, result) in zip(x, found) {
          let expected = reference(function, Double(value))
          if expected.isNaN {
            #expect(result.isNaN, "\(function)(\(value)) at \(level.name)")
            continue
          }
          let error = abs(Double(result) - expected) / max(1, abs(expected))
          #expect(error <= functionTolerance, "\(function)(\(value)) = \(result) at \(level.name)")
        }
      }
    }
  }

  @Test("The edges of the exponential and what is built on it: infinities, NaN, overflow and underflow")
  func edges() {
    let x: [Float] = [-.infinity, .infinity, .nan, 89, 88.5, -87, -103, -110, 0, -0.0]
    atEveryLevel { level in
      var e = [Float](repeating: 0, count: x.count)
      var span = e.mutableSpan
      FloatFunctions.apply(.exponential, x.span, into: &span, threads: 1)
      #expect(e[0] == 0 && e[1] == .infinity && e[2].isNaN && e[3] == .infinity, "\(level.name): \(e)")
      #expect(abs(Double(e[4]) / exp(88.5) - 1) < 1e-5, "\(level.name)")
      #expect(e[5] > 0 && e[6] >= 0 && e[6] < 0x1p-120, "\(level.name): \(e)")
      #expect(e[7] == 0 && e[8] == 1 && e[9] == 1, "\(level.name): \(e)")
      for function in [UnaryFunction.tanh, .errorFunction, .sigmoid] {
        var y = [Float](repeating: 0, count: x.count)
        var other = y.mutableSpan
        FloatFunctions.apply(function, x.span, into: &other, threads: 1)
        #expect(y[1] == 1 && y[2].isNaN, "\(function) at \(level.name): \(y)")
        #expect(y[0] == (function == .sigmoid ? 0 : -1), "\(function) at \(level.name): \(y)")
      }
    }
  }

  @Test("Softmax rows sum to one, also of numbers whose exponentials overflow, and -infinity becomes zero")
  func softmax() {
    for columns in [1, 2, 15, 16, 17, 33, 1500] {
      var x = weights(3 * columns, seed: 5, width: 200)
      x[columns] = -.infinity
      if columns == 1 { x[1] = 3 }
      atEveryLevel { level in
        var found = [Float](repeating: .nan, count: x.count)
        var span = found.mutableSpan
        RowFunctions.softmax(x.span, columnCount: columns, .probabilities, into: &span, threads: 2)
        for row in 0..<3 {
          let part = x[row * columns..<(row + 1) * columns].map(Double.init)
          let most = part.max() ?? 0
          let exponentials = part.map { exp($0 - most) }
          let sum = exponentials.reduce(0, +)
          for column in 0..<columns {
            let error = abs(Double(found[row * columns + column]) - exponentials[column] / sum)
            #expect(error <= functionTolerance, "\(columns) columns at \(level.name)")
          }
        }
      }
    }
  }

  @Test("Normalized rows have the mean of the bias and the deviation of the scale")
  func normalize() {
    for columns in [1, 7, 16, 31, 384] {
      let x = weights(4 * columns, seed: 6, width: 3)
      let scale = [Float](repeating: 2, count: columns)
      let bias = [Float](repeating: 0.5, count: columns)
      atEveryLevel { level in
        var found = [Float](repeating: .nan, count: x.count)
        var (means, deviations) = ([Float](repeating: 0, count: 4), [Float](repeating: 0, count: 4))
        var span = found.mutableSpan
        var meanSpan = means.mutableSpan
        var deviationSpan = deviations.mutableSpan
        RowFunctions.normalize(
          x.span, scale: scale.span, bias: bias.span, epsilon: 1e-5, .aroundMean, into: &span,
          means: &meanSpan,
          inverseDeviations: &deviationSpan, threads: 2)
        for row in 0..<4 {
          let part = x[row * columns..<(row + 1) * columns].map(Double.init)
          let mean = part.reduce(0, +) / Double(columns)
          let variance = part.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(columns)
          for column in 0..<columns {
            let expected = Float((part[column] - mean) / (variance + 1e-5).squareRoot() * 2 + 0.5)
            #expect(
              abs(found[row * columns + column] - expected) <= rowTolerance * 4, "\(columns) at \(level.name)"
            )
          }
        }
      }
    }
  }

  @Test("Dynamic quantization divides, rounds ties to even and clamps, at every level")
  func quantize() {
    for size in sampleSizes where size > 0 {
      let x = awkward(size, seed: 8, scale: 0.1)
      atEveryLevel { level in
        var found = [UInt8](repeating: 0, count: size)
        var span = found.mutableSpan
        ByteQuantization.quantize(x.span, scale: 0.1, zeroPoint: 100, range: 0...255, into: &span, threads: 1)
        for (value, code) in zip(x, found) {
          let expected = min(max((value / 0.1).rounded(.toNearestOrEven) + 100, 0), 255)
          #expect(Float(code) == expected, "\(value) at \(level.name)")
        }
        let bounds = ByteQuantization.bounds(x.span, threads: 1)
        #expect(bounds.lowerBound == min(0, x.min() ?? 0) && bounds.upperBound == max(0, x.max() ?? 0))
      }
    }
  }

  @Test("Strided copies transpose, repeat, reverse and scatter, for every width", arguments: [1, 2, 4, 8, 3])
  func copies(width: Int) {
    let (rows, columns) = (37, 45)
    let source = (0..<rows * columns * width).map { UInt8(truncatingIfNeeded: $0 &* 7) }
    func element(_ index: Int) -> [UInt8] { Array(source[index * width..<(index + 1) * width]) }
    func run(_ copy: StridedCopy, count: Int) -> [UInt8] {
      var target = [UInt8](repeating: 0xEE, count: count * width)
      var span = target.mutableSpan
      copy.run(width: width, from: source.span, into: &span, threads: 2)
      return target
    }
    let transposed = run(
      StridedCopy([
        StridedCopy.Axis(extent: columns, source: 1, target: rows),
        StridedCopy.Axis(extent: rows, source: columns, target: 1),
      ]), count: rows * columns)
    let expected = (0..<columns).flatMap { column in (0..<rows).flatMap { element($0 * columns + column) } }
    #expect(transposed == expected)
    let reversed = run(
      StridedCopy(
        [StridedCopy.Axis(extent: rows, source: -columns, target: 1)], sourceStart: (rows - 1) * columns),
      count: rows)
    #expect(reversed == (0..<rows).reversed().flatMap { element($0 * columns) })
    let repeated = run(
      StridedCopy([
        StridedCopy.Axis(extent: 3, source: 0, target: columns),
        StridedCopy.Axis(extent: columns, source: 1, target: 1),
      ]), count: 3 * columns)
    #expect(repeated == (0..<3).flatMap { _ in (0..<columns).flatMap(element) })
  }

  @Test("Shared work calls every piece once, from many threads and from within a piece")
  func sharing() {
    for threads in [1, 2, 8] {
      for pieces in [0, 1, 2, 7, 1000] {
        let counts = Mutex([Int](repeating: 0, count: pieces))
        WorkSharing.forEach(pieces, threads: threads) { piece in
          WorkSharing.forEach(2, threads: threads) { _ in counts.withLock { $0[piece] += 1 } }
        }
        #expect(counts.withLock { $0.allSatisfy { $0 == 2 } }, "\(pieces) pieces, \(threads) threads")
      }
    }
  }
}
