import Console
import Synchronization

/// The line that says how many models of a set are done; on a terminal only.
final class ModelProgress: Sendable {
  private let label: String
  private let counts = Mutex((done: 0, total: 0))
  private let stream: TerminalStream

  init(label: String, stream: TerminalStream = .standardError) {
    self.label = label
    self.stream = stream
  }

  func begin(_ count: Int) {
    counts.withLock { $0 = (0, count) }
    show("")
  }

  func finished(_ path: String) {
    counts.withLock { $0.done += 1 }
    show(path)
  }

  func end() { stream.setStatusLine(nil) }

  private func show(_ path: String) {
    let (done, total) = counts.withLock { $0 }
    let last = path.isEmpty ? "" : ", last \(Printable.name(path))"
    stream.setStatusLine("\(label): \(done) of \(total) model\(total == 1 ? "" : "s")\(last)")
  }
}
