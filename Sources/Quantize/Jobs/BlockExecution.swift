import Kernels
import ONNXFile
import QuantPlan
import Synchronization
import Tensors

/// Integers with one scale per block along the reduction axis.
struct BlockExecution: JobExecution {
  let job: WeightJob
  let output: ModelOutput
  let workers: Workers

  /// Elements per tile of rows, or of columns times K.
  private static let tileElementCount = 1 << 20

  private var format: BlockFormat {
    BlockFormat(
      blockSize: job.treatment.blockSize ?? 32, bits: job.treatment.bits == 4 ? .four : .eight,
      symmetry: job.treatment.symmetric ? .symmetric : .asymmetric,
      range: job.treatment.range == .maximum ? .maximum : .leastSquares,
      layout: job.layout == .matMulNBits ? .matMulNBits : .weightShape)
  }

  private var isByRow: Bool { job.orientation == .channelsFirst }
  private var reductionCount: Int { isByRow ? job.columnCount : job.rowCount }
  private var channelCount: Int { isByRow ? job.rowCount : job.columnCount }
  private var blockCount: Int { format.blockCount(k: reductionCount) }
  private var tiles: FloatTiles { FloatTiles(job.content) }

  /// What one tile makes and where it goes, all offsets in bytes.
  private struct Part {
    var values: [UInt8]
    var valuesOffset: Int
    var scales: [Float]
    var scalesOffset: Int
    var zeroPoints: [UInt8]
    var zeroPointsOffset: Int
    var energy = ErrorEnergy()
  }

  func run() throws(QuantizeError) -> WeightOutcome {
    let energy: ErrorEnergy
    if isByRow {
      energy = try runRows()
    } else if format.layout == .matMulNBits {
      energy = try runColumns()
    } else {
      energy = try runPanels()
    }
    job.content.bytes.release()
    return WeightOutcome(
      name: job.name, treatment: job.treatment, elementCount: job.content.shape.elementCount,
      bytesBefore: job.byteCount, bytesAfter: job.storedByteCount,
      signal: energy.signal, error: energy.error, overflowCount: 0, underflowCount: 0)
  }

  // MARK: [N, K]: whole rows, everything contiguous

  private func runRows() throws(QuantizeError) -> ErrorEnergy {
    let rowsPerTile = max(16, Self.tileElementCount / max(1, job.columnCount) / 16 * 16)
    let columnCount = job.columnCount
    return try run(pieces: (job.rowCount + rowsPerTile - 1) / rowsPerTile) { tile, scratch in
      let rows = (tile * rowsPerTile)..<min(job.rowCount, (tile + 1) * rowsPerTile)
      let range = (rows.lowerBound * columnCount)..<(rows.upperBound * columnCount)
      return tiles.withFloats(range, scratch) { values in
        guard isFinite(values) else { return nil }
        var part = emptyPart(
          valueByteCount: format.layout == .matMulNBits
            ? rows.count * blockCount * format.blockByteCount : byteCount(elements: range.count),
          valuesOffset: format.layout == .matMulNBits
            ? rows.lowerBound * blockCount * format.blockByteCount : byteCount(elements: range.lowerBound),
          scaleCount: rows.count * blockCount, firstScale: rows.lowerBound * blockCount,
          zeroPointsOffset: zeroPointOffset(row: rows.lowerBound))
        part.energy = fill(&part) { bytes, scales, zeroPoints in
          BlockQuantizer(format).quantizeRows(
            values, columnCount: columnCount, output: &bytes, scales: &scales, zeroPoints: &zeroPoints)
        }
        tiles.release(range)
        return part
      }
    }
  }

  // MARK: [K, N] to MatMulNBits: some columns, all of K

