import COnnxRuntime
import Synchronization

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What the runtime and its providers say, kept by session in place of the coloured lines that they would print.
///
/// Statuses tell little: why a node was not taken, or why a backend did not load, stands only here.
final class RuntimeLog: Sendable {
  struct Line: Sendable {
    /// 0 verbose, 1 information, 2 warning, 3 error, 4 fatal.
    let severity: Int
    /// The function that said it.
    let source: String
    let text: String
  }

  /// The runtime takes a plain function, so there is one log for the process.
  static let shared = RuntimeLog()

  /// Lines that are kept of one session; a large model has a few for every node.
  private static let limit = 20_000
  private let lines = Mutex<[String: [Line]]>([:])
  private let lastNumber = Mutex(0)

  /// A name for a session that is to be listened to.
  func begin() -> String {
    let number = lastNumber.withLock { number in
      number += 1
      return number
    }
    let name = "whisperq-\(number)"
    lines.withLock { $0[name] = [] }
    return name
  }

  /// What was said so far.
  func heard(_ name: String) -> [Line] { lines.withLock { $0[name] ?? [] } }

  /// Forgets the session.
  func end(_ name: String) { lines.withLock { _ = $0.removeValue(forKey: name) } }

  private func note(_ line: Line, for name: String) {
    lines.withLock { lines in
      if let count = lines[name]?.count, count < RuntimeLog.limit { lines[name]?.append(line) }
    }
  }

  /// The functions whose quiet lines matter: node support, backend version, node placement.
  private static let telling: [StaticString] = [
    "LogNodeSupport", "SetupBackend", "VerifyEachNodeIsAssignedToAnEp",
  ]

  /// What the runtime calls; it must not throw and keeps nothing of its arguments.
  static let receive: cort_log_function = { _, severity, _, name, place, message in
    guard let name = unsafe name, let place = unsafe place, let message = unsafe message else { return }
    // Safe, for all pointers here: NUL-terminated texts of the runtime, valid for the length of this call.
    let isTelling = telling.contains { word in
      unsafe word.utf8Start.withMemoryRebound(to: CChar.self, capacity: word.utf8CodeUnitCount + 1) { word in
        unsafe strstr(place, word) != nil
      }
    }
    guard severity >= 2 || isTelling else { return }
    let line = unsafe Line(
      severity: Int(severity), source: String(cString: place), text: String(cString: message))
    shared.note(line, for: unsafe String(cString: name))
  }
}
