import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Runs another program to its end and hands on what it prints while it runs.
enum ChildProcess {
  /// How a program ended, and the end of what it wrote to standard error.
  struct Result: Equatable {
    enum End: Equatable {
      case exited(Int32)
      case signaled(Int32)
    }

    let end: End
    let errorText: String
  }

  enum Failure<OutputFailure: Error>: Error {
    /// The system refused; the code is an `errno`.
    case system(operation: String, code: Int32)
    /// Whoever took the output wanted no more; the program was killed.
    case output(OutputFailure)
  }

  /// Held while pipes are made and a program starts, so that no program inherits the pipe of another.
  private static let starting = Mutex(())
  /// Bytes of standard error that are kept.
  private static let errorByteCount = 1 << 14

  /// Starts the program at `path` with an empty standard input and gives its output to `output`, piece by
  /// piece.
  ///
  /// The program has ended, and nothing of it is left, when this returns or throws. It gets our environment,
  /// no other file of ours, and signals as a shell would start it. The call blocks its thread.
  static func run<OutputFailure: Error>(
    _ path: String, _ arguments: [String], output: (Span<UInt8>) throws(OutputFailure) -> Void
  ) throws(Failure<OutputFailure>) -> Result {
    let (child, outputEnd, errorEnd): (pid_t, Int32, Int32)
    do {
      (child, outputEnd, errorEnd) = try start([path] + arguments)
    } catch {
      throw .system(operation: error.operation, code: error.code)
    }
    defer { for end in [outputEnd, errorEnd] { close(end) } }
    var errors: [UInt8] = []
    do {
      try drain(outputEnd, errorEnd, output: output) { bytes in
        for index in bytes.indices { errors.append(bytes[index]) }
        if errors.count > 2 * errorByteCount { errors.removeFirst(errors.count - errorByteCount) }
      }
    } catch {
      kill(child, SIGKILL)
      _ = wait(for: child)
      throw error
    }
    guard let status = wait(for: child) else { throw .system(operation: "wait for it", code: errno) }
    let signal = status & 0x7F
    return Result(
      end: signal == 0 ? .exited(status >> 8 & 0xFF) : .signaled(signal),
      errorText: String(decoding: errors.suffix(errorByteCount), as: UTF8.self))
  }

  /// Reads both streams until both have ended.
  private static func drain<OutputFailure: Error>(
    _ output: Int32, _ errors: Int32, output takeOutput: (Span<UInt8>) throws(OutputFailure) -> Void,
    errors takeErrors: (Span<UInt8>) -> Void
  ) throws(Failure<OutputFailure>) {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    var entries = [output, errors].map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) }
    while entries.contains(where: { $0.fd >= 0 }) {
      // The array outlives the call and has as many entries as it says; negative descriptors are skipped.
      let ready = unsafe entries.withUnsafeMutableBufferPointer {
        unsafe poll($0.baseAddress, nfds_t($0.count), -1)
      }
      if ready < 0 {
        if errno == EINTR { continue }
        throw .system(operation: "wait for its output", code: errno)
      }
      for index in entries.indices where entries[index].fd >= 0 && entries[index].revents != 0 {
        // The buffer has room for what is asked for.
        let count = unsafe buffer.withUnsafeMutableBytes {
          unsafe read(entries[index].fd, $0.baseAddress, $0.count)
        }
        if count < 0 {
          if errno == EINTR { continue }
          throw .system(operation: "read its output", code: errno)
        }
        if count == 0 {
          entries[index].fd = -1
          continue
        }
        let bytes = buffer.span.extracting(0..<count)
        if index == 1 {
          takeErrors(bytes)
          continue
        }
        do throws(OutputFailure) {
          try takeOutput(bytes)
        } catch {
          throw .output(error)
        }
      }
    }
  }

  /// Nil when the system does not know the child any more.
  private static func wait(for child: pid_t) -> Int32? {
    var status: Int32 = 0
    // The pointer is to a variable of this scope, used during the call only.
    while unsafe waitpid(child, &status, 0) < 0 {
      if errno != EINTR { return nil }
    }
    return status
  }

  /// Starts a program and returns the ends of the pipes that it writes to.
  private static func start(_ command: [String]) throws(SystemFailure) -> (pid_t, Int32, Int32) {
    try starting.withLock { _ throws(SystemFailure) in
      let output = try PipeEnds()
      defer { close(output.writing) }
      do throws(SystemFailure) {
        let errors = try PipeEnds()
        defer { close(errors.writing) }
        do throws(SystemFailure) {
          let child = try spawn(command, output: output.writing, errors: errors.writing)
          return (child, output.reading, errors.reading)
        } catch {
          close(errors.reading)
          throw error
        }
      } catch {
        close(output.reading)
        throw error
      }
    }
  }

  private static func spawn(_ command: [String], output: Int32, errors: Int32) throws(SystemFailure) -> pid_t
  {
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t? = nil
      var attributes: posix_spawnattr_t? = nil
    #else
      var actions = unsafe posix_spawn_file_actions_t()
      var attributes = posix_spawnattr_t()
    #endif
    // Proof, for every use of the two: they are initialized here, known to this thread only, and destroyed
    // before they go out of scope; the system copies strings and signal sets.
    unsafe posix_spawn_file_actions_init(&actions)
    unsafe posix_spawnattr_init(&attributes)
    defer {
      unsafe posix_spawn_file_actions_destroy(&actions)
      unsafe posix_spawnattr_destroy(&attributes)
    }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_adddup2(&actions, output, 1)
    unsafe posix_spawn_file_actions_adddup2(&actions, errors, 2)
    var noSignals = sigset_t()
    var usualSignals = sigset_t()
    unsafe sigemptyset(&noSignals)
    unsafe sigemptyset(&usualSignals)
    for number in [SIGPIPE, SIGXFSZ] { unsafe sigaddset(&usualSignals, number) }
    unsafe posix_spawnattr_setsigmask(&attributes, &noSignals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &usualSignals)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    // Proof: the list ends in nil and its strings live until `free` below, after the call that reads them;
    // the environment is read by the call alone, as `getenv` would.
    let texts = unsafe command.map { unsafe strdup($0) } + [nil]
    defer { for index in unsafe texts.indices { unsafe free(texts[index]) } }
    #if canImport(Darwin)
      let variables = unsafe _NSGetEnviron().pointee
    #else
      let variables = unsafe environ
    #endif
    var child: pid_t = 0
    let code = unsafe posix_spawn(&child, command[0], &actions, &attributes, texts, variables)
    guard code == 0 else { throw SystemFailure(operation: "start \(command[0])", code: code) }
    return child
  }
}

private struct SystemFailure: Error {
  let operation: String
  let code: Int32
}

/// A pipe whose ends no other program inherits and that are no standard streams.
private struct PipeEnds {
  let reading: Int32
  let writing: Int32

  init() throws(SystemFailure) {
    var ends: [Int32] = [0, 0]
    // The call fills the two numbers that the array has room for.
    guard unsafe pipe(&ends) == 0 else { throw SystemFailure(operation: "make a pipe", code: errno) }
    // Copies above the standard streams, whatever was closed when we were started.
    let (reading, writing) = (fcntl(ends[0], F_DUPFD_CLOEXEC, 3), fcntl(ends[1], F_DUPFD_CLOEXEC, 3))
    let code = errno
    for end in ends { close(end) }
    if reading < 0 || writing < 0 {
      for end in [reading, writing] where end >= 0 { close(end) }
      throw SystemFailure(operation: "make a pipe", code: code)
    }
    (self.reading, self.writing) = (reading, writing)
  }
}
