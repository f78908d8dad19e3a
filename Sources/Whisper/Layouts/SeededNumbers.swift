/// Random numbers that are the same for a seed on every machine.
///
/// Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014 (SplitMix64).
struct SeededNumbers {
  private var state: UInt64

  /// A generator of its own for each name, so that one input's numbers do not depend on the others.
  init(seed: UInt64, name: String) {
    // FNV-1a over the name.
    var hash: UInt64 = 0xCBF2_9CE4_8422_2325
    for byte in name.utf8 { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01B3 }
    state = seed &+ hash
  }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
    return mixed ^ (mixed >> 31)
  }

  /// From 0 up to, but not including, 1.
  mutating func uniform() -> Float { Float(next() >> 40) * 0x1p-24 }

  /// Mean 0 and deviation 1; the sum of four uniform numbers, which never goes beyond 3.5.
  mutating func normal() -> Float {
    let bits = next()
    var sum: Float = 0
    for shift in [0, 16, 32, 48] { sum += Float((bits >> UInt64(shift)) & 0xFFFF) * 0x1p-16 }
    // Four uniform numbers have the mean 2 and the variance 1/3.
    return (sum - 2) * 1.732_050_8
  }

  /// From 0 up to, but not including, `count`.
  mutating func integer(below count: Int) -> Int { Int(next() % UInt64(max(1, count))) }
}
