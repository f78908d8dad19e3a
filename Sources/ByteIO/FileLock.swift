#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// An advisory lock on a folder, held from its making to its end: one holder at a time among all threads and
/// processes that ask for it.
///
/// The lock is `flock` on the folder itself, so nothing is left behind when a process is killed: the system lets
/// go of it. On file systems that lock no folders it is a hidden file in the folder, which its holder removes and
/// which, left behind, is taken over by the next.
public struct FileLock: ~Copyable {
  private let descriptor: Int32
  /// The lock file; nil when the folder itself is locked.
  private let filePath: String?

  private init(descriptor: Int32, filePath: String?) {
    self.descriptor = descriptor
    self.filePath = filePath
  }

  /// Waits until no one else holds the lock; gives up with `ByteIOError.Reason.locked` when for the length of
  /// `timeout` nothing in the folder has changed: holders that come and go, and change it, are no reason to give up.
  public init(folder: String, timeout: Duration = .seconds(120)) throws(ByteIOError) {
    let shown = folder.isEmpty ? "." : folder
    let opened = retryingInterrupts { unsafe open(shown, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard opened >= 0 else {
      throw ByteIOError(.system(operation: "open the folder", code: lastSystemError), path: shown)
    }
    switch Self.wait(for: opened, in: shown, timeout: timeout) {
    case .held:
      self.init(descriptor: opened, filePath: nil)
    case .refused:
      close(opened)
      try self.init(file: joined(shown, ".whisperq.lock"), timeout: timeout)
    case .timedOut:
      close(opened)
      throw ByteIOError(.locked(seconds: Int(timeout.components.seconds)), path: shown)
    }
  }

  /// The same with a file of its own, which is there only while someone holds the lock.
  package init(file path: String, timeout: Duration) throws(ByteIOError) {
    while true {
      let opened = retryingInterrupts { unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666) }
      guard opened >= 0 else {
        throw ByteIOError(.system(operation: "create the lock file", code: lastSystemError), path: path)
      }
      switch Self.wait(for: opened, in: folder(of: path), timeout: timeout) {
      case .held: break
      case .refused:
        let code = lastSystemError
        close(opened)
        throw ByteIOError(.system(operation: "lock it", code: code), path: path)
      case .timedOut:
        close(opened)
        throw ByteIOError(.locked(seconds: Int(timeout.components.seconds)), path: path)
      }
      // The holder before may have removed the file between opening and locking.
      var held = stat()
      if unsafe fstat(opened, &held) == 0,
        identity(ofPath: path)
          == FileIdentity(device: UInt64(held.st_dev), inode: UInt64(held.st_ino))
      {
        self.init(descriptor: opened, filePath: path)
        return
      }
      close(opened)
    }
  }

  deinit {
    if let filePath { _ = unsafe unlink(filePath) }
    close(descriptor)
  }

  private enum Outcome { case held, refused, timedOut }

  /// Tries until it has the lock; the pauses grow, and differ, so that many who wait neither wake together nor
  /// keep the processor from the one who works.
  private static func wait(for descriptor: Int32, in folder: String, timeout: Duration) -> Outcome {
    var lastChange = changeTime(of: folder)
    var deadline = ContinuousClock.now + timeout
    var pause: UInt32 = 500
    while true {
      if retryingInterrupts({ flock(descriptor, LOCK_EX | LOCK_NB) }) == 0 { return .held }
      guard lastSystemError == EWOULDBLOCK else { return .refused }
      if ContinuousClock.now >= deadline {
        let change = changeTime(of: folder)
        if change == lastChange { return .timedOut }
        (lastChange, deadline) = (change, ContinuousClock.now + timeout)
      }
      usleep(UInt32.random(in: pause / 2...pause))
      pause = min(pause * 2, 200_000)
    }
  }

  /// When names in a folder changed last, as seconds and nanoseconds; nil when the system does not tell.
  private static func changeTime(of folder: String) -> [Int]? {
    var status = stat()
    guard unsafe stat(folder.isEmpty ? "." : folder, &status) == 0 else { return nil }
    #if canImport(Darwin)
      return [status.st_mtimespec.tv_sec, status.st_mtimespec.tv_nsec]
    #else
      return [status.st_mtim.tv_sec, status.st_mtim.tv_nsec]
    #endif
  }
}
