import ProtobufWire
import TestSupport
import Testing

/// A random message: what was put in is what must come out.
private indirect enum Field: Equatable {
  case int(Int, Int64)
  case float(Int, UInt32)
  case text(Int, String)
  case bytes(Int, [UInt8])
  case payload(Int, [UInt8])
  case message(Int, [Field])
}

private struct Message: WireEncodable {
  typealias Payload = [UInt8]
  let fields: [Field]

  func encode<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == [UInt8] {
    for field in fields {
      switch field {
      case .int(let number, let value): sink.append(field: number, int: value)
      case .float(let number, let bits): sink.append(field: number, float: Float(bitPattern: bits))
      case .text(let number, let text): sink.append(field: number, text: text)
      case .bytes(let number, let bytes): sink.append(field: number, bytes: bytes)
      case .payload(let number, let bytes): sink.append(field: number, payload: bytes, byteCount: bytes.count)
      case .message(let number, let inner): sink.appendMessage(field: number, Message(fields: inner))
      }
    }
  }
}

@Suite("What the sinks write is what the reader reads")
struct WireSinkTests {
  private func randomFields(depth: Int, _ random: inout SplitMix64) -> [Field] {
    (0..<Int.random(in: 0...4, using: &random)).map { _ in
      let number = Int(random.next() >> (35 + random.next() % 29)) | 1
      switch Int.random(in: 0...(depth > 0 ? 5 : 4), using: &random) {
      case 0: return .int(number, Int64(bitPattern: random.next() >> (random.next() % 64)))
      case 1: return .float(number, UInt32(truncatingIfNeeded: random.next()))
      case 2: return .text(number, String(repeating: "ü", count: Int.random(in: 0...80, using: &random)))
      case 3: return .bytes(number, random.bytes(Int.random(in: 0...200, using: &random)))
      case 4: return .payload(number, random.bytes(Int.random(in: 0...300, using: &random)))
      default: return .message(number, randomFields(depth: depth - 1, &random))
      }
    }
  }

  /// The literal bytes with the payloads in their places.
  private func whole(_ emitter: WireEmitter<[UInt8]>) -> [UInt8] {
    var bytes: [UInt8] = []
    var taken = 0
    for placement in emitter.placements {
      bytes += emitter.literal[taken..<placement.literalCount]
      taken = placement.literalCount
      #expect(placement.byteOffset == bytes.count)
      #expect(placement.byteCount == placement.payload.count)
      bytes += placement.payload
    }
    return bytes + emitter.literal[taken...]
  }

  /// Reads a message back, told by `expected` what each field is.
  private func check(_ expected: [Field], _ reader: inout WireReader, _ note: Comment) throws {
    for field in expected {
      let found = try #require(try reader.nextField(), note)
      switch field {
      case .int(let number, let value):
        #expect(found.number == number && found.wireType == .varint, note)
        #expect(try reader.int64() == value, note)
      case .float(let number, let bits):
        #expect(found.number == number && found.wireType == .fixed32, note)
        #expect(try reader.float().bitPattern == bits, note)
      case .text(let number, let text):
        #expect(found.number == number && found.wireType == .lengthDelimited, note)
        #expect(try reader.string() == text, note)
      case .bytes(let number, let bytes), .payload(let number, let bytes):
        #expect(found.number == number && found.wireType == .lengthDelimited, note)
        #expect(try reader.byteArray() == bytes, note)
      case .message(let number, let inner):
        #expect(found.number == number && found.wireType == .lengthDelimited, note)
        var nested = try reader.message()
        try check(inner, &nested, note)
      }
    }
    let atEnd = reader.isAtEnd
    #expect(atEnd, note)
  }

  @Test("random messages survive the way through both passes and the reader")
  func roundTrip() throws {
    var random = SplitMix64.forThisRun()
    for round in 0..<300 {
      let note: Comment = "seed \(random.seed), round \(round)"
      let fields = randomFields(depth: 4, &random)
      let message = Message(fields: fields)
      var counter = WireCounter<[UInt8]>()
      message.encode(to: &counter)
      var emitter = WireEmitter<[UInt8]>()
      message.encode(to: &emitter)
      let bytes = whole(emitter)
      #expect(counter.byteCount == bytes.count, note)
      #expect(emitter.byteCount == bytes.count, note)
      var reader = WireReader(bytes.span)
      try check(fields, &reader, note)
    }
  }

  @Test("varints take one byte for each started group of seven bits")
  func varintLengths() {
    for bits in 0...64 {
      let value: UInt64 = bits == 0 ? 0 : UInt64.max >> UInt64(64 - bits)
      var emitter = WireEmitter<[UInt8]>()
      emitter.append(varint: value)
      #expect(emitter.literal.count == max(1, (bits + 6) / 7))
      #expect(varintByteCount(value) == emitter.literal.count)
    }
  }

  @Test("values have the bytes of the specification's examples")
  func examples() {
    var emitter = WireEmitter<[UInt8]>()
    emitter.append(field: 1, int: 150)
    emitter.append(field: 2, text: "testing")
    emitter.append(field: 3, int: -2)
    emitter.append(field: 4, float: 1)
    emitter.append(field: 536_870_911, bytes: [])
    #expect(
      emitter.literal
        == [0x08, 0x96, 0x01] + [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6E, 0x67]
        + [0x18, 0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]
        + [0x25, 0x00, 0x00, 0x80, 0x3F] + [0xFA, 0xFF, 0xFF, 0xFF, 0x0F, 0x00])
  }
}
