public import Calibration
import Kernels
import ONNXFile
import QuantPlan
import Tensors

/// Symmetric integers of a static weight, the whole weight in memory: with scales that heed how large each input is,
/// and rounding that lets errors make up for each other, when the inputs' Gram matrix is known.
struct RoundedExecution: JobExecution {
  let job: WeightJob
  let input: LayerInput?
  let output: ModelOutput
  let threadCount: Int

  private var levels: QuantizedLevels { job.treatment.bits == 4 ? .symmetric4 : .symmetric8 }
  private var isInputsFirst: Bool { job.orientation == .reductionFirst }

  func run() throws(QuantizeError) -> WeightOutcome {
    let weight = LayerWeight(
      try floats(), inputCount: isInputsFirst ? job.rowCount : job.columnCount,
      outputCount: isInputsFirst ? job.columnCount : job.rowCount,
      orientation: isInputsFirst ? .inputsFirst : .outputsFirst)
    let ones = [Float](repeating: 1, count: weight.inputCount)
    let diagonal = input?.diagonal ?? ones
    var scales = WeightedScaleSearch.scales(
      weight, levels: levels, diagonal: diagonal,
      blockSize: job.treatment.granularity == .block ? job.treatment.blockSize : nil)
    if case .perOutput(let values) = scales, let floors = job.scaleFloors {
      scales = .perOutput(zip(values, floors).map { max($0, $1) })
    }
    var rounded: RoundedWeight
    if let input {
      do throws(CalibrationError) {
        rounded = try ErrorAwareRounding.round(
          weight, scales: scales, levels: levels, factor: input.factor, threads: threadCount)
      } catch {
        throw QuantizeError(.impossible(weight: job.name, why: error.message), path: output.path)
      }
    } else {
      rounded = ErrorAwareRounding.nearest(weight, scales: scales, levels: levels)
    }
    let correction = input.map { BiasCorrection.correction(weight, rounded: rounded, means: $0.means) }
    do throws(ONNXFileError) { try write(weight, rounded, correction) } catch {
      throw QuantizeError(.file(error), path: output.path)
    }
    job.content.bytes.release()
    let energy = energy(weight, rounded)
    return WeightOutcome(
      name: job.name, treatment: job.treatment, elementCount: weight.values.count, bytesBefore: job.byteCount,
      bytesAfter: job.storedByteCount, signal: energy.signal, error: energy.error, overflowCount: 0,
      underflowCount: 0)
  }

  private func floats() throws(QuantizeError) -> [Float] {
    let count = job.content.shape.elementCount
    var values: [Float] = []
    values.reserveCapacity(count)
    FloatTiles(job.content).withFloats(0..<count, Scratch()) { span in
      for index in span.indices { values.append(span[index]) }
    }
    if values.contains(where: { !$0.isFinite }) { throw NonFiniteWeight.error(job, path: output.path) }
    return values
  }

  private func energy(_ weight: LayerWeight, _ rounded: RoundedWeight) -> ErrorEnergy {
    var energy = ErrorEnergy()
    for input in 0..<weight.inputCount {
      for output in 0..<weight.outputCount {
        let place = isInputsFirst ? input * weight.outputCount + output : output * weight.inputCount + input
        let value = weight.values[place]
        let error = value - rounded.value(weight, input: input, output: output)
        energy.signal += Double(value * value)
        energy.error += Double(error * error)
      }
    }
    return energy
  }

  private func write(
    _ weight: LayerWeight, _ rounded: RoundedWeight, _ correction: [Float]?
  ) throws(ONNXFileError) {
    if job.treatment.bits == 4 {
      var packed = [UInt8](repeating: 0, count: NibblePacking.byteCount(rounded.integers.count))
      let unsigned = rounded.integers.map { UInt8(bitPattern: $0) }
      var span = packed.mutableSpan
      NibblePacking.pack(unsigned.span, into: &span)
      // Bytes have no padding, so reading them raw is sound; here and below.
      try output.write(job.values, unsafe packed.span.bytes, at: 0)
    } else {
      try output.write(job.values, unsafe rounded.integers.span.bytes, at: 0)
    }
    let scales = stored(rounded.scales, weight)
    if let place = job.scales { try output.write(place, unsafe scales.span.bytes, at: 0) }
    for bias in job.biases {
      try bias.write(
        weightScales: scales, correction: bias.isCorrected ? correction : nil, into: output)
    }
  }

  /// Scales in the order of the file: [blocks, N] beside [K, N], [N, blocks] beside [N, K].
  private func stored(_ scales: LayerScales, _ weight: LayerWeight) -> [Float] {
    guard case .perBlock(let values, let size) = scales, !isInputsFirst else { return scales.values }
    let blockCount = (weight.inputCount + size - 1) / size
    return (0..<weight.outputCount).flatMap { output in
      (0..<blockCount).map { values[$0 * weight.outputCount + output] }
    }
  }
}

/// What is known of the tensor that meets the weights of some layers.
public struct LayerInput: Sendable {
  let factor: GramFactor
  let diagonal: [Float]
  let means: [Float]

  /// Part of the mean of the diagonal that is added to it: inputs that never move have no inverse.
  static let damping = 0.01

  /// Factors a Gram matrix, once for all weights that its tensor meets.
  public init(_ gram: GramMatrix, threads: Int) throws(CalibrationError) {
    factor = try GramFactor(gram, damping: Self.damping, order: .byActivation, threads: threads)
    diagonal = gram.diagonal
    means = gram.means
  }
}
