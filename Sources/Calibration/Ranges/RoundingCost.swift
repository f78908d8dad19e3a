/// The expected squared error of rounding and clipping, for values that are spread evenly within each bin.
///
/// The integral over a bin is exact, so steps much narrower or much wider than a bin cost what they should.
struct RoundingCost {
  private let spread: BinMasses
  private let levels: Double
  private let symmetric: Bool
  /// Ends are tried at these parts of the widest range.
  private static let parts = (1...100).reversed().map { Double($0) / 100 }

  init(_ spread: BinMasses, levels: Int, symmetric: Bool) {
    self.spread = spread
    self.levels = Double(max(levels, 4))
    self.symmetric = symmetric
  }

  /// The range within `whole` with the least error: both ends together first, then one after the other.
  func search(_ whole: ClosedRange<Float>) -> ClosedRange<Float> {
    let (low, high) = (Double(whole.lowerBound), Double(whole.upperBound))
    var best = (low: low, high: high)
    var least = cost(low, high)
    func consider(_ low: Double, _ high: Double) {
      let error = cost(low, high)
      if error < least { (best, least) = ((low, high), error) }
    }
    for part in Self.parts { consider(low * part, high * part) }
    if !symmetric, low < 0, high > 0 {
      let together = best
      for part in Self.parts { consider(low * part, together.high) }
      let half = best
      for part in Self.parts { consider(half.low, high * part) }
    }
    return Float(best.low)...Float(best.high)
  }

  /// The sum of squared errors.
  func cost(_ wantedLow: Double, _ wantedHigh: Double) -> Double {
    guard wantedHigh > wantedLow else { return spread.bins.isEmpty ? 0 : .infinity }
    let step: Double
    let (low, high): (Double, Double)
    if symmetric {
      step = wantedHigh / (levels / 2 - 1)
      (low, high) = (-wantedHigh, wantedHigh)
    } else {
      // Zero is a level, so the ends move by up to half a step.
      step = (wantedHigh - wantedLow) / (levels - 1)
      let zeroPoint = (-wantedLow / step).rounded(.toNearestOrEven)
      (low, high) = (-zeroPoint * step, (levels - 1 - zeroPoint) * step)
    }
    var sum = 0.0
    for bin in spread.bins {
      let width = bin.high - bin.low
      guard width > 0 else {
        sum += bin.mass * pointError(bin.low, low, high, step)
        continue
      }
      var error = 0.0
      if bin.low < low { error += (cube(low - bin.low) - cube(low - min(bin.high, low))) / 3 }
      if bin.high > high { error += (cube(bin.high - high) - cube(max(bin.low, high) - high)) / 3 }
      let (from, to) = (max(bin.low, low), min(bin.high, high))
      if from < to { error += integral(to, step) - integral(from, step) }
      sum += bin.mass * error / width
    }
    return sum
  }

  private func pointError(_ x: Double, _ low: Double, _ high: Double, _ step: Double) -> Double {
    let inside = min(max(x, low), high)
    let error = x - (inside / step).rounded(.toNearestOrEven) * step
    return error * error
  }

  /// The integral from 0 to `x` of the squared distance to the next multiple of `step`.
  private func integral(_ x: Double, _ step: Double) -> Double {
    let place = x / step
    let cell = place.rounded(.toNearestOrEven)
    return cube(step) * (cell / 12 + cube(place - cell) / 3)
  }

  private func cube(_ x: Double) -> Double { x * x * x }
}
