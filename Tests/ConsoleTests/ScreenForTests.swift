import Console
import Synchronization

/// A stream that keeps what is written, and a clock that goes only when told.
final class ScreenForTests: Sendable {
  private let written = Mutex<[String]>([])
  private let time = Mutex<Duration>(.zero)
  private let failure: ConsoleError?

  init(failure: ConsoleError? = nil) {
    self.failure = failure
  }

  /// Everything written so far, one element a write.
  var writes: [String] { written.withLock { $0 } }

  /// Everything written so far.
  var text: String { writes.joined() }

  func stream(
    _ kind: TerminalStream.Kind, colors: ColorUse = .none, width: Int? = nil
  ) -> TerminalStream {
    TerminalStream(
      kind: kind, colors: colors, measureWidth: { width },
      sink: { (text) throws(ConsoleError) in
        if let failure = self.failure { throw failure }
        self.written.withLock { $0.append(text) }
      })
  }

  /// The clock for a reporter.
  var now: @Sendable () -> Duration {
    { self.time.withLock { $0 } }
  }

  func pass(_ duration: Duration) {
    time.withLock { $0 += duration }
  }
}
