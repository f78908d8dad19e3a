#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// The threshold with the least Kullback-Leibler divergence between the values, clipped to it, and what is left of
/// them when the levels are spread over the clipped range.
///
/// Source of the idea: Migacz, "8-bit inference with TensorRT", GPU Technology Conference 2017. With as many levels
/// as bins or more, nothing can be told from the histogram, and the widest range is taken.
struct DivergenceSearch {
  private let counts: [Double]
  private let width: Double
  private let levels: Int
  /// Taken for bins that have values before and none after.
  private static let floor = 1e-6

  init(_ histogram: Histogram, levels: Int) {
    // Not `map(Double.init)`, which takes the counts for bit patterns.
    counts = histogram.counts.map { Double($0) }
    width = histogram.binWidth
    self.levels = levels
  }

  /// The part of `whole` within the best threshold.
  func search(_ whole: ClosedRange<Float>) -> ClosedRange<Float> {
    let middle = counts.count / 2
    guard let first = counts.firstIndex(where: { $0 > 0 }), let last = counts.lastIndex(where: { $0 > 0 })
    else { return whole }
    // Bins below and above zero that hold anything.
    let (below, above) = (max(0, middle - first), max(0, last + 1 - middle))
    let reach = max(below, above)
    var sums = [0.0]
    for count in counts { sums.append(sums[sums.count - 1] + count) }
    var best = (divergence: Double.infinity, reach: reach)
    for reach in 1...max(1, reach) {
      let window = middle - min(reach, below)..<middle + min(reach, above)
      if window.count < levels { continue }
      let divergence = divergence(
        window, outside: (sums[window.lowerBound], sums[counts.count] - sums[window.upperBound]))
      // The wider one of equals.
      if divergence <= best.divergence { best = (divergence, reach) }
    }
    if best.reach == reach { return whole }
    let threshold = Float(Double(best.reach) * width)
    return max(whole.lowerBound, -threshold)...min(whole.upperBound, threshold)
  }

  private func divergence(_ window: Range<Int>, outside: (below: Double, above: Double)) -> Double {
    let total = outside.below + outside.above + counts[window].reduce(0, +)
    let inside = counts[window].reduce(0, +)
    guard inside > 0 else { return .infinity }
    var sum = 0.0
    for level in 0..<levels {
      let from = window.lowerBound + level * window.count / levels
      let end = window.lowerBound + (level + 1) * window.count / levels
      var (mass, filled) = (0.0, 0)
      for bin in from..<end where counts[bin] > 0 {
        mass += counts[bin]
        filled += 1
      }
      // What a level holds is spread over those of its bins that had values.
      let after = filled > 0 ? max(Self.floor, mass / Double(filled) / inside) : Self.floor
      for bin in from..<end {
        var before = counts[bin]
        let isFilled = before > 0
        if bin == window.lowerBound { before += outside.below }
        if bin == window.upperBound - 1 { before += outside.above }
        if before > 0 { sum += before / total * log(before / total / (isFilled ? after : Self.floor)) }
      }
    }
    return sum
  }
}
