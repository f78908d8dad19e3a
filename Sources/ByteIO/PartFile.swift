#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file that grows piece by piece, stays when the process ends, and gets its final name when it is complete.
///
/// It is locked while it is open, so that two processes never grow the same file. For one thread at a time.
public final class PartFile {
  public let path: String
  /// The length so far.
  public private(set) var byteCount: Int
  private let descriptor: Int32

  private init(descriptor: Int32, byteCount: Int, path: String) {
    self.descriptor = descriptor
    self.byteCount = byteCount
    self.path = path
  }

  deinit { close(descriptor) }

  /// Opens the file, or creates an empty one and the folders on the way; nil when another process (or another
  /// `PartFile` of this one) holds it.
  public static func open(path: String) throws(ByteIOError) -> PartFile? {
    let folderPath = folder(of: path).isEmpty ? "." : folder(of: path)
    try createFolders(folderPath, for: path)
    while true {
      let descriptor = retryingInterrupts {
        // A link may lead anywhere, and opening a pipe may wait for ever.
        unsafe openPath(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
      }
      guard descriptor >= 0 else { throw failure("open it", path) }
      var isKept = false
      defer { if !isKept { close(descriptor) } }
      if retryingInterrupts({ flock(descriptor, LOCK_EX | LOCK_NB) }) != 0 {
        if lastSystemError == EWOULDBLOCK { return nil }
        throw failure("lock it", path)
      }
      var status = stat()
      guard unsafe fstat(descriptor, &status) == 0 else { throw failure("examine it", path) }
      guard status.st_mode & S_IFMT == S_IFREG else {
        throw ByteIOError(.notARegularFile(found: kindName(of: status.st_mode)), path: path)
      }
      // Between opening and locking, the holder before us may have given the file its final name: then what is
      // open here is that complete file, which must not be touched.
      let opened = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
      guard identity(ofPath: path) == opened else { continue }
      isKept = true
      return PartFile(descriptor: descriptor, byteCount: Int(status.st_size), path: path)
    }
  }

  /// Writes bytes at the end.
  public func append(_ bytes: RawSpan) throws(ByteIOError) {
    var done = 0
    while done < bytes.byteCount {
      let rest = bytes.extracting(done..<bytes.byteCount)
      let offset = off_t(byteCount)
      // The pointer lives for the call only and covers rest.byteCount readable bytes.
      let written = unsafe rest.withUnsafeBytes { buffer in
        retryingInterrupts { unsafe pwrite(descriptor, buffer.baseAddress, buffer.count, offset) }
      }
      guard written > 0 else { throw PartFile.failure("write to it", path) }
      done += written
      byteCount += written
    }
  }

  /// Reads bytes from an offset into the buffer and returns how many there were; 0 at the end.
  public func read(at offset: Int, into buffer: inout [UInt8]) throws(ByteIOError) -> Int {
    // The pointer lives for the call only and covers the array's count bytes.
    let count = unsafe buffer.withUnsafeMutableBytes { bytes in
      retryingInterrupts { unsafe pread(descriptor, bytes.baseAddress, bytes.count, off_t(offset)) }
    }
    guard count >= 0 else { throw PartFile.failure("read it", path) }
    return count
  }

  /// Drops everything.
  public func empty() throws(ByteIOError) {
    guard retryingInterrupts({ ftruncate(descriptor, 0) }) == 0 else {
      throw PartFile.failure("shorten it", path)
    }
    byteCount = 0
  }

  /// Brings the bytes to the disk and gives the file its final name in the same file system, replacing what had it.
  ///
  /// After a loss of power the name has either what it had before or the complete file.
  public func commit(as finalPath: String) throws(ByteIOError) {
    guard retryingInterrupts({ fsync(descriptor) }) == 0 else {
      throw PartFile.failure("bring it to the disk", path)
    }
    guard unsafe rename(path, finalPath) == 0 else { throw PartFile.failure("put it in place", finalPath) }
    try synchronizeFolder(of: finalPath)
  }

  /// Removes the file.
  public func remove() throws(ByteIOError) { try removeFile(path) }

  private static func failure(_ operation: String, _ path: String) -> ByteIOError {
    ByteIOError(.system(operation: operation, code: lastSystemError), path: path)
  }
}

/// Brings the names in the folder of a file to the disk. File systems that cannot do so are left alone.
func synchronizeFolder(of path: String) throws(ByteIOError) {
  let folderPath = folder(of: path).isEmpty ? "." : folder(of: path)
  let descriptor = retryingInterrupts { unsafe open(folderPath, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
  guard descriptor >= 0 else { return }
  defer { close(descriptor) }
  if retryingInterrupts({ fsync(descriptor) }) != 0, lastSystemError != EINVAL, lastSystemError != EROFS {
    throw ByteIOError(.system(operation: "bring its name to the disk", code: lastSystemError), path: path)
  }
}

/// `open` under a name that the method above does not shadow.
private func openPath(_ path: UnsafePointer<CChar>, _ flags: Int32) -> Int32 {
  unsafe open(path, flags, 0o644)
}
