import TestSupport

/// Builds ZIP archives byte by byte, right ones and wrong ones.
struct ZIPBuilder {
  struct Entry {
    var name: [UInt8]
    var content: [UInt8]
    /// 0, or 8 for blocks that deflate stores.
    var method = 0
    var flags = 0
    var madeBy = 3 << 8 | 20
    var mode = 0o100644
    var localExtra: [UInt8] = []
    var centralExtra: [UInt8] = []
    var descriptor: [UInt8] = []
    // What the records say, where it is not the truth.
    var crc32: Int?
    var byteCount: Int?
    var compressedByteCount: Int?
    var localName: [UInt8]?
    var localMethod: Int?
    var localCRC32: Int?
    var localByteCount: Int?
    var localCompressedByteCount: Int?
    var localFlags: Int?
    var offset: Int?
    var disk = 0

    init(_ name: String, _ content: [UInt8] = [1, 2, 3]) {
      self.name = Array(name.utf8)
      self.content = content
    }

    fileprivate var stored: [UInt8] { method == 8 ? ZIPBuilder.deflated(content) : content }
    fileprivate var trueCRC32: Int { Int(ZIPBuilder.checksum(content)) }
  }

  var entries: [Entry] = []
  var prefix: [UInt8] = []
  /// Between the entries and the directory.
  var gap: [UInt8] = []
  var comment: [UInt8] = []
  var entryCount: Int?
  var disk = 0
  var directoryOffset: Int?
  var directoryByteCount: Int?
  /// After the last entry of the directory, and counted to it.
  var directoryTail: [UInt8] = []

  init(_ entries: Entry...) { self.entries = entries }

  var bytes: [UInt8] {
    var result: [UInt8] = []
    var offsets: [Int] = []
    for entry in entries {
      offsets.append(result.count)
      let name = entry.localName ?? entry.name
      result += number(0x0403_4B50, 4) + number(20, 2) + number(entry.localFlags ?? entry.flags, 2)
      result += number(entry.localMethod ?? entry.method, 2) + number(0, 4)
      result += number(entry.localCRC32 ?? entry.crc32 ?? entry.trueCRC32, 4)
      result += number(entry.localCompressedByteCount ?? entry.compressedByteCount ?? entry.stored.count, 4)
      result += number(entry.localByteCount ?? entry.byteCount ?? entry.content.count, 4)
      result += number(name.count, 2) + number(entry.localExtra.count, 2) + name + entry.localExtra
      result += entry.stored + entry.descriptor
    }
    result += gap
    let start = result.count
    for (entry, offset) in zip(entries, offsets) {
      result += number(0x0201_4B50, 4) + number(entry.madeBy, 2) + number(20, 2) + number(entry.flags, 2)
      result += number(entry.method, 2) + number(0, 4) + number(entry.crc32 ?? entry.trueCRC32, 4)
      result += number(entry.compressedByteCount ?? entry.stored.count, 4)
      result += number(entry.byteCount ?? entry.content.count, 4)
      result += number(entry.name.count, 2) + number(entry.centralExtra.count, 2) + number(0, 2)
      result += number(entry.disk, 2) + number(0, 2) + number(entry.mode << 16, 4)
      result += number(entry.offset ?? offset, 4) + entry.name + entry.centralExtra
    }
    result += directoryTail
    let length = directoryByteCount ?? result.count - start
    result += number(0x0605_4B50, 4) + number(disk, 2) + number(disk, 2)
    result += number(entryCount ?? entries.count, 2) + number(entryCount ?? entries.count, 2)
    result += number(length, 4) + number(directoryOffset ?? start, 4) + number(comment.count, 2) + comment
    return prefix + result
  }

  /// The least significant byte first.
  static func number(_ value: Int, _ byteCount: Int) -> [UInt8] {
    (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
  }

  private func number(_ value: Int, _ byteCount: Int) -> [UInt8] { ZIPBuilder.number(value, byteCount) }

  /// Deflate's blocks that are stored as they are (source: RFC 1951, 3.2.4).
  static func deflated(_ content: [UInt8]) -> [UInt8] {
    var result: [UInt8] = []
    var rest = content[...]
    repeat {
      let block = rest.prefix(0xFFFF)
      rest = rest.dropFirst(block.count)
      result += [rest.isEmpty ? 1 : 0] + number(block.count, 2) + number(~block.count, 2) + block
    } while !rest.isEmpty
    return result
  }

  /// CRC-32 (source: ISO 3309), byte by byte with the usual table.
  static func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(0xFFFF_FFFF) { crc, byte in crc >> 8 ^ table[Int(UInt8(truncatingIfNeeded: crc) ^ byte)] }
  }

  private static let table: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
  }
}
