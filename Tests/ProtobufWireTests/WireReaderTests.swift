import ProtobufWire
import TestSupport
import Testing

@Suite("The wire reader takes every value apart and checks every length")
struct WireReaderTests {
  private func failure(
    _ bytes: [UInt8], base: Int = 0, _ read: (inout WireReader) throws(WireError) -> Void
  ) -> WireError? {
    var reader = WireReader(bytes.span, base: base)
    do {
      try read(&reader)
      return nil
    } catch {
      return error
    }
  }

  @Test(
    "varints of every length",
    arguments: [
      (0, [0x00]), (1, [0x01]), (127, [0x7F]), (128, [0x80, 0x01]), (300, [0xAC, 0x02]),
      (16384, [0x80, 0x80, 0x01]),
      (.max, [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]),
    ] as [(UInt64, [UInt8])])
  func varints(value: UInt64, bytes: [UInt8]) throws {
    var reader = WireReader(bytes.span)
    #expect(try reader.varint() == value)
    let atEnd = reader.isAtEnd
    #expect(atEnd)
    #expect(varintByteCount(value) == bytes.count)
  }

  @Test("a varint that is longer than it has to be has the same value")
  func paddedVarint() throws {
    let bytes: [UInt8] = [0x85, 0x80, 0x80, 0x00, 0x81, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7E]
    var reader = WireReader(bytes.span)
    #expect(try reader.varint() == 5)
    // Bits beyond the 64th are dropped.
    #expect(try reader.varint() == 1)
  }

  @Test("32-bit fields take the low half of a varint")
  func narrowIntegers() throws {
    let bytes: [UInt8] =
      [0xFF, 0xFF, 0xFF, 0xFF, 0x0F] + [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]
      + [0x81, 0x80, 0x80, 0x80, 0x10]
    var reader = WireReader(bytes.span)
    #expect(try reader.int32() == -1)
    #expect(try reader.int32() == -1)
    #expect(try reader.int32() == 1)
  }

  @Test("fixed-width values are little-endian, and floats keep their bits")
  func fixedWidth() throws {
    let bytes: [UInt8] = [1, 2, 3, 4, 1, 2, 3, 4, 5, 6, 7, 8, 0x01, 0x00, 0xA0, 0x7F]
    var reader = WireReader(bytes.span)
    #expect(try reader.fixed32() == 0x0403_0201)
    #expect(try reader.fixed64() == 0x0807_0605_0403_0201)
    #expect(try reader.float().bitPattern == 0x7FA0_0001)
  }

  @Test("offsets are those of the file")
  func offsets() throws {
    let bytes: [UInt8] = [0x0A, 0x04, 0x12, 0x02, 0x68, 0x69]
    var reader = WireReader(bytes.span, base: 1000)
    let outer = try #require(try reader.nextField())
    #expect(outer.number == 1 && outer.wireType == .lengthDelimited && outer.byteOffset == 1000)
    var inner = try reader.message()
    let atEnd = reader.isAtEnd
    #expect(atEnd)
    let budget = inner.depthBudget
    #expect(budget == WireReader.defaultDepthBudget - 1)
    let field = try #require(try inner.nextField())
    #expect(field.byteOffset == 1002)
    let range = try inner.contentRange()
    #expect(range == 1004..<1006)
    #expect(inner.copy(range) == Array("hi".utf8))
    #expect(try inner.nextField() == nil)
  }

  @Test("damage is told with its offset")
  func damage() {
    #expect(
      failure([0x80, 0x80], base: 7) { (reader) throws(WireError) in _ = try reader.varint() }
        == WireError(.truncated(needed: 1, available: 0), byteOffset: 7))
    #expect(
      failure([1, 2, 3], base: 7) { (reader) throws(WireError) in _ = try reader.fixed32() }
        == WireError(.truncated(needed: 4, available: 3), byteOffset: 7))
    #expect(
      failure([1, 2, 3]) { (reader) throws(WireError) in _ = try reader.fixed64() }
        == WireError(.truncated(needed: 8, available: 3), byteOffset: 0))
    #expect(
      failure([5, 1, 2]) { (reader) throws(WireError) in _ = try reader.byteArray() }
        == WireError(.truncated(needed: 5, available: 2), byteOffset: 1))
    #expect(
      failure([2, 0xC3, 0x28]) { (reader) throws(WireError) in _ = try reader.string() }
        == WireError(.invalidUTF8, byteOffset: 1))
    #expect(
      failure([UInt8](repeating: 0x80, count: 11)) { (reader) throws(WireError) in _ = try reader.varint() }
        == WireError(.overlongVarint, byteOffset: 0))
  }

  @Test(
    "text may be empty, contain NUL, and be any UTF-8", arguments: ["", "a\u{0}b", "größe", "語\u{1F600}"])
  func text(text: String) throws {
    let bytes = [UInt8(text.utf8.count)] + Array(text.utf8)
    var reader = WireReader(bytes.span)
    #expect(try Array(reader.string().utf8) == Array(text.utf8))
  }

  @Test(
    "surrogates, overlong forms and numbers beyond Unicode are no text",
    arguments: [[0xED, 0xA0, 0x80], [0xC0, 0x80], [0xF4, 0x90, 0x80, 0x80], [0xE2, 0x82]] as [[UInt8]])
  func notText(bytes: [UInt8]) {
    #expect(
      failure([UInt8(bytes.count)] + bytes) { (reader) throws(WireError) in _ = try reader.string() }?.reason
        == .invalidUTF8)
  }

  @Test("a field is skipped from its tag to its end, groups included")
  func skipping() throws {
    let fields: [[UInt8]] = [
      [0x08, 0x96, 0x01], [0x11, 1, 2, 3, 4, 5, 6, 7, 8], [0x1A, 0x02, 9, 9], [0x25, 1, 2, 3, 4],
      [0x2B, 0x08, 0x01, 0x33, 0x34, 0x2C],
    ]
    let bytes = Array(fields.joined())
    var reader = WireReader(bytes.span, base: 10)
    var position = 10
    for expected in fields {
      let field = try #require(try reader.nextField())
      let range = try reader.skip(field)
      #expect(range == position..<(position + expected.count))
      position = range.upperBound
    }
    let atEnd = reader.isAtEnd
    #expect(atEnd)
  }

  @Test("random bytes are walked or refused, never read beyond")
  func randomBytes() {
    var random = SplitMix64.forThisRun()
    for round in 0..<20_000 {
      let bytes = random.bytes(Int.random(in: 0...24, using: &random))
      let error = failure(bytes) { (reader) throws(WireError) in
        while let field = try reader.nextField() {
          let range = try reader.skip(field)
          precondition(range.upperBound <= bytes.count && range.lowerBound < range.upperBound)
        }
      }
      if let error {
        #expect((0...bytes.count).contains(error.byteOffset), "seed \(random.seed), round \(round)")
        #expect(!error.message.isEmpty)
      }
    }
  }
}
