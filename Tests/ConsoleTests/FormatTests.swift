import Console
import Foundation
import Testing

@Suite("Numbers as words")
struct FormatTests {
  @Test(
    "Byte counts have three digits in decimal units",
    arguments: [
      (0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.00 kB"), (1024, "1.02 kB"), (9_994, "9.99 kB"),
      (9_996, "10.0 kB"), (99_949, "99.9 kB"), (99_951, "100 kB"), (999_499, "999 kB"), (999_501, "1.00 MB"),
      (25_500_000, "25.5 MB"), (637_000_000, "637 MB"), (2_548_000_000, "2.55 GB"),
      (10_400_000_000, "10.4 GB"), (999_600_000_000, "1.00 TB"), (-2_548_000_000, "-2.55 GB"),
    ])
  func bytes(_ byteCount: Int, _ text: String) {
    #expect(Format.bytes(byteCount) == text)
  }

  @Test("The largest byte count is written in exabytes")
  func largestByteCount() {
    #expect(Format.bytes(UInt64.max) == "18.4 EB")
    #expect(Format.bytes(Int.min) == "-9.2 EB")
  }

  @Test(
    "Counts have one digit after the point from a thousand on",
    arguments: [
      (0, "0"), (512, "512"), (999, "999"), (1000, "1.0 k"), (1_550, "1.6 k"), (999_949, "999.9 k"),
      (999_951, "1.0 M"), (637_000_000, "637.0 M"), (1_543_490_560, "1.5 G"), (-1_500, "-1.5 k"),
    ])
  func counts(_ count: Int, _ text: String) {
    #expect(Format.count(count) == text)
  }

  @Test("Whole numbers are grouped by three digits")
  func groups() {
    #expect(Format.integer(0) == "0")
    #expect(Format.integer(999) == "999")
    #expect(Format.integer(2548) == "2,548")
    #expect(Format.integer(1_000_000) == "1,000,000")
    #expect(Format.integer(-65_536) == "-65,536")
    #expect(Format.integer(.min) == "-9,223,372,036,854,775,808")
  }

  @Test(
    "Durations change their unit where the number would get long",
    arguments: [
      (0, "0 µs"), (850, "850 µs"), (1_000, "1.0 ms"), (4_149, "4.1 ms"), (99_949, "99.9 ms"),
      (99_950, "0.10 s"), (420_000, "0.42 s"), (9_994_999, "9.99 s"), (9_995_000, "10.0 s"),
      (12_340_000, "12.3 s"), (59_949_999, "59.9 s"), (59_950_000, "1 min 00 s"), (65_400_000, "1 min 05 s"),
      (3_599_400_000, "59 min 59 s"), (3_599_600_000, "1 h 00 min"), (7_380_000_000, "2 h 03 min"),
    ])
  func durations(_ microseconds: Int, _ text: String) {
    #expect(Format.duration(.microseconds(microseconds)) == text)
  }

  @Test("A negative duration keeps its sign and an endless one has a word")
  func oddDurations() {
    #expect(Format.duration(.milliseconds(-420)) == "-0.42 s")
    #expect(Format.duration(.seconds(Int64.max)) == "forever")
  }

  @Test("A time left is written as on a clock")
  func clock() {
    #expect(Format.clock(.seconds(7)) == "0:07")
    #expect(Format.clock(.seconds(750)) == "12:30")
    #expect(Format.clock(.seconds(3723)) == "1:02:03")
    #expect(Format.clock(.seconds(-5)) == "0:00")
  }

  @Test("Percent, decibels and ratios have fixed digits and a word for what is no number")
  func smallForms() {
    #expect(Format.percent(0.256) == "25.6%")
    #expect(Format.percent(1) == "100.0%")
    #expect(Format.percent(.nan) == "n/a")
    #expect(Format.percent(1, of: 3) == "33.3%")
    #expect(Format.percent(1, of: 0) == "n/a")
    #expect(Format.decibels(38.46) == "38.5 dB")
    #expect(Format.decibels(-3) == "-3.0 dB")
    #expect(Format.decibels(.infinity) == "exact")
    #expect(Format.decibels(.nan) == "n/a")
    #expect(Format.ratio(3.954) == "3.95x")
    #expect(Format.ratio(.infinity) == "n/a")
  }

  @Test("A rate needs some time to have passed")
  func rates() {
    #expect(Format.rate(2_550_000_000, in: .milliseconds(610)) == "4.18 GB/s")
    #expect(Format.rate(1, in: .zero) == nil)
    #expect(Format.rate(0, in: .seconds(1)) == "0 B/s")
  }

  @Test("Fixed digits are rounded to the nearest, and to even in the exact middle")
  func rounding() {
    #expect(Format.fixed(0.5, digitCount: 0) == "0")
    #expect(Format.fixed(1.5, digitCount: 0) == "2")
    #expect(Format.fixed(2.5, digitCount: 0) == "2")
    #expect(Format.fixed(0.125, digitCount: 2) == "0.12")
    #expect(Format.fixed(0.375, digitCount: 2) == "0.38")
    #expect(Format.fixed(1.005, digitCount: 2) == "1.00", "1.005 as Double is a little less than that")
    #expect(Format.fixed(9.999, digitCount: 2) == "10.00")
    #expect(Format.fixed(-0.04, digitCount: 1) == "0.0", "nothing has no sign")
    #expect(Format.fixed(.leastNonzeroMagnitude, digitCount: 9) == "0.000000000")
    #expect(Format.fixed(.infinity, digitCount: 2) == "inf")
    #expect(Format.fixed(.nan, digitCount: 2) == "nan")
    #expect(Format.fixed(1e300, digitCount: 2) == "1e+300")
  }

  @Test("Fixed digits equal those of the C library for numbers of all sizes", arguments: 0...9)
  func againstC(digitCount: Int) {
    // Bit patterns over the whole range from far below the last digit to 2^62, by a fixed sequence.
    var bits: UInt64 = 0x9E37_79B9_7F4A_7C15
    for _ in 0..<2000 {
      bits = bits &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      let exponent = UInt64(1023 - 40) + (bits >> 32) % 102
      let value = Double(bitPattern: (bits & 0x800F_FFFF_FFFF_FFFF) | exponent << 52)
      let expected = String(format: "%.\(digitCount)f", value)
      let isNothing = !expected.contains { "123456789".contains($0) }
      let unsigned = isNothing && expected.hasPrefix("-") ? String(expected.dropFirst()) : expected
      #expect(Format.fixed(value, digitCount: digitCount) == unsigned, "bits \(value.bitPattern)")
    }
  }

  @Test("Ties that a Double holds exactly go to even as in the C library")
  func exactTies() {
    for eighths in -400...400 {
      let value = Double(eighths) / 8
      let expected = String(format: "%.1f", value)
      #expect(Format.fixed(value, digitCount: 1) == (expected == "-0.0" ? "0.0" : expected))
    }
  }
}
