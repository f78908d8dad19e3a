extension TensorStatistics {
  /// The range that a method chooses; a lone zero when nothing else was seen.
  ///
  /// - Parameters:
  ///   - percentile: for `RangeMethod.percentile`, the part of all values that the range holds, in percent. Half of
  ///     the rest is cut off on either side, or the largest magnitudes when the range is symmetric.
  ///   - levels: integers of the type, 256 or 65,536.
  ///   - symmetric: whether the range is −m...m; it includes 0 in any case.
  public func range(
    method: RangeMethod, percentile: Double, levels: Int, symmetric: Bool
  ) -> ClosedRange<Float> {
    let spread = BinMasses(self)
    let whole = Self.closed(minimum, maximum, symmetric)
    switch method {
    case .minMax: return whole
    case .moving:
      let runs = Double(max(1, runCount))
      return Self.closed(Float(minimumSum / runs), Float(maximumSum / runs), symmetric)
    case .percentile:
      let outside = min(max(1 - percentile / 100, 0), 1)
      if symmetric {
        let magnitude = Float(spread.magnitude(holding: 1 - outside))
        return Self.closed(-magnitude, magnitude, symmetric)
      }
      let (low, high) = (spread.quantile(outside / 2), spread.quantile(1 - outside / 2))
      return Self.closed(max(minimum, Float(low)), min(maximum, Float(high)), symmetric)
    case .leastSquares:
      return RoundingCost(spread, levels: levels, symmetric: symmetric).search(whole)
    case .entropy:
      return DivergenceSearch(histogram, levels: levels).search(whole)
    }
  }

  /// A range that includes 0.
  private static func closed(_ low: Float, _ high: Float, _ symmetric: Bool) -> ClosedRange<Float> {
    let (low, high) = (min(low, 0), max(high, 0))
    if !symmetric { return low...high }
    let magnitude = max(-low, high)
    return -magnitude...magnitude
  }
}

/// The bins that hold values, with edges that do not go beyond the smallest and largest value.
struct BinMasses {
  struct Bin {
    let low: Double
    let high: Double
    let mass: Double
  }

  let bins: [Bin]
  let total: Double

  init(_ statistics: TensorStatistics) {
    let histogram = statistics.histogram
    let (least, most) = (Double(statistics.minimum), Double(statistics.maximum))
    var bins: [Bin] = []
    for (index, count) in histogram.counts.enumerated() where count > 0 {
      let low = min(max(histogram.edge(index), least), most)
      let high = min(max(histogram.edge(index + 1), low), most)
      bins.append(Bin(low: low, high: high, mass: Double(count)))
    }
    self.bins = bins
    total = bins.reduce(0) { $0 + $1.mass }
  }

  /// The value below which this part of all values lies, values of a bin in equal distances.
  func quantile(_ part: Double) -> Double {
    Self.quantile(part * total, bins) ?? bins.last?.high ?? 0
  }

  /// The magnitude below which this part of all magnitudes lies.
  func magnitude(holding part: Double) -> Double {
    let folded = bins.map { bin in
      // A bin never goes beyond zero on both sides.
      bin.low < 0 ? Bin(low: -bin.high, high: -bin.low, mass: bin.mass) : bin
    }
    let sorted = folded.sorted { $0.low < $1.low }
    return Self.quantile(part * total, sorted) ?? sorted.map(\.high).max() ?? 0
  }

  private static func quantile(_ wanted: Double, _ bins: [Bin]) -> Double? {
    var sum = 0.0
    for bin in bins {
      if sum + bin.mass >= wanted {
        return bin.low + (bin.high - bin.low) * max(0, wanted - sum) / bin.mass
      }
      sum += bin.mass
    }
    return nil
  }
}
