import CKernels

/// Sums over quantized elements, for a signal-to-noise ratio.
///
/// Squares are summed in sixteen Float lanes over at most 8,192 elements, then in Double: the same bits on
/// every machine for the same chunks of calls. Values above 1e19 make the sums infinite.
public struct ErrorEnergy: Sendable, Equatable {
  /// The sum of (w - (q - zeroPoint) · scale)².
  public var error: Double
  /// The sum of w².
  public var signal: Double

  /// Sums of one piece, or zero to begin with.
  public init(error: Double = 0, signal: Double = 0) {
    self.error = error
    self.signal = signal
  }

  init(_ energy: ck_energy) {
    self.init(error: energy.error, signal: energy.signal)
  }

  /// Adds the sums of another piece.
  public static func += (sum: inout Self, piece: Self) {
    sum.error += piece.error
    sum.signal += piece.signal
  }
}

/// ONNX QuantizeLinear: saturate(roundHalfEven(w / scale) + zeroPoint), bit for bit, by a true division.
///
/// Matrices are row-major chunks of whole rows. Scales must be above zero; NaN becomes the highest level
/// (look for it first, see `AbsoluteMaximum` and `NonFiniteScan`). Levels limit the stored values; 4-bit
/// values are stored one per byte. The output has as many elements as the input.
/// Source: ONNX operator specification, QuantizeLinear.
public enum QuantizeLinear {
  /// A scale per row; rows = `scales.count`.
  public static func quantizeRows(
    _ values: Span<Float>, columnCount: Int, scales: Span<Float>, levels: QuantizedLevels,
    into output: inout MutableSpan<Int8>
  ) -> ErrorEnergy {
    requireMatrix(values.count, rowCount: scales.count, columnCount: columnCount)
    precondition(output.count == values.count && levels.highest <= 127, "signed output of the same shape")
    if values.isEmpty { return ErrorEnergy() }
    // Safe: the counts were checked above.
    return unsafe lending(values, scales, &output) {
      unsafe ErrorEnergy(
        ck_quantize_rows_s8(
          $0, values.count, columnCount, $1, scales.count, levels.lowest, levels.highest, $2, values.count))
    }
  }

  /// A scale and a zero point per row; rows = `scales.count`.
  public static func quantizeRows(
    _ values: Span<Float>, columnCount: Int, scales: Span<Float>, zeroPoints: Span<UInt8>,
    levels: QuantizedLevels, into output: inout MutableSpan<UInt8>
  ) -> ErrorEnergy {
    requireMatrix(values.count, rowCount: scales.count, columnCount: columnCount)
    precondition(zeroPoints.count == scales.count, "one zero point per scale")
    precondition(output.count == values.count && levels.lowest >= 0, "unsigned output of the same shape")
    if values.isEmpty { return ErrorEnergy() }
    // Safe: the counts were checked above.
    return unsafe lending(zeroPoints) { zeroPoints in
      unsafe lending(values, scales, &output) {
        unsafe ErrorEnergy(
          ck_quantize_rows_u8(
            $0, values.count, columnCount, $1, scales.count, zeroPoints, scales.count, levels.lowest,
            levels.highest, $2, values.count))
      }
    }
  }

  /// A scale per column; columns = `scales.count`.
  public static func quantizeColumns(
    _ values: Span<Float>, scales: Span<Float>, levels: QuantizedLevels, into output: inout MutableSpan<Int8>
  ) -> ErrorEnergy {
    requireWholeRows(values.count, columnCount: scales.count)
    precondition(output.count == values.count && levels.highest <= 127, "signed output of the same shape")
    if values.isEmpty { return ErrorEnergy() }
    // Safe: the counts were checked above.
    return unsafe lending(values, scales, &output) {
      unsafe ErrorEnergy(
        ck_quantize_columns_s8(
          $0, values.count, $1, scales.count, levels.lowest, levels.highest, $2, values.count))
    }
  }

  /// A scale and a zero point per column; columns = `scales.count`.
  public static func quantizeColumns(
    _ values: Span<Float>, scales: Span<Float>, zeroPoints: Span<UInt8>, levels: QuantizedLevels,
    into output: inout MutableSpan<UInt8>
  ) -> ErrorEnergy {
    requireWholeRows(values.count, columnCount: scales.count)
    precondition(zeroPoints.count == scales.count, "one zero point per scale")
    precondition(output.count == values.count && levels.lowest >= 0, "unsigned output of the same shape")
    if values.isEmpty { return ErrorEnergy() }
    // Safe: the counts were checked above.
    return unsafe lending(zeroPoints) { zeroPoints in
      unsafe lending(values, scales, &output) {
        unsafe ErrorEnergy(
          ck_quantize_columns_u8(
            $0, values.count, $1, scales.count, zeroPoints, scales.count, levels.lowest, levels.highest, $2,
            values.count))
      }
    }
  }

  /// One scale for all values.
  public static func quantizeAll(
    _ values: Span<Float>, scale: Float, levels: QuantizedLevels, into output: inout MutableSpan<Int8>
  ) -> ErrorEnergy {
    let scales: InlineArray<1, Float> = [scale]
    return quantizeRows(values, columnCount: values.count, scales: scales.span, levels: levels, into: &output)
  }

  /// One scale and one zero point for all values.
  public static func quantizeAll(
    _ values: Span<Float>, parameters: AffineParameters, levels: QuantizedLevels,
    into output: inout MutableSpan<UInt8>
  ) -> ErrorEnergy {
    let scales: InlineArray<1, Float> = [parameters.scale]
    let zeroPoints: InlineArray<1, UInt8> = [parameters.zeroPoint]
    return quantizeRows(
      values, columnCount: values.count, scales: scales.span, zeroPoints: zeroPoints.span, levels: levels,
      into: &output)
  }
}
