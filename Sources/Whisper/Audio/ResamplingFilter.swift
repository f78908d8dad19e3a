#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The low-pass filter of a rate conversion, sampled at the places between two input samples where outputs
/// fall.
///
/// A sinc in a Kaiser window: flat to 0.9 of the lower of both Nyquist frequencies, 98 dB down from that
/// frequency on. Source: J. F. Kaiser, "Nonrecursive digital filter design using the I0-sinh window
/// function", 1974.
struct ResamplingFilter {
  /// Multiplications are done in lanes of this many.
  typealias Lanes = SIMD16<Float>

  private static let attenuation = 98.0
  private static let passband = 0.9
  /// Tables of more coefficients are replaced by one that is interpolated.
  private static let largestCoefficientCount = 1 << 20
  /// Rows per input sample in an interpolated table without decimation; the error is below −110 dB.
  private static let interpolatedRowCount = 1024.0

  /// Taps on either side of an output.
  let halfCount: Int
  /// Lanes of a row, which is padded with zeros.
  let laneCount: Int
  /// Rows that divide the distance between two input samples evenly.
  let rowCount: Int
  /// Row after row; one more than `rowCount` when outputs fall between rows.
  let coefficients: [Lanes]

  /// Outputs fall on multiples of 1/`phaseCount` of an input sample; `ratio` is the output's rate by the
  /// input's.
  init(phaseCount: Int, ratio: Double) {
    let width = min(1, ratio)
    let beta = 0.1102 * (Self.attenuation - 8.7)
    // Kaiser's length for the transition band, in input samples on either side.
    let transition = Double.pi * width * (1 - Self.passband)
    let reach = (Self.attenuation - 7.95) / (2.285 * transition) / 2
    let cutoff = width * (1 + Self.passband) / 2
    let halfCount = Int(reach.rounded(.up)) + 1
    let tapCount = 2 * halfCount
    let isExact = phaseCount * tapCount <= Self.largestCoefficientCount
    let rowCount = isExact ? phaseCount : max(64, Int((Self.interpolatedRowCount * width).rounded(.up)))
    let laneCount = (tapCount + Lanes.scalarCount - 1) / Lanes.scalarCount
    let scale = 1 / Self.bessel(beta)
    var coefficients: [Lanes] = []
    coefficients.reserveCapacity((rowCount + 1) * laneCount)
    var row = [Double](repeating: 0, count: laneCount * Lanes.scalarCount)
    for index in 0..<(isExact ? rowCount : rowCount + 1) {
      let offset = Double(index) / Double(rowCount) + Double(halfCount - 1)
      for tap in 0..<tapCount {
        let distance = Double(tap) - offset
        let place = distance / reach
        let angle = Double.pi * cutoff * distance
        let sinc = angle == 0 ? 1 : sin(angle) / angle
        row[tap] =
          place.magnitude < 1 ? sinc * Self.bessel(beta * (1 - place * place).squareRoot()) * scale : 0
      }
      // A constant stays what it is, in every phase.
      let sum = row.reduce(0, +)
      for lane in 0..<laneCount {
        var values = Lanes.zero
        for position in 0..<Lanes.scalarCount {
          values[position] = Float(row[lane * Lanes.scalarCount + position] / sum)
        }
        coefficients.append(values)
      }
    }
    self.halfCount = halfCount
    self.laneCount = laneCount
    self.rowCount = rowCount
    self.coefficients = coefficients
  }

  /// The modified Bessel function of the first kind and order zero, by its power series.
  private static func bessel(_ x: Double) -> Double {
    var (sum, term, k) = (1.0, 1.0, 1.0)
    while term > sum * 1e-17 {
      term *= (x / (2 * k)) * (x / (2 * k))
      sum += term
      k += 1
    }
    return sum
  }
}
