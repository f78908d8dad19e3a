import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Removes unfinished files when the user interrupts, and says in plain words when a mapped file shrinks.
///
/// The handlers call only what POSIX lists as async-signal-safe: `unlink`, `write`, `signal`, `raise`,
/// `pause`, `_exit`. Whole folders are left to a thread (`InterruptedFolders`).
public enum SignalCleanup {
  static let slotCount = 16
  private static let lock = Mutex(())

  /// File names to unlink, as C strings; a nil slot is free. Written under `lock`, read by the handlers.
  nonisolated(unsafe) static let slots: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?> = {
    let memory = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: slotCount)
    unsafe memory.initialize(repeating: nil, count: slotCount)
    return unsafe memory
  }()

  nonisolated(unsafe) static let shrunkMessage: (pointer: UnsafeMutablePointer<CChar>, count: Int) = {
    let text =
      "error: an input file became shorter while it was being read, so no result was written; "
      + "run again when nothing else writes to it\n"
    return unsafe (strdup(text), text.utf8.count)
  }()

  /// Installs the handlers: interrupt, quit, termination, hang-up and a reader that goes away clean up and then
  /// end the process as usual; a bus error in a mapped file ends it with exit code 4.
  ///
  /// A signal that the caller had ignored (`nohup`) stays ignored.
  public static func install() {
    _ = unsafe slots
    _ = unsafe shrunkMessage
    InterruptedFolders.prepare()
    for number in [SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE] {
      let before = signal(number, SIG_IGN)
      // A handler is a pointer or one of the small numbers of SIG_DFL and SIG_IGN; only its bits are compared.
      if unsafe unsafeBitCast(before, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self) { continue }
      signal(
        number,
        { received in
          SignalCleanup.unlinkAll()
          signal(received, SIG_DFL)
          if !InterruptedFolders.ring(received) { raise(received) }
        })
    }
    _ = busErrorCount.load(ordering: .relaxed)
    signal(
      SIGBUS,
      { _ in
        // Several threads may meet the end of the file; the first one speaks and ends the process.
        if busErrorCount.wrappingAdd(1, ordering: .relaxed).oldValue > 0 { while true { pause() } }
        SignalCleanup.unlinkAll()
        let text = unsafe SignalCleanup.shrunkMessage
        _ = unsafe write(2, text.pointer, text.count)
        _exit(4)
      })
    // A file that grows past the user's limit is an error, not a death.
    signal(SIGXFSZ, SIG_IGN)
  }

  private static func unlinkAll() {
    for index in 0..<slotCount {
      // Slots hold nil or a live C string; a string is freed only after its slot is nil.
      if let name = unsafe slots[index] { _ = unsafe unlink(name) }
    }
  }

  /// Remembers a file name until `forget`; returns nil when all slots are taken.
  static func remember(_ path: String) -> Int? {
    lock.withLock { _ in
      for index in 0..<slotCount where unsafe slots[index] == nil {
        unsafe slots[index] = unsafe strdup(path)
        return index
      }
      return nil
    }
  }

  static func forget(_ slot: Int?) {
    lock.withLock { _ in
      guard let slot, let name = unsafe slots[slot] else { return }
      unsafe slots[slot] = nil
      unsafe free(name)
    }
  }
}

/// How many threads met the end of a file that became shorter.
private let busErrorCount = Atomic<Int>(0)
