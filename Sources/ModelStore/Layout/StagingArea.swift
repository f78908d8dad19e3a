import ByteIO
import Crypto
import JSONDocuments

/// The hidden folder in the models folder that the files of one source are brought to.
///
/// Its name follows from the source, so that a run that was interrupted finds what it had. `journal.json`
/// says which files are complete and what the source said of them; it is written after the file is.
final class StagingArea {
  /// A complete file.
  struct Entry: Equatable {
    var byteCount: Int
    var sha256: String?
    var fingerprint: String?
  }

  let path: String
  private let lock: FileLock
  private var entries: [String: Entry] = [:]

  init(modelsFolder: String, source: LayoutSource) throws(LayoutError) {
    path = Self.path(modelsFolder: modelsFolder, source: source)
    do {
      try makeFolders(path)
      lock = try FileLock(folder: path, timeout: .zero)
    } catch {
      throw LayoutError(.file(error), place: path)
    }
    readJournal()
  }

  private static func path(modelsFolder: String, source: LayoutSource) -> String {
    var hash = SHA256()
    let key = Array(source.key.utf8)
    // The buffer is used during the call only.
    unsafe key.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
    let digits = hash.finalize().prefix(6).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    return joined(modelsFolder, ".whisperq-\(digits).incoming")
  }

  /// Whether an earlier run left files of a source.
  static func isThere(modelsFolder: String, source: LayoutSource) -> Bool {
    kind(ofPath: path(modelsFolder: modelsFolder, source: source)) == .folder
  }

  private var journalPath: String { joined(path, "journal.json") }

  /// Where a file of the source goes.
  func path(of file: String) -> String { joined(joined(path, "files"), file) }

  /// Where a whole archive goes.
  var archivePath: String { joined(path, "archive.zip") }

  /// The entry of a file that is there as the source has it now; nil when it must be brought.
  func present(_ name: String, at file: String, fingerprint: String?) -> Entry? {
    guard let entry = entries[name], let fingerprint, entry.fingerprint == fingerprint,
      FileStamp(ofPath: file)?.byteCount == entry.byteCount
    else { return nil }
    return entry
  }

  /// Notes that a file is complete.
  func record(_ name: String, _ entry: Entry) throws(LayoutError) {
    entries[name] = entry
    let list = entries.sorted { $0.key < $1.key }.map { name, entry in
      JSON.object(
        [JSONMember("file", .string(name)), JSONMember("bytes", .integer(entry.byteCount))]
          + (entry.sha256.map { [JSONMember("sha256", .string($0))] } ?? [])
          + (entry.fingerprint.map { [JSONMember("fingerprint", .string($0))] } ?? []))
    }
    do {
      try writeText(JSON.array(list).text(.indented) + "\n", to: journalPath)
    } catch {
      throw LayoutError(.file(error), place: journalPath)
    }
  }

  private func readJournal() {
    guard let file = try? MappedFile(path: journalPath), file.byteCount <= 64 << 20,
      let list = (try? JSONDocument(file.copied(), source: journalPath))?.root.value.array
    else { return }
    for item in list {
      guard let name = item["file"]?.string, let bytes = item["bytes"]?.integer else { continue }
      entries[name] = Entry(
        byteCount: bytes, sha256: item["sha256"]?.string, fingerprint: item["fingerprint"]?.string)
    }
  }

  /// Removes the folder with everything in it.
  func remove() throws(LayoutError) {
    do { try FilePlacing.removeTree(path) } catch { throw LayoutError(.file(error), place: path) }
  }
}
