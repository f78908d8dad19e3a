import Kernels
import ONNXFile
import QuantPlan
import Synchronization
import Tensors

/// Symmetric integers with one scale per channel or per tensor.
///
/// With channels as rows a tile of whole rows has all it needs: it is read once. Otherwise the whole weight must be
/// seen before the first scale is known, so it is walked twice, tile by tile.
struct ChannelExecution: JobExecution {
  let job: WeightJob
  let output: ModelOutput
  let workers: Workers

  /// Elements per tile: 1 MiB of floats stays in a core's cache between load and store.
  private static let tileElementCount = 1 << 18
  /// Candidate ranges for least squares, as parts of the maximum.
  private static let multipliers: [Float] = (1..<16).map { 1 - 0.02 * Float($0) }

  private var columnCount: Int { job.columnCount }
  private var rowCount: Int { job.rowCount }
  private var levels: QuantizedLevels { job.treatment.bits == 4 ? .symmetric4 : .symmetric8 }
  /// A multiple of eight, so that sums of rows do not depend on the tile and nibbles end at whole bytes.
  private var rowsPerTile: Int { max(8, Self.tileElementCount / max(1, columnCount) / 8 * 8) }
  private var tileCount: Int { (rowCount + rowsPerTile - 1) / rowsPerTile }
  private var isByRow: Bool { job.orientation == .channelsFirst }
  private var isOneWalk: Bool { isByRow && job.treatment.granularity != .tensor }
  private var tiles: FloatTiles { FloatTiles(job.content) }

  private func rows(ofTile tile: Int) -> Range<Int> {
    (tile * rowsPerTile)..<min(rowCount, (tile + 1) * rowsPerTile)
  }

  private func elements(_ rows: Range<Int>) -> Range<Int> {
    (rows.lowerBound * columnCount)..<(rows.upperBound * columnCount)
  }

  func run() throws(QuantizeError) -> WeightOutcome {
    let energy = isOneWalk ? try quantizeInOneWalk() : try quantizeInTwoWalks()
    job.content.bytes.release()
    return WeightOutcome(
      name: job.name, treatment: job.treatment, elementCount: job.content.shape.elementCount,
      bytesBefore: job.byteCount,
      bytesAfter: job.storedByteCount,
      signal: energy.signal, error: energy.error, overflowCount: 0, underflowCount: 0)
  }

  private func quantizeInTwoWalks() throws(QuantizeError) -> ErrorEnergy {
    var scales = try self.scales(maxima())
    if job.treatment.range == .leastSquares { scales = try refined(scales) }
    if let floors = job.scaleFloors { scales = Self.raised(scales, floors[...]) }
    let energy = try quantize(scales)
    try write(scales: scales)
    return energy
  }

  /// Scales that are no less than what the biases need; one scale for all channels needs the largest.
  private static func raised(_ scales: [Float], _ floors: ArraySlice<Float>) -> [Float] {
    if scales.count == 1, let floor = floors.max() { return [max(scales[0], floor)] }
    return zip(scales, floors).map { max($0, $1) }
  }

  /// Each tile of rows: range, scales, integers, while the tile is in the core's cache.
  private func quantizeInOneWalk() throws(QuantizeError) -> ErrorEnergy {
    let floors = job.scaleFloors
    let done = Mutex(
      (
        scales: [Float](repeating: 0, count: rowCount),
        energies: [ErrorEnergy](repeating: ErrorEnergy(), count: tileCount)
      ))
    try workers.forEach(tileCount) { (tile, scratch) throws(QuantizeError) in
      let rows = rows(ofTile: tile)
      let range = elements(rows)
      var signed = scratch.take(\.signed, range.count)
      defer { scratch.signed = signed }
      let (energy, scales) = try tiles.withFloats(range, scratch) { (values) throws(QuantizeError) in
        var maxima = [UInt32](repeating: 0, count: rows.count)
        var found = maxima.mutableSpan
        AbsoluteMaximum.bitsPerRow(of: values, columnCount: columnCount, into: &found)
        var scales = try self.scales(maxima)
        if job.treatment.range == .leastSquares {
          scales = Self.leastSquares(scales) { errorsPerRow(values, scales: $0) }
        }
        if let floors { scales = Self.raised(scales, floors[rows]) }
        var all = signed.mutableSpan
        var target = all._mutatingExtracting(0..<range.count)
        let energy = QuantizeLinear.quantizeRows(
          values, columnCount: columnCount, scales: scales.span, levels: levels, into: &target)
        return (energy, scales)
      }
      done.withLock {
        $0.energies[tile] = energy
        $0.scales.replaceSubrange(rows, with: scales)
      }
      try store(range, signed, scratch)
      tiles.release(range)
    }
    let (scales, energies) = done.withLock { $0 }
    try write(scales: scales)
    return energies.reduce(into: ErrorEnergy()) { $0 += $1 }
  }

