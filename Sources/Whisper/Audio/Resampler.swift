/// Converts samples from one rate to another, piece by piece.
///
/// A polyphase filter: frequencies to 0.9 of the lower Nyquist frequency stay within 0.05 dB, what would fold
/// back is at least 90 dB down. Output sample k is the signal at the time k / target rate, with silence
/// before and after it.
public struct Resampler: Sendable {
  private let sourceRate: Int
  private let targetRate: Int
  /// Nil when both rates are the same.
  private let filter: ResamplingFilter?
  /// The target rate by the greatest common divisor: so many phases there are.
  private let phaseCount: Int
  /// Input samples from one output to the next: whole ones and phases.
  private let step: (whole: Int, phases: Int)

  /// Input that is still needed; padded so that lanes may be read beyond its last filter tap.
  private var pending: [Float] = []
  /// Where in `pending` the filter of the next output begins, and its phase.
  private var position = 0
  private var phase = 0
  private var inputCount = 0
  private var outputCount = 0

  /// A converter for rates of at least one sample per second.
  public init(from sourceRate: Int, to targetRate: Int) {
    precondition(sourceRate > 0 && targetRate > 0, "rates of at least one sample per second")
    self.sourceRate = sourceRate
    self.targetRate = targetRate
    var (divisor, rest) = (sourceRate, targetRate)
    while rest != 0 { (divisor, rest) = (rest, divisor % rest) }
    phaseCount = targetRate / divisor
    let decimation = sourceRate / divisor
    step = (decimation / phaseCount, decimation % phaseCount)
    if sourceRate == targetRate {
      filter = nil
    } else {
      let filter = ResamplingFilter(phaseCount: phaseCount, ratio: Double(targetRate) / Double(sourceRate))
      self.filter = filter
      pending = [Float](repeating: 0, count: filter.halfCount - 1)
    }
  }

  /// The whole signal at once.
  public static func resample(_ samples: [Float], from sourceRate: Int, to targetRate: Int) -> [Float] {
    var resampler = Resampler(from: sourceRate, to: targetRate)
    var output: [Float] = []
    output.reserveCapacity(resampler.outputCount(inputCount: samples.count))
    resampler.append(samples.span, to: &output)
    resampler.finish(to: &output)
    return output
  }

  /// How many samples become of `inputCount`: those whose times lie within the input.
  public func outputCount(inputCount: Int) -> Int {
    // The product may need more than 64 bits; the quotient does not, for the target rate is far below 2^63.
    let (quotient, remainder) = UInt(sourceRate).dividingFullWidth(
      UInt(inputCount).multipliedFullWidth(by: UInt(targetRate)))
    return Int(quotient) + (remainder == 0 ? 0 : 1)
  }

  /// Takes more input and appends what can be computed by now.
  public mutating func append(_ samples: Span<Float>, to output: inout [Float]) {
    // The span outlives the call that copies it.
    unsafe samples.withUnsafeBufferPointer { samples in
      if filter == nil {
        unsafe output.append(contentsOf: samples)
      } else {
        unsafe pending.append(contentsOf: samples)
      }
    }
    inputCount += samples.count
    guard let filter else { return }
    convert(filter, limit: .max, to: &output)
  }

  /// Appends the end of the signal; nothing may follow.
  public mutating func finish(to output: inout [Float]) {
    guard let filter else { return }
    let silence = filter.laneCount * ResamplingFilter.Lanes.scalarCount + step.whole + 1
    pending.append(contentsOf: repeatElement(0, count: silence))
    convert(filter, limit: outputCount(inputCount: inputCount), to: &output)
  }

  /// Computes outputs while their input is there, and forgets the input that no later one needs.
  private mutating func convert(_ filter: ResamplingFilter, limit: Int, to output: inout [Float]) {
    let length = filter.laneCount * ResamplingFilter.Lanes.scalarCount
    while outputCount < limit, position + length <= pending.count {
      output.append(sample(filter))
      outputCount += 1
      position += step.whole
      phase += step.phases
      if phase >= phaseCount {
        phase -= phaseCount
        position += 1
      }
    }
    let unneeded = min(position, pending.count)
    pending.removeFirst(unneeded)
    position -= unneeded
  }

  /// The output at the current place. Rows of the filter either are the phases, or lie so close that a
  /// straight line between two of them will do.
  @inline(__always)
  private func sample(_ filter: ResamplingFilter) -> Float {
    let row = phase * filter.rowCount / phaseCount
    // Floats are initialized memory without pointers in them.
    let bytes = unsafe pending.span.bytes
    let sample = Self.product(filter.coefficients.span, row: row, filter.laneCount, bytes, position)
    if filter.rowCount == phaseCount { return sample }
    let share = Float(phase * filter.rowCount % phaseCount) / Float(phaseCount)
    let next = Self.product(filter.coefficients.span, row: row + 1, filter.laneCount, bytes, position)
    return sample + (next - sample) * share
  }

  /// The sum of the products of a row of coefficients with the samples from `position` on.
  @inline(__always)
  private static func product(
    _ coefficients: Span<ResamplingFilter.Lanes>, row: Int, _ laneCount: Int, _ samples: RawSpan,
    _ position: Int
  ) -> Float {
    typealias Lanes = ResamplingFilter.Lanes
    var sum = Lanes.zero
    let first = row * laneCount
    for lane in 0..<laneCount {
      let offset = (position + lane * Lanes.scalarCount) * MemoryLayout<Float>.stride
      // The span checks the bounds; the load asks for no alignment, and any bits are floats.
      let values = unsafe samples.unsafeLoadUnaligned(fromByteOffset: offset, as: Lanes.self)
      sum += coefficients[first + lane] * values
    }
    return sum.sum()
  }
}
