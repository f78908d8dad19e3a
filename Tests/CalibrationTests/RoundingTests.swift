import Calibration
import Kernels
import TestSupport
import Testing

/// Rows of X whose columns go together, as the inputs of a layer do, with very different sizes.
func correlatedRows(_ rows: Int, _ width: Int, _ generator: inout SplitMix64) -> [Float] {
  let factorCount = max(1, width / 4)
  let mixing = generator.normalFloats(factorCount * width)
  let sizes = generator.normalFloats(width).map { Float(1) + $0 * $0 * 2 }
  var values = [Float](repeating: 0, count: rows * width)
  for row in 0..<rows {
    let factors = generator.normalFloats(factorCount)
    let noise = generator.normalFloats(width, deviation: 0.3)
    for column in 0..<width {
      var sum = noise[column]
      for factor in 0..<factorCount { sum += factors[factor] * mixing[factor * width + column] }
      values[row * width + column] = sum * sizes[column] + 0.5
    }
  }
  return values
}

func gram(_ values: [Float], width: Int, threads: Int = 1) -> GramMatrix {
  let gram = GramMatrix(width: width)
  gram.add(values.span, threads: threads)
  return gram
}

/// GPTQ as the paper writes it, in double precision: the inverse, one column after the other.
struct PlainGPTQ {
  let integers: [Int8]

  /// `weight` is [K, N].
  init(
    _ weight: [Float], _ inputCount: Int, _ outputCount: Int, _ gram: GramMatrix, damping: Double,
    order: [Int],
    scale: (Int, Int) -> Float, highest: Double
  ) {
    let count = inputCount
    var h = [[Double]](repeating: [Double](repeating: 0, count: count), count: count)
    let mean = (0..<count).reduce(0.0) { $0 + Double(gram[$1, $1]) } / Double(count)
    for (i, a) in order.enumerated() {
      for (j, b) in order.enumerated() { h[i][j] = Double(gram[a, b]) + (i == j ? damping * mean : 0) }
    }
    var inverse = Self.inverted(h)
    var w = order.map { input in (0..<outputCount).map { Double(weight[input * outputCount + $0]) } }
    var integers = [Int8](repeating: 0, count: count * outputCount)
    for i in 0..<count {
      for output in 0..<outputCount {
        let step = Double(scale(order[i], output))
        let code = min(max((w[i][output] / step).rounded(.toNearestOrEven), -highest), highest)
        integers[order[i] * outputCount + output] = Int8(code)
        let error = (w[i][output] - code * step) / inverse[i][i]
        for j in i + 1..<max(count, i + 1) { w[j][output] -= error * inverse[i][j] }
      }
      // The inverse of what is left: one step of Gaussian elimination.
      let row = inverse[i]
      for j in i + 1..<max(count, i + 1) {
        for k in i + 1..<count { inverse[j][k] -= row[j] * row[k] / row[i] }
      }
    }
    self.integers = integers
  }

  static func inverted(_ matrix: [[Double]]) -> [[Double]] {
    let count = matrix.count
    var a = matrix
    var result = (0..<count).map { i in (0..<count).map { $0 == i ? 1.0 : 0.0 } }
    for i in 0..<count {
      let pivot = a[i][i]
      for k in 0..<count {
        a[i][k] /= pivot
        result[i][k] /= pivot
      }
      for j in 0..<count where j != i {
        let factor = a[j][i]
        if factor == 0 { continue }
        for k in 0..<count {
          a[j][k] -= factor * a[i][k]
          result[j][k] -= factor * result[i][k]
        }
      }
    }
    return result
  }
}

/// ‖X(W − Ŵ)‖², from X itself.
func outputError(_ rows: [Float], _ weight: LayerWeight, _ rounded: RoundedWeight) -> Double {
  let (k, n) = (weight.inputCount, weight.outputCount)
  var difference = [Float](repeating: 0, count: k * n)
  for input in 0..<k {
    for output in 0..<n {
      let index = weight.orientation == .inputsFirst ? input * n + output : output * k + input
      difference[input * n + output] =
        weight.values[index] - rounded.value(weight, input: input, output: output)
    }
  }
  let m = rows.count / k
  var product = [Float](repeating: 0, count: m * n)
  var span = product.mutableSpan
  MatrixProduct.panel(
    ProductShape(m: m, n: n, k: k), rows.span, at: MatrixPlace(rowStride: k), difference.span,
    at: MatrixPlace(rowStride: n), into: &span, threads: 2)
  return product.reduce(0) { $0 + Double($1) * Double($1) }
}

/// ‖W − Ŵ‖²
func squaredDifference(_ weight: LayerWeight, _ rounded: RoundedWeight) -> Double {
  var sum = 0.0
  for input in 0..<weight.inputCount {
    for output in 0..<weight.outputCount {
      let index =
        weight.orientation == .inputsFirst
        ? input * weight.outputCount + output : output * weight.inputCount + input
      let difference = weight.values[index] - rounded.value(weight, input: input, output: output)
      sum += Double(difference * difference)
    }
  }
  return sum
}

