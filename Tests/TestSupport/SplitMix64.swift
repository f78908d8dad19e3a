/// A seeded random generator for property tests: the same seed gives the same numbers on every machine
/// (source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
public struct SplitMix64: RandomNumberGenerator, Sendable {
  /// The seed, for the message of a test that fails.
  public let seed: UInt64
  private var state: UInt64

  /// A generator that starts at `seed`.
  public init(seed: UInt64) {
    self.seed = seed
    self.state = seed
  }

  /// A generator for a test run: the seed is the environment variable WHISPERQ_TEST_SEED, or a new one each time.
  /// Show `seed` when the test fails.
  public static func forThisRun() -> SplitMix64 {
    SplitMix64(seed: TestEnvironment["WHISPERQ_TEST_SEED"].flatMap { UInt64($0) } ?? .random(in: 0 ... .max))
  }

  public mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// `count` random bytes.
  public mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// `count` floats of roughly normal distribution with the deviation `deviation`, as weights have.
  public mutating func normalFloats(_ count: Int, deviation: Float = 1) -> [Float] {
    (0..<count).map { _ in
      // The sum of twelve uniform numbers has the variance 1 and the mean 6.
      let sum = (0..<12).reduce(Float(0)) { total, _ in total + Float(next() >> 40) * 0x1p-24 }
      return (sum - 6) * deviation
    }
  }
}
