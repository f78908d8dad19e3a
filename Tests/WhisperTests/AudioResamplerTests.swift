import Foundation
import TestSupport
import Testing
import Whisper

@Suite("Resampling")
struct AudioResamplerTests {
  private static let target = 16_000
  /// Farther from the ends than any filter reaches, in seconds.
  private static let edge = 0.02

  private static func sine(_ frequency: Double, rate: Int, seconds: Double) -> [Float] {
    (0..<Int(Double(rate) * seconds)).map {
      Float(sin(2 * Double.pi * frequency * Double($0) / Double(rate) + 0.3))
    }
  }

  /// What lies away from the ends.
  private static func inner(_ samples: [Float]) -> [Float] {
    let edge = Int(Double(target) * edge)
    return Array(samples.dropFirst(edge).dropLast(edge))
  }

  @Test(
    "A sine of any rate becomes the sine that 16,000 samples per second would have given",
    arguments: [
      8000, 11025, 12000, 22050, 24000, 32000, 44100, 48000, 96000, 15999, 16001, 44101, 7993,
    ])
  func sines(_ rate: Int) {
    let nyquist = Double(min(rate, Self.target)) / 2
    for part in [0.003, 0.1, 0.31, 0.5, 0.77, 0.9] {
      let frequency = nyquist * part
      let result = Resampler.resample(
        Self.sine(frequency, rate: rate, seconds: 0.15), from: rate, to: Self.target)
      let expected = Self.sine(frequency, rate: Self.target, seconds: 0.16)
      let count = result.count
      let difference = AudioOracle.largestDifference(
        Self.inner(result), Self.inner(Array(expected.prefix(count))))
      #expect(difference < 1e-4, "\(frequency) Hz")
    }
  }

  @Test("A rate of hundreds of kilohertz works as well")
  func highRate() {
    let result = Resampler.resample(
      Self.sine(3000, rate: 767_999, seconds: 0.06), from: 767_999, to: Self.target)
    let expected = Self.sine(3000, rate: Self.target, seconds: 0.06)
    #expect(
      AudioOracle.largestDifference(Self.inner(result), Self.inner(Array(expected.prefix(result.count))))
        < 1e-4)
  }

  @Test("A sweep stays within 0.05 dB up to 0.9 of the new Nyquist frequency")
  func passband() {
    for frequency in stride(from: 100.0, through: 7200, by: 355) {
      let inside = Self.inner(
        Resampler.resample(
          Self.sine(frequency, rate: 44_100, seconds: 0.15), from: 44_100, to: Self.target))
      // The amplitude by the power with and against a sine and a cosine of the frequency.
      var (real, imaginary) = (0.0, 0.0)
      let span = Int((Double(inside.count) * frequency / 16_000).rounded(.down)) * 16_000
      let count = Int((Double(span) / frequency).rounded())
      for index in 0..<count {
        let angle = 2 * Double.pi * frequency * Double(index) / 16_000
        real += Double(inside[index]) * cos(angle)
        imaginary += Double(inside[index]) * sin(angle)
      }
      let amplitude = 2 * (real * real + imaginary * imaginary).squareRoot() / Double(count)
      // A length that is no whole number of periods is an error of its own, below 0.03 dB here.
      #expect((20 * log10(amplitude)).magnitude < 0.05, "\(frequency) Hz")
    }
  }

  @Test("What would fold back is 90 dB down", arguments: [22_050, 44_100, 48_000, 44_101])
  func aliases(_ rate: Int) {
    for frequency in stride(from: 8000.0, to: Double(rate) / 2, by: 877) {
      let result = Self.inner(
        Resampler.resample(Self.sine(frequency, rate: rate, seconds: 0.1), from: rate, to: Self.target))
      let peak = result.map(\.magnitude).max() ?? 1
      #expect(20 * log10(peak) < -90, "\(frequency) Hz")
    }
  }

  @Test(
    "Pieces give the same samples as the whole, wherever it is cut",
    arguments: [8000, 44_100, 44_101, 96_000])
  func pieces(_ rate: Int) {
    var random = SplitMix64.forThisRun()
    let seed = random.seed
    let samples = random.normalFloats(5000, deviation: 0.2)
    let whole = Resampler.resample(samples, from: rate, to: Self.target)
    #expect(whole.count == (5000 * Self.target + rate - 1) / rate)
    var resampler = Resampler(from: rate, to: Self.target)
    var result: [Float] = []
    var start = 0
    while start < samples.count {
      let end = min(samples.count, start + Int(random.next() % 700))
      resampler.append(samples.span.extracting(start..<end), to: &result)
      start = end
    }
    resampler.finish(to: &result)
    #expect(result == whole, "seed \(seed)")
  }

  @Test("The same rate changes nothing, and nothing stays nothing")
  func same() {
    #expect(Resampler.resample([1, 2, 3], from: 16_000, to: 16_000) == [1, 2, 3])
    #expect(Resampler.resample([], from: 44_100, to: 16_000).isEmpty)
    #expect(Resampler.resample([0.5], from: 8000, to: 16_000).count == 2)
    #expect(Resampler.resample([0.5], from: 48_000, to: 16_000).count == 1)
  }

  @Test("There and back again, a band-limited signal is itself")
  func back() {
    let samples = Self.sine(1234, rate: 16_000, seconds: 0.2)
    let higher = Resampler.resample(samples, from: 16_000, to: 44_100)
    let back = Resampler.resample(higher, from: 44_100, to: 16_000)
    let difference = AudioOracle.largestDifference(
      Self.inner(Array(back.prefix(samples.count))), Self.inner(samples))
    #expect(difference < 1e-4)
  }
}