  private func scales(_ maxima: [UInt32]) throws(QuantizeError) -> [Float] {
    if maxima.contains(where: { !AbsoluteMaximum.isFinite($0) }) {
      throw NonFiniteWeight.error(job, path: output.path)
    }
    return maxima.map { QuantizationScales.symmetric(absoluteMaximumBits: $0, levels: levels) }
  }

  /// Largest magnitude per scale, as bit patterns.
  private func maxima() throws(QuantizeError) -> [UInt32] {
    let channelCount = isByRow ? rowCount : columnCount
    let merged = Mutex([UInt32](repeating: 0, count: channelCount))
    // The second walk finds the pages of a weight of this size still mapped.
    let isLarge = job.byteCount > 96 << 20
    try workers.forEach(tileCount) { (tile, scratch) throws(QuantizeError) in
      let rows = rows(ofTile: tile)
      let part = tiles.withFloats(elements(rows), scratch) { values in
        var found = [UInt32](repeating: 0, count: isByRow ? rows.count : channelCount)
        var span = found.mutableSpan
        if isByRow {
          AbsoluteMaximum.bitsPerRow(of: values, columnCount: columnCount, into: &span)
        } else {
          AbsoluteMaximum.accumulatePerColumn(of: values, into: &span)
        }
        return found
      }
      let first = isByRow ? rows.lowerBound : 0
      merged.withLock { maxima in
        for index in part.indices { maxima[first + index] = max(maxima[first + index], part[index]) }
      }
      if isLarge { tiles.release(elements(rows)) }
    }
    let maxima = merged.withLock { $0 }
    return job.treatment.granularity == .tensor ? [maxima.max() ?? 0] : maxima
  }

  /// For each channel the candidate with the least squared error; the first one wins ties.
  private func refined(_ scales: [Float]) throws(QuantizeError) -> [Float] {
    try Self.leastSquares(scales, squaredErrors)
  }

  private static func leastSquares<Failure: Error>(
    _ scales: [Float], _ squaredErrors: ([Float]) throws(Failure) -> [Double]
  ) throws(Failure) -> [Float] {
    var best = scales
    var least = try squaredErrors(scales)
    for multiplier in multipliers {
      let candidates = scales.map { $0 * multiplier }
      let errors = try squaredErrors(candidates)
      for index in errors.indices where errors[index] < least[index] {
        least[index] = errors[index]
        best[index] = candidates[index]
      }
    }
    return best
  }

  private func squaredErrors(_ scales: [Float]) throws(QuantizeError) -> [Double] {
    let perTile = Mutex([[Double]](repeating: [], count: tileCount))
    try workers.forEach(tileCount) { (tile, scratch) throws(QuantizeError) in
      let rows = rows(ofTile: tile)
      let part = tiles.withFloats(elements(rows), scratch) { values in
        let used = scalesOfTile(scales, rows)
        if isByRow { return errorsPerRow(values, scales: used) }
        var sums = [Double](repeating: 0, count: used.count)
        var span = sums.mutableSpan
        ScaleSearch.accumulateSquaredErrorsPerColumn(values, scales: used.span, levels: levels, into: &span)
        return sums
      }
      perTile.withLock { $0[tile] = part }
    }
    // Added in tile order, so that threads do not change the sum.
    let parts = perTile.withLock { $0 }
    if job.treatment.granularity == .tensor { return [parts.reduce(0) { $0 + $1.reduce(0, +) }] }
    return parts.dropFirst().reduce(into: parts.first ?? []) { sums, part in
      for index in part.indices { sums[index] += part[index] }
    }
  }

