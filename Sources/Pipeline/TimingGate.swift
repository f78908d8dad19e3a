import Dispatch

/// Lets models be worked on side by side, but timed alone: whoever measures waits until the others pause, and they
/// wait until it is done.
final class TimingGate: Sendable {
  private let permits: DispatchSemaphore
  private let turnstile = DispatchSemaphore(value: 1)
  private let count: Int

  init(workerCount: Int) {
    count = workerCount
    permits = DispatchSemaphore(value: workerCount)
  }

  /// Does a piece of work that others may do beside it.
  func working<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    turnstile.wait()
    permits.wait()
    turnstile.signal()
    defer { permits.signal() }
    return try body()
  }

  /// Measures something alone; not to be called while working.
  func alone<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
    turnstile.wait()
    for _ in 0..<count { permits.wait() }
    turnstile.signal()
    defer { for _ in 0..<count { permits.signal() } }
    return try body()
  }
}
