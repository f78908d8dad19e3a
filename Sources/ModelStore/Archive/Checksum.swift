import CZlib

/// CRC-32 as ZIP archives use it, of `bytes` after what `crc` is the checksum of; 0 is that of nothing.
func checksum(_ bytes: RawSpan, after crc: UInt32 = 0) -> UInt32 {
  // The pointer lives for the call only and covers the count of readable bytes; zlib answers 0 for none.
  unsafe bytes.withUnsafeBytes { buffer in
    guard let start = buffer.baseAddress else { return crc }
    return UInt32(
      truncatingIfNeeded: unsafe crc32_z(uLong(crc), start.assumingMemoryBound(to: Bytef.self), buffer.count))
  }
}
