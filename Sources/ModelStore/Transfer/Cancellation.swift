import Synchronization

/// A wish to stop, which may be uttered on any thread; what works looks at it a few times a second.
public final class Cancellation: Sendable {
  private let state = Atomic<Bool>(false)
  private let parent: Cancellation?

  public init() { parent = nil }

  /// One that is canceled by itself or with `parent`.
  init(parent: Cancellation?) { self.parent = parent }

  public func cancel() { state.store(true, ordering: .relaxed) }

  public var isCanceled: Bool { state.load(ordering: .relaxed) || parent?.isCanceled == true }
}
