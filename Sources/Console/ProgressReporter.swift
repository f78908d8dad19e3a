import Synchronization

/// Shows the progress of one job while several threads work on it.
///
/// On a terminal the bar is redrawn at most ten times a second; elsewhere a plain line appears about every five
/// seconds and one at the end. Quiet runs print nothing.
public final class ProgressReporter: Sendable {
  private struct State {
    var bar: ProgressBar
    var startedAt: Duration
    var drawnAt: Duration?
    var isFinished = false
  }

  private static let redrawInterval: Duration = .milliseconds(100)
  private static let plainInterval: Duration = .seconds(5)

  private let notes: Notes
  private let now: @Sendable () -> Duration
  private let state: Mutex<State>

  /// Begins a job of `totalByteCount` bytes; `now` is the time since any fixed moment.
  public init(
    label: String, totalByteCount: UInt64, notes: Notes,
    now: @escaping @Sendable () -> Duration = ProgressReporter.monotonicClock()
  ) {
    self.notes = notes
    self.now = now
    let bar = ProgressBar(label: label, totalByteCount: totalByteCount)
    self.state = Mutex(State(bar: bar, startedAt: now(), drawnAt: nil))
  }

  /// Counts `byteCount` more bytes as done; safe from any thread and cheap enough for every block of work.
  public func advance(by byteCount: Int) {
    precondition(byteCount >= 0, "progress does not go back")
    guard notes.verbosity > .quiet else { return }
    state.withLock { state in
      guard !state.isFinished else { return }
      state.bar.doneByteCount += UInt64(byteCount)
      state.bar.elapsed = now() - state.startedAt
      draw(&state)
    }
  }

  /// Ends the job: takes the bar away and prints the final line. A second call does nothing.
  public func finish() {
    end { notes.note($0.drawFinal()) }
  }

  /// Ends the job without a final line, for a run that fails. A second call does nothing.
  public func abandon() {
    end { _ in }
  }

  private func end(_ say: (ProgressBar) -> Void) {
    guard notes.verbosity > .quiet else { return }
    state.withLock { state in
      guard !state.isFinished else { return }
      state.isFinished = true
      state.bar.elapsed = now() - state.startedAt
      notes.stream.setStatusLine(nil)
      say(state.bar)
    }
  }

  private func draw(_ state: inout State) {
    let isTerminal = notes.stream.kind == .terminal
    let interval = isTerminal ? ProgressReporter.redrawInterval : ProgressReporter.plainInterval
    // The first bar is drawn one interval after the start, so that a short job shows only its end.
    guard state.bar.elapsed - (state.drawnAt ?? .zero) >= interval else { return }
    state.drawnAt = state.bar.elapsed
    if isTerminal {
      // One column stays free: some terminals wrap when the last one is written.
      notes.stream.setStatusLine(state.bar.draw(width: max(1, (notes.stream.width ?? 80) - 1)))
    } else {
      notes.note(state.bar.drawPlain())
    }
  }

  /// A clock of the system that never goes back, counted from the moment of this call.
  public static func monotonicClock() -> @Sendable () -> Duration {
    let start = ContinuousClock.now
    return { ContinuousClock.now - start }
  }
}
