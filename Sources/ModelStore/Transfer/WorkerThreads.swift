import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Threads for work that waits for the network or the disk, which the pool of the processors' threads is not for.
enum WorkerThreads {
  /// Runs `work` on `count` threads and waits until all of them have ended. `work` gets 0 ..< count.
  ///
  /// A connection that breaks while something is sent is an error there and no SIGPIPE for the process.
  static func run(count: Int, _ work: @escaping @Sendable (Int) -> Void) {
    var threads: [Thread] = []
    for index in 0..<count {
      if let thread = Thread({ work(index) }) {
        threads.append(thread)
      } else {
        // No thread to be had: the caller's own does the work.
        work(index)
      }
    }
    for thread in threads { thread.join() }
  }

  /// Hands out 0 ..< `itemCount` to up to `threadCount` threads, in order, and waits for the last.
  static func forEach(itemCount: Int, threadCount: Int, _ work: @escaping @Sendable (Int) -> Void) {
    let next = Counter()
    run(count: max(1, min(threadCount, itemCount))) { _ in
      while true {
        let item = next.take()
        if item >= itemCount { return }
        work(item)
      }
    }
  }

  private final class Counter: Sendable {
    private let value = Atomic<Int>(0)
    func take() -> Int { value.wrappingAdd(1, ordering: .relaxed).oldValue }
  }
}

/// One thread of the system.
private struct Thread {
  private let handle: pthread_t

  private final class Work {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// Starts a thread; nil when the system has none left.
  init?(_ body: @escaping @Sendable () -> Void) {
    // Retained here, released once: by the thread, or below when there is none.
    let work = unsafe Unmanaged.passRetained(Work(body))
    #if canImport(Darwin)
      var handle: pthread_t?
      let code = unsafe pthread_create(&handle, nil, { unsafe Thread.main($0) }, work.toOpaque())
    #else
      var handle: pthread_t = 0
      let code = unsafe pthread_create(&handle, nil, { unsafe Thread.main($0!) }, work.toOpaque())
    #endif
    guard code == 0 else {
      unsafe work.release()
      return nil
    }
    #if canImport(Darwin)
      unsafe self.handle = handle!
    #else
      self.handle = handle
    #endif
  }

  private static func main(_ context: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
    var signals = sigset_t()
    // The set is a variable of this scope; the mask is this thread's own.
    unsafe sigemptyset(&signals)
    unsafe sigaddset(&signals, SIGPIPE)
    unsafe pthread_sigmask(SIG_BLOCK, &signals, nil)
    // The context is what `init` retained for this one call.
    let work = unsafe Unmanaged<Work>.fromOpaque(context).takeRetainedValue()
    work.body()
    return nil
  }

  func join() { _ = pthread_join(handle, nil) }
}
