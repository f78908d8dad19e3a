#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Power spectra of eight frames of 400 samples at a time.
///
/// A complex transform takes two real frames, one as its real and one as its imaginary part; four transforms
/// lie beside each other in lanes. The passes are Stockham's, which sort as they go: 400 = 4 · 4 · 5 · 5.
struct FrameSpectra {
  typealias Lanes = SIMD4<Double>

  /// Samples of a frame.
  static let length = 400
  /// Samples from one frame to the next.
  static let hop = 160
  /// Frequencies from 0 to half the sample rate.
  static let binCount = length / 2 + 1
  /// Frames at a time.
  static let frameCount = 2 * Lanes.scalarCount
  /// Samples that eight frames cover.
  static let sampleCount = (frameCount - 1) * hop + length

  /// Powers of the frames 0–3 and 4–7.
  private(set) var lowPowers = [Lanes](repeating: .zero, count: binCount)
  private(set) var highPowers = [Lanes](repeating: .zero, count: binCount)

  /// Half of the periodic Hann window, for taking the two frames of a transform apart doubles them.
  private let window = (0..<length).map { 0.25 - 0.25 * cos(2 * Double.pi * Double($0) / Double(length)) }
  private let turns = (0..<length).map { Turn(Double($0) / Double(length)) }
  private var values = [Complex](repeating: Complex(), count: length)
  private var others = [Complex](repeating: Complex(), count: length)

  /// Computes the powers of eight frames that begin 160 samples apart; `samples` are `sampleCount`.
  mutating func transform(_ samples: Span<Double>) {
    precondition(samples.count == Self.sampleCount, "samples of eight frames")
    for index in 0..<Self.length {
      var (low, high) = (Lanes.zero, Lanes.zero)
      for lane in 0..<Lanes.scalarCount {
        low[lane] = samples[index + lane * Self.hop]
        high[lane] = samples[index + (lane + Lanes.scalarCount) * Self.hop]
      }
      values[index] = Complex(low * window[index], high * window[index])
    }
    Self.run(Self.pass4, length: 400, stride: 1, turns, from: values, to: &others)
    Self.run(Self.pass4, length: 100, stride: 4, turns, from: others, to: &values)
    Self.run(Self.pass5, length: 25, stride: 16, turns, from: values, to: &others)
    Self.run(Self.pass5, length: 5, stride: 80, turns, from: others, to: &values)
    for bin in 0..<Self.binCount {
      let value = values[bin]
      let mirror = values[bin == 0 ? 0 : Self.length - bin]
      let (sum, difference) = (value + mirror, value - mirror)
      lowPowers[bin] = sum.real * sum.real + difference.imaginary * difference.imaginary
      highPowers[bin] = difference.real * difference.real + sum.imaginary * sum.imaginary
    }
  }

  private typealias Pass = (Int, Int, Span<Turn>, Span<Complex>, inout MutableSpan<Complex>) -> Void

  private static func run(
    _ pass: Pass, length: Int, stride: Int, _ turns: [Turn], from: [Complex], to: inout [Complex]
  ) {
    var target = to.mutableSpan
    pass(length, stride, turns.span, from.span, &target)
  }
}

extension FrameSpectra {
  /// Four complex numbers.
  private struct Complex {
    var real = Lanes.zero
    var imaginary = Lanes.zero

    @inline(__always)
    init(_ real: Lanes = .zero, _ imaginary: Lanes = .zero) {
      (self.real, self.imaginary) = (real, imaginary)
    }

    /// The numbers times −i.
    @inline(__always)
    var turned: Complex { Complex(imaginary, -real) }

    @inline(__always)
    static func + (a: Complex, b: Complex) -> Complex { Complex(a.real + b.real, a.imaginary + b.imaginary) }

    @inline(__always)
    static func - (a: Complex, b: Complex) -> Complex { Complex(a.real - b.real, a.imaginary - b.imaginary) }

    @inline(__always)
    static func * (a: Complex, factor: Double) -> Complex { Complex(a.real * factor, a.imaginary * factor) }

    /// Turned clockwise.
    @inline(__always)
    static func * (a: Complex, turn: Turn) -> Complex {
      Complex(a.real * turn.cosine + a.imaginary * turn.sine, a.imaginary * turn.cosine - a.real * turn.sine)
    }
  }

  /// A place on the unit circle.
  private struct Turn {
    let cosine: Double
    let sine: Double

    /// A part of the whole circle.
    init(_ part: Double) { (cosine, sine) = (cos(2 * Double.pi * part), sin(2 * Double.pi * part)) }
  }

  /// One pass of radix 4 over transforms of `length`, of which `stride` lie beside each other; `turns` divide
  /// the circle into length · stride steps.
  private static func pass4(
    length: Int, stride: Int, _ turns: Span<Turn>, _ from: Span<Complex>, _ to: inout MutableSpan<Complex>
  ) {
    let quarter = length / 4
    let step = stride * quarter
    for p in 0..<quarter {
      let (turn1, turn2, turn3) = (turns[p * stride], turns[2 * p * stride], turns[3 * p * stride])
      for q in 0..<stride {
        let first = q + stride * p
        let (x0, x1, x2, x3) = (
          from[first], from[first + step], from[first + 2 * step], from[first + 3 * step]
        )
        let (even, odd) = (x0 + x2, x1 + x3)
        let (evenApart, oddApart) = (x0 - x2, (x1 - x3).turned)
        let target = q + stride * 4 * p
        to[target] = even + odd
        to[target + stride] = (evenApart + oddApart) * turn1
        to[target + 2 * stride] = (even - odd) * turn2
        to[target + 3 * stride] = (evenApart - oddApart) * turn3
      }
    }
  }

  /// One pass of radix 5, as above.
  private static func pass5(
    length: Int, stride: Int, _ turns: Span<Turn>, _ from: Span<Complex>, _ to: inout MutableSpan<Complex>
  ) {
    let fifth = length / 5
    let step = stride * fifth
    let (cosine1, sine1) = (turns[80].cosine, turns[80].sine)
    let (cosine2, sine2) = (turns[160].cosine, turns[160].sine)
    for p in 0..<fifth {
      let (turn1, turn2) = (turns[p * stride], turns[2 * p * stride])
      let (turn3, turn4) = (turns[3 * p * stride], turns[4 * p * stride])
      for q in 0..<stride {
        let first = q + stride * p
        let (x0, x1, x2) = (from[first], from[first + step], from[first + 2 * step])
        let (x3, x4) = (from[first + 3 * step], from[first + 4 * step])
        let (outer, inner, outerApart, innerApart) = (x1 + x4, x2 + x3, x1 - x4, x2 - x3)
        let near = x0 + outer * cosine1 + inner * cosine2
        let far = x0 + outer * cosine2 + inner * cosine1
        let nearApart = (outerApart * sine1 + innerApart * sine2).turned
        let farApart = (outerApart * sine2 - innerApart * sine1).turned
        let target = q + stride * 5 * p
        to[target] = x0 + outer + inner
        to[target + stride] = (near + nearApart) * turn1
        to[target + 2 * stride] = (far + farApart) * turn2
        to[target + 3 * stride] = (far - farApart) * turn3
        to[target + 4 * stride] = (near - nearApart) * turn4
      }
    }
  }
}
