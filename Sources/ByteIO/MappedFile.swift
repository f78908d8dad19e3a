#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Which file of the system this is, whatever its name.
public struct FileIdentity: Hashable, Sendable {
  public let device: UInt64
  public let inode: UInt64
}

/// A read-only file in the address space: bytes are read by the system when they are touched, and can be
/// given back afterwards, so that a model of several GB costs no more memory than the part in work.
///
/// The mapping is private and never written through. A file that another program shortens meanwhile ends
/// the process with a plain sentence (see `SignalCleanup`), never with wrong numbers.
@safe public final class MappedFile: Sendable {
  public let path: String
  public let byteCount: Int
  /// Nil for bytes that were handed over in memory.
  public let identity: FileIdentity?
  private nonisolated(unsafe) let base: UnsafeRawPointer?
  private let isMapped: Bool

  /// Maps a regular file.
  public convenience init(path: String) throws(ByteIOError) {
    let descriptor = retryingInterrupts { unsafe open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
    guard descriptor >= 0 else {
      throw ByteIOError(
        lastSystemError == ENOENT ? .notFound : .system(operation: "open it", code: lastSystemError),
        path: path)
    }
    defer { close(descriptor) }
    try self.init(descriptor: descriptor, path: path)
  }

  /// Maps the regular file behind an open descriptor, which stays the caller's.
  package init(descriptor: Int32, path: String) throws(ByteIOError) {
    var status = stat()
    guard unsafe fstat(descriptor, &status) == 0 else {
      throw ByteIOError(.system(operation: "examine it", code: lastSystemError), path: path)
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw ByteIOError(.notARegularFile(found: kindName(of: status.st_mode)), path: path)
    }
    self.path = path
    byteCount = Int(status.st_size)
    identity = FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
    if byteCount == 0 {
      unsafe base = nil
      isMapped = false
      return
    }
    guard let mapping = unsafe mmap(nil, byteCount, PROT_READ, MAP_PRIVATE, descriptor, 0),
      unsafe mapping != MAP_FAILED
    else {
      throw ByteIOError(.system(operation: "map it", code: lastSystemError), path: path)
    }
    unsafe base = UnsafeRawPointer(mapping)
    isMapped = true
  }

  /// Bytes in memory that stand for a file, for tests and for models built on the fly.
  public init(copying bytes: [UInt8], name: String) {
    path = name
    byteCount = bytes.count
    identity = nil
    isMapped = false
    if bytes.isEmpty {
      unsafe base = nil
    } else {
      // Allocated here, initialized in full, freed once in deinit.
      let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes.count, alignment: 64)
      unsafe bytes.withUnsafeBytes { unsafe memory.copyMemory(from: $0.baseAddress!, byteCount: bytes.count) }
      unsafe base = UnsafeRawPointer(memory)
    }
  }

  deinit {
    guard let base = unsafe base else { return }
    // The one owner gives the range back once; no span outlives it, for spans borrow self.
    if isMapped {
      unsafe munmap(UnsafeMutableRawPointer(mutating: base), byteCount)
    } else {
      unsafe UnsafeMutableRawPointer(mutating: base).deallocate()
    }
  }

  /// All bytes, borrowed from this file.
  public var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      // base and byteCount describe one live mapping (or allocation) until deinit, and self is borrowed.
      let buffer = unsafe UnsafeBufferPointer(
        start: base?.assumingMemoryBound(to: UInt8.self), count: byteCount)
      let span = unsafe Span(_unsafeElements: buffer)
      return unsafe _overrideLifetime(span, borrowing: self)
    }
  }

  /// Checks that a byte range lies within the file.
  public func check(_ range: Range<Int>) throws(ByteIOError) {
    guard range.lowerBound >= 0, range.upperBound <= byteCount else {
      throw ByteIOError(.outOfRange(range, byteCount: byteCount), path: path)
    }
  }

  /// Tells the system that a range will be read soon.
  public func willNeed(_ range: Range<Int>) { advise(range, outward: true, MADV_WILLNEED) }

  /// Gives the pages of a range back; touching them again reads them again.
  public func release(_ range: Range<Int>) { advise(range, outward: true, MADV_DONTNEED) }

  private func advise(_ range: Range<Int>, outward: Bool, _ advice: Int32) {
    guard isMapped, let base = unsafe base, !range.isEmpty else { return }
    let page = Int(sysconf(Int32(_SC_PAGESIZE)))
    let lower = max(0, range.lowerBound) / page * page
    let upper = min(byteCount, range.upperBound)
    guard upper > lower else { return }
    // Within the mapping: lower is page-aligned and >= 0, upper <= byteCount.
    _ = unsafe madvise(UnsafeMutableRawPointer(mutating: base + lower), upper - lower, advice)
  }
}

/// What a file that is no regular file is called in a sentence.
func kindName(of mode: mode_t) -> String {
  switch mode & S_IFMT {
  case S_IFDIR: return "a folder"
  case S_IFLNK: return "a symbolic link"
  case S_IFIFO: return "a pipe"
  case S_IFSOCK: return "a socket"
  case S_IFCHR, S_IFBLK: return "a device"
  default: return "no regular file"
  }
}
