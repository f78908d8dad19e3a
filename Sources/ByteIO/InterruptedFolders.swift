import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Removes unfinished folders when a signal ends the program.
///
/// Listing a folder takes memory, which the handler of a signal may not ask for. It writes the signal's number into
/// a pipe; a thread at the other end removes the folders and then lets the signal end the process.
enum InterruptedFolders {
  private struct State {
    var paths: Set<String> = []
    /// The pipe's end for the handler; nil before the first folder.
    var bell: Int32?
  }

  private static let state = Mutex(State())

  /// Makes what the handler reads, which it must not be the first to touch.
  static func prepare() { _ = openBell.load(ordering: .relaxed) }

  /// Removes a folder when a signal comes, until `forget`.
  static func remember(_ path: String) {
    state.withLock {
      if $0.bell == nil { $0.bell = startWatch() }
      $0.paths.insert(path)
      openBell.store($0.bell ?? -1, ordering: .relaxed)
    }
  }

  static func forget(_ path: String) {
    state.withLock {
      $0.paths.remove(path)
      if $0.paths.isEmpty { openBell.store(-1, ordering: .relaxed) }
    }
  }

  /// Called by the handler: says that a signal came, and whether the thread ends the process.
  static func ring(_ signal: Int32) -> Bool {
    let bell = openBell.load(ordering: .relaxed)
    guard bell >= 0 else { return false }
    let before = errno
    defer { errno = before }
    var number = UInt8(truncatingIfNeeded: signal)
    // One byte of a variable of this scope.
    return unsafe write(bell, &number, 1) == 1
  }

  // MARK: The thread

  private static func startWatch() -> Int32? {
    var ends: [Int32] = [-1, -1]
    // The system fills two descriptors, as many as the array has.
    guard unsafe pipe(&ends) == 0 else { return nil }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    // The number of the descriptor in the place of a pointer, which nobody follows; 0 is standard input.
    let context = unsafe UnsafeMutableRawPointer(bitPattern: Int(ends[0]))
    #if canImport(Darwin)
      var thread: pthread_t?
      let code = unsafe pthread_create(&thread, nil, { unsafe InterruptedFolders.watch($0) }, context)
    #else
      var thread: pthread_t = 0
      let code = unsafe pthread_create(&thread, nil, { unsafe InterruptedFolders.watch($0) }, context)
    #endif
    if code == 0 { return ends[1] }
    for end in ends { close(end) }
    return nil
  }

  @unsafe private static func watch(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    let end = Int32(truncatingIfNeeded: Int(bitPattern: context))
    var number: UInt8 = 0
    // One byte into a variable of this scope.
    guard retryingInterrupts({ unsafe read(end, &number, 1) }) == 1 else { return nil }
    removeAll()
    // Its handler was taken away when it came.
    kill(getpid(), Int32(number))
    return nil
  }

  /// What works goes on until the process ends, and may put one more file into a folder that is being emptied.
  private static func removeAll() {
    for path in state.withLock({ $0.paths }) {
      for _ in 0..<100 {
        if (try? FilePlacing.removeTree(path)) != nil { break }
        usleep(1000)
      }
    }
  }
}

/// The pipe's end that the handler writes to; -1 while no folder is unfinished.
private let openBell = Atomic<Int32>(-1)
