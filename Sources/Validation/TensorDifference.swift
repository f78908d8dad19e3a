public import Tensors

/// How far a candidate's tensor is from the reference's.
///
/// Sums are in Double. A reference of zeros has no signal: its SQNR is infinite when the candidate is zeros too,
/// otherwise minus infinity.
public struct TensorDifference: Sendable, Equatable {
  public let elementCount: Int
  /// Σ r² over Σ (r − c)², in decibels; infinite when the tensors are equal.
  public let sqnr: Double
  /// Σ r·c / √(Σ r² · Σ c²), from -1 to 1; 1 when both are zeros.
  public let cosine: Double
  /// The largest |r − c|.
  public let largestError: Double
  /// The flat place of the largest error.
  public let worstPlace: Int
  /// Σ |r − c| / n.
  public let meanError: Double
  /// Elements whose reference is NaN, or an infinity that the candidate does not have: nothing can be said of them.
  public let lostCount: Int
  /// Errors counted by size, see `errorBinEdges`.
  public let errorCounts: [Int]

  /// The upper edges of the bins of `errorCounts`, in units of the reference's root mean square; the last bin is
  /// open.
  public static let errorBinEdges: [Double] = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1]

  /// Whether `sqnr` says something: not where a value is NaN, an error infinite, or the reference all zeros.
  public var isComparable: Bool { sqnr.isFinite || sqnr == .infinity }

  /// Compares two tensors of the same shape; nil when shapes differ or elements are no numbers.
  public init?(reference: TensorContent, candidate: TensorContent) {
    guard reference.shape == candidate.shape, FloatValues.covers(reference.elementType),
      FloatValues.covers(candidate.elementType)
    else { return nil }
    var signal = 0.0
    var noise = 0.0
    var product = 0.0
    var energy = 0.0
    var absolute = 0.0
    var largest = 0.0
    var place = 0
    var base = 0
    var lost = 0
    FloatValues.forEachPair(reference, candidate) { r, c in
      for index in r.indices {
        let x = Double(r[index])
        let y = Double(c[index])
        // Infinities that are equal, as in masks, are no error, and would be all of the signal.
        if x == y, x.isInfinite { continue }
        if !x.isFinite { lost += 1 }
        let error = abs(x - y)
        signal += x * x
        energy += y * y
        product += x * y
        noise += error * error
        absolute += error
        // A NaN is the largest error of all.
        if error > largest || (error.isNaN && !largest.isNaN) {
          largest = error
          place = base + index
        }
      }
      base += r.count
    }
    elementCount = reference.shape.elementCount
    sqnr = Self.decibels(signal: signal, noise: noise)
    let scale = (signal * energy).squareRoot()
    cosine = scale == 0 ? (signal == energy ? 1 : 0) : product / scale
    largestError = largest
    worstPlace = place
    lostCount = lost
    meanError = elementCount == 0 ? 0 : absolute / Double(elementCount)
    errorCounts = Self.counts(
      reference, candidate, unit: (signal / Double(max(1, elementCount))).squareRoot())
  }

  /// 10 · log10(signal / noise).
  public static func decibels(signal: Double, noise: Double) -> Double {
    if noise == 0 { return .infinity }
    if noise.isNaN || signal.isNaN { return .nan }
    if signal == 0 { return -.infinity }
    return 10 * log10(signal / noise)
  }

  private static func counts(_ reference: TensorContent, _ candidate: TensorContent, unit: Double) -> [Int] {
    var counts = [Int](repeating: 0, count: errorBinEdges.count + 1)
    let edges = errorBinEdges.map { Float($0 * unit) }
    FloatValues.forEachPair(reference, candidate) { r, c in
      for index in r.indices {
        let error = r[index] == c[index] ? 0 : abs(r[index] - c[index])
        counts[edges.firstIndex { error <= $0 } ?? edges.count] += 1
      }
    }
    return counts
  }
}
