import ByteIO

/// One record of an archive's directory, as it is written there.
struct ZIPRecord {
  let nameBytes: [UInt8]
  let name: String
  let system: Int
  let flags: Int
  let methodNumber: Int
  let crc32: UInt32
  let compressedByteCount: Int
  let byteCount: Int
  let externalAttributes: Int
  /// Where the local header lies in the file, what was put before the archive included.
  let headerOffset: Int

  static let encryptedFlag = 1
  static let descriptorFlag = 1 << 3
  static let strongEncryptionFlag = 1 << 6
  static let utf8Flag = 1 << 11
  static let maskedFlag = 1 << 13
}

/// Reads the records of the directory (source: PKWARE's APPNOTE.TXT 6.3, 4.3.12, 4.5.3, 4.6.9).
struct ZIPDirectoryReader {
  let file: MappedFile
  let place: ZIPDirectoryPlace

  private static let fixedByteCount = 46

  func records() throws(ArchiveError) -> [ZIPRecord] {
    guard place.entryCount <= place.range.count / ZIPDirectoryReader.fixedByteCount else {
      throw damaged("its directory has \(place.range.count) bytes for \(place.entryCount) entries")
    }
    var records: [ZIPRecord] = []
    records.reserveCapacity(place.entryCount)
    var offset = place.range.lowerBound
    for _ in 0..<place.entryCount { records.append(try record(&offset)) }
    guard offset == place.range.upperBound else {
      throw damaged("its directory has \(place.range.upperBound - offset) bytes after its last entry")
    }
    return records
  }

  private func record(_ offset: inout Int) throws(ArchiveError) -> ZIPRecord {
    let bytes = file.bytes
    let end = place.range.upperBound
    guard offset <= end - ZIPDirectoryReader.fixedByteCount, bytes.uint32(at: offset) == 0x0201_4B50,
      let madeBy = bytes.uint16(at: offset + 4), let flags = bytes.uint16(at: offset + 8),
      let method = bytes.uint16(at: offset + 10), let crc32 = bytes.uint32(at: offset + 16),
      let compressed = bytes.uint32(at: offset + 20), let byteCount = bytes.uint32(at: offset + 24),
      let nameLength = bytes.uint16(at: offset + 28), let extraLength = bytes.uint16(at: offset + 30),
      let commentLength = bytes.uint16(at: offset + 32), let disk = bytes.uint16(at: offset + 34),
      let attributes = bytes.uint32(at: offset + 38), let header = bytes.uint32(at: offset + 42)
    else { throw damaged("byte \(offset) begins no entry of its directory") }
    let nameStart = offset + ZIPDirectoryReader.fixedByteCount
    let next = nameStart + nameLength + extraLength + commentLength
    guard next <= end, let nameBytes = bytes.bytes(nameStart, nameLength),
      let extraBytes = bytes.bytes(nameStart + nameLength, extraLength)
    else { throw damaged("an entry of its directory at byte \(offset) is incomplete") }
    offset = next
    let extra = ZIPExtraFields(extraBytes)
    let name = ZIPName.decode(
      nameBytes, saysUTF8: flags & ZIPRecord.utf8Flag != 0, unicodePath: extra.unicodePath(of: nameBytes),
      system: madeBy >> 8)
    guard let name else {
      throw ArchiveError(
        .unsafeName("is not the UTF-8 that it says it is"), path: file.path,
        entry: String(decoding: nameBytes, as: UTF8.self))
    }
    guard
      let long = extra.numbers(
        byteCount: byteCount, compressed: compressed, header: header, disk: disk)
    else {
      throw ArchiveError(.damaged("its ZIP64 field is incomplete"), path: file.path, entry: name)
    }
    if long.disk != 0 { throw ArchiveError(.severalDisks, path: file.path) }
    let headerOffset = long.header.addingReportingOverflow(place.prefixByteCount)
    guard !headerOffset.overflow, headerOffset.partialValue < place.range.lowerBound else {
      throw ArchiveError(
        .truncated("its content begins after the directory does"), path: file.path, entry: name)
    }
    return ZIPRecord(
      nameBytes: nameBytes, name: name, system: madeBy >> 8, flags: flags, methodNumber: method,
      crc32: UInt32(truncatingIfNeeded: crc32), compressedByteCount: long.compressed,
      byteCount: long.byteCount,
      externalAttributes: attributes, headerOffset: headerOffset.partialValue)
  }

  private func damaged(_ what: String) -> ArchiveError { ArchiveError(.damaged(what), path: file.path) }
}

/// The extra fields of a record: number, length, bytes, one after the other.
struct ZIPExtraFields {
  private var fields: [Int: [UInt8]] = [:]

  /// Bytes that are no fields, which some programs pad with, are passed over.
  init(_ bytes: [UInt8]) {
    let span = bytes.span
    var offset = 0
    while let number = span.uint16(at: offset), let length = span.uint16(at: offset + 2),
      let field = span.bytes(offset + 4, length)
    {
      if fields[number] == nil { fields[number] = field }
      offset += 4 + length
    }
  }

  /// The true numbers in place of those that do not fit; nil when one is missing.
  func numbers(
    byteCount: Int, compressed: Int, header: Int, disk: Int
  ) -> (byteCount: Int, compressed: Int, header: Int, disk: Int)? {
    let field = fields[1] ?? []
    var offset = 0
    func long(_ short: Int) -> Int? {
      if short != saturated32 { return short }
      defer { offset += 8 }
      return field.span.uint64(at: offset)
    }
    guard let byteCount = long(byteCount), let compressed = long(compressed), let header = long(header) else {
      return nil
    }
    let longDisk = disk == saturated16 ? field.span.uint32(at: offset) : disk
    return longDisk.map { (byteCount, compressed, header, $0) }
  }

  /// Info-ZIP's name in UTF-8 (field 0x7075), when it belongs to this name.
  func unicodePath(of name: [UInt8]) -> [UInt8]? {
    guard let field = fields[0x7075], field.first == 1, field.count > 5,
      let crc32 = field.span.uint32(at: 1)
    else { return nil }
    // Bytes have no padding, so reading them raw is sound.
    return crc32 == Int(checksum(unsafe name.span.bytes)) ? Array(field[5...]) : nil
  }
}
