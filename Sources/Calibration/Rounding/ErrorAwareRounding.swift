public import Kernels
import Synchronization

/// Rounding of a weight so that the errors of some inputs make up for those of others, as far as the inputs of
/// calibration go together (GPTQ; see `GramFactor`).
public enum ErrorAwareRounding {
  /// Outputs that one thread works on at a time; fixed, so that results do not depend on the number of threads.
  private static let panelWidth = 128

  /// Integers for a weight.
  ///
  /// - Parameters:
  ///   - scales: as the model will have them, above zero.
  ///   - levels: `QuantizedLevels.symmetric8` or `.symmetric4`.
  ///   - factor: of the inputs of the layer.
  public static func round(
    _ weight: LayerWeight, scales: LayerScales, levels: QuantizedLevels, factor: GramFactor, threads: Int
  ) throws(CalibrationError) -> RoundedWeight {
    guard factor.width == weight.inputCount else {
      throw CalibrationError(
        .numbers, "a weight of \(weight.inputCount) inputs does not go with a Gram matrix of \(factor.width)")
    }
    precondition(scales.fits(weight), "scales for all outputs")
    let panelCount = (weight.outputCount + panelWidth - 1) / panelWidth
    let found = Mutex([Panel?](repeating: nil, count: panelCount))
    WorkSharing.forEach(panelCount, threads: threads) { index in
      let outputs = index * panelWidth..<min(weight.outputCount, (index + 1) * panelWidth)
      let panel = round(weight, outputs, scales, levels, factor)
      found.withLock { $0[index] = panel }
    }
    var integers = [Int8](repeating: 0, count: weight.values.count)
    var error = 0.0
    for case let panel? in found.withLock({ $0 }) {
      error += panel.squaredError
      for input in 0..<weight.inputCount {
        for (column, output) in panel.outputs.enumerated() {
          integers[weight.index(input, output)] = panel.integers[input * panel.outputs.count + column]
        }
      }
    }
    return RoundedWeight(integers: integers, scales: scales, squaredError: error)
  }

  private struct Panel {
    let outputs: Range<Int>
    /// [K, outputs]
    let integers: [Int8]
    let squaredError: Double
  }

  private static func round(
    _ weight: LayerWeight, _ outputs: Range<Int>, _ scales: LayerScales, _ levels: QuantizedLevels,
    _ factor: GramFactor
  ) -> Panel {
    let (count, width) = (weight.inputCount, outputs.count)
    let (factors, scaleValues) = (factor.values, scales.values)
    let values = weight.panel(outputs, inputs: factor.inputOfRow)
    // W − Ŵ of the rows that are done.
    var errors = [Float](repeating: 0, count: count * width)
    var integers = [Int8](repeating: 0, count: count * width)
    var carried = [Float](repeating: 0, count: GramFactor.blockHeight * width)
    var squaredError = 0.0
    let starts = Array(stride(from: 0, to: count, by: GramFactor.blockHeight))
    for first in starts.reversed() {
      let end = min(count, first + GramFactor.blockHeight)
      if end < count {
        var span = carried.mutableSpan
        var part = span._mutatingExtracting(0..<(end - first) * width)
        MatrixProduct.panel(
          ProductShape(m: end - first, n: width, k: count - end), factors.span,
          at: MatrixPlace(offset: first * count + end, rowStride: count), errors.span,
          at: MatrixPlace(offset: end * width, rowStride: width), into: &part, threads: 1)
      }
      for row in (first..<end).reversed() {
        var sums = [Float](repeating: 0, count: width)
        var sumSpan = sums.mutableSpan
        if end < count {
          let start = (row - first) * width
          FloatRows.add(carried.span.extracting(start..<start + width), to: &sumSpan, at: 0)
        }
        for later in row + 1..<max(row + 1, end) {
          FloatRows.add(
            errors.span.extracting(later * width..<(later + 1) * width), times: factors[row * count + later],
            to: &sumSpan, at: 0)
        }
        let input = factor.inputOfRow[row]
        let scaleRow = scales.row(input, outputCount: weight.outputCount) + outputs.lowerBound
        squaredError += roundRow(
          values.span.extracting(row * width..<(row + 1) * width), sums.span,
          scaleValues.span.extracting(scaleRow..<scaleRow + width), pivot: factors[row * count + row],
          levels, &integers, at: input * width, &errors, at: row * width)
      }
    }
    return Panel(outputs: outputs, integers: integers, squaredError: squaredError)
  }

  /// Rounds a row after the errors that others left to it, and notes its own.
  private static func roundRow(
    _ values: Span<Float>, _ sums: Span<Float>, _ scales: Span<Float>, pivot: Float,
    _ levels: QuantizedLevels,
    _ integers: inout [Int8], at integerOffset: Int, _ errors: inout [Float], at errorOffset: Int
  ) -> Double {
    let (low, high) = (Float(levels.lowest), Float(levels.highest))
    var total: Float = 0
    for column in values.indices {
      let target = values[column] + sums[column] / pivot
      let code = min(max((target / scales[column]).rounded(.toNearestOrEven), low), high)
      integers[integerOffset + column] = Int8(code)
      let rounded = code * scales[column]
      errors[errorOffset + column] = values[column] - rounded
      let left = (target - rounded) * pivot
      total += left * left
    }
    return Double(total)
  }

  /// Integers by nearest rounding, without a look at the inputs.
  public static func nearest(
    _ weight: LayerWeight, scales: LayerScales, levels: QuantizedLevels
  ) -> RoundedWeight {
    precondition(scales.fits(weight), "scales for all outputs")
    var integers = [Int8](repeating: 0, count: weight.values.count)
    let (low, high) = (Float(levels.lowest), Float(levels.highest))
    for input in 0..<weight.inputCount {
      let row = scales.row(input, outputCount: weight.outputCount)
      for output in 0..<weight.outputCount {
        let index = weight.index(input, output)
        let code = (weight.values[index] / scales.values[row + output]).rounded(.toNearestOrEven)
        integers[index] = Int8(min(max(code, low), high))
      }
    }
    return RoundedWeight(integers: integers, scales: scales)
  }
}
