public import ByteIO

/// A ZIP archive that has been looked through: every entry has a safe name of its own and bytes of its own, and can be
/// read here. An archive of which a single entry is not so is not opened at all.
public final class ZIPArchive: Sendable {
  public let path: String
  /// In the order of the directory.
  public let entries: [ZIPEntry]
  let file: MappedFile

  /// Opens the archive and checks everything but the contents.
  public init(path: String, limits: ArchiveLimits = ArchiveLimits()) throws(ArchiveError) {
    self.path = path
    do {
      file = try MappedFile(path: path)
    } catch {
      throw ArchiveError(.file(error), path: path)
    }
    let place = try ZIPDirectoryFinder(file: file).find()
    guard place.entryCount <= limits.entryCount else {
      throw ArchiveError(.tooManyEntries(place.entryCount, limit: limits.entryCount), path: path)
    }
    let records = try ZIPDirectoryReader(file: file, place: place).records()
    let places = ZIPPlaces(file: file, directoryStart: place.range.lowerBound)
    let checker = ZIPEntryChecker(path: path, limits: limits)
    for record in records { try checker.checkReadable(record) }
    entries = try checker.entries(records, places.ranges(of: records))
    file.release(0..<file.byteCount)
  }

  /// The entry of that path.
  public func entry(_ path: String) -> ZIPEntry? { entries.first { $0.path.utf8.elementsEqual(path.utf8) } }

  /// The archive's file, in which a stored entry can be read where it lies; nil when it is compressed. Its checksum
  /// has not been compared.
  public func storedBytes(of entry: ZIPEntry) -> (file: MappedFile, range: Range<Int>)? {
    entry.method == .stored ? (file, entry.storedRange) : nil
  }

  /// The first bytes of an entry, all of them when it has no more. The checksum has not been compared.
  public func beginning(of entry: ZIPEntry, byteCount: Int) throws(ArchiveError) -> [UInt8] {
    let stream = ZIPStream(file: file, archivePath: path)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(byteCount, entry.byteCount))
    try stream.read(entry, until: byteCount) { piece, _ throws(ArchiveError) in
      let rest = min(piece.byteCount, byteCount - bytes.count)
      // The pointer lives for the call only and covers the piece's readable bytes.
      unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0.prefix(rest)) }
    }
    return bytes
  }

  /// The whole content of a small entry, its checksum compared.
  public func contents(of entry: ZIPEntry, byteLimit: Int = 16 << 20) throws(ArchiveError) -> [UInt8] {
    if entry.byteCount > byteLimit {
      throw ArchiveError(
        .tooLarge(byteCount: entry.byteCount, limit: byteLimit), path: path, entry: entry.path)
    }
    return try beginning(of: entry, byteCount: .max)
  }
}

/// Checks what the records say, one by one and together.
struct ZIPEntryChecker {
  let path: String
  let limits: ArchiveLimits

  /// Refuses what is encrypted or compressed in ways that are not read here.
  func checkReadable(_ record: ZIPRecord) throws(ArchiveError) {
    let encrypted = ZIPRecord.encryptedFlag | ZIPRecord.strongEncryptionFlag | ZIPRecord.maskedFlag
    if record.flags & encrypted != 0 || record.methodNumber == 99 {
      throw ArchiveError(.encrypted, path: path, entry: record.name)
    }
    if record.methodNumber != 0, record.methodNumber != 8 {
      throw ArchiveError(
        .method(record.methodNumber, name: ZIPEntryChecker.methodName(record.methodNumber)), path: path,
        entry: record.name)
    }
  }

  func entries(_ records: [ZIPRecord], _ ranges: [Range<Int>]) throws(ArchiveError) -> [ZIPEntry] {
    var entries: [ZIPEntry] = []
    var sum = 0
    for (record, range) in zip(records, ranges) {
      let entry = try entry(record, range)
      let total = sum.addingReportingOverflow(entry.byteCount)
      sum = total.overflow ? .max : total.partialValue
      entries.append(entry)
    }
    if sum > limits.byteCount {
      throw ArchiveError(.tooLarge(byteCount: sum, limit: limits.byteCount), path: path)
    }
    try checkNames(entries)
    return entries
  }

