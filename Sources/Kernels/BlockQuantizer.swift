import CKernels

/// Quantizes weights block by block along K, a panel or some rows at a time.
///
/// Values are divided by their scale and rounded half to even, as QuantizeLinear does. Zero points are
/// written one per byte (pack 4-bit ones with `NibblePacking.packRows` for MatMulNBits, `pack` for the
/// weight's shape); a symmetric format writes none and takes an empty span. All values must be finite.
/// Scores of candidate scales multiply by a reciprocal, see `ScaleSearch`.
public struct BlockQuantizer: Sendable {
  /// The format that is written.
  public let format: BlockFormat

  /// A quantizer for `format`.
  public init(_ format: BlockFormat) {
    self.format = format
  }

  /// Quantizes a panel of a [K, N] weight into `matMulNBits`.
  ///
  /// - Parameters:
  ///   - values: up to `blockSize` whole rows, fewer only at the end of K: [rows, columnCount].
  ///   - columns: the columns to quantize. The outputs hold these columns only, so columns can be shared
  ///     out among threads.
  ///   - blockIndex: which block along K the panel is, of `blockCount`.
  ///   - output: [columns, blockCount, blockByteCount].
  ///   - scales: [columns, blockCount].
  ///   - zeroPoints: [columns, blockCount], or empty.
  public func quantizePanel(
    _ values: Span<Float>, columnCount: Int, columns: Range<Int>, blockIndex: Int, blockCount: Int,
    output: inout MutableSpan<UInt8>, scales: inout MutableSpan<Float>, zeroPoints: inout MutableSpan<UInt8>
  ) -> ErrorEnergy {
    precondition(format.layout == .matMulNBits, "a layout of blobs")
    precondition(columns.lowerBound >= 0 && columns.upperBound <= columnCount, "columns of the weight")
    precondition(blockIndex >= 0 && blockIndex < blockCount, "a block of the weight")
    requirePanel(values.count, columnCount: columnCount)
    let stride = blockCount * format.blockByteCount
    requireMatrix(output.count, rowCount: columns.count, columnCount: stride)
    requireMatrix(scales.count, rowCount: columns.count, columnCount: blockCount)
    requireZeroPoints(zeroPoints.count, scaleCount: scales.count)
    if values.isEmpty || columns.isEmpty { return ErrorEnergy() }
    return callPanel(
      values, columnCount: columnCount, columns: columns,
      options: format.options(packed: format.bits == .four),
      output: &output, stride: stride, offset: blockIndex * format.blockByteCount,
      scales: &scales, zeroPoints: &zeroPoints, scaleStride: blockCount, scaleOffset: blockIndex)
  }

  /// Quantizes a panel of a [K, N] weight into `weightShape`.
  ///
  /// - Parameters:
  ///   - values: up to `blockSize` whole rows, fewer only at the end of K: [rows, columnCount].
  ///   - output: the bytes of this panel, which begin at a whole byte because block sizes are even.
  ///   - scales: one per column, the row of this panel in [blocks, N].
  ///   - zeroPoints: the same shape, or empty.
  public func quantizePanel(
    _ values: Span<Float>, columnCount: Int, output: inout MutableSpan<UInt8>,
    scales: inout MutableSpan<Float>, zeroPoints: inout MutableSpan<UInt8>
  ) -> ErrorEnergy {
    precondition(format.layout == .weightShape, "a layout in the shape of the weight")
    requirePanel(values.count, columnCount: columnCount)
    requireFlatOutput(output.count, valueCount: values.count)
    precondition(scales.count == columnCount, "one scale per column")
    requireZeroPoints(zeroPoints.count, scaleCount: scales.count)
    if values.isEmpty { return ErrorEnergy() }
    return inFlatOrder(values.count, innerCount: columnCount, output: &output) { options, bytes in
      callPanel(
        values, columnCount: columnCount, columns: 0..<columnCount, options: options,
        output: &bytes, stride: 0, offset: 0,
        scales: &scales, zeroPoints: &zeroPoints, scaleStride: 1, scaleOffset: 0)
    }
  }

