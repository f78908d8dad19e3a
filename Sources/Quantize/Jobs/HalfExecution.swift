import Kernels
import ONNXFile
import QuantPlan
import Synchronization
import Tensors

/// binary16 values, rounded to nearest even; finite values beyond ±65504 are clamped and counted.
struct HalfExecution: JobExecution {
  let job: WeightJob
  let output: ModelOutput
  let workers: Workers

  private static let tileElementCount = 1 << 18

  func run() throws(QuantizeError) -> WeightOutcome {
    let count = job.content.shape.elementCount
    let tiles = FloatTiles(job.content)
    let totals = Mutex(HalfNarrowing())
    let pieces = (count + Self.tileElementCount - 1) / Self.tileElementCount
    try workers.forEach(pieces) { (piece, scratch) throws(QuantizeError) in
      let range = (piece * Self.tileElementCount)..<min(count, (piece + 1) * Self.tileElementCount)
      var halves = scratch.take(\.halves, range.count)
      defer { scratch.halves = halves }
      let lost = tiles.withFloats(range, scratch) { values in
        var all = halves.mutableSpan
        var target = all._mutatingExtracting(0..<range.count)
        return FloatConversion.toFloat16(values, overflow: .clamp, into: &target)
      }
      totals.withLock { $0 += lost }
      do throws(ONNXFileError) {
        // Two-byte integers have no padding, so reading them raw is sound.
        let raw = unsafe halves.span.extracting(0..<range.count).bytes
        try output.write(job.values, raw, at: range.lowerBound * 2)
      } catch {
        throw QuantizeError(.file(error), path: output.path)
      }
      tiles.release(range)
    }
    let lost = totals.withLock { $0 }
    return WeightOutcome(
      name: job.name, treatment: job.treatment, elementCount: count, bytesBefore: job.byteCount,
      bytesAfter: job.storedByteCount, signal: 0, error: 0, overflowCount: Int(lost.overflowCount),
      underflowCount: Int(lost.underflowCount))
  }
}
