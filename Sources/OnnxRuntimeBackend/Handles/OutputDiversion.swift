import COnnxRuntime
import Synchronization

/// Keeps standard output free of what Qualcomm's libraries print on it (a `# LIBNATIVE` line, for one).
///
/// What the process prints on standard output between `begin` and `end` is kept, and goes to standard error at the
/// end, without that line; pairs may nest and overlap on several threads, and the last end puts things right.
/// Standard output belongs to the whole process: a caller prints its results when no session of QNN is being opened,
/// run or closed.
enum OutputDiversion {
  private struct State {
    var depth = 0
    var saved: Int32 = -1
  }

  private static let state = Mutex(State())

  static func begin() {
    state.withLock { state in
      if state.depth == 0 { state.saved = cort_divert_output() }
      state.depth += 1
    }
  }

  static func end() {
    state.withLock { state in
      state.depth -= 1
      if state.depth == 0 {
        cort_restore_output(state.saved)
        state.saved = -1
      }
    }
  }

  /// Runs `body` with standard output diverted.
  static func during<Result, Failure: Error>(
    _ body: () throws(Failure) -> Result
  ) throws(Failure) -> Result {
    begin()
    defer { end() }
    return try body()
  }
}
