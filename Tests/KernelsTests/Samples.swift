import Kernels

/// The sizes around every vector length, from the house rules.
let sampleSizes = [0, 1, 2, 3, 5, 7, 8, 15, 16, 17, 31, 33, 63, 127, 129, 1023]

/// Integers must agree exactly.
let integerToleranceInSteps = 0
/// Sums of squares in Float lanes against sums in Double.
let energyTolerance = 1e-5

/// A seeded generator (SplitMix64), so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64

  init(seed: UInt64) { state = seed }

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

/// Values that weights have.
func weights(_ count: Int, seed: UInt64, width: Float = 1) -> [Float] {
  var generator = SeededGenerator(seed: seed)
  return (0..<count).map { _ in
    (Float.random(in: -1...1, using: &generator) + Float.random(in: -1...1, using: &generator)) * width
  }
}

/// Finite values that go wrong first: zeros of both signs, denormals, huge ones, exact ties of `scale` and
/// their neighbours, among ordinary ones.
func awkward(_ count: Int, seed: UInt64, scale: Float) -> [Float] {
  var generator = SeededGenerator(seed: seed)
  return (0..<count).map { _ in
    let tie = (Float(Int.random(in: -140...140, using: &generator)) + 0.5) * scale
    switch Int.random(in: 0..<10, using: &generator) {
    case 0: return 0
    case 1: return -0.0
    case 2: return Float(bitPattern: UInt32.random(in: 1...0x7F_FFFF, using: &generator))
    case 3: return Bool.random(using: &generator) ? 3.0e38 : -3.0e38
    case 4: return tie
    case 5: return tie.nextUp
    case 6: return tie.nextDown
    default: return Float.random(in: -130...130, using: &generator) * scale
    }
  }
}

/// Runs `body` at every level of this machine.
func atEveryLevel(_ body: (KernelLevel) -> Void) {
  for level in CPUFeatures.availableLevels {
    CPUFeatures.withLevel(level) { body(level) }
  }
}

/// Whether two energies agree within the tolerance. A difference w - q · scale that nearly vanishes keeps
/// few places, so the elements' squared steps count as well.
func isNear(_ found: Double, _ expected: Double, squaredSteps: Double = 0) -> Bool {
  abs(found - expected) <= energyTolerance * (expected + squaredSteps)
}

/// The bytes of 16-bit patterns after `offset` bytes of something else.
func littleEndianBytes<Word: FixedWidthInteger>(_ words: [Word], offset: Int) -> [UInt8] {
  var bytes = [UInt8](repeating: 0xAA, count: offset)
  for word in words {
    for shift in 0..<Word.bitWidth / 8 { bytes.append(UInt8(truncatingIfNeeded: word >> Word(shift * 8))) }
  }
  return bytes
}
