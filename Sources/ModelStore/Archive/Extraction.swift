import ByteIO
import Synchronization

/// An entry and the file that it becomes.
public struct Extraction: Sendable {
  public var entry: ZIPEntry
  public var path: String

  public init(_ entry: ZIPEntry, to path: String) {
    self.entry = entry
    self.path = path
  }
}

/// A file that came out of an archive.
public struct ExtractedFile: Sendable, Equatable {
  public let entry: ZIPEntry
  public let path: String
  /// 64 hexadecimal digits; nil when it was not asked for.
  public let sha256: String?
}

/// How far an extraction is: bytes of all files together.
public struct ExtractionProgress: Sendable {
  public let doneByteCount: Int
  public let totalByteCount: Int
}

extension ZIPArchive {
  public enum DigestWish: Sendable { case none, sha256 }

  /// Unpacks entries, several side by side, and returns the files in the order they were asked for.
  ///
  /// Each file is complete under its name, its checksum compared, or not there; folders on the way are made. The first
  /// failure stops the others. `progress` is called on several threads.
  public func extract(
    _ extractions: [Extraction], digests: DigestWish = .none, threadCount: Int = 2,
    cancellation: Cancellation = Cancellation(),
    progress: @escaping @Sendable (ExtractionProgress) -> Void = { _ in }
  ) throws(ArchiveError) -> [ExtractedFile] {
    try checkSpace(extractions)
    // The largest first, so that no thread has it alone at the end.
    let order = extractions.indices.sorted { left, right in
      let (first, second) = (extractions[left].entry.byteCount, extractions[right].entry.byteCount)
      return first == second ? left < right : first > second
    }
    let total = extractions.reduce(0) { $0 + $1.entry.byteCount }
    let work = ExtractionWork(self, digests, total, Cancellation(parent: cancellation), progress)
    WorkerThreads.forEach(itemCount: order.count, threadCount: threadCount) { turn in
      work.extract(extractions[order[turn]], at: order[turn])
    }
    let (files, error) = work.outcome.withLock { $0 }
    if let error { throw error }
    let complete = extractions.indices.compactMap { files[$0] }
    if complete.count < extractions.count { throw ArchiveError(.canceled, path: path) }
    return complete
  }

  private func checkSpace(_ extractions: [Extraction]) throws(ArchiveError) {
    var needs: [UInt64: Int] = [:]
    for extraction in extractions {
      guard let free = freeSpace(inFolder: folder(of: extraction.path)) else { continue }
      let sum = (needs[free.device] ?? 0) + extraction.entry.byteCount
      needs[free.device] = sum
      if sum > free.byteCount {
        throw ArchiveError(.noSpace(needed: sum, available: free.byteCount), path: path)
      }
    }
  }
}

/// What the threads of one extraction share.
private final class ExtractionWork: Sendable {
  let outcome = Mutex((files: [Int: ExtractedFile](), error: ArchiveError?.none))
  private let archive: ZIPArchive
  private let digests: ZIPArchive.DigestWish
  private let total: Int
  private let stop: Cancellation
  private let progress: @Sendable (ExtractionProgress) -> Void
  private let done = Atomic<Int>(0)

  init(
    _ archive: ZIPArchive, _ digests: ZIPArchive.DigestWish, _ total: Int, _ stop: Cancellation,
    _ progress: @escaping @Sendable (ExtractionProgress) -> Void
  ) {
    self.archive = archive
    self.digests = digests
    self.total = total
    self.stop = stop
    self.progress = progress
  }

  func extract(_ extraction: Extraction, at index: Int) {
    if stop.isCanceled { return }
    do throws(ArchiveError) {
      let file = try write(extraction)
      outcome.withLock { $0.files[index] = file }
    } catch {
      outcome.withLock { if $0.error == nil { $0.error = error } }
      stop.cancel()
    }
  }

  private func write(_ extraction: Extraction) throws(ArchiveError) -> ExtractedFile {
    let entry = extraction.entry
    if entry.kind == .folder {
      try filing { () throws(ByteIOError) in try makeFolders(extraction.path) }
      return ExtractedFile(entry: entry, path: extraction.path, sha256: nil)
    }
    let output = try filing { () throws(ByteIOError) in
      try OutputFile(path: extraction.path, byteCount: entry.byteCount)
    }
    var digest = digests == .sha256 ? RunningDigest(for: nil, byteCount: nil) : nil
    let stream = ZIPStream(file: archive.file, archivePath: archive.path)
    try stream.read(entry) { piece, offset throws(ArchiveError) in
      if stop.isCanceled { throw ArchiveError(.canceled, path: archive.path) }
      digest?.update(piece)
      try filing { () throws(ByteIOError) in try output.write(piece, at: offset) }
      let sum = done.wrappingAdd(piece.byteCount, ordering: .relaxed).newValue
      progress(ExtractionProgress(doneByteCount: sum, totalByteCount: total))
    }
    try filing { () throws(ByteIOError) in try output.commit() }
    return ExtractedFile(entry: entry, path: extraction.path, sha256: digest?.sha256Digits)
  }

  private func filing<Result>(_ work: () throws(ByteIOError) -> Result) throws(ArchiveError) -> Result {
    do { return try work() } catch { throw ArchiveError(.file(error), path: archive.path) }
  }
}
