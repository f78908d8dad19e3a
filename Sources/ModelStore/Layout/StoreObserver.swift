import Synchronization

/// Who wants to know how far the work is. Calls come from several threads.
public struct StoreObserver: Sendable {
  /// A job begins: its name and its bytes, 0 when nobody knows.
  public var began: @Sendable (String, Int) -> Void
  /// So many more bytes of it are done.
  public var advanced: @Sendable (Int) -> Void
  /// The job is done.
  public var ended: @Sendable () -> Void
  /// Something worth a line.
  public var noted: @Sendable (String) -> Void

  public init(
    began: @escaping @Sendable (String, Int) -> Void = { _, _ in },
    advanced: @escaping @Sendable (Int) -> Void = { _ in },
    ended: @escaping @Sendable () -> Void = {},
    noted: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.began = began
    self.advanced = advanced
    self.ended = ended
    self.noted = noted
  }
}

/// Adds up how far several downloads are, for an observer that only goes forward.
final class TransferSum: Sendable {
  private struct State {
    var done: [Int: Int] = [:]
    var told = 0
  }

  private let state = Mutex(State())
  private let observer: StoreObserver

  init(_ observer: StoreObserver) { self.observer = observer }

  func take(_ progress: TransferProgress) {
    if case .waiting(_, let reason) = progress.phase {
      observer.noted("waiting before the next try: \(reason)")
    }
    let step = state.withLock { state in
      state.done[progress.index] = progress.doneByteCount
      let sum = state.done.values.reduce(0) { $0.addingReportingOverflow($1).partialValue }
      defer { state.told = max(state.told, sum) }
      return max(0, sum - state.told)
    }
    if step > 0 { observer.advanced(step) }
  }
}