@Suite("Error-aware rounding")
struct RoundingTests {
  private func scales(_ weight: LayerWeight, _ levels: QuantizedLevels) -> LayerScales {
    WeightedScaleSearch.scales(
      weight, levels: levels, diagonal: [Float](repeating: 1, count: weight.inputCount))
  }

  @Test("The integers are those of GPTQ as the paper writes it", arguments: RoundingOrder.allCases, [8, 4])
  func againstThePaper(order: RoundingOrder, bits: Int) throws {
    var generator = SplitMix64(seed: 51)
    for (k, n) in [(1, 3), (7, 5), (40, 6)] {
      let rows = correlatedRows(4 * k + 20, k, &generator)
      let matrix = gram(rows, width: k)
      let weight = LayerWeight(
        generator.normalFloats(k * n), inputCount: k, outputCount: n, orientation: .inputsFirst)
      let levels = bits == 8 ? QuantizedLevels.symmetric8 : .symmetric4
      let scales = scales(weight, levels)
      let factor = try GramFactor(matrix, damping: 0.02, order: order, threads: 1)
      let found = try ErrorAwareRounding.round(
        weight, scales: scales, levels: levels, factor: factor, threads: 1)
      var inputs = Array(0..<k)
      if order == .byActivation { inputs.sort { matrix[$0, $0] > matrix[$1, $1] } }
      let plain = PlainGPTQ(
        weight.values, k, n, matrix, damping: 0.02, order: inputs, scale: { scales.values[$1] },
        highest: Double(levels.highest))
      // Float against Double may take a near tie to the other side; what follows then differs too.
      let same = zip(found.integers, plain.integers).count { $0 == $1 }
      #expect(same * 100 >= k * n * 97, "\(k) x \(n): \(same) of \(k * n)")
      let paper = RoundedWeight(integers: plain.integers, scales: scales)
      #expect(outputError(rows, weight, found) <= outputError(rows, weight, paper) * 1.02 + 1e-6)
    }
  }

  @Test("Errors of outputs are well below those of nearest rounding, at 8 and 4 bits, with blocks too")
  func gain() throws {
    var generator = SplitMix64(seed: 52)
    let (k, n) = (160, 24)
    let rows = correlatedRows(400, k, &generator)
    let matrix = gram(rows, width: k)
    for orientation in [WeightOrientation.inputsFirst, .outputsFirst] {
      let weight = LayerWeight(
        generator.normalFloats(k * n), inputCount: k, outputCount: n, orientation: orientation)
      for levels in [QuantizedLevels.symmetric8, .symmetric4] {
        for blockSize in [Int?.none, 32] {
          let scales = WeightedScaleSearch.scales(
            weight, levels: levels, diagonal: matrix.diagonal, blockSize: blockSize)
          let factor = try GramFactor(matrix, order: .byActivation, threads: 2)
          let found = try ErrorAwareRounding.round(
            weight, scales: scales, levels: levels, factor: factor, threads: 2)
          let nearest = ErrorAwareRounding.nearest(weight, scales: scales, levels: levels)
          let (aware, plain) = (outputError(rows, weight, found), outputError(rows, weight, nearest))
          #expect(aware < plain * 0.5, "\(orientation) \(levels) \(blockSize ?? 0): \(aware) of \(plain)")
          #expect(found.integers.allSatisfy { abs(Int32($0)) <= levels.highest })
          // The error that was told has the damping in it.
          let told = try #require(found.squaredError)
          let added = factor.damping * matrix.diagonal.reduce(0.0) { $0 + Double($1) } / Double(k)
          let expected = aware + added * squaredDifference(weight, found)
          #expect(abs(told - expected) < expected * 0.02, "\(told) for \(expected)")
        }
      }
    }
  }

  @Test("Both orientations and any number of threads give the same integers")
  func determinism() throws {
    var generator = SplitMix64(seed: 53)
    let (k, n) = (150, 300)
    let rows = correlatedRows(200, k, &generator)
    let values = generator.normalFloats(k * n)
    let weight = LayerWeight(values, inputCount: k, outputCount: n, orientation: .inputsFirst)
    var turned = values
    for input in 0..<k {
      for output in 0..<n { turned[output * k + input] = values[input * n + output] }
    }
    let other = LayerWeight(turned, inputCount: k, outputCount: n, orientation: .outputsFirst)
    let scales = scales(weight, .symmetric8)
    #expect(self.scales(other, .symmetric8) == scales)
    var results: [RoundedWeight] = []
    for threads in [1, 2, 3] {
      let factor = try GramFactor(gram(rows, width: k, threads: threads), threads: threads)
      results.append(
        try ErrorAwareRounding.round(
          weight, scales: scales, levels: .symmetric8, factor: factor, threads: threads))
      if threads == 2 {
        let found = try ErrorAwareRounding.round(
          other, scales: scales, levels: .symmetric8, factor: factor, threads: threads)
        for (input, output) in [(0, 0), (149, 299), (77, 130), (128, 128)] {
          #expect(found.integers[output * k + input] == results[0].integers[input * n + output])
        }
      }
    }
    #expect(results.allSatisfy { $0 == results[0] })
  }

