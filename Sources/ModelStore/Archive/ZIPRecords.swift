import ByteIO

/// Where an archive's directory lies.
struct ZIPDirectoryPlace {
  let range: Range<Int>
  let entryCount: Int
  /// Bytes before the archive's own first one, such as the program of a self-extracting archive.
  let prefixByteCount: Int
}

/// Finds the directory from the records at the end of an archive (source: PKWARE's APPNOTE.TXT 6.3, 4.3.14 to
/// 4.3.16). The archive's comment is passed over.
struct ZIPDirectoryFinder {
  let file: MappedFile

  private static let endByteCount = 22
  private static let locatorByteCount = 20
  private static let end64ByteCount = 56

  func find() throws(ArchiveError) -> ZIPDirectoryPlace {
    let bytes = file.bytes
    let end = try endRecord()
    guard let disk = bytes.uint16(at: end + 4), let directoryDisk = bytes.uint16(at: end + 6),
      let countHere = bytes.uint16(at: end + 8), let count = bytes.uint16(at: end + 10),
      let byteCount = bytes.uint32(at: end + 12), let offset = bytes.uint32(at: end + 16)
    else { throw damaged("its last record is incomplete") }
    let short = Numbers(
      disk: disk, directoryDisk: directoryDisk, countHere: countHere, count: count, byteCount: byteCount,
      offset: offset)
    let locator = end - ZIPDirectoryFinder.locatorByteCount
    if locator >= 0, bytes.uint32(at: locator) == 0x0706_4B50 {
      let (long, start) = try longRecord(locator)
      guard short.agrees(with: long) else { throw damaged("its two last records disagree") }
      return try place(long, endingAt: start)
    }
    if count == saturated16 || byteCount == saturated32
      || offset == saturated32
    {
      throw damaged("its ZIP64 record is missing")
    }
    return try place(short, endingAt: end)
  }

  /// What the last record says, or its ZIP64 form.
  private struct Numbers {
    let disk: Int
    let directoryDisk: Int
    let countHere: Int
    let count: Int
    let byteCount: Int
    let offset: Int

    /// The short record holds the largest number where the true one does not fit.
    func agrees(with long: Numbers) -> Bool {
      func agree(_ short: Int, _ long: Int, _ saturated: Int) -> Bool { short == long || short == saturated }
      return agree(count, long.count, saturated16) && agree(byteCount, long.byteCount, saturated32)
        && agree(offset, long.offset, saturated32)
    }
  }

  /// The last record is the last place with its mark and a comment that reaches to the end of the file.
  private func endRecord() throws(ArchiveError) -> Int {
    let bytes = file.bytes
    var position = bytes.count - ZIPDirectoryFinder.endByteCount
    let lowest = max(0, position - 0xFFFF)
    while position >= lowest {
      if bytes[position] == 0x50, bytes.uint32(at: position) == 0x0605_4B50,
        bytes.uint16(at: position + 20) == bytes.count - position - ZIPDirectoryFinder.endByteCount
      {
        return position
      }
      position -= 1
    }
    switch ArchiveKind.name(of: bytes) {
    case "a ZIP archive":
      throw ArchiveError(.truncated("its directory, which is at the end, is missing"), path: file.path)
    case let found: throw ArchiveError(.notAnArchive(found: found), path: file.path)
    }
  }

  private func longRecord(_ locator: Int) throws(ArchiveError) -> (Numbers, start: Int) {
    let bytes = file.bytes
    guard let disk = bytes.uint32(at: locator + 4), let told = bytes.uint64(at: locator + 8),
      let diskCount = bytes.uint32(at: locator + 16)
    else { throw damaged("its ZIP64 locator is incomplete") }
    if disk != 0 || diskCount > 1 { throw ArchiveError(.severalDisks, path: file.path) }
    // With bytes before the archive the told place is off, but then the record ends where the locator begins.
    let usual = locator - ZIPDirectoryFinder.end64ByteCount
    let candidates = [told, usual].filter { $0 >= 0 && $0 <= usual && bytes.uint32(at: $0) == 0x0606_4B50 }
    guard let start = candidates.first, let size = bytes.uint64(at: start + 4),
      size >= ZIPDirectoryFinder.end64ByteCount - 12, size <= locator - start - 12,
      let disk = bytes.uint32(at: start + 16), let directoryDisk = bytes.uint32(at: start + 20),
      let countHere = bytes.uint64(at: start + 24), let count = bytes.uint64(at: start + 32),
      let byteCount = bytes.uint64(at: start + 40), let offset = bytes.uint64(at: start + 48)
    else { throw damaged("its ZIP64 record is missing or incomplete") }
    let numbers = Numbers(
      disk: disk, directoryDisk: directoryDisk, countHere: countHere, count: count, byteCount: byteCount,
      offset: offset)
    return (numbers, start)
  }

  private func place(_ numbers: Numbers, endingAt end: Int) throws(ArchiveError) -> ZIPDirectoryPlace {
    if numbers.disk != 0 || numbers.directoryDisk != 0 || numbers.countHere != numbers.count {
      throw ArchiveError(.severalDisks, path: file.path)
    }
    // The directory ends where the last records begin; what it claims less is what was put before the archive.
    guard numbers.byteCount <= end, numbers.offset <= end - numbers.byteCount else {
      throw ArchiveError(.truncated("its directory would begin before the file does"), path: file.path)
    }
    let start = end - numbers.byteCount
    return ZIPDirectoryPlace(
      range: start..<end, entryCount: numbers.count, prefixByteCount: start - numbers.offset)
  }

  private func damaged(_ what: String) -> ArchiveError { ArchiveError(.damaged(what), path: file.path) }
}

/// What a short field holds when the true number is in a ZIP64 field.
let saturated16 = 0xFFFF
let saturated32 = 0xFFFF_FFFF

/// Tells what kind of file begins like this.
enum ArchiveKind {
  static func name(of bytes: borrowing Span<UInt8>) -> String {
    func begins(_ mark: [UInt8], at offset: Int = 0) -> Bool {
      guard bytes.count >= offset + mark.count else { return false }
      return mark.indices.allSatisfy { bytes[offset + $0] == mark[$0] }
    }
    if bytes.isEmpty { return "an empty file" }
    if begins([0x50, 0x4B, 3, 4]) || begins([0x50, 0x4B, 5, 6]) { return "a ZIP archive" }
    if begins([0x50, 0x4B, 7, 8]) { return "a part of a split ZIP archive" }
    if begins([0x1F, 0x8B]) { return "a gzip file" }
    if begins(Array("BZh".utf8)) { return "a bzip2 file" }
    if begins([0xFD] + Array("7zXZ".utf8)) { return "an xz file" }
    if begins([0x28, 0xB5, 0x2F, 0xFD]) { return "a zstd file" }
    if begins([0x37, 0x7A, 0xBC, 0xAF, 0x27, 0x1C]) { return "a 7-Zip archive" }
    if begins(Array("Rar!".utf8)) { return "a RAR archive" }
    if begins(Array("ustar".utf8), at: 257) { return "a tar archive" }
    if begins(Array("<!DOCTYPE".utf8)) || begins(Array("<!doctype".utf8)) || begins(Array("<html".utf8)) {
      return "an HTML page"
    }
    return "no archive that is known here"
  }
}
