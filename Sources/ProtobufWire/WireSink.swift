/// Where an encoder puts a message: once into a counter (the size pass), once into an emitter (the write
/// pass). A message describes itself in one function that is generic over the sink.
///
/// `Payload` is a large value whose bytes are not copied into the stream; only its length is needed here.
public protocol WireSink {
  associatedtype Payload

  mutating func append(varint: UInt64)
  mutating func append(fixed32: UInt32)
  mutating func append(fixed64: UInt64)
  mutating func append(bytes: [UInt8])
  mutating func append(text: String)
  mutating func append(payload: Payload, byteCount: Int)

  /// Appends tag, length and content of a nested message that `encode` writes.
  mutating func appendMessage(field: Int, _ message: some WireEncodable<Payload>)
}

/// A value that can write itself as a message's fields.
public protocol WireEncodable<Payload> {
  associatedtype Payload
  func encode<Sink: WireSink>(to sink: inout Sink) where Sink.Payload == Payload
}

/// The number of bytes that a varint takes: one for every started group of seven bits.
public func varintByteCount(_ value: UInt64) -> Int {
  (64 - (value | 1).leadingZeroBitCount + 6) / 7
}

extension WireSink {
  /// Appends a field's tag.
  public mutating func append(tag number: Int, _ type: WireType) {
    append(varint: UInt64(number) << 3 | UInt64(type.rawValue))
  }

  /// An `int64`, `int32` or enum field; negative values take ten bytes, as the specification says.
  public mutating func append(field: Int, int: Int64) {
    append(tag: field, .varint)
    append(varint: UInt64(bitPattern: int))
  }

  public mutating func append(field: Int, float: Float) {
    append(tag: field, .fixed32)
    append(fixed32: float.bitPattern)
  }

  public mutating func append(field: Int, text: String) {
    append(tag: field, .lengthDelimited)
    append(varint: UInt64(text.utf8.count))
    append(text: text)
  }

  public mutating func append(field: Int, bytes: [UInt8]) {
    append(tag: field, .lengthDelimited)
    append(varint: UInt64(bytes.count))
    append(bytes: bytes)
  }

  public mutating func append(field: Int, payload: Payload, byteCount: Int) {
    append(tag: field, .lengthDelimited)
    append(varint: UInt64(byteCount))
    append(payload: payload, byteCount: byteCount)
  }
}

/// The size pass: counts the bytes that an encoder would write.
public struct WireCounter<Payload>: WireSink {
  public private(set) var byteCount = 0

  public init() {}

  public mutating func append(varint: UInt64) { byteCount += varintByteCount(varint) }
  public mutating func append(fixed32: UInt32) { byteCount += 4 }
  public mutating func append(fixed64: UInt64) { byteCount += 8 }
  public mutating func append(bytes: [UInt8]) { byteCount += bytes.count }
  public mutating func append(text: String) { byteCount += text.utf8.count }
  public mutating func append(payload: Payload, byteCount: Int) { self.byteCount += byteCount }

  public mutating func appendMessage(field: Int, _ message: some WireEncodable<Payload>) {
    var inner = WireCounter<Payload>()
    message.encode(to: &inner)
    append(tag: field, .lengthDelimited)
    append(varint: UInt64(inner.byteCount))
    byteCount += inner.byteCount
  }
}

/// The write pass: literal bytes, interrupted by payloads that the caller puts in their places.
public struct WireEmitter<Payload>: WireSink {
  /// A payload and where its first byte belongs in the stream.
  public struct Placement {
    public let payload: Payload
    public let byteOffset: Int
    public let byteCount: Int
    /// How many literal bytes stand before it.
    public let literalCount: Int
  }

  /// The literal bytes, without the payloads.
  public private(set) var literal: [UInt8] = []
  /// The payloads in stream order.
  public private(set) var placements: [Placement] = []
  /// Length of the stream so far: literal bytes and payloads.
  public private(set) var byteCount = 0

  public init(reservingByteCount count: Int = 0) { literal.reserveCapacity(count) }

  public mutating func append(varint: UInt64) {
    var value = varint
    while value >= 0x80 {
      literal.append(UInt8(truncatingIfNeeded: value) | 0x80)
      value >>= 7
      byteCount += 1
    }
    literal.append(UInt8(value))
    byteCount += 1
  }

  public mutating func append(fixed32: UInt32) {
    for shift: UInt32 in [0, 8, 16, 24] { literal.append(UInt8(truncatingIfNeeded: fixed32 >> shift)) }
    byteCount += 4
  }

  public mutating func append(fixed64: UInt64) {
    append(fixed32: UInt32(truncatingIfNeeded: fixed64))
    append(fixed32: UInt32(truncatingIfNeeded: fixed64 >> 32))
  }

  public mutating func append(bytes: [UInt8]) {
    literal.append(contentsOf: bytes)
    byteCount += bytes.count
  }

  public mutating func append(text: String) {
    literal.append(contentsOf: text.utf8)
    byteCount += text.utf8.count
  }

  public mutating func append(payload: Payload, byteCount count: Int) {
    placements.append(
      Placement(payload: payload, byteOffset: byteCount, byteCount: count, literalCount: literal.count))
    byteCount += count
  }

  public mutating func appendMessage(field: Int, _ message: some WireEncodable<Payload>) {
    var inner = WireCounter<Payload>()
    message.encode(to: &inner)
    append(tag: field, .lengthDelimited)
    append(varint: UInt64(inner.byteCount))
    let start = byteCount
    message.encode(to: &self)
    precondition(byteCount - start == inner.byteCount, "the size pass and the write pass disagree")
  }
}
