import Foundation
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Waits for a program, and measures its memory.
struct ChildWatch {
  let child: pid_t
  let start: ContinuousClock.Instant
  private(set) var peakByteCount: Int?

  init(child: pid_t, start: ContinuousClock.Instant) {
    self.child = child
    self.start = start
  }

  /// Waits until the program ends, sends `signal` at its time and kills the program at `timeLimit`.
  mutating func wait(timeLimit: Duration, signal: SpawnSignal?) -> SpawnResult.End {
    var unsent = signal
    var isKilled = false
    while true {
      var status: Int32 = 0
      var usage = rusage()
      // Proof: both pointers are to variables of this scope that the system fills and forgets.
      let ended = unsafe wait4(child, &status, WNOHANG, &usage)
      if ended == child {
        noteEnd(usage)
        return isKilled ? .timedOut : ChildWatch.end(of: status)
      }
      let elapsed = ContinuousClock.now - start
      noteMemory()
      if let signal = unsent, elapsed >= signal.delay {
        kill(child, signal.number)
        unsent = nil
      }
      if elapsed >= timeLimit, !isKilled {
        kill(child, SIGKILL)
        isKilled = true
      }
      usleep(1000)
    }
  }

  private static func end(of status: Int32) -> SpawnResult.End {
    let number = status & 0x7f
    return number == 0 ? .exited((status >> 8) & 0xff) : .signaled(number)
  }

  /// The peak that Linux keeps for the memory of the running program.
  private mutating func noteMemory() {
    #if os(Linux)
      guard let text = try? String(contentsOfFile: "/proc/\(child)/status", encoding: .utf8),
        let line = text.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
        let kibibytes = line.split(separator: " ").compactMap({ Int($0) }).first
      else { return }
      peakByteCount = max(peakByteCount ?? 0, kibibytes * 1024)
    #endif
  }

  /// The system's own number at the end. On Linux a program started without a copy of its parent's memory
  /// inherits the parent's peak, so the number counts only when it is above that.
  private mutating func noteEnd(_ usage: rusage) {
    #if os(Linux)
      var own = rusage()
      // Proof: getrusage fills the one structure.
      unsafe getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &own)
      if usage.ru_maxrss > own.ru_maxrss { peakByteCount = max(peakByteCount ?? 0, usage.ru_maxrss * 1024) }
    #else
      peakByteCount = usage.ru_maxrss
    #endif
  }
}

/// Work on a thread of its own, whose result is waited for.
final class Background<Value: Sendable>: Sendable {
  private let result = Mutex<Value?>(nil)
  private let done = DispatchSemaphore(value: 0)

  init(_ work: @escaping @Sendable () -> Value) {
    Thread.detachNewThread { [self] in
      let value = work()
      result.withLock { $0 = value }
      done.signal()
    }
  }

  /// The result, when it is there; to be asked once.
  @discardableResult
  func value() -> Value {
    done.wait()
    guard let value = result.withLock({ $0 }) else { preconditionFailure("the work signals its end once") }
    return value
  }
}
