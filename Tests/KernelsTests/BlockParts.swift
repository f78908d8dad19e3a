import Kernels

/// The stored parts of a block-wise quantized weight, from the kernels or laid out from reference blocks.
struct BlockParts: Equatable {
  /// Which axis of the weight is K.
  enum Order {
    /// [N, K]
    case rows
    /// [K, N]
    case columns
  }

  var values: [UInt8] = []
  var scales: [Float] = []
  var zeroPoints: [UInt8] = []
  var energy = ErrorEnergy()

  static func == (a: Self, b: Self) -> Bool {
    a.values == b.values && a.scales == b.scales && a.zeroPoints == b.zeroPoints
  }

  /// An [N, K] weight, in two chunks of rows where that is allowed.
  init(quantizingRows weight: [Float], n: Int, k: Int, format: BlockFormat) {
    let quantizer = BlockQuantizer(format)
    let cut = n / 4 * 2
    for rows in [0..<cut, cut..<n] {
      var (values, scales, zeroPoints) = Self.room(format, n: rows.count, k: k)
      var valueSpan = values.mutableSpan
      var scaleSpan = scales.mutableSpan
      var zeroSpan = zeroPoints.mutableSpan
      energy += quantizer.quantizeRows(
        weight.span.extracting(rows.lowerBound * k..<rows.upperBound * k), columnCount: k,
        output: &valueSpan, scales: &scaleSpan, zeroPoints: &zeroSpan)
      append(values, scales, zeroPoints)
    }
  }

  /// A [K, N] weight, panel by panel.
  init(
    quantizingPanels weight: [Float], n: Int, k: Int, format: BlockFormat, columns: Range<Int>? = nil
  ) {
    let quantizer = BlockQuantizer(format)
    let columns = columns ?? 0..<n
    let blockCount = format.blockCount(k: k)
    var (values, scales, zeroPoints) = Self.room(format, n: columns.count, k: k)
    for block in 0..<blockCount {
      let rows = block * format.blockSize..<min((block + 1) * format.blockSize, k)
      let panel = weight.span.extracting(rows.lowerBound * n..<rows.upperBound * n)
      if format.layout == .weightShape {
        (values, scales, zeroPoints) = Self.room(format, n: n, k: rows.count)
      }
      var valueSpan = values.mutableSpan
      var scaleSpan = scales.mutableSpan
      var zeroSpan = zeroPoints.mutableSpan
      switch format.layout {
      case .matMulNBits:
        energy += quantizer.quantizePanel(
          panel, columnCount: n, columns: columns, blockIndex: block, blockCount: blockCount,
          output: &valueSpan, scales: &scaleSpan, zeroPoints: &zeroSpan)
      case .weightShape:
        energy += quantizer.quantizePanel(
          panel, columnCount: n, output: &valueSpan, scales: &scaleSpan, zeroPoints: &zeroSpan)
        append(values, scales, zeroPoints)
      }
    }
    if format.layout == .matMulNBits { append(values, scales, zeroPoints) }
  }

  /// Lays out reference blocks, `blocks[n][b]`.
  init(_ blocks: [[ReferenceBlocks.Block]], format: BlockFormat, order: Order, k: Int) {
    let n = blocks.count
    let blockCount = format.blockCount(k: k)
    let isAsymmetric = format.symmetry == .asymmetric
    if order == .rows || format.layout == .matMulNBits {
      scales = blocks.flatMap { $0.map(\.scale) }
      if isAsymmetric { zeroPoints = blocks.flatMap { $0.map { UInt8($0.zeroPoint) } } }
    } else {
      scales = (0..<blockCount).flatMap { b in blocks.map { $0[b].scale } }
      if isAsymmetric { zeroPoints = (0..<blockCount).flatMap { b in blocks.map { UInt8($0[b].zeroPoint) } } }
    }
    var flat: [Int]
    switch (format.layout, order) {
    case (.matMulNBits, _):
      flat = blocks.flatMap { row in
        row.flatMap { block in
          block.values
            + Array(repeating: block.zeroPoint, count: format.blockSize - block.values.count)
        }
      }
    case (.weightShape, .rows):
      flat = blocks.flatMap { $0.flatMap(\.values) }
    case (.weightShape, .columns):
      flat = (0..<k).flatMap { r in
        (0..<n).map { blocks[$0][r / format.blockSize].values[r % format.blockSize] }
      }
    }
    guard format.bits == .four else {
      values = flat.map { UInt8(truncatingIfNeeded: $0) }
      return
    }
    if flat.count % 2 != 0 { flat.append(0) }
    values = stride(from: 0, to: flat.count, by: 2).map {
      UInt8(truncatingIfNeeded: flat[$0] & 15 | (flat[$0 + 1] & 15) << 4)
    }
  }

  private static func room(_ format: BlockFormat, n: Int, k: Int) -> ([UInt8], [Float], [UInt8]) {
    let count = n * format.blockCount(k: k)
    return (
      Array(repeating: 0xEE, count: format.valueByteCount(n: n, k: k)), Array(repeating: -1, count: count),
      Array(repeating: 0xEE, count: format.symmetry == .asymmetric ? count : 0)
    )
  }

  private mutating func append(_ values: [UInt8], _ scales: [Float], _ zeroPoints: [UInt8]) {
    self.values += values
    self.scales += scales
    self.zeroPoints += zeroPoints
  }
}