  private func errorsPerRow(_ values: Span<Float>, scales: [Float]) -> [Double] {
    var sums = [Double](repeating: 0, count: scales.count)
    var span = sums.mutableSpan
    ScaleSearch.accumulateSquaredErrorsPerRow(
      values, columnCount: columnCount, scales: scales.span, levels: levels, into: &span)
    return sums
  }

  /// The scales that a tile of the second walk needs: all columns', or the one of the tensor repeated.
  private func scalesOfTile(_ scales: [Float], _ rows: Range<Int>) -> [Float] {
    guard job.treatment.granularity == .tensor else { return scales }
    return [Float](repeating: scales[0], count: isByRow ? rows.count : columnCount)
  }

  private func quantize(_ scales: [Float]) throws(QuantizeError) -> ErrorEnergy {
    let perTile = Mutex([ErrorEnergy](repeating: ErrorEnergy(), count: tileCount))
    try workers.forEach(tileCount) { (tile, scratch) throws(QuantizeError) in
      let rows = rows(ofTile: tile)
      let range = elements(rows)
      var signed = scratch.take(\.signed, range.count)
      defer { scratch.signed = signed }
      let used = scalesOfTile(scales, rows)
      let energy = tiles.withFloats(range, scratch) { values in
        var all = signed.mutableSpan
        var target = all._mutatingExtracting(0..<range.count)
        if isByRow {
          return QuantizeLinear.quantizeRows(
            values, columnCount: columnCount, scales: used.span, levels: levels, into: &target)
        }
        return QuantizeLinear.quantizeColumns(values, scales: used.span, levels: levels, into: &target)
      }
      perTile.withLock { $0[tile] = energy }
      try store(range, signed, scratch)
      tiles.release(range)
    }
    return perTile.withLock { parts in parts.reduce(into: ErrorEnergy()) { $0 += $1 } }
  }

  private func store(_ range: Range<Int>, _ signed: [Int8], _ scratch: Scratch) throws(QuantizeError) {
    do throws(ONNXFileError) {
      // One-byte integers have no padding, so reading them raw is sound.
      if job.treatment.bits == 8 {
        let raw = unsafe signed.span.extracting(0..<range.count).bytes
        try output.write(job.values, raw, at: range.lowerBound)
        return
      }
      let byteCount = NibblePacking.byteCount(range.count)
      var bytes = scratch.take(\.bytes, byteCount)
      defer { scratch.bytes = bytes }
      let unsigned = signed[0..<range.count].map { UInt8(bitPattern: $0) }
      pack(unsigned, into: &bytes)
      let packed = unsafe bytes.span.extracting(0..<byteCount).bytes
      try output.write(job.values, packed, at: range.lowerBound / 2)
    } catch {
      throw QuantizeError(.file(error), path: output.path)
    }
  }

  private func pack(_ values: [UInt8], into bytes: inout [UInt8]) {
    var all = bytes.mutableSpan
    var packed = all._mutatingExtracting(0..<NibblePacking.byteCount(values.count))
    NibblePacking.pack(values.span, into: &packed)
  }

  private func write(scales: [Float]) throws(QuantizeError) {
    do throws(ONNXFileError) {
      // Floats have no padding, so reading them raw is sound.
      let raw = unsafe scales.span.bytes
      if let place = job.scales { try output.write(place, raw, at: 0) }
      if let place = job.scalesCopy { try output.write(place, raw, at: 0) }
      for bias in job.biases { try bias.write(weightScales: scales, into: output) }
    } catch {
      throw QuantizeError(.file(error), path: output.path)
    }
  }
}

extension BiasPromise {
  /// Fills the bias when its weight's scales are known.
  ///
  /// `correction` is added to it: what rounding the weight takes from the mean of each output.
  func write(
    weightScales: [Float], correction: [Float]? = nil, into output: ModelOutput
  ) throws(ONNXFileError) {
    var values = content.floats ?? []
    if let correction { for index in values.indices { values[index] += correction[index] } }
    let (bytes, scales, _) = Levels.bias(
      values, inputScale: inputScale, weightScales: weightScales)
    // Bytes and floats have no padding, so reading them raw is sound.
    try output.write(self.values, unsafe bytes.span.bytes, at: 0)
    try output.write(self.scales, unsafe scales.span.bytes, at: 0)
  }
}
