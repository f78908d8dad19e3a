import ByteIO

/// Reads the contents of entries piece by piece, one entry at a time; for one thread.
///
/// Pages of the archive are given back behind the reader, so memory is bounded whatever the sizes.
final class ZIPStream {
  private let file: MappedFile
  private let archivePath: String
  private var inflation: Inflation?

  static let pieceByteCount = 1 << 20
  private static let aheadByteCount = 4 << 20

  init(file: MappedFile, archivePath: String) {
    self.file = file
    self.archivePath = archivePath
  }

  /// Hands the content of an entry to `take`, with the offset of each piece. Length and checksum are compared with
  /// what the archive says, unless reading stops after `limit` bytes or more.
  func read(
    _ entry: ZIPEntry, until limit: Int = .max, take: (RawSpan, Int) throws(ArchiveError) -> Void
  ) throws(ArchiveError) {
    var state = Reading()
    switch entry.method {
    case .stored: try readStored(entry, limit, &state, take)
    case .deflated: try inflate(entry, limit, &state, take)
    }
    if state.byteCount >= limit, state.byteCount < entry.byteCount { return }
    if state.byteCount != entry.byteCount {
      throw error(entry, .length(found: state.byteCount, expected: entry.byteCount))
    }
    if state.crc32 != entry.crc32 {
      throw error(entry, .checksum(found: state.crc32, expected: entry.crc32))
    }
  }

  private struct Reading {
    var byteCount = 0
    var crc32: UInt32 = 0
  }

  private func readStored(
    _ entry: ZIPEntry, _ limit: Int, _ state: inout Reading,
    _ take: (RawSpan, Int) throws(ArchiveError) -> Void
  ) throws(ArchiveError) {
    let file = file
    var start = entry.storedRange.lowerBound
    let end = entry.storedRange.upperBound
    while start < end, state.byteCount < limit {
      let range = start..<min(start + ZIPStream.pieceByteCount, end)
      readAhead(range, to: end)
      // Bytes have no padding, so reading them raw is sound; the range lies within the file.
      let piece = unsafe file.bytes.extracting(range).bytes
      state.crc32 = checksum(piece, after: state.crc32)
      try take(piece, state.byteCount)
      state.byteCount += range.count
      file.releaseBehind(range)
      start = range.upperBound
    }
  }

  private func inflate(
    _ entry: ZIPEntry, _ limit: Int, _ state: inout Reading,
    _ take: (RawSpan, Int) throws(ArchiveError) -> Void
  ) throws(ArchiveError) {
    let inflation = try begin(entry)
    let file = file
    var buffer = [UInt8](repeating: 0, count: ZIPStream.pieceByteCount / 2)
    var start = entry.storedRange.lowerBound
    let end = entry.storedRange.upperBound
    var released = start
    while state.byteCount < limit {
      let range = start..<min(start + ZIPStream.pieceByteCount, end)
      // Bytes have no padding, so reading them raw is sound; the range lies within the file.
      let input = unsafe file.bytes.extracting(range).bytes
      let (taken, made, outcome) = inflation.step(input, into: &buffer)
      start += taken
      if made > 0 {
        guard made <= entry.byteCount - state.byteCount else {
          throw error(entry, .length(found: state.byteCount + made, expected: entry.byteCount))
        }
        // As above.
        let piece = unsafe buffer.span.bytes.extracting(0..<made)
        state.crc32 = checksum(piece, after: state.crc32)
        try take(piece, state.byteCount)
        state.byteCount += made
      }
      if start - released >= ZIPStream.pieceByteCount {
        file.releaseBehind(released..<start)
        released = start
        readAhead(start..<start, to: end)
      }
      switch outcome {
      case .ended:
        file.releaseBehind(released..<end)
        if start < end { throw error(entry, .damaged("\(end - start) bytes follow the end of its content")) }
        return
      case .damaged: throw error(entry, .damaged("its compressed bytes make no sense after byte \(start)"))
      case .needsInput where start == end: throw error(entry, .damaged("its compressed bytes break off"))
      case .needsInput, .needsRoom: break
      }
    }
  }

  private func begin(_ entry: ZIPEntry) throws(ArchiveError) -> Inflation {
    if let inflation {
      inflation.reset()
      return inflation
    }
    guard let new = Inflation() else { throw error(entry, .damaged("zlib has no memory to read it")) }
    inflation = new
    return new
  }

  private func readAhead(_ range: Range<Int>, to end: Int) {
    file.willNeed(range.lowerBound..<min(range.upperBound + ZIPStream.aheadByteCount, end))
  }

  private func error(_ entry: ZIPEntry, _ reason: ArchiveError.Reason) -> ArchiveError {
    ArchiveError(reason, path: archivePath, entry: entry.path)
  }
}
