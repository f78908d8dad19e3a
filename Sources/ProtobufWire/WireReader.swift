/// How a field's value is laid out on the wire (the low three bits of a tag).
public enum WireType: UInt8, Sendable {
  case varint = 0
  case fixed64 = 1
  case lengthDelimited = 2
  case startGroup = 3
  case endGroup = 4
  case fixed32 = 5
}

/// The tag of one field: its number, its wire type and where the tag began.
public struct WireField: Equatable, Sendable {
  public let number: Int
  public let wireType: WireType
  /// Absolute offset of the tag's first byte.
  public let byteOffset: Int
}

/// Walks one message, field by field, over borrowed bytes; every length is checked before use.
///
/// Offsets in results and errors are absolute: `base` is where these bytes begin in the file.
public struct WireReader: ~Escapable {
  @usableFromInline let bytes: Span<UInt8>
  @usableFromInline var position: Int
  @usableFromInline let base: Int
  /// How many more levels of messages or groups may be opened below this one.
  public let depthBudget: Int
  @usableFromInline let depthLimit: Int

  /// The recursion limit of Google's implementations.
  public static var defaultDepthBudget: Int { 100 }

  /// A reader over a whole message.
  @_lifetime(copy bytes)
  public init(_ bytes: Span<UInt8>, base: Int = 0, depthBudget: Int = WireReader.defaultDepthBudget) {
    self.bytes = bytes
    self.position = 0
    self.base = base
    self.depthBudget = depthBudget
    self.depthLimit = depthBudget
  }

  @_lifetime(copy bytes)
  private init(_ bytes: Span<UInt8>, base: Int, depthBudget: Int, depthLimit: Int) {
    self.bytes = bytes
    self.position = 0
    self.base = base
    self.depthBudget = depthBudget
    self.depthLimit = depthLimit
  }

  /// Absolute offset of the next byte to be read.
  public var byteOffset: Int { base + position }

  public var isAtEnd: Bool { position == bytes.count }

  private func failure(_ reason: WireError.Reason, at offset: Int? = nil) -> WireError {
    WireError(reason, byteOffset: offset ?? byteOffset)
  }

  // MARK: Tags

  /// The next field's tag, or nil at the end of the message.
  public mutating func nextField() throws(WireError) -> WireField? {
    if isAtEnd { return nil }
    let start = byteOffset
    let tag = try varint()
    guard tag <= 0xFFFF_FFFF, tag >> 3 != 0 else { throw failure(.invalidTag(tag), at: start) }
    guard let type = WireType(rawValue: UInt8(tag & 7)) else {
      throw failure(.invalidWireType(UInt8(tag & 7)), at: start)
    }
    return WireField(number: Int(tag >> 3), wireType: type, byteOffset: start)
  }

  // MARK: Scalars

