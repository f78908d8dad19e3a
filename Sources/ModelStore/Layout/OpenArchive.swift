import Synchronization

/// A ZIP file whose entries can be unpacked one by one.
final class OpenArchive: Sendable {
  let path: String
  private let archive: ZIPArchive

  /// Opens an archive and checks its directory; nothing is unpacked.
  init(path: String, limits: ArchiveLimits) throws(LayoutError) {
    self.path = path
    do { archive = try ZIPArchive(path: path, limits: limits) } catch {
      throw LayoutError(.archive(error), place: path)
    }
  }

  /// The files in it, without folders.
  var files: [ZIPEntry] { archive.entries.filter { $0.kind == .file } }

  /// Unpacks files to paths, each whole or not at all, checked against their CRC.
  func unpack(
    _ list: [(entry: ZIPEntry, path: String)], cancellation: Cancellation, observer: StoreObserver
  ) throws(LayoutError) {
    let told = Mutex(0)
    do {
      _ = try archive.extract(
        list.map { Extraction($0.entry, to: $0.path) }, cancellation: cancellation
      ) { progress in
        let step = told.withLock { told in
          defer { told = max(told, progress.doneByteCount) }
          return max(0, progress.doneByteCount - told)
        }
        observer.advanced(step)
      }
    } catch {
      throw LayoutError(.archive(error), place: path)
    }
  }
}
