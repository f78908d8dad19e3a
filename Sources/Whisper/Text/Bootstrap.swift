/// How sure an error rate is, by drawing the texts of a corpus again and again with replacement.
///
/// Source: Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation",
/// 2004.
public struct Bootstrap: Sendable {
  /// A range that holds the value with the confidence that was asked for.
  public struct Interval: Sendable, Equatable {
    public let lower: Double
    public let upper: Double
  }

  /// Two systems on the same texts.
  public struct Comparison: Sendable, Equatable {
    /// The error rate of the second system less that of the first, over the whole corpus.
    public let difference: Double
    public let interval: Interval
    /// The part of the draws in which the second system made fewer errors than the first.
    public let improvementShare: Double
  }

  /// How often the corpus is drawn.
  public let drawCount: Int
  public let seed: UInt64
  /// Between 0 and 1.
  public let confidence: Double

  /// The same seed gives the same intervals on every machine.
  public init(drawCount: Int = 1000, seed: UInt64 = 0, confidence: Double = 0.95) {
    self.drawCount = max(1, drawCount)
    self.seed = seed
    self.confidence = min(max(confidence, 0), 1)
  }

  /// The interval of a corpus's error rate; nil when no text has a reference.
  public func interval(_ texts: [ErrorCounts]) -> Interval? {
    var rates: [Double] = []
    rates.reserveCapacity(drawCount)
    draw(texts.count) { picks in
      var total = ErrorCounts()
      for pick in picks { total += texts[pick] }
      // A draw of nothing but silent texts has no rate.
      if let rate = total.rate { rates.append(rate) }
    }
    return interval(ofValues: rates)
  }

  /// Compares two systems on the same texts, each drawn for both together; nil when the lists differ in
  /// length or no text has a reference.
  public func comparison(_ first: [ErrorCounts], _ second: [ErrorCounts]) -> Comparison? {
    guard first.count == second.count, let whole = Self.difference(first, second, first.indices) else {
      return nil
    }
    var differences: [Double] = []
    differences.reserveCapacity(drawCount)
    draw(first.count) { picks in
      if let difference = Self.difference(first, second, picks) { differences.append(difference) }
    }
    guard let interval = interval(ofValues: differences) else { return nil }
    let improved = differences.count { $0 < 0 }
    return Comparison(
      difference: whole, interval: interval, improvementShare: Double(improved) / Double(differences.count))
  }

  private static func difference(
    _ first: [ErrorCounts], _ second: [ErrorCounts], _ picks: some Sequence<Int>
  ) -> Double? {
    var (left, right) = (ErrorCounts(), ErrorCounts())
    for pick in picks {
      left += first[pick]
      right += second[pick]
    }
    guard let leftRate = left.rate, let rightRate = right.rate else { return nil }
    return rightRate - leftRate
  }

  private func draw(_ count: Int, _ body: ([Int]) -> Void) {
    if count == 0 { return }
    var numbers = SeededNumbers(seed: seed, name: "bootstrap")
    var picks = [Int](repeating: 0, count: count)
    for _ in 0..<drawCount {
      for index in picks.indices { picks[index] = numbers.integer(below: count) }
      body(picks)
    }
  }

  private func interval(ofValues values: [Double]) -> Interval? {
    if values.isEmpty { return nil }
    let sorted = values.sorted()
    let tail = (1 - confidence) / 2
    return Interval(lower: Self.quantile(sorted, tail), upper: Self.quantile(sorted, 1 - tail))
  }

  /// The value below which this part of the sorted values lies, linear between two of them.
  private static func quantile(_ sorted: [Double], _ part: Double) -> Double {
    let place = part * Double(sorted.count - 1)
    let lower = Int(place)
    let upper = min(lower + 1, sorted.count - 1)
    return sorted[lower] + (sorted[upper] - sorted[lower]) * (place - Double(lower))
  }
}