  private func runColumns() throws(QuantizeError) -> ErrorEnergy {
    // Several pieces per worker when the weight is shared, else as few as memory allows.
    let wanted = max(256, Self.tileElementCount * 4 / max(1, reductionCount))
    let columnsPerTile = min(channelCount, (wanted + 63) / 64 * 64)
    let pieces = (channelCount + columnsPerTile - 1) / max(1, columnsPerTile)
    return try run(pieces: pieces) { tile, scratch in
      let columns = (tile * columnsPerTile)..<min(channelCount, (tile + 1) * columnsPerTile)
      var part = emptyPart(
        valueByteCount: columns.count * blockCount * format.blockByteCount,
        valuesOffset: columns.lowerBound * blockCount * format.blockByteCount,
        scaleCount: columns.count * blockCount, firstScale: columns.lowerBound * blockCount,
        zeroPointsOffset: zeroPointOffset(row: columns.lowerBound))
      for block in 0..<blockCount {
        let rows = (block * format.blockSize)..<min(reductionCount, (block + 1) * format.blockSize)
        let energy = tiles.withColumns(
          rows: rows, columns: columns, columnCount: channelCount, scratch
        ) { values -> ErrorEnergy? in
          guard isFinite(values) else { return nil }
          return fill(&part) { bytes, scales, zeroPoints in
            BlockQuantizer(format).quantizePanel(
              values, columnCount: columns.count, columns: 0..<columns.count, blockIndex: block,
              blockCount: blockCount, output: &bytes, scales: &scales, zeroPoints: &zeroPoints)
          }
        }
        guard let energy else { return nil }
        part.energy += energy
      }
      return part
    }
  }

  // MARK: [K, N] in its own shape: one block of rows at a time

  private func runPanels() throws(QuantizeError) -> ErrorEnergy {
    let columnCount = channelCount
    return try run(pieces: blockCount) { block, scratch in
      let rows = (block * format.blockSize)..<min(reductionCount, (block + 1) * format.blockSize)
      let range = (rows.lowerBound * columnCount)..<(rows.upperBound * columnCount)
      return tiles.withFloats(range, scratch) { values in
        guard isFinite(values) else { return nil }
        var part = emptyPart(
          valueByteCount: byteCount(elements: range.count),
          valuesOffset: byteCount(elements: range.lowerBound),
          scaleCount: columnCount, firstScale: block * columnCount,
          zeroPointsOffset: block * columnCount)
        part.energy = fill(&part) { bytes, scales, zeroPoints in
          BlockQuantizer(format).quantizePanel(
            values, columnCount: columnCount, output: &bytes, scales: &scales, zeroPoints: &zeroPoints)
        }
        tiles.release(range)
        return part
      }
    }
  }

  // MARK: Common parts

  private func byteCount(elements count: Int) -> Int {
    job.treatment.bits == 4 ? NibblePacking.byteCount(count) : count
  }

  /// Zero points per channel are padded to whole bytes in MatMulNBits; in the weight's shape they are flat, and
  /// this is for those of 8 bits.
  private func zeroPointOffset(row: Int) -> Int {
    format.layout == .matMulNBits ? row * ((blockCount * job.treatment.bits + 7) / 8) : row * blockCount
  }

  private func isFinite(_ values: Span<Float>) -> Bool {
    AbsoluteMaximum.isFinite(AbsoluteMaximum.bits(of: values))
  }

  private func emptyPart(
    valueByteCount: Int, valuesOffset: Int, scaleCount: Int, firstScale: Int, zeroPointsOffset: Int
  ) -> Part {
    Part(
      values: [UInt8](repeating: 0, count: valueByteCount), valuesOffset: valuesOffset,
      scales: [Float](repeating: 0, count: scaleCount), scalesOffset: firstScale * 4,
      zeroPoints: [UInt8](repeating: 0, count: job.treatment.symmetric ? 0 : scaleCount),
      zeroPointsOffset: zeroPointsOffset)
  }

  private func fill(
    _ part: inout Part,
    _ body: (inout MutableSpan<UInt8>, inout MutableSpan<Float>, inout MutableSpan<UInt8>) -> ErrorEnergy
  ) -> ErrorEnergy {
    // Taken out and put back, so that three parts of one value can be written at once without copies.
    var values: [UInt8] = []
    var scaleValues: [Float] = []
    var zeroPointValues: [UInt8] = []
    swap(&values, &part.values)
    swap(&scaleValues, &part.scales)
    swap(&zeroPointValues, &part.zeroPoints)
    defer {
      swap(&values, &part.values)
      swap(&scaleValues, &part.scales)
      swap(&zeroPointValues, &part.zeroPoints)
    }
    var bytes = values.mutableSpan
    var scales = scaleValues.mutableSpan
    var zeroPoints = zeroPointValues.mutableSpan
    return body(&bytes, &scales, &zeroPoints)
  }

