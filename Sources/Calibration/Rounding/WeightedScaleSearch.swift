public import Kernels

/// Scales with the least rounding error, where an input counts as much as its activations are large.
///
/// The diagonal of the Gram matrix is the weight of each input's squared error; a scale is searched among parts of
/// the one that the maximum asks for, then moved to the least squares solution for the integers found.
public enum WeightedScaleSearch {
  /// The least part of the maximum that is tried, by levels: at 8 bits clipping hardly ever pays.
  private static func parts(_ levels: QuantizedLevels) -> [Float] {
    let least = levels.highest > 15 ? 0.7 : 0.4
    return (0...40).map { Float(1 - (1 - least) * Double($0) / 40) }
  }

  /// - Parameters:
  ///   - diagonal: of the Gram matrix, one per input.
  ///   - blockSize: inputs that share a scale; nil is all of them.
  public static func scales(
    _ weight: LayerWeight, levels: QuantizedLevels, diagonal: [Float], blockSize: Int? = nil
  ) -> LayerScales {
    precondition(diagonal.count == weight.inputCount, "a weight for each input")
    // Only the proportions matter; an input that never moves still counts a little.
    let mean = diagonal.reduce(0) { $0 + Double($1) } / Double(max(1, diagonal.count))
    let importance = diagonal.map { mean > 0 ? Float(max(Double($0) / mean, 1e-6)) : 1 }
    var scales: [Float] = []
    for first in stride(from: 0, to: weight.inputCount, by: blockSize ?? max(1, weight.inputCount)) {
      let inputs = first..<min(weight.inputCount, first + (blockSize ?? weight.inputCount))
      scales += block(
        weight.panel(0..<weight.outputCount, inputs: Array(inputs)), Array(importance[inputs]), levels,
        weight.outputCount)
    }
    if let blockSize { return .perBlock(scales, blockSize: blockSize) }
    return .perOutput(scales)
  }

  private static func block(
    _ values: [Float], _ importance: [Float], _ levels: QuantizedLevels, _ outputCount: Int
  ) -> [Float] {
    var maxima = [UInt32](repeating: 0, count: outputCount)
    var maximaSpan = maxima.mutableSpan
    AbsoluteMaximum.accumulatePerColumn(of: values.span, into: &maximaSpan)
    let widest = maxima.map { QuantizationScales.symmetric(absoluteMaximumBits: $0, levels: levels) }
    func errors(_ scales: [Float]) -> [Double] {
      var errors = [Double](repeating: 0, count: outputCount)
      var span = errors.mutableSpan
      ScaleSearch.accumulateWeightedErrorsPerColumn(
        values.span, weights: importance.span, scales: scales.span, levels: levels, into: &span)
      return errors
    }
    var (best, least) = (widest, errors(widest))
    func consider(_ scales: [Float]) {
      for (output, error) in errors(scales).enumerated() where error < least[output] {
        (best[output], least[output]) = (scales[output], error)
      }
    }
    for part in parts(levels).dropFirst() {
      consider(widest.map { $0 * part >= Float.leastNormalMagnitude ? $0 * part : $0 })
    }
    consider(leastSquares(values, importance, levels, best))
    return best
  }

  /// For fixed integers the best scale is Σ d·w·q / Σ d·q².
  private static func leastSquares(
    _ values: [Float], _ importance: [Float], _ levels: QuantizedLevels, _ scales: [Float]
  ) -> [Float] {
    var products = [Float](repeating: 0, count: scales.count)
    var squares = products
    let (low, high) = (Float(levels.lowest), Float(levels.highest))
    for (row, part) in importance.enumerated() {
      for output in scales.indices {
        let value = values[row * scales.count + output]
        let code = min(max((value / scales[output]).rounded(.toNearestOrEven), low), high)
        products[output] += part * value * code
        squares[output] += part * code * code
      }
    }
    return scales.indices.map { output in
      let scale = products[output] / squares[output]
      return scale.isNormal && scale > 0 ? scale : scales[output]
    }
  }
}

/// What a bias makes good of the rounding of its weight.
public enum BiasCorrection {
  /// The mean of X(W − Ŵ) by output, to be added to the bias: Σ mean(x_k) · (w − ŵ)[k, n].
  ///
  /// - Parameter means: of the layer's inputs, one per input.
  public static func correction(_ weight: LayerWeight, rounded: RoundedWeight, means: [Float]) -> [Float] {
    precondition(means.count == weight.inputCount, "a mean for each input")
    var sums = [Double](repeating: 0, count: weight.outputCount)
    for input in 0..<weight.inputCount {
      let mean = Double(means[input])
      for output in 0..<weight.outputCount {
        let value = weight.values[weight.index(input, output)]
        sums[output] += mean * Double(value - rounded.value(weight, input: input, output: output))
      }
    }
    return sums.map { Float($0) }
  }
}