  /// A base-128 varint of at most ten bytes; bits past 64 are dropped, as in Google's parsers.
  public mutating func varint() throws(WireError) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    let start = position
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7F) &<< shift
      if byte < 0x80 { return value }
      shift += 7
      if shift >= 70 { throw failure(.overlongVarint, at: base + start) }
    }
    throw failure(.truncated(needed: 1, available: 0), at: base + start)
  }

  /// An `int64` field's value.
  public mutating func int64() throws(WireError) -> Int64 { Int64(bitPattern: try varint()) }

  /// An `int32` (or enum) field's value: the low 32 bits of the varint.
  public mutating func int32() throws(WireError) -> Int32 { Int32(truncatingIfNeeded: try varint()) }

  /// Four little-endian bytes.
  public mutating func fixed32() throws(WireError) -> UInt32 {
    let range = try take(4)
    var value: UInt32 = 0
    for (shift, index) in range.enumerated() { value |= UInt32(bytes[index]) << UInt32(8 * shift) }
    return value
  }

  /// Eight little-endian bytes.
  public mutating func fixed64() throws(WireError) -> UInt64 {
    let range = try take(8)
    var value: UInt64 = 0
    for (shift, index) in range.enumerated() { value |= UInt64(bytes[index]) << UInt64(8 * shift) }
    return value
  }

  /// An IEEE 754 binary32 field.
  public mutating func float() throws(WireError) -> Float { Float(bitPattern: try fixed32()) }

  private mutating func take(_ count: Int) throws(WireError) -> Range<Int> {
    let left = bytes.count - position
    guard count <= left else { throw failure(.truncated(needed: count, available: left)) }
    defer { position += count }
    return position..<(position + count)
  }

  // MARK: Length-delimited fields

  /// The absolute byte range of a length-delimited field's content, which is skipped.
  public mutating func contentRange() throws(WireError) -> Range<Int> {
    let start = byteOffset
    let length = try varint()
    guard length <= UInt64(Int64.max / 2) else { throw failure(.lengthOverflow(length), at: start) }
    let range = try take(Int(length))
    return (base + range.lowerBound)..<(base + range.upperBound)
  }

  /// A copy of the bytes of a length-delimited field.
  public mutating func byteArray() throws(WireError) -> [UInt8] {
    let range = try contentRange()
    return copy(range)
  }

  /// A copy of the bytes in an absolute range that this reader covers.
  public func copy(_ range: Range<Int>) -> [UInt8] {
    let local = bytes.extracting((range.lowerBound - base)..<(range.upperBound - base))
    // The buffer lives for the call only; the array is a copy.
    return unsafe local.withUnsafeBufferPointer { unsafe [UInt8]($0) }
  }

  /// A text field; bytes that are not UTF-8 are an error.
  public mutating func string() throws(WireError) -> String {
    let range = try contentRange()
    let local = bytes.extracting((range.lowerBound - base)..<(range.upperBound - base))
    do {
      return String(copying: try UTF8Span(validating: local))
    } catch {
      throw failure(.invalidUTF8, at: range.lowerBound)
    }
  }

  /// A reader over the message in the next length-delimited field, which is skipped here.
  @_lifetime(copy self)
  public mutating func message() throws(WireError) -> WireReader {
    guard depthBudget > 0 else { throw failure(.tooDeep(limit: depthLimit)) }
    let range = try contentRange()
    return WireReader(
      bytes.extracting((range.lowerBound - base)..<(range.upperBound - base)),
      base: range.lowerBound, depthBudget: depthBudget - 1, depthLimit: depthLimit)
  }

  /// A reader over a packed field's content, which is skipped here.
  @_lifetime(copy self)
  public mutating func packed() throws(WireError) -> WireReader {
    let range = try contentRange()
    return WireReader(
      bytes.extracting((range.lowerBound - base)..<(range.upperBound - base)),
      base: range.lowerBound, depthBudget: depthBudget, depthLimit: depthLimit)
  }

  // MARK: Skipping

  /// Skips a field whose tag was just read; returns the absolute range from its tag to its end.
  public mutating func skip(_ field: WireField) throws(WireError) -> Range<Int> {
    try skipValue(field, budget: depthBudget)
    return field.byteOffset..<byteOffset
  }

  private mutating func skipValue(_ field: WireField, budget: Int) throws(WireError) {
    switch field.wireType {
    case .varint: _ = try varint()
    case .fixed64: _ = try take(8)
    case .fixed32: _ = try take(4)
    case .lengthDelimited: _ = try contentRange()
    case .endGroup: throw failure(.strayEndGroup(fieldNumber: field.number), at: field.byteOffset)
    case .startGroup:
      guard budget > 0 else { throw failure(.tooDeep(limit: depthLimit)) }
      while true {
        guard let inner = try nextField() else { throw failure(.truncated(needed: 1, available: 0)) }
        if inner.wireType == .endGroup {
          guard inner.number == field.number else {
            throw failure(.strayEndGroup(fieldNumber: inner.number), at: inner.byteOffset)
          }
          return
        }
        try skipValue(inner, budget: budget - 1)
      }
    }
  }
}
