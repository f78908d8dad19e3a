import Console
import Synchronization

/// A progress reporter that begins when the amount of work is known.
final class ProgressSlot: Sendable {
  private let reporter = Mutex<ProgressReporter?>(nil)

  func begin(_ label: String, _ totalByteCount: Int, _ notes: Notes) {
    let made = ProgressReporter(label: label, totalByteCount: UInt64(totalByteCount), notes: notes)
    reporter.withLock { $0 = made }
  }

  func advance(by byteCount: Int) { reporter.withLock { $0 }?.advance(by: byteCount) }

  func finish() { reporter.withLock { $0 }?.finish() }

  func abandon() { reporter.withLock { $0 }?.abandon() }
}