  @Test(
    "Inputs that never move are rounded to nearest, and a matrix of one clip is damped until it has a factor")
  func degenerate() throws {
    var generator = SplitMix64(seed: 54)
    let (k, n) = (24, 5)
    var rows = correlatedRows(6, k, &generator)
    for row in 0..<6 {
      for dead in [0, 9, 23] { rows[row * k + dead] = 0 }
    }
    let weight = LayerWeight(
      generator.normalFloats(k * n), inputCount: k, outputCount: n, orientation: .inputsFirst)
    let scales = scales(weight, .symmetric8)
    let factor = try GramFactor(gram(rows, width: k), damping: 0, threads: 1)
    let found = try ErrorAwareRounding.round(
      weight, scales: scales, levels: .symmetric8, factor: factor, threads: 1)
    let nearest = ErrorAwareRounding.nearest(weight, scales: scales, levels: .symmetric8)
    for dead in [0, 9, 23] {
      #expect(found.integers[dead * n..<(dead + 1) * n] == nearest.integers[dead * n..<(dead + 1) * n])
    }
    let nothing = try GramFactor(gram([Float](repeating: 0, count: 2 * k), width: k), threads: 1)
    #expect(
      try ErrorAwareRounding.round(weight, scales: scales, levels: .symmetric8, factor: nothing, threads: 1)
        .integers
        == nearest.integers)
    #expect(throws: CalibrationError.self) {
      try GramFactor(gram([Float](repeating: .infinity, count: k), width: k), threads: 1)
    }
    #expect(throws: CalibrationError.self) {
      let small = try GramFactor(gram([1, 2, 3], width: 3), threads: 1)
      return try ErrorAwareRounding.round(
        weight, scales: scales, levels: .symmetric8, factor: small, threads: 1)
    }
  }

  @Test("Weighted scales have a lower weighted error than the maximum's, and zero channels a scale of 1")
  func scaleSearch() {
    var generator = SplitMix64(seed: 55)
    let (k, n) = (64, 9)
    var values = generator.normalFloats(k * n).map { $0 * $0 * $0 }
    for input in 0..<k { values[input * n + 4] = 0 }
    let weight = LayerWeight(values, inputCount: k, outputCount: n, orientation: .inputsFirst)
    let diagonal = generator.normalFloats(k).map { $0 * $0 * 50 }
    let found = WeightedScaleSearch.scales(weight, levels: .symmetric4, diagonal: diagonal)
    #expect(found.values[4] == 1)
    func cost(_ scale: Float, _ output: Int) -> Double {
      (0..<k).reduce(0.0) { sum, input in
        let value = values[input * n + output]
        let code = min(max((value / scale).rounded(.toNearestOrEven), -7), 7)
        return sum + Double((value - code * scale) * (value - code * scale) * diagonal[input])
      }
    }
    var gains = 0
    for output in 0..<n where output != 4 {
      let widest = (0..<k).map { values[$0 * n + output].magnitude }.max()! / 7
      #expect(cost(found.values[output], output) <= cost(widest, output) * 1.0001)
      if cost(found.values[output], output) < cost(widest, output) * 0.9 { gains += 1 }
    }
    #expect(gains >= n / 2)
  }

  @Test("The bias takes up the mean of what rounding changed")
  func biasCorrection() {
    var generator = SplitMix64(seed: 56)
    let (k, n, m) = (20, 6, 50)
    let rows = correlatedRows(m, k, &generator)
    let matrix = gram(rows, width: k)
    let weight = LayerWeight(
      generator.normalFloats(k * n), inputCount: k, outputCount: n, orientation: .outputsFirst)
    let rounded = ErrorAwareRounding.nearest(weight, scales: scales(weight, .symmetric4), levels: .symmetric4)
    let correction = BiasCorrection.correction(weight, rounded: rounded, means: matrix.means)
    for output in 0..<n {
      var sum = 0.0
      for row in 0..<m {
        for input in 0..<k {
          let difference =
            weight.values[output * k + input] - rounded.value(weight, input: input, output: output)
          sum += Double(rows[row * k + input]) * Double(difference)
        }
      }
      #expect(abs(Double(correction[output]) - sum / Double(m)) < 1e-3)
    }
  }
}
