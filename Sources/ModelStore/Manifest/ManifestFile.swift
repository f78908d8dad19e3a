import ByteIO
import JSONDocuments

/// A manifest on disk, shared with other programs: every change reads the file again under a lock, and replaces
/// it as a whole.
public struct ManifestFile: Sendable {
  /// The usual place, from the project's folder.
  public static let usualPath = "models/manifest.json"
  /// Larger files are no manifests.
  static let byteLimit = 64 << 20

  /// As given; a symbolic link is followed, and stays.
  public let path: String

  public init(path: String = ManifestFile.usualPath) { self.path = path }

  public var exists: Bool { kind(ofPath: path) != .missing }

  /// Reads the manifest; it is always a whole one, so no lock is needed.
  public func read() throws(ManifestError) -> Manifest { try Manifest(bytes(), path: path) }

  /// What a change does when there is no manifest yet.
  public enum Absence: Sendable { case isCreated, isRefused }

  /// Changes the manifest: reads it under the lock, lets `change` work on it, writes it to the disk and puts it in
  /// place. Nothing is written when nothing changed or `change` throws.
  ///
  /// The lock is that of the manifest's folder (see `FileLock`), so `change` must not ask for it again. A process
  /// that is killed at any moment leaves the old file or the new one.
  public func edit<Result>(
    absence: Absence = .isRefused, _ change: (inout Manifest) throws(ManifestError) -> Result
  ) throws(ManifestError) -> Result {
    let target = try realTarget(absence)
    let lock = try lock(folder(of: target))
    let isNew = kind(ofPath: target) == .missing
    if isNew, absence == .isRefused { throw ManifestError(.file(.init(.notFound, path: path)), path: path) }
    let before = isNew ? Manifest.emptyText : try bytes()
    var manifest = try Manifest(before, path: path)
    let result = try change(&manifest)
    if isNew || manifest.document.bytes != before {
      do {
        try write(manifest.document.bytes, to: target, replacesFile: !isNew)
      } catch {
        throw ManifestError(.file(error), path: path)
      }
    }
    release(lock)
    return result
  }

  private func lock(_ folder: String) throws(ManifestError) -> FileLock {
    do { return try FileLock(folder: folder) } catch { throw ManifestError(.file(error), path: path) }
  }

  /// Ends the life of a lock; it is held until here.
  private func release(_ lock: consuming FileLock) {}

  /// The file at the end of the links, whose folder is there.
  private func realTarget(_ absence: Absence) throws(ManifestError) -> String {
    do throws(ByteIOError) {
      let target = try linkTarget(ofPath: path)
      if fileName(of: target).isEmpty || kind(ofPath: target) == .folder {
        throw ByteIOError(.notARegularFile(found: "a folder"), path: path)
      }
      if absence == .isCreated { try makeFolders(folder(of: target)) }
      if kind(ofPath: target) == .missing, absence == .isRefused {
        throw ByteIOError(.notFound, path: path)
      }
      return target
    } catch {
      throw ManifestError(.file(error), path: path)
    }
  }

  private func bytes() throws(ManifestError) -> [UInt8] {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw ManifestError(.file(error), path: path) }
    guard file.byteCount <= Self.byteLimit else {
      throw ManifestError(.tooLarge(byteCount: file.byteCount, limit: Self.byteLimit), path: path)
    }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(file.byteCount)
    let span = file.bytes
    for index in 0..<span.count { bytes.append(span[index]) }
    return bytes
  }

  private func write(_ bytes: [UInt8], to target: String, replacesFile: Bool) throws(ByteIOError) {
    if replacesFile, !isWritable(target) { throw ByteIOError(.readOnly, path: path) }
    let output = try OutputFile(
      path: target, byteCount: bytes.count, temporaryName: ".\(fileName(of: target)).partial")
    if replacesFile { output.adoptPermissions(of: target) }
    // Bytes have no padding, so reading them raw is sound.
    try output.write(unsafe bytes.span.bytes, at: 0)
    try output.commit(.onDisk)
  }
}