  private func entry(_ record: ZIPRecord, _ range: Range<Int>) throws(ArchiveError) -> ZIPEntry {
    func error(_ reason: ArchiveError.Reason) -> ArchiveError {
      ArchiveError(reason, path: path, entry: record.name)
    }
    let parts: [String]
    switch ZIPName.parts(of: record.name) {
    case .success(let found): parts = found
    case .failure(let objection): throw error(.unsafeName(objection.text))
    }
    // The upper half of the attributes is the mode of Unix, where it is one.
    switch record.externalAttributes >> 16 & 0o170000 {
    case 0, 0o100000, 0o040000: break
    case 0o120000: throw error(.notAFile("a symbolic link"))
    case 0o020000, 0o060000: throw error(.notAFile("a device"))
    case 0o010000: throw error(.notAFile("a pipe"))
    case 0o140000: throw error(.notAFile("a socket"))
    default: throw error(.notAFile("something that is no file"))
    }
    let isFolder = record.name.utf8.last == UInt8(ascii: "/")
    if isFolder, record.byteCount > 0 { throw error(.notAFile("a folder with a content")) }
    if record.methodNumber == 0, record.byteCount != record.compressedByteCount {
      throw error(.damaged("it is stored with \(record.compressedByteCount) bytes for \(record.byteCount)"))
    }
    // Deflate makes at most 1032 bytes of one, plus what a last block may add.
    if record.byteCount / 1032 > record.compressedByteCount + 1 {
      throw error(.length(found: record.compressedByteCount * 1032, expected: record.byteCount))
    }
    if record.byteCount > limits.ratioFreeByteCount {
      let ratio = record.byteCount / max(1, record.compressedByteCount)
      if ratio > limits.ratio { throw error(.ratio(ratio, limit: limits.ratio)) }
    }
    return ZIPEntry(
      path: parts.joined(separator: "/"), kind: isFolder ? .folder : .file,
      method: record.methodNumber == 0 ? .stored : .deflated, byteCount: record.byteCount, storedRange: range,
      crc32: record.crc32)
  }

  /// No two files of one name, whatever a file system thinks of case and accents, and no file in the place of a
  /// folder. Strings are equal here when they are written alike, however the accents are encoded.
  private func checkNames(_ entries: [ZIPEntry]) throws(ArchiveError) {
    var files: [String: String] = [:]
    for entry in entries where entry.kind == .file {
      if let other = files.updateValue(entry.path, forKey: entry.path.lowercased()) {
        throw ArchiveError(.sameName(as: other), path: path, entry: entry.path)
      }
    }
    for entry in entries {
      var folderPath = entry.kind == .folder ? entry.path : folder(of: entry.path)
      while !folderPath.isEmpty {
        if let other = files[folderPath.lowercased()] {
          throw ArchiveError(.sameName(as: other), path: path, entry: entry.path)
        }
        folderPath = folder(of: folderPath)
      }
    }
  }

  /// Names of compressions (source: PKWARE's APPNOTE.TXT 6.3, 4.4.5).
  private static func methodName(_ number: Int) -> String {
    let names = [
      1: "Shrink", 2: "Reduce", 3: "Reduce", 4: "Reduce", 5: "Reduce", 6: "Implode", 9: "Deflate64",
      10: "DCL Implode", 12: "bzip2", 14: "LZMA", 16: "CMPSC", 18: "TERSE", 19: "LZ77", 20: "zstd",
      93: "zstd",
      94: "MP3", 95: "xz", 96: "JPEG", 97: "WavPack", 98: "PPMd",
    ]
    return names[number] ?? "an unknown method"
  }
}
