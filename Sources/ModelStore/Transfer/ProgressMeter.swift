/// Tells how far one download is: every change of the phase, and bytes ten times a second at most.
final class ProgressMeter {
  private let index: Int
  private let tell: @Sendable (TransferProgress) -> Void
  private var lastPhase = -1
  private var lastTime: ContinuousClock.Instant?

  init(index: Int, tell: @escaping @Sendable (TransferProgress) -> Void) {
    self.index = index
    self.tell = tell
  }

  func report(_ phase: TransferProgress.Phase, _ doneByteCount: Int, _ totalByteCount: Int?) {
    let now = ContinuousClock.now
    let number = ProgressMeter.number(of: phase)
    if number == lastPhase, let lastTime, now - lastTime < .milliseconds(100) { return }
    lastPhase = number
    lastTime = now
    tell(
      TransferProgress(
        index: index, phase: phase, doneByteCount: doneByteCount, totalByteCount: totalByteCount))
  }

  private static func number(of phase: TransferProgress.Phase) -> Int {
    switch phase {
    case .connecting: 0
    case .checking: 1
    case .transferring: 2
    case .waiting: 3
    case .done: 4
    }
  }
}
