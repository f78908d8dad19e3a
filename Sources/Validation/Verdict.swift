/// What a candidate must reach; nil asks for nothing.
public struct ValidationLimits: Sendable, Equatable {
  /// Decibels, for each output.
  public var minimumSQNR: Double?
  /// For each output.
  public var minimumCosine: Double?
  /// Seconds, the median of the timed runs.
  public var maximumLatency: Double?

  public init() {}
}

/// What was seen of one output.
public struct OutputFinding: Sendable {
  public let name: String
  public let health: TensorHealth?
  /// Nil without a reference.
  public let difference: TensorDifference?
  /// The reference has this output with another shape, or not at all.
  public let mismatch: String?
  /// Why it was not compared although there is a reference; no fault.
  public let reason: String?
  /// Of a merged decoder, the branch that computed it: `with-past` or `no-past`.
  public let branch: String?

  public init(
    name: String, health: TensorHealth?, difference: TensorDifference?, mismatch: String? = nil,
    reason: String? = nil, branch: String? = nil
  ) {
    self.name = name
    self.reason = reason
    self.branch = branch
    self.health = health
    self.difference = difference
    self.mismatch = mismatch
  }
}

/// Whether a model passes, and every reason why it does not.
public struct Verdict: Sendable, Equatable {
  /// One sentence for each limit that is missed and each fault.
  public let objections: [String]

  public var passes: Bool { objections.isEmpty }

  /// Judges all outputs and the latency by the limits. A NaN reaches no limit.
  public init(_ outputs: [OutputFinding], latency: Double?, limits: ValidationLimits) {
    var found: [String] = []
    for output in outputs {
      for fault in output.health?.faults ?? [] { found.append("output '\(output.name)' \(fault.words)") }
      if let mismatch = output.mismatch { found.append("output '\(output.name)': \(mismatch)") }
      guard let difference = output.difference else { continue }
      if difference.lostCount > 0 {
        found.append(
          "output '\(output.name)' cannot be judged: \(difference.lostCount) of \(difference.elementCount) values of "
            + "the reference are NaN or infinite")
      }
      if let limit = limits.minimumSQNR, !(difference.sqnr >= limit) {
        let level =
          difference.isComparable
          ? "an SQNR of \(rounded(difference.sqnr, 2)) dB"
          : "no SQNR (NaN, infinity, or a reference of zeros)"
        found.append("output '\(output.name)' has \(level), at least \(rounded(limit, 2)) dB are asked for")
      }
      if let limit = limits.minimumCosine, !(difference.cosine >= limit) {
        found.append(
          "output '\(output.name)' has a cosine of \(rounded(difference.cosine, 6)), at least "
            + "\(rounded(limit, 6)) is asked for")
      }
    }
    if let limit = limits.maximumLatency, let latency, !(latency <= limit) {
      found.append(
        "a run takes \(rounded(latency * 1000, 1)) ms, at most \(rounded(limit * 1000, 1)) ms are asked for")
    }
    objections = found
  }
}

/// A number with at most so many decimals, without trailing zeros.
func rounded(_ value: Double, _ decimals: Int) -> String {
  guard value.isFinite else { return value.isNaN ? "NaN" : value < 0 ? "-∞" : "∞" }
  var factor = 1.0
  for _ in 0..<decimals { factor *= 10 }
  guard abs(value) * factor < 1e15 else { return "\(value)" }
  let scaled = (value * factor).rounded()
  let sign = scaled < 0 ? "-" : ""
  var digits = String(Int(abs(scaled)))
  while digits.count <= decimals { digits = "0" + digits }
  if decimals == 0 { return sign + digits }
  let whole = digits.dropLast(decimals)
  var fraction = String(digits.suffix(decimals))
  while fraction.hasSuffix("0") { fraction.removeLast() }
  return sign + whole + (fraction.isEmpty ? "" : "." + fraction)
}
