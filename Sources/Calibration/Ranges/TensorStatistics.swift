public import Kernels

/// What was seen of one tensor.
public struct TensorStatistics: Sendable, Equatable, Codable {
  /// Elements of all runs.
  public var count: Int
  /// Times that the tensor was seen.
  public var runCount: Int
  /// The smallest of all values.
  public var minimum: Float
  /// The largest of all values.
  public var maximum: Float
  /// The sum of each run's smallest value, for averages.
  public var minimumSum: Double
  /// The sum of each run's largest value.
  public var maximumSum: Double
  /// Of all values, or of every n-th of a large tensor; see `sampleLimit`.
  public var histogram: Histogram
  /// The range of each channel of the last axis, where it was asked for.
  public var channels: ChannelRanges?

  /// Values of one tensor and run that go into the histogram at most; larger tensors are sampled in equal steps that
  /// have no divisor in common with the last axis, so that all channels have their turn. Minima and maxima are always
  /// those of all values.
  public static let sampleLimit = 1 << 18

  enum CodingKeys: String, CodingKey {
    case count, histogram, channels
    case runCount = "runs"
    case minimum = "min"
    case maximum = "max"
    case minimumSum = "min_sum"
    case maximumSum = "max_sum"
  }

  /// What one run shows.
  ///
  /// - Parameters:
  ///   - values: at least one, all finite, of which `range` is the range.
  ///   - dimensions: of the tensor.
  public init(
    _ values: Span<Float>, range: SignedRange, dimensions: [Int], channels: ChannelWish, threads: Int
  ) {
    count = values.count
    runCount = 1
    minimum = range.lowest
    maximum = range.highest
    minimumSum = Double(range.lowest)
    maximumSum = Double(range.highest)
    histogram = Histogram()
    histogram.add(
      values, step: Self.step(values.count, dimensions), largestMagnitude: max(-minimum, maximum),
      threads: threads)
    if channels == .wanted, let width = dimensions.last, width > 0 {
      self.channels = ChannelRanges(values, channelCount: width, threads: threads)
    }
  }

  /// Whether the channels of the last axis are looked at one by one.
  public enum ChannelWish: Sendable { case wanted, none }

  /// The smallest step that keeps the limit and shares no divisor with the last axis.
  static func step(_ count: Int, _ dimensions: [Int]) -> Int {
    var step = max(1, (count + sampleLimit - 1) / sampleLimit)
    func divisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : divisor(b, a % b) }
    while step > 1, let last = dimensions.last, last > 1, divisor(step, last) > 1 { step += 1 }
    return step
  }

  /// Adds what other runs have shown.
  public mutating func merge(_ other: TensorStatistics) {
    count += other.count
    runCount += other.runCount
    minimum = min(minimum, other.minimum)
    maximum = max(maximum, other.maximum)
    minimumSum += other.minimumSum
    maximumSum += other.maximumSum
    histogram.merge(other.histogram)
    if let theirs = other.channels, var own = channels, own.merge(theirs) {
      channels = own
    } else {
      // A last axis that changes from run to run has no channels.
      channels = nil
    }
  }
}

/// A file of ranges may be edited, so nothing in it is taken for granted.
extension TensorStatistics {
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    func refuse(_ key: CodingKeys, _ words: String) -> DecodingError {
      DecodingError.dataCorruptedError(forKey: key, in: values, debugDescription: words)
    }
    func whole(_ key: CodingKeys) throws -> Int {
      let number = try values.decode(Double.self, forKey: key)
      guard let whole = Int(exactly: number), whole > 0 else {
        throw refuse(key, "expected a whole number above 0, found \(number)")
      }
      return whole
    }
    func float(_ key: CodingKeys) throws -> Float {
      let number = try values.decode(Double.self, forKey: key)
      guard Float(number).isFinite else { throw refuse(key, "\(number) does not fit float32") }
      return Float(number)
    }
    count = try whole(.count)
    runCount = try whole(.runCount)
    minimum = try float(.minimum)
    maximum = try float(.maximum)
    guard minimum <= maximum else {
      throw refuse(.minimum, "the smallest number is \(minimum), and the largest \(maximum)")
    }
    minimumSum = try values.decode(Double.self, forKey: .minimumSum)
    maximumSum = try values.decode(Double.self, forKey: .maximumSum)
    histogram = try values.decode(Histogram.self, forKey: .histogram)
    channels = try values.decodeIfPresent(ChannelRanges.self, forKey: .channels)
    try requireSums { refuse($0, $1) }
    guard histogram.total > 0 else { throw refuse(.histogram, "it counts no number") }
  }

  /// Each run's smallest number is no smaller than the smallest, and so on.
  private func requireSums(_ refuse: (CodingKeys, String) -> DecodingError) throws {
    let count = Double(runCount)
    let (low, high) = (Double(minimum) * count, Double(maximum) * count)
    let room = 1e-6 * max(abs(low), abs(high))
    let expected = (low - room)...(high + room)
    for (key, sum) in [(CodingKeys.minimumSum, minimumSum), (.maximumSum, maximumSum)]
    where !expected.contains(sum) {
      throw refuse(key, "\(sum) is no sum of \(runCount) numbers from \(minimum) to \(maximum)")
    }
  }
}

/// Smallest and largest value of each channel of the last axis.
public struct ChannelRanges: Sendable, Equatable {
  public private(set) var minima: [Float]
  public private(set) var maxima: [Float]

  /// - Parameter values: whole rows of `channelCount`, at least one.
  public init(_ values: Span<Float>, channelCount: Int, threads: Int) {
    let first = values.extracting(first: channelCount)
    minima = first.indices.map { first[$0] }
    maxima = minima
    SignedRanges.accumulatePerColumn(of: values, lowest: &minima, highest: &maxima, threads: threads)
  }

  /// Largest magnitude of each channel.
  public var magnitudes: [Float] { zip(minima, maxima).map { max(-$0, $1) } }

  /// Widens the ranges; false when the channels are not as many.
  mutating func merge(_ other: ChannelRanges) -> Bool {
    guard minima.count == other.minima.count else { return false }
    for channel in minima.indices {
      minima[channel] = min(minima[channel], other.minima[channel])
      maxima[channel] = max(maxima[channel], other.maxima[channel])
    }
    return true
  }
}

extension ChannelRanges: Codable {
  private enum CodingKeys: String, CodingKey {
    case minima = "min"
    case maxima = "max"
  }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    guard let low = CompactText.floats(in: try values.decode(String.self, forKey: .minima)),
      let high = CompactText.floats(in: try values.decode(String.self, forKey: .maxima)),
      low.count == high.count, zip(low, high).allSatisfy({ $0 <= $1 && $0.isFinite && $1.isFinite })
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .minima, in: values, debugDescription: "these are no ranges of channels")
    }
    (minima, maxima) = (low, high)
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(CompactText.text(of: minima), forKey: .minima)
    try values.encode(CompactText.text(of: maxima), forKey: .maxima)
  }
}
