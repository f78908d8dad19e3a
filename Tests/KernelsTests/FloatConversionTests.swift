import Kernels
import Testing

@Suite("Float formats")
struct FloatConversionTests {
  @Test("All 65,536 halves widen exactly, aligned or not, at every level")
  func widenHalf() {
    let patterns = (0...UInt16.max).map { $0 }
    let expected = patterns.map { ReferenceHalf.widened($0) }
    for offset in 0...3 {
      let bytes = littleEndianBytes(patterns, offset: offset)
      atEveryLevel { level in
        var output = [Float](repeating: 0, count: patterns.count)
        var span = output.mutableSpan
        FloatConversion.float16(unsafe bytes.span.bytes.extracting(droppingFirst: offset), into: &span)
        let wrong = patterns.indices.first { !isSame(output[$0], expected[$0]) }
        #expect(wrong == nil, "\(level.name), offset \(offset)")
      }
    }
  }

  @Test("All 65,536 halves come back from Float unchanged, and NaN stays NaN")
  func roundTrip() {
    let patterns = (0...UInt16.max).map { $0 }
    let values = patterns.map { ReferenceHalf.widened($0) }
    atEveryLevel { level in
      let (output, lost) = narrow(values, overflow: .infinity)
      let wrong = patterns.indices.first {
        values[$0].isNaN ? !isHalfNaN(output[$0]) : output[$0] != patterns[$0]
      }
      #expect(wrong == nil, "\(level.name)")
      #expect(lost == HalfNarrowing())
    }
  }

  @Test(
    "Every midpoint between two halves, and its neighbours, narrows to nearest even",
    arguments: [HalfOverflow.infinity, .clamp])
  func midpoints(overflow: HalfOverflow) {
    var values: [Float] = [65504, 65519.996, 65520, 65536, 1e10, .greatestFiniteMagnitude, .infinity, 0]
    values += [.leastNonzeroMagnitude, 0x1p-25, Float(0x1p-25).nextUp, 0x1p-24, .leastNormalMagnitude]
    for pattern in UInt16(0)..<0x7BFF {
      let middle = (ReferenceHalf.widened(pattern) + ReferenceHalf.widened(pattern + 1)) / 2
      values += [middle.nextDown, middle, middle.nextUp]
    }
    values += values.map { -$0 }
    let expected = values.map { ReferenceHalf.narrowed($0, overflow: overflow) }
    var expectedLost = HalfNarrowing()
    for value in values where value.isFinite {
      if value.magnitude >= 65520 { expectedLost.overflowCount += 1 }
      if value != 0 && value.magnitude <= 0x1p-25 { expectedLost.underflowCount += 1 }
    }
    atEveryLevel { level in
      let (output, lost) = narrow(values, overflow: overflow)
      let wrong = values.indices.first { output[$0] != expected[$0] }
      #expect(wrong == nil, "\(level.name): \(wrong.map { values[$0] } ?? 0)")
      #expect(lost == expectedLost, "\(level.name)")
    }
  }

  @Test("Narrowing agrees with the reference at every size", arguments: sampleSizes)
  func narrowSizes(size: Int) {
    let values = awkward(size + 3, seed: 11, scale: 300)
    atEveryLevel { level in
      for offset in 0..<3 {
        let part = Array(values[offset..<offset + size])
        #expect(
          narrow(part, overflow: .clamp).0 == part.map { ReferenceHalf.narrowed($0, overflow: .clamp) },
          "\(level.name)")
      }
    }
  }

  @Test("bfloat16 widens exactly and narrows to nearest even", arguments: sampleSizes)
  func bfloat(size: Int) {
    let values =
      awkward(size, seed: 12, scale: 1.7) + [.infinity, -.infinity, .nan, .greatestFiniteMagnitude]
    atEveryLevel { level in
      var narrowed = [UInt16](repeating: 0, count: values.count)
      var narrowedSpan = narrowed.mutableSpan
      FloatConversion.toBFloat16(values.span, into: &narrowedSpan)
      #expect(narrowed == values.map { ReferenceHalf.narrowedToBFloat($0) }, "\(level.name)")
      let bytes = littleEndianBytes(narrowed, offset: 1)
      var widened = [Float](repeating: 0, count: values.count)
      var widenedSpan = widened.mutableSpan
      FloatConversion.bfloat16(unsafe bytes.span.bytes.extracting(droppingFirst: 1), into: &widenedSpan)
      #expect(widened.map { $0.bitPattern } == narrowed.map { UInt32($0) << 16 }, "\(level.name)")
    }
  }

  @Test("float32 is copied bit for bit and float64 rounded, from any address", arguments: sampleSizes)
  func wide(size: Int) {
    let values = awkward(size, seed: 13, scale: 0.1)
    let doubles = values.map { Double($0) * 1.000_000_01 } + [1e300, -1e300, 1e-300]
    atEveryLevel { level in
      var copied = [Float](repeating: 0, count: size)
      var copiedSpan = copied.mutableSpan
      let bytes = littleEndianBytes(values.map { $0.bitPattern }, offset: 3)
      FloatConversion.float32(unsafe bytes.span.bytes.extracting(droppingFirst: 3), into: &copiedSpan)
      #expect(copied.map { $0.bitPattern } == values.map { $0.bitPattern })
      var rounded = [Float](repeating: 0, count: doubles.count)
      var roundedSpan = rounded.mutableSpan
      let wideBytes = littleEndianBytes(doubles.map { $0.bitPattern }, offset: 5)
      FloatConversion.float64(unsafe wideBytes.span.bytes.extracting(droppingFirst: 5), into: &roundedSpan)
      #expect(rounded == doubles.map { Float($0) }, "\(level.name)")
    }
  }

  @Test("Aligned bytes are seen as floats in place, unaligned ones are not")
  func view() {
    let values: [Float] = [1, -2, 3]
    let bytes = unsafe values.span.bytes
    #expect(FloatConversion.alignedFloat32(bytes)?[1] == -2)
    let isSeen = FloatConversion.alignedFloat32(bytes.extracting(1..<9)) != nil
    #expect(!isSeen)
  }

  private func narrow(_ values: [Float], overflow: HalfOverflow) -> ([UInt16], HalfNarrowing) {
    var output = [UInt16](repeating: 0, count: values.count)
    var span = output.mutableSpan
    let lost = FloatConversion.toFloat16(values.span, overflow: overflow, into: &span)
    return (output, lost)
  }

  private func isSame(_ a: Float, _ b: Float) -> Bool {
    b.isNaN ? a.isNaN && a.sign == b.sign : a.bitPattern == b.bitPattern
  }

  private func isHalfNaN(_ bits: UInt16) -> Bool { bits & 0x7FFF > 0x7C00 }
}
