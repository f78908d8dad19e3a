#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What tells one state of a file from another without reading it.
public struct FileStamp: Equatable, Sendable {
  public let identity: FileIdentity
  public let byteCount: Int
  /// Nanoseconds since 1970.
  public let changed: Int64
  /// How many names the file has.
  public let nameCount: Int

  /// The stamp of a regular file, links followed; nil for anything else.
  public init?(ofPath path: String) {
    var status = stat()
    guard unsafe stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFREG else { return nil }
    identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    byteCount = Int(status.st_size)
    nameCount = Int(status.st_nlink)
    #if canImport(Darwin)
      let time = status.st_mtimespec
    #else
      let time = status.st_mtim
    #endif
    changed = Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
  }
}

/// Ways to give a file a second place that share its bytes, and to rename and remove.
public enum FilePlacing {
  /// Gives a file or folder another name in the same file system; false when it lies in another one.
  ///
  /// A file of the new name is replaced, and so is an empty folder by a folder.
  public static func rename(_ path: String, to newPath: String) throws(ByteIOError) -> Bool {
    if unsafe systemRename(path, newPath) == 0 { return true }
    if lastSystemError == EXDEV { return false }
    throw ByteIOError(.system(operation: "rename '\(path)' to it", code: lastSystemError), path: newPath)
  }

  /// Gives a file a second name; false when the file system has no such thing, or they lie in different ones.
  public static func link(_ path: String, as newPath: String) throws(ByteIOError) -> Bool {
    if unsafe systemLink(path, newPath) == 0 { return true }
    switch lastSystemError {
    case EXDEV, EPERM, ENOTSUP, EMLINK, EACCES, ENOSYS: return false
    default:
      throw ByteIOError(.system(operation: "link '\(path)' to it", code: lastSystemError), path: newPath)
    }
  }

  /// Makes a file that shares the bytes of another one until one of them is changed; false where that is not
  /// possible, which is no error.
  public static func clone(_ path: String, as newPath: String) throws(ByteIOError) -> Bool {
    #if canImport(Darwin)
      return unsafe clonefile(path, newPath, 0) == 0
    #elseif os(Linux)
      let source = retryingInterrupts { unsafe open(path, O_RDONLY | O_CLOEXEC) }
      guard source >= 0 else {
        throw ByteIOError(.system(operation: "open it", code: lastSystemError), path: path)
      }
      defer { close(source) }
      let target = retryingInterrupts { unsafe open(newPath, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644) }
      guard target >= 0 else {
        throw ByteIOError(.system(operation: "create it", code: lastSystemError), path: newPath)
      }
      defer { close(target) }
      if retryingInterrupts({ ioctl(target, cloneRequest, source) }) == 0 { return true }
      _ = unsafe unlink(newPath)
      return false
    #else
      return false
    #endif
  }

  /// Removes a file, or a folder with everything in it; links are removed, not followed. Nothing there is
  /// fine.
  public static func removeTree(_ path: String) throws(ByteIOError) {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { return }
    guard status.st_mode & S_IFMT == S_IFDIR else { return try removeFile(path) }
    for name in try names(inFolder: path) { try removeTree(joined(path, name)) }
    if unsafe rmdir(path) != 0, lastSystemError != ENOENT {
      throw ByteIOError(.system(operation: "remove it", code: lastSystemError), path: path)
    }
  }

  /// Removes a folder that is empty; any other stays.
  public static func removeEmptyFolder(_ path: String) { _ = unsafe rmdir(path) }

  /// Brings the names in a folder to the disk, as far as its file system does that.
  public static func synchronize(folder path: String) throws(ByteIOError) {
    try synchronizeFolder(of: joined(path, "."))
  }
}

#if os(Linux)
  /// `FICLONE` of the Linux ABI, which the C header makes of macros that Swift does not see.
  private let cloneRequest: UInt = 0x4004_9409
#endif

/// `rename` and `link` under names that the methods above do not shadow.
private func systemRename(_ path: UnsafePointer<CChar>, _ newPath: UnsafePointer<CChar>) -> Int32 {
  unsafe rename(path, newPath)
}

private func systemLink(_ path: UnsafePointer<CChar>, _ newPath: UnsafePointer<CChar>) -> Int32 {
  unsafe link(path, newPath)
}
