import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// A file in the making: complete under its name after `commit`, or not there at all.
///
/// Bytes go to a nameless file in the target's folder (Linux `O_TMPFILE`; a hidden sibling elsewhere), which
/// is renamed over the target at the end. Any thread may write any range.
public final class OutputFile: Sendable {
  public let path: String
  public let byteCount: Int
  private let descriptor: Int32
  private let isNameless: Bool
  private let temporaryPath: String
  private let state: Mutex<State>

  private struct State {
    var isOpen = true
    var slot: Int?
    var isNamed: Bool
  }

  /// Creates the unfinished file with its final length, after a look at the free space.
  ///
  /// Missing folders on the way are created. `temporaryName` is for a writer that holds a lock: whatever a killed
  /// writer left under the one name is replaced by the next.
  public init(path: String, byteCount: Int, temporaryName: String? = nil) throws(ByteIOError) {
    if fileName(of: path).isEmpty { throw ByteIOError(.notARegularFile(found: "a folder"), path: path) }
    let folderPath = folder(of: path).isEmpty ? "." : folder(of: path)
    try createFolders(folderPath, for: path)
    var status = stat()
    if unsafe stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFREG {
      throw ByteIOError(.notARegularFile(found: kindName(of: status.st_mode)), path: path)
    }
    try requireSpace(byteCount, in: folderPath, for: path)
    self.path = path
    self.byteCount = byteCount
    // Not made of the target's name, which may be as long as the system allows.
    let turn = outputTurn.wrappingAdd(1, ordering: .relaxed).newValue
    temporaryPath = joined(folderPath, temporaryName ?? ".whisperq-\(getpid())-\(turn).partial")
    var opened: Int32 = -1
    #if os(Linux)
      opened = retryingInterrupts { unsafe open(folderPath, O_WRONLY | temporaryFileFlag | O_CLOEXEC, 0o644) }
    #endif
    isNameless = opened >= 0
    var slot: Int?
    if opened < 0 {
      slot = SignalCleanup.remember(temporaryPath)
      let name = temporaryPath
      opened = retryingInterrupts { unsafe open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644) }
    }
    guard opened >= 0 else {
      let code = lastSystemError
      SignalCleanup.forget(slot)
      throw ByteIOError(.system(operation: "create it", code: code), path: path)
    }
    descriptor = opened
    state = Mutex(State(slot: slot, isNamed: !isNameless))
    guard ftruncate(opened, off_t(byteCount)) == 0 else {
      throw ByteIOError(.system(operation: "give it \(byteCount) bytes", code: lastSystemError), path: path)
    }
  }

  deinit { discard() }

  /// Writes bytes at an offset; the range must lie within the announced length.
  public func write(_ bytes: RawSpan, at offset: Int) throws(ByteIOError) {
    guard offset >= 0, offset <= byteCount, bytes.byteCount <= byteCount - offset else {
      let range = offset..<max(offset, offset.addingReportingOverflow(bytes.byteCount).partialValue)
      throw ByteIOError(.outOfRange(range, byteCount: byteCount), path: path)
    }
    var done = 0
    while done < bytes.byteCount {
      let rest = bytes.extracting(done..<bytes.byteCount)
      let start = offset + done
      // The pointer lives for the call only and covers rest.byteCount readable bytes.
      let written = unsafe rest.withUnsafeBytes { buffer in
        retryingInterrupts { unsafe pwrite(descriptor, buffer.baseAddress, buffer.count, off_t(start)) }
      }
      guard written > 0 else {
        throw ByteIOError(.system(operation: "write to it", code: lastSystemError), path: path)
      }
      done += written
    }
  }

  /// The file as a read-only mapping, which stays when the file is discarded: room for what is larger than memory,
  /// gone with the process. Neither `commit` nor `discard` may have come before.
  public func mapped() throws(ByteIOError) -> MappedFile {
    precondition(state.withLock { $0.isOpen }, "mapped while it is written")
    let name = isNameless ? "/proc/self/fd/\(descriptor)" : temporaryPath
    let opened = retryingInterrupts { unsafe open(name, O_RDONLY | O_CLOEXEC) }
    guard opened >= 0 else {
      throw ByteIOError(.system(operation: "open it", code: lastSystemError), path: path)
    }
    defer { close(opened) }
    return try MappedFile(descriptor: opened, path: path)
  }

  /// Gives the file the permissions of another one, and its owner where the system lets us; a missing one is fine.
  public func adoptPermissions(of other: String) {
    var status = stat()
    guard unsafe stat(other, &status) == 0 else { return }
    _ = fchown(descriptor, status.st_uid, status.st_gid)
    _ = fchmod(descriptor, status.st_mode & 0o7777)
  }

  /// What is certain when `commit` returns.
  public enum Durability: Sendable {
    /// Other programs see the new file.
    case visible
    /// It is on the disk, too.
    case onDisk
  }

  /// Gives the file its name, replacing what had it before.
  public func commit(_ durability: Durability = .visible) throws(ByteIOError) {
    if durability == .onDisk, fsync(descriptor) != 0 {
      throw ByteIOError(.system(operation: "write it to the disk", code: lastSystemError), path: path)
    }
    try putInPlace()
    if durability == .onDisk { syncFolder() }
  }

  /// Brings the new name to the disk. The file is complete either way, so a file system that does not sync folders
  /// is no error.
  private func syncFolder() {
    let folderPath = folder(of: path).isEmpty ? "." : folder(of: path)
    let opened = retryingInterrupts { unsafe open(folderPath, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard opened >= 0 else { return }
    _ = fsync(opened)
    close(opened)
  }

  private func putInPlace() throws(ByteIOError) {
    let source = "/proc/self/fd/\(descriptor)"
    // A leftover of a killed process that chose the same name.
    if isNameless { _ = unsafe unlink(temporaryPath) }
    // Where nothing has the name, the file gets it in one step, between whose halves no kill can leave anything.
    if isNameless, unsafe linkat(AT_FDCWD, source, AT_FDCWD, path, AT_SYMLINK_FOLLOW) == 0 {
      return discard()
    }
    if isNameless {
      let slot = SignalCleanup.remember(temporaryPath)
      let target = temporaryPath
      guard unsafe linkat(AT_FDCWD, source, AT_FDCWD, target, AT_SYMLINK_FOLLOW) == 0 else {
        let code = lastSystemError
        SignalCleanup.forget(slot)
        throw ByteIOError(.system(operation: "name it", code: code), path: path)
      }
      state.withLock {
        $0.slot = slot
        $0.isNamed = true
      }
    }
    guard unsafe rename(temporaryPath, path) == 0 else {
      throw ByteIOError(.system(operation: "put it in place", code: lastSystemError), path: path)
    }
    state.withLock {
      SignalCleanup.forget($0.slot)
      $0.slot = nil
      $0.isNamed = false
      if $0.isOpen { close(descriptor) }
      $0.isOpen = false
    }
  }

  /// Drops what was written; the target keeps what it had.
  public func discard() {
    state.withLock {
      if $0.isNamed { _ = unsafe unlink(temporaryPath) }
      $0.isNamed = false
      SignalCleanup.forget($0.slot)
      $0.slot = nil
      if $0.isOpen { close(descriptor) }
      $0.isOpen = false
    }
  }
}

/// Numbers the unfinished files of this process, so that two never share a name.
private let outputTurn = Atomic<Int>(0)

#if os(Linux)
  /// `O_TMPFILE` of the Linux ABI, which the C header guards behind a macro that Swift does not see.
  private let temporaryFileFlag: Int32 = 0o20000000 | O_DIRECTORY
#endif

/// `mkdir -p`.
func createFolders(_ folderPath: String, for path: String) throws(ByteIOError) {
  var built = folderPath.utf8.first == UInt8(ascii: "/") ? "/" : ""
  for part in pathParts(folderPath) {
    built = built.isEmpty || built == "/" ? built + part : built + "/" + part
    if unsafe mkdir(built, 0o755) == 0 { continue }
    let code = lastSystemError
    var status = stat()
    if unsafe stat(built, &status) == 0 {
      if status.st_mode & S_IFMT == S_IFDIR { continue }
      throw ByteIOError(.notARegularFile(found: "below '\(built)', which is no folder"), path: path)
    }
    throw ByteIOError(.system(operation: "create the folder '\(built)'", code: code), path: path)
  }
}

private func requireSpace(_ byteCount: Int, in folderPath: String, for path: String) throws(ByteIOError) {
  var status = statvfs()
  guard unsafe statvfs(folderPath, &status) == 0 else { return }  // the write itself will tell
  let product = UInt64(status.f_bavail).multipliedReportingOverflow(by: UInt64(status.f_frsize))
  let available = product.overflow ? Int.max : Int(clamping: product.partialValue)
  if byteCount > available {
    throw ByteIOError(.noSpace(needed: byteCount, available: available), path: path)
  }
}
