#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// When a failed attempt is repeated: after pauses that double, each shortened by chance so that many clients do not
/// come back at the same moment.
public struct RetryPolicy: Sendable {
  /// Attempts in a row that bring nothing new before the download fails.
  public var attemptCount = 6
  public var firstPause: Duration = .milliseconds(500)
  public var longestPause: Duration = .seconds(30)
  /// A server that asks for a longer pause is taken at its word: the download fails.
  public var longestAskedPause: Duration = .seconds(120)
  /// An attempt counts as bringing something new when it adds this many bytes to what was ever there.
  public var progressByteCount = 64 * 1024
  /// Waits; looks now and then whether it should stop.
  public var pause: @Sendable (Duration, Cancellation) -> Void = RetryPolicy.sleep

  public init() {}

  /// The pause after `failureCount` failures in a row, 1 or more: half to all of the doubled pause.
  func pauseLength(afterFailures failureCount: Int, chance: Double) -> Duration {
    let doublings = min(failureCount - 1, 20)
    let full = min(firstPause * (1 << doublings), longestPause)
    return full * (0.5 + 0.5 * chance)
  }

  private static func sleep(_ duration: Duration, _ cancellation: Cancellation) {
    let end = ContinuousClock.now + duration
    while !cancellation.isCanceled {
      let rest = end - ContinuousClock.now
      if rest <= .zero { return }
      usleep(UInt32(min(rest, .milliseconds(100)) / .microseconds(1)) + 1)
    }
  }
}

/// What went wrong in one attempt, and whether another one may do better.
struct AttemptFailure: Error {
  enum Remedy {
    /// Go on with what is there.
    case resume
    /// Drop what is there.
    case restart
    case none
  }

  let error: TransferError
  let remedy: Remedy
  /// Attempts that are worth it, when there are fewer than the policy's.
  var attemptLimit: Int?
  /// What the server asks for.
  var askedPause: Duration?

  init(_ error: TransferError, _ remedy: Remedy) {
    self.error = error
    self.remedy = remedy
  }
}

/// Counts failed attempts and waits between them.
struct Retrying {
  let policy: RetryPolicy
  private var failuresInRow = 0
  private var attemptCount = 0
  private var mostBytes = 0

  init(policy: RetryPolicy) { self.policy = policy }

  /// Waits until the next attempt, or throws when there is none. `byteCount` is what is there by now.
  mutating func wait(
    after failure: AttemptFailure, byteCount: Int, _ cancellation: Cancellation,
    announce: (Duration, String) -> Void
  ) throws(TransferError) {
    attemptCount += 1
    failuresInRow += 1
    if byteCount >= mostBytes + policy.progressByteCount {
      mostBytes = byteCount
      failuresInRow = 1
    }
    let error = failure.error.after(attemptCount)
    if failure.remedy == .none { throw error }
    if failuresInRow >= min(policy.attemptCount, failure.attemptLimit ?? .max) { throw error }
    var length = policy.pauseLength(afterFailures: failuresInRow, chance: .random(in: 0...1))
    if let asked = failure.askedPause {
      if asked > policy.longestAskedPause {
        throw TransferError(
          .waitAsked(seconds: Int(asked.components.seconds)), address: error.address,
          attemptCount: attemptCount)
      }
      length = max(length, asked)
    }
    announce(length, failure.error.message)
    policy.pause(length, cancellation)
    if cancellation.isCanceled { throw TransferError(.canceled, address: error.address) }
  }

  /// The bytes that were there at the beginning are nothing new.
  mutating func begin(byteCount: Int) { mostBytes = byteCount }
}
