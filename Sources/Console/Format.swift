/// Numbers as words for people: the same form everywhere, independent of locale.
public enum Format {
  /// A count of bytes in decimal units with three digits: `0 B`, `999 B`, `1.00 kB`, `25.5 MB`, `2.55 GB`.
  public static func bytes(_ byteCount: UInt64) -> String {
    guard byteCount >= 1000 else { return "\(byteCount) B" }
    var unit: UInt64 = 1000
    for name in ["kB", "MB", "GB", "TB", "PB"] {
      for digitCount in [2, 1, 0] {
        // Three digits: as many after the point as the rounded number leaves room for.
        let units = FixedPoint.quotient(byteCount, over: unit, digitCount: digitCount)
        if units < 1000 { return "\(FixedPoint.text(units: units, digitCount: digitCount)) \(name)" }
      }
      unit *= 1000
    }
    return "\(FixedPoint.text(byteCount, over: unit, digitCount: 1)) EB"
  }

  /// A count of bytes in decimal units; a negative count (a difference) keeps its sign.
  public static func bytes(_ byteCount: Int) -> String {
    (byteCount < 0 ? "-" : "") + bytes(UInt64(byteCount.magnitude))
  }

  /// A large count with one digit after the point: `512`, `1.5 k`, `637.0 M`, `1.5 G`.
  public static func count(_ count: UInt64) -> String {
    guard count >= 1000 else { return "\(count)" }
    var unit: UInt64 = 1000
    for name in ["k", "M", "G", "T"] {
      let units = FixedPoint.quotient(count, over: unit, digitCount: 1)
      if units < 10_000 { return "\(FixedPoint.text(units: units, digitCount: 1)) \(name)" }
      unit *= 1000
    }
    return "\(FixedPoint.text(count, over: unit, digitCount: 1)) P"
  }

  /// A large count with one digit after the point; a negative count keeps its sign.
  public static func count(_ count: Int) -> String {
    (count < 0 ? "-" : "") + Format.count(UInt64(count.magnitude))
  }

  /// A whole number with its digits in groups of three: `2,548`.
  public static func integer(_ value: Int) -> String {
    let digits = value.magnitude.description
    var result = value < 0 ? "-" : ""
    for (index, digit) in digits.enumerated() {
      if index > 0, (digits.count - index) % 3 == 0 { result += "," }
      result.append(digit)
    }
    return result
  }

  /// A number with `digitCount` digits after the point (0 to 9), correctly rounded.
  public static func fixed(_ value: Double, digitCount: Int) -> String {
    FixedPoint.text(value, digitCount: digitCount)
  }

  /// A duration: `850 µs`, `4.1 ms`, `0.42 s`, `12.3 s`, `1 min 05 s`, `2 h 03 min`.
  public static func duration(_ duration: Duration) -> String {
    let attosecondsPerMicrosecond: Int128 = 1_000_000_000_000
    guard duration >= .zero else { return "-" + Format.duration(.zero - duration) }
    guard let microseconds = UInt64(exactly: duration.attoseconds / attosecondsPerMicrosecond) else {
      return "forever"
    }
    switch microseconds {
    case ..<1000: return "\(microseconds) µs"
    case ..<99_950: return FixedPoint.text(microseconds, over: 1000, digitCount: 1) + " ms"
    case ..<9_995_000: return FixedPoint.text(microseconds, over: 1_000_000, digitCount: 2) + " s"
    case ..<59_950_000: return FixedPoint.text(microseconds, over: 1_000_000, digitCount: 1) + " s"
    default: break
    }
    let seconds = UInt64(FixedPoint.quotient(microseconds, over: 1_000_000, digitCount: 0))
    if seconds < 3600 { return "\(seconds / 60) min \(twoDigits(seconds % 60)) s" }
    let minutes = UInt64(FixedPoint.quotient(seconds, over: 60, digitCount: 0))
    return "\(minutes / 60) h \(twoDigits(minutes % 60)) min"
  }

  /// A time left as on a clock: `0:07`, `12:30`, `1:02:03`.
  public static func clock(_ duration: Duration) -> String {
    let seconds = max(0, duration.components.seconds)
    let tail = "\(twoDigits(UInt64(seconds % 60)))"
    guard seconds >= 3600 else { return "\(seconds / 60):\(tail)" }
    return "\(seconds / 3600):\(twoDigits(UInt64(seconds / 60 % 60))):\(tail)"
  }

  /// A share of one as percent with one digit after the point: `0.256` is `25.6%`.
  public static func percent(_ share: Double) -> String {
    guard share.isFinite else { return "n/a" }
    return FixedPoint.text(share * 100, digitCount: 1) + "%"
  }

  /// A share of a whole as percent, `n/a` when the whole is nothing.
  public static func percent(_ part: Int, of whole: Int) -> String {
    percent(whole == 0 ? .nan : Double(part) / Double(whole))
  }

  /// A level in decibels with one digit after the point: `38.5 dB`; `exact` when the difference is nothing.
  public static func decibels(_ level: Double) -> String {
    if level.isNaN { return "n/a" }
    if level == .infinity { return "exact" }
    return FixedPoint.text(level, digitCount: 1) + " dB"
  }

  /// How many times one number is another, with two digits after the point: `3.95x`.
  public static func ratio(_ value: Double) -> String {
    guard value.isFinite else { return "n/a" }
    return FixedPoint.text(value, digitCount: 2) + "x"
  }

  /// Bytes in a second over a duration: `4.18 GB/s`; nil when no time has passed.
  public static func rate(_ byteCount: UInt64, in duration: Duration) -> String? {
    bytesPerSecond(byteCount, in: duration).map { bytes($0) + "/s" }
  }

  /// Bytes in a second, rounded down; nil when no time has passed or the number is beyond reason.
  static func bytesPerSecond(_ byteCount: UInt64, in duration: Duration) -> UInt64? {
    let nanoseconds = duration.attoseconds / 1_000_000_000
    guard nanoseconds > 0 else { return nil }
    return UInt64(exactly: Int128(byteCount) * 1_000_000_000 / nanoseconds)
  }

  private static func twoDigits(_ value: UInt64) -> String {
    value < 10 ? "0\(value)" : "\(value)"
  }
}
