import Kernels

/// How values are spread: counts in 2,048 bins of equal width over −2^exponent ..< 2^exponent.
///
/// The range grows by powers of two, and two histograms of different ranges merge without loss of a count, because a
/// bin of the wider one is a whole number of bins of the narrower one.
public struct Histogram: Sendable, Equatable {
  public static let binCount = 2048
  /// The widest range that a Float can say, and the narrowest whose bins have exact edges.
  private static let exponents = -90...127

  public private(set) var exponent: Int
  /// Zero is the lower edge of bin 1,024.
  public private(set) var counts: [UInt64]

  /// A histogram without values.
  public init() {
    exponent = Self.exponents.lowerBound
    counts = [UInt64](repeating: 0, count: Self.binCount)
  }

  /// The width of a bin.
  public var binWidth: Double { Self.power(exponent) * 2 / Double(Self.binCount) }

  /// All counts.
  public var total: UInt64 { counts.reduce(0, +) }

  /// The value at the lower edge of a bin; `binCount` gives the upper edge of the last.
  public func edge(_ bin: Int) -> Double { Double(bin - Self.binCount / 2) * binWidth }

  /// Widens the range until it holds ±`magnitude`.
  public mutating func grow(toHold magnitude: Float) {
    if magnitude <= 0 { return }
    // 2^(exponent of the number) holds it only when it is that power itself.
    let needed = Int(magnitude.exponent) + (magnitude.significand == 1 ? 0 : 1)
    let wanted = min(max(needed, Self.exponents.lowerBound), Self.exponents.upperBound)
    if wanted <= exponent { return }
    widen(to: wanted)
  }

  private mutating func widen(to wanted: Int) {
    let (half, shift) = (Self.binCount / 2, wanted - exponent)
    var wider = [UInt64](repeating: 0, count: Self.binCount)
    // The shift of a negative number goes down, as the edges do.
    for (bin, count) in counts.enumerated() where count > 0 { wider[((bin - half) >> shift) + half] += count }
    counts = wider
    exponent = wanted
  }

  /// Adds every `step`-th of `values`, whose largest magnitude is given; all are finite.
  public mutating func add(_ values: Span<Float>, step: Int = 1, largestMagnitude: Float, threads: Int = 1) {
    grow(toHold: largestMagnitude)
    var found = [UInt32](repeating: 0, count: Self.binCount)
    BinCounting.count(values, step: step, binWidth: Float(binWidth), into: &found, threads: threads)
    for bin in counts.indices { counts[bin] += UInt64(found[bin]) }
  }

  /// Adds the counts of another histogram.
  public mutating func merge(_ other: Histogram) {
    var other = other
    let wanted = max(exponent, other.exponent)
    if exponent < wanted { widen(to: wanted) }
    if other.exponent < wanted { other.widen(to: wanted) }
    for bin in counts.indices { counts[bin] += other.counts[bin] }
  }

  /// 2^exponent, exactly.
  private static func power(_ exponent: Int) -> Double {
    Double(sign: .plus, exponent: exponent, significand: 1)
  }
}

extension Histogram: Codable {
  private enum CodingKeys: String, CodingKey { case exponent, first, counts }

  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    let wanted = Int(exactly: try values.decode(Double.self, forKey: .exponent))
    let start = Int(exactly: try values.decode(Double.self, forKey: .first))
    let text = try values.decode(String.self, forKey: .counts)
    guard let wanted, Self.exponents.contains(wanted), let first = start, (0...Self.binCount).contains(first),
      let found = CompactText.counts(in: text, limit: Self.binCount - first),
      found.allSatisfy({ $0 < 1 << 48 })
    else {
      throw DecodingError.dataCorruptedError(
        forKey: .counts, in: values, debugDescription: "this is no histogram of \(Self.binCount) bins")
    }
    exponent = wanted
    counts = [UInt64](repeating: 0, count: Self.binCount)
    counts.replaceSubrange(first..<first + found.count, with: found)
  }

  public func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    let first = counts.firstIndex { $0 > 0 } ?? 0
    let end = counts.lastIndex { $0 > 0 }.map { $0 + 1 } ?? 0
    try values.encode(exponent, forKey: .exponent)
    try values.encode(first, forKey: .first)
    try values.encode(CompactText.text(of: counts[first..<max(first, end)]), forKey: .counts)
  }
}
