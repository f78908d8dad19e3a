import ByteIO

/// Finds where the bytes of every entry lie, and makes sure that the local headers say the same as the directory and
/// that no two entries share bytes (source: PKWARE's APPNOTE.TXT 6.3, 4.3.7 and 4.3.9).
struct ZIPPlaces {
  let file: MappedFile
  let directoryStart: Int

  private static let fixedByteCount = 30

  /// The ranges of the stored or compressed bytes, in the order of the records.
  func ranges(of records: [ZIPRecord]) throws(ArchiveError) -> [Range<Int>] {
    var contents: [Range<Int>] = []
    var whole: [(range: Range<Int>, index: Int)] = []
    for (index, record) in records.enumerated() {
      let content = try contentRange(of: record)
      let end = try descriptorEnd(of: record, after: content)
      contents.append(content)
      whole.append((record.headerOffset..<end, index))
    }
    whole.sort { $0.range.lowerBound < $1.range.lowerBound }
    for (first, second) in zip(whole, whole.dropFirst())
    where first.range.upperBound > second.range.lowerBound {
      throw ArchiveError(
        .overlap(with: records[first.index].name), path: file.path, entry: records[second.index].name)
    }
    return contents
  }

  private func contentRange(of record: ZIPRecord) throws(ArchiveError) -> Range<Int> {
    let bytes = file.bytes
    let start = record.headerOffset
    guard bytes.uint32(at: start) == 0x0403_4B50, let flags = bytes.uint16(at: start + 6),
      let method = bytes.uint16(at: start + 8), let crc32 = bytes.uint32(at: start + 14),
      let compressed = bytes.uint32(at: start + 18), let byteCount = bytes.uint32(at: start + 22),
      let nameLength = bytes.uint16(at: start + 26), let extraLength = bytes.uint16(at: start + 28)
    else { throw error(record, .damaged("byte \(start) begins no entry, though the directory says so")) }
    let nameStart = start + ZIPPlaces.fixedByteCount
    let contentStart = nameStart + nameLength + extraLength
    guard contentStart <= directoryStart, record.compressedByteCount <= directoryStart - contentStart,
      let name = bytes.bytes(nameStart, nameLength),
      let extra = bytes.bytes(nameStart + nameLength, extraLength)
    else { throw error(record, .truncated("its bytes reach into the directory")) }
    func disagree(_ what: String) -> ArchiveError {
      error(record, .damaged("directory and local header disagree about the \(what)"))
    }
    if name != record.nameBytes { throw disagree("name") }
    if method != record.methodNumber { throw disagree("compression") }
    if (flags ^ record.flags) & ZIPRecord.encryptedFlag != 0 { throw disagree("encryption") }
    // With a descriptor after the content, the header may have been written before the numbers were known.
    let mayBeUnknown = flags & ZIPRecord.descriptorFlag != 0
    func agree(_ local: Int, _ true: Int) -> Bool { local == `true` || mayBeUnknown && local == 0 }
    let long = ZIPExtraFields(extra).numbers(byteCount: byteCount, compressed: compressed, header: 0, disk: 0)
    guard let long else {
      if mayBeUnknown { return contentStart..<contentStart + record.compressedByteCount }
      throw error(record, .damaged("the ZIP64 field of its local header is incomplete"))
    }
    if !agree(crc32, Int(record.crc32)) { throw disagree("checksum") }
    if !agree(long.byteCount, record.byteCount) || !agree(long.compressed, record.compressedByteCount) {
      throw disagree("length")
    }
    return contentStart..<contentStart + record.compressedByteCount
  }

  /// Where an entry ends, its data descriptor included, which has four forms: with a mark or without, with short
  /// lengths or long ones.
  private func descriptorEnd(of record: ZIPRecord, after content: Range<Int>) throws(ArchiveError) -> Int {
    let bytes = file.bytes
    guard let flags = bytes.uint16(at: record.headerOffset + 6), flags & ZIPRecord.descriptorFlag != 0 else {
      return content.upperBound
    }
    let start = content.upperBound
    for hasMark in [true, false] {
      if hasMark, bytes.uint32(at: start) != 0x0807_4B50 { continue }
      let numbers = hasMark ? start + 4 : start
      guard bytes.uint32(at: numbers) == Int(record.crc32) else { continue }
      let isShort =
        bytes.uint32(at: numbers + 4) == record.compressedByteCount
        && bytes.uint32(at: numbers + 8) == record.byteCount
      let isLong =
        bytes.uint64(at: numbers + 4) == record.compressedByteCount
        && bytes.uint64(at: numbers + 12) == record.byteCount
      // An empty content looks like both; the longer form is taken where it fits.
      if isLong, numbers + 20 <= directoryStart { return numbers + 20 }
      if isShort, numbers + 12 <= directoryStart { return numbers + 12 }
    }
    throw error(record, .damaged("directory and data descriptor disagree"))
  }

  private func error(_ record: ZIPRecord, _ reason: ArchiveError.Reason) -> ArchiveError {
    ArchiveError(reason, path: file.path, entry: record.name)
  }
}