  /// Quantizes whole rows of an [N, K] weight into either layout; sixteen rows at a time are fastest.
  ///
  /// - Parameters:
  ///   - values: [rows, columnCount] with columnCount = K.
  ///   - output: the bytes of these rows: [rows, blocks, blockByteCount], or flat in the shape of the weight,
  ///     where 4-bit rows must begin at an even element (take an even number of rows when K is odd).
  ///   - scales: [rows, blocks].
  ///   - zeroPoints: the same shape, or empty.
  public func quantizeRows(
    _ values: Span<Float>, columnCount: Int, output: inout MutableSpan<UInt8>,
    scales: inout MutableSpan<Float>, zeroPoints: inout MutableSpan<UInt8>
  ) -> ErrorEnergy {
    requireWholeRows(values.count, columnCount: columnCount)
    if values.isEmpty { return ErrorEnergy() }
    let rowCount = values.count / columnCount
    let blockCount = format.blockCount(k: columnCount)
    requireMatrix(scales.count, rowCount: rowCount, columnCount: blockCount)
    requireZeroPoints(zeroPoints.count, scaleCount: scales.count)
    switch format.layout {
    case .matMulNBits:
      requireMatrix(output.count, rowCount: rowCount, columnCount: blockCount * format.blockByteCount)
      return callRows(
        values, columnCount: columnCount, options: format.options(packed: format.bits == .four),
        output: &output, scales: &scales, zeroPoints: &zeroPoints)
    case .weightShape:
      requireFlatOutput(output.count, valueCount: values.count)
      return inFlatOrder(values.count, innerCount: columnCount, output: &output) { options, bytes in
        callRows(
          values, columnCount: columnCount, options: options,
          output: &bytes, scales: &scales, zeroPoints: &zeroPoints)
      }
    }
  }

  /// Lets `body` write values in the order of the weight. Where rows of nibbles end inside of a byte, it
  /// writes them one per byte, and they are packed afterwards.
  private func inFlatOrder(
    _ valueCount: Int, innerCount: Int, output: inout MutableSpan<UInt8>,
    _ body: (ck_block_options, inout MutableSpan<UInt8>) -> ErrorEnergy
  ) -> ErrorEnergy {
    guard format.bits == .four, innerCount % 2 != 0 else {
      return body(format.options(packed: format.bits == .four), &output)
    }
    var values = [UInt8](repeating: 0, count: valueCount)
    var bytes = values.mutableSpan
    let energy = body(format.options(packed: false), &bytes)
    NibblePacking.pack(values.span, into: &output)
    return energy
  }

  private func callPanel(
    _ values: Span<Float>, columnCount: Int, columns: Range<Int>, options: ck_block_options,
    output: inout MutableSpan<UInt8>, stride: Int, offset: Int,
    scales: inout MutableSpan<Float>, zeroPoints: inout MutableSpan<UInt8>, scaleStride: Int, scaleOffset: Int
  ) -> ErrorEnergy {
    let multipliers = format.multipliers
    let valueCount = values.count
    let outputCount = output.count
    // Safe: the public functions checked every count.
    return unsafe lending(values, multipliers.span, &output) { values, multiplier, output in
      unsafe scales.withUnsafeMutableBufferPointer { scales in
        unsafe zeroPoints.withUnsafeMutableBufferPointer { zeroPoints in
          unsafe ErrorEnergy(
            ck_quantize_panel(
              values, valueCount, columnCount, columns.lowerBound, columns.count, options, multiplier,
              multipliers.count, output, outputCount, stride, offset, scales.baseAddress, scales.count,
              zeroPoints.baseAddress, zeroPoints.count, scaleStride, scaleOffset))
        }
      }
    }
  }

  private func callRows(
    _ values: Span<Float>, columnCount: Int, options: ck_block_options, output: inout MutableSpan<UInt8>,
    scales: inout MutableSpan<Float>, zeroPoints: inout MutableSpan<UInt8>
  ) -> ErrorEnergy {
    let multipliers = format.multipliers
    let valueCount = values.count
    let outputCount = output.count
    // Safe: `quantizeRows` checked every count.
    return unsafe lending(values, multipliers.span, &output) { values, multiplier, output in
      unsafe scales.withUnsafeMutableBufferPointer { scales in
        unsafe zeroPoints.withUnsafeMutableBufferPointer { zeroPoints in
          unsafe ErrorEnergy(
            ck_quantize_block_rows(
              values, valueCount, columnCount, options, multiplier, multipliers.count, output, outputCount,
              scales.baseAddress, scales.count, zeroPoints.baseAddress, zeroPoints.count))
        }
      }
    }
  }

  private func requirePanel(_ count: Int, columnCount: Int) {
    requireWholeRows(count, columnCount: columnCount)
    precondition(columnCount == 0 || count / columnCount <= format.blockSize, "at most one block of rows")
  }

  private func requireFlatOutput(_ count: Int, valueCount: Int) {
    let byteCount = format.bits == .four ? NibblePacking.byteCount(valueCount) : valueCount
    precondition(count == byteCount, "as many values as the weight")
  }

  private func requireZeroPoints(_ count: Int, scaleCount: Int) {
    precondition(format.symmetry == .symmetric || count == scaleCount, "one zero point per scale")
  }
}
