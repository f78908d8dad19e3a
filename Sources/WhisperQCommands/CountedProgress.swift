import Console
import Pipeline
import Synchronization

/// Says on a terminal which of a few long steps is being worked on; a file gets no lines.
final class CountedProgress: Sendable {
  private struct State {
    var total = 0
    var done = 0
  }

  private let state = Mutex(State())
  private let label: String
  private let isQuiet: Bool

  init(_ label: String, _ notes: Notes) {
    self.label = label
    isQuiet = notes.verbosity == .quiet
  }

  /// Counts runs of the model; what is smaller than a run goes by unseen.
  var observer: WorkObserver {
    WorkObserver(
      began: { [self] total in
        state.withLock { $0 = State(total: total, done: 0) }
        show()
      },
      advanced: { [self] count in
        guard count == 1 else { return }
        state.withLock { $0.done += 1 }
        show()
      })
  }

  func finish() { TerminalStream.standardError.setStatusLine(nil) }

  private func show() {
    let (total, done) = state.withLock { ($0.total, $0.done) }
    if isQuiet || total == 0 { return }
    TerminalStream.standardError.setStatusLine("\(label): run \(min(done + 1, total)) of \(total)")
  }
}