  /// Makes the pieces on all workers and writes them; nil from `make` means a value that is not finite.
  private func run(
    pieces: Int, _ make: @Sendable (Int, Scratch) -> Part?
  ) throws(QuantizeError) -> ErrorEnergy {
    let energies = Mutex([ErrorEnergy](repeating: ErrorEnergy(), count: pieces))
    // In the weight's shape two pieces can meet inside one byte of 4-bit zero points, so these are kept.
    let keepsZeroPoints = job.treatment.bits == 4 && !job.treatment.symmetric && job.layout == .weightShape
    let kept = Mutex([UInt8](repeating: 0, count: keepsZeroPoints ? channelCount * blockCount : 0))
    try workers.forEach(pieces) { (piece, scratch) throws(QuantizeError) in
      guard let part = make(piece, scratch) else {
        throw NonFiniteWeight.error(job, path: output.path)
      }
      energies.withLock { $0[piece] = part.energy }
      do throws(ONNXFileError) {
        // Bytes and floats have no padding, so reading them raw is sound.
        try output.write(job.values, unsafe part.values.span.bytes, at: part.valuesOffset)
        if let place = job.scales {
          try output.write(place, unsafe part.scales.span.bytes, at: part.scalesOffset)
        }
        if keepsZeroPoints {
          let first = part.scalesOffset / 4
          kept.withLock { $0.replaceSubrange(first..<(first + part.zeroPoints.count), with: part.zeroPoints) }
        } else if let place = job.zeroPoints {
          let packed = self.packed(part.zeroPoints)
          try output.write(place, unsafe packed.span.bytes, at: part.zeroPointsOffset)
        }
      } catch {
        throw QuantizeError(.file(error), path: output.path)
      }
    }
    if keepsZeroPoints, let place = job.zeroPoints {
      let packed = self.packed(kept.withLock { $0 })
      do throws(ONNXFileError) {
        // Bytes have no padding, so reading them raw is sound.
        try output.write(place, unsafe packed.span.bytes, at: 0)
      } catch {
        throw QuantizeError(.file(error), path: output.path)
      }
    }
    return energies.withLock { parts in parts.reduce(into: ErrorEnergy()) { $0 += $1 } }
  }

  private func packed(_ zeroPoints: [UInt8]) -> [UInt8] {
    guard job.treatment.bits == 4 else { return zeroPoints }
    if format.layout == .matMulNBits {
      var result = [UInt8](
        repeating: 0, count: zeroPoints.count / blockCount * NibblePacking.byteCount(blockCount))
      var span = result.mutableSpan
      NibblePacking.packRows(zeroPoints.span, columnCount: blockCount, into: &span)
      return result
    }
    var result = [UInt8](repeating: 0, count: NibblePacking.byteCount(zeroPoints.count))
    var span = result.mutableSpan
    NibblePacking.pack(zeroPoints.span, into: &span)
    return result
  }
}

/// Finds the first NaN or infinity of a weight, for the error message.
enum NonFiniteWeight {
  static func error(_ job: WeightJob, path: String) -> QuantizeError {
    let tiles = FloatTiles(job.content)
    let scratch = Scratch()
    let step = 1 << 18
    var start = 0
    while start < job.content.shape.elementCount {
      let range = start..<min(start + step, job.content.shape.elementCount)
      let found = tiles.withFloats(range, scratch) { values in
        NonFiniteScan.firstIndex(in: values).map { (index: $0, value: values[$0]) }
      }
      if let found {
        return QuantizeError(
          .notFinite(weight: job.name, elementIndex: start + found.index, value: found.value), path: path)
      }
      start = range.upperBound
    }
    return QuantizeError(.notFinite(weight: job.name, elementIndex: 0, value: .nan), path: path)
  }
}
