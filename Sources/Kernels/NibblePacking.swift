import CKernels

/// 4-bit values, two per byte: element 2i in the low nibble, 2i + 1 in the high one.
public enum NibblePacking {
  /// Bytes for `count` values.
  public static func byteCount(_ count: Int) -> Int { count / 2 + count % 2 }

  /// Packs the low four bits of each value; an odd count leaves the last high nibble 0.
  public static func pack(_ values: Span<UInt8>, into output: inout MutableSpan<UInt8>) {
    precondition(output.count == byteCount(values.count), "two values per byte")
    if values.isEmpty { return }
    // Safe: the counts were checked above.
    unsafe lending(values, &output) {
      unsafe ck_pack_nibbles($0, values.count, $1, byteCount(values.count))
    }
  }

  /// Packs each row of [rows, columnCount] to whole bytes, as MatMulNBits stores 4-bit zero points.
  public static func packRows(_ values: Span<UInt8>, columnCount: Int, into output: inout MutableSpan<UInt8>)
  {
    requireWholeRows(values.count, columnCount: columnCount)
    if values.isEmpty { return }
    let rowByteCount = byteCount(columnCount)
    precondition(output.count == values.count / columnCount * rowByteCount, "rows of whole bytes")
    if columnCount % 2 == 0 { return pack(values, into: &output) }
    for index in output.indices {
      let (row, pair) = index.quotientAndRemainder(dividingBy: rowByteCount)
      let first = row * columnCount + 2 * pair
      let upper = 2 * pair + 1 < columnCount ? values[first + 1] : 0
      output[index] = values[first] & 0x0F | upper << 4
    }
  }

  /// Unpacks to 0...15.
  public static func unpack(_ bytes: Span<UInt8>, into output: inout MutableSpan<UInt8>) {
    precondition(bytes.count == byteCount(output.count), "two values per byte")
    if output.isEmpty { return }
    let count = output.count
    // Safe: the counts were checked above.
    unsafe lending(bytes, &output) { unsafe ck_unpack_nibbles_u8($0, bytes.count, $1, count) }
  }

  /// Unpacks two's complement to -8...7.
  public static func unpackSigned(_ bytes: Span<UInt8>, into output: inout MutableSpan<Int8>) {
    precondition(bytes.count == byteCount(output.count), "two values per byte")
    if output.isEmpty { return }
    let count = output.count
    // Safe: the counts were checked above.
    unsafe lending(bytes, &output) { unsafe ck_unpack_nibbles_s8($0, bytes.count, $1, count) }
  }
}
