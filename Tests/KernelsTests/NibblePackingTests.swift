import Kernels
import Testing

@Suite("Nibbles and levels")
struct NibblePackingTests {
  @Test("Packing puts the first element low and unpacking gives the values back", arguments: sampleSizes)
  func roundTrip(size: Int) {
    var generator = SeededGenerator(seed: 41)
    let values = (0..<size).map { _ in UInt8.random(in: 0...15, using: &generator) }
    var expected = [UInt8](repeating: 0, count: (size + 1) / 2)
    for (index, value) in values.enumerated() { expected[index / 2] |= value << (index % 2 == 0 ? 0 : 4) }
    atEveryLevel { level in
      var bytes = [UInt8](repeating: 0xEE, count: NibblePacking.byteCount(size))
      var span = bytes.mutableSpan
      NibblePacking.pack(values.span, into: &span)
      #expect(bytes == expected, "\(level.name)")
      var unpacked = [UInt8](repeating: 0xEE, count: size)
      var unpackedSpan = unpacked.mutableSpan
      NibblePacking.unpack(bytes.span, into: &unpackedSpan)
      #expect(unpacked == values, "\(level.name)")
      var signed = [Int8](repeating: 99, count: size)
      var signedSpan = signed.mutableSpan
      NibblePacking.unpackSigned(bytes.span, into: &signedSpan)
      #expect(signed == values.map { $0 < 8 ? Int8($0) : Int8($0) - 16 }, "\(level.name)")
    }
  }

  @Test("Only the low four bits of a signed byte are packed")
  func negative() {
    let values: [UInt8] = [0xF8, 0xFF, 0x07]
    var bytes: [UInt8] = [0, 0]
    var span = bytes.mutableSpan
    NibblePacking.pack(values.span, into: &span)
    #expect(bytes == [0xF8, 0x07])
  }

  @Test("Rows of an odd number of nibbles are padded to whole bytes")
  func rows() {
    let values: [UInt8] = [1, 2, 3, 4, 5, 6]
    var bytes = [UInt8](repeating: 0xEE, count: 4)
    var span = bytes.mutableSpan
    NibblePacking.packRows(values.span, columnCount: 3, into: &span)
    #expect(bytes == [0x21, 0x03, 0x54, 0x06])
  }

  @Test("The level in use is the best one, and can be forced for a while")
  func levels() {
    #expect(CPUFeatures.availableLevels.first == .baseline)
    #expect(CPUFeatures.level == CPUFeatures.availableLevels.last)
    atEveryLevel { level in #expect(CPUFeatures.level == level) }
    #expect(CPUFeatures.level == CPUFeatures.availableLevels.last)
    #expect(Set(KernelLevel.allCases.map(\.name)).count == KernelLevel.allCases.count)
  }
}
