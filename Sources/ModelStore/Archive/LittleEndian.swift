/// Numbers as ZIP archives write them, the least significant byte first. Nil where the bytes end before the number.
extension Span where Element == UInt8 {
  func uint16(at offset: Int) -> Int? {
    guard offset >= 0, offset <= count - 2 else { return nil }
    return Int(self[offset]) | Int(self[offset + 1]) << 8
  }

  func uint32(at offset: Int) -> Int? {
    guard let low = uint16(at: offset), let high = uint16(at: offset + 2) else { return nil }
    return low | high << 16
  }

  /// Nil also where the number is larger than any length can be.
  func uint64(at offset: Int) -> Int? {
    guard let low = uint32(at: offset), let high = uint32(at: offset + 4), high < 1 << 31 else { return nil }
    return low | high << 32
  }

  /// The bytes of a range; nil where it is not all there.
  func bytes(_ offset: Int, _ byteCount: Int) -> [UInt8]? {
    guard offset >= 0, byteCount >= 0, offset <= count, byteCount <= count - offset else { return nil }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(byteCount)
    for index in offset..<offset + byteCount { bytes.append(self[index]) }
    return bytes
  }
}
