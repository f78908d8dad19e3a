import Kernels
import ONNXFile
import QuantPlan
import Synchronization
import Tensors

/// Levels of one scale and zero point for a whole tensor, such as a table in 16 bits.
struct LevelExecution: JobExecution {
  let job: WeightJob
  let parameters: ScaleAndZeroPoint
  let type: IntegerType
  let output: ModelOutput
  let workers: Workers

  private static let tileElementCount = 1 << 18

  func run() throws(QuantizeError) -> WeightOutcome {
    let count = job.content.shape.elementCount
    let tiles = FloatTiles(job.content)
    let totals = Mutex(ErrorEnergy())
    let pieces = (count + Self.tileElementCount - 1) / Self.tileElementCount
    try workers.forEach(pieces) { (piece, scratch) throws(QuantizeError) in
      let range = (piece * Self.tileElementCount)..<min(count, (piece + 1) * Self.tileElementCount)
      let (bytes, energy) = tiles.withFloats(range, scratch) {
        Levels.bytes(of: $0, parameters: parameters, type: type)
      }
      totals.withLock { $0 += energy }
      do throws(ONNXFileError) {
        // Bytes have no padding, so reading them raw is sound.
        try output.write(job.values, unsafe bytes.span.bytes, at: range.lowerBound * Levels.width(type))
      } catch {
        throw QuantizeError(.file(error), path: output.path)
      }
      tiles.release(range)
    }
    let energy = totals.withLock { $0 }
    return WeightOutcome(
      name: job.name, treatment: job.treatment, elementCount: count, bytesBefore: job.byteCount,
      bytesAfter: job.storedByteCount, signal: energy.signal, error: energy.error, overflowCount: 0,
      underflowCount: 0)
  }
}

/// Numbers as little-endian levels.
enum Levels {
  /// Bytes of one level; nibbles have one each until they are packed.
  static func width(_ type: IntegerType) -> Int { max(8, type.elementType.bitWidth ?? 8) / 8 }

  /// saturate(roundHalfEven(x / scale) + zeroPoint) of each number, and what that costs.
  static func bytes(
    of values: Span<Float>, parameters: ScaleAndZeroPoint, type: IntegerType
  ) -> (bytes: [UInt8], energy: ErrorEnergy) {
    let width = width(type)
    let (scale, zero) = (parameters.scale, Float(parameters.zeroPoint))
    let (low, high) = (Float(type.levels.lowerBound), Float(type.levels.upperBound))
    var bytes = [UInt8](repeating: 0, count: values.count * width)
    var energy = ErrorEnergy()
    for index in values.indices {
      let value = values[index]
      let level = min(max((value / scale).rounded(.toNearestOrEven) + zero, low), high)
      let error = value - (level - zero) * scale
      energy.signal += Double(value * value)
      energy.error += Double(error * error)
      let bits = UInt32(bitPattern: Int32(level))
      for byte in 0..<width {
        bytes[index * width + byte] = UInt8(truncatingIfNeeded: bits >> UInt32(8 * byte))
      }
    }
    return (bytes, energy)
  }

  /// An int32 bias at inputScale · weightScale[c]; what does not fit is clipped, and counted.
  static func bias(
    _ values: [Float], inputScale: Float, weightScales: [Float]
  ) -> (bytes: [UInt8], scales: [Float], clippedCount: Int) {
    var clipped = 0
    let scales = values.indices.map { inputScale * weightScales[weightScales.count == 1 ? 0 : $0] }
    let bytes = values.indices.flatMap { index -> [UInt8] in
      let level = (Double(values[index]) / Double(scales[index])).rounded(.toNearestOrEven)
      let limited = min(max(level, Double(Int32.min)), Double(Int32.max))
      if limited != level { clipped += 1 }
      let bits = UInt32(bitPattern: Int32(limited))
      return (0..<4).map { UInt8(truncatingIfNeeded: bits >> UInt32(8 * $0)) }
    }
    return (bytes, scales, clipped)
  }
}
