import Foundation

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// What a program that has ended left behind.
public struct SpawnResult: Sendable {
  /// How a program ended.
  public enum End: Sendable, Equatable {
    case exited(Int32)
    case signaled(Int32)
    /// Killed by the test because it ran longer than it may.
    case timedOut
  }

  public let end: End
  public let stdoutBytes: [UInt8]
  public let stderrBytes: [UInt8]
  public let elapsed: Duration
  /// The largest resident memory of the program, mapped file pages included; nil when the system did not tell.
  public let peakByteCount: Int?

  /// The exit code; nil when the program did not exit by itself.
  public var exitCode: Int32? {
    if case .exited(let code) = end { code } else { nil }
  }
  /// Standard output as text; bytes that are not UTF-8 are replaced.
  public var stdout: String { String(decoding: stdoutBytes, as: UTF8.self) }
  /// Standard error as text; bytes that are not UTF-8 are replaced.
  public var stderr: String { String(decoding: stderrBytes, as: UTF8.self) }
}

/// A failure to start a program.
public struct SpawnError: Error, CustomStringConvertible {
  public let path: String
  public let code: Int32
  public var description: String { "cannot start \(path): error \(code)" }
}

/// A signal to send to the program while it runs.
public struct SpawnSignal: Sendable {
  public let number: Int32
  public let delay: Duration

  /// The signal `number` after `delay`; nothing happens when the program has ended by then.
  public init(_ number: Int32, after delay: Duration) {
    self.number = number
    self.delay = delay
  }
}

/// Runs a program to its end.
public enum Spawn {
  /// Starts the program at `path`, gives it `stdin`, and waits until it ends.
  ///
  /// `environment` replaces the whole environment; nil hands on that of the test. A program that runs longer
  /// than `timeLimit` is killed. The call blocks its thread.
  public static func run(
    _ path: String, _ arguments: [String] = [], environment: [String: String]? = nil, stdin: [UInt8] = [],
    workingFolder: String? = nil, timeLimit: Duration = .seconds(120), signal: SpawnSignal? = nil
  ) throws -> SpawnResult {
    let input = try PipeEnds()
    let output = try PipeEnds()
    let errors = try PipeEnds()
    let start = ContinuousClock.now
    // Not every system can change the folder while it starts a program, a shell can.
    let command =
      workingFolder.map { ["/bin/sh", "-c", "cd \"$0\" && exec \"$@\"", $0, path] + arguments }
      ?? [path] + arguments
    let child = try startChild(
      command, environment ?? TestEnvironment.all, input.reading, output.writing, errors.writing)
    for descriptor in [input.reading, output.writing, errors.writing] { close(descriptor) }

    let feeder = Background { feed(stdin, to: input.writing) }
    let outputReader = Background { drain(output.reading) }
    let errorReader = Background { drain(errors.reading) }
    var watch = ChildWatch(child: child, start: start)
    let end = watch.wait(timeLimit: timeLimit, signal: signal)
    let elapsed = ContinuousClock.now - start
    feeder.value()
    return SpawnResult(
      end: end, stdoutBytes: outputReader.value(), stderrBytes: errorReader.value(), elapsed: elapsed,
      peakByteCount: watch.peakByteCount)
  }

  private static func startChild(
    _ command: [String], _ environment: [String: String], _ stdin: Int32, _ stdout: Int32, _ stderr: Int32
  ) throws -> pid_t {
    #if canImport(Darwin)
      var actions: posix_spawn_file_actions_t? = nil
    #else
      var actions = unsafe posix_spawn_file_actions_t()
    #endif
    // Proof, for every use of `actions`: it is initialized here, used by this thread only, and destroyed before
    // it goes out of scope; strings are copied by the system.
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    for (number, descriptor) in [stdin, stdout, stderr].enumerated() {
      unsafe posix_spawn_file_actions_adddup2(&actions, descriptor, Int32(number))
    }
    #if canImport(Darwin)
      var attributes: posix_spawnattr_t? = nil
    #else
      var attributes = posix_spawnattr_t()
    #endif
    // The threads of a test block signals and ignore a broken pipe, and a shell starts what runs in the background
    // with interrupts ignored; the program must begin without any of it.
    // Proof, for every use of `attributes`: as for `actions`; the signal sets are copied.
    var noSignals = sigset_t()
    var usualSignals = sigset_t()
    unsafe sigemptyset(&noSignals)
    unsafe sigemptyset(&usualSignals)
    for number in [SIGPIPE, SIGINT, SIGTERM, SIGHUP] { unsafe sigaddset(&usualSignals, number) }
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    unsafe posix_spawnattr_setsigmask(&attributes, &noSignals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &usualSignals)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))
    // Proof: both lists end in nil and their strings live until `free` below, after the call that reads them.
    let argv = unsafe command.map { unsafe strdup($0) } + [nil]
    let envp = unsafe environment.map { unsafe strdup("\($0.key)=\($0.value)") } + [nil]
    defer {
      let texts = unsafe argv + envp
      for index in unsafe texts.indices { unsafe free(texts[index]) }
    }
    var child: pid_t = 0
    let code = unsafe posix_spawn(&child, command[0], &actions, &attributes, argv, envp)
    guard code == 0 else { throw SpawnError(path: command[0], code: code) }
    return child
  }

  /// Writes everything to a pipe and closes it; a program that does not read it all is no error.
  private static func feed(_ bytes: [UInt8], to descriptor: Int32) {
    defer { close(descriptor) }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
    guard !bytes.isEmpty else { return }
    try? handle.write(contentsOf: Data(bytes))
  }

  private static func drain(_ descriptor: Int32) -> [UInt8] {
    defer { close(descriptor) }
    let handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: false)
    return [UInt8]((try? handle.readToEnd()) ?? Data())
  }
}

/// A pipe whose ends no other program inherits.
private struct PipeEnds {
  let reading: Int32
  let writing: Int32

  init() throws {
    var ends: [Int32] = [0, 0]
    // Proof: pipe fills the two numbers that the array has room for.
    guard unsafe pipe(&ends) == 0 else { throw SpawnError(path: "a pipe", code: errno) }
    for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
    (reading, writing) = (ends[0], ends[1])
    // A program that ends without reading its input must not end the test.
    signal(SIGPIPE, SIG_IGN)
  }
}
