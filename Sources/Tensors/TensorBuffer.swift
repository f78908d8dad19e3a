/// Memory of a tensor that does not change once it is made: aligned to 64 bytes, or lent by somebody who keeps it.
@safe public final class TensorBuffer: Sendable {
  public let byteCount: Int
  private nonisolated(unsafe) let base: UnsafeRawPointer
  /// Keeps lent memory alive; nil when the memory is our own.
  private let owner: (any AnyObject & Sendable)?

  /// Takes memory that starts as zeros and lets `fill` write it.
  public init<Failure: Error>(
    byteCount: Int, _ fill: (inout MutableSpan<UInt8>) throws(Failure) -> Void
  ) throws(Failure) {
    precondition(byteCount >= 0)
    let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
    // Safe: the memory was allocated above with this length, and nobody else knows it while `fill` runs.
    let bytes = unsafe memory.bindMemory(to: UInt8.self)
    unsafe bytes.initialize(repeating: 0)
    let whole = unsafe UnsafeMutableBufferPointer(rebasing: bytes[..<byteCount])
    var span = unsafe MutableSpan(_unsafeElements: whole)
    do throws(Failure) {
      try fill(&span)
    } catch {
      unsafe memory.deallocate()
      throw error
    }
    self.byteCount = byteCount
    unsafe base = UnsafeRawPointer(unsafe memory.baseAddress.unsafelyUnwrapped)
    owner = nil
  }

  /// Shows memory of `owner`, which keeps it, unchanged, for as long as it lives itself.
  @unsafe public init(borrowing base: UnsafeRawPointer, byteCount: Int, owner: any AnyObject & Sendable) {
    unsafe self.base = base
    self.byteCount = byteCount
    self.owner = owner
  }

  deinit {
    if owner == nil { unsafe base.deallocate() }
  }

  /// The bytes, valid for as long as the buffer is.
  public var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get {
      // Safe: the memory lives until `deinit`, which cannot run while the span borrows the buffer.
      let bytes = unsafe UnsafeBufferPointer(
        start: base.assumingMemoryBound(to: UInt8.self), count: byteCount)
      return unsafe _overrideLifetime(Span(_unsafeElements: bytes), borrowing: self)
    }
  }

  /// Whether the memory begins at a multiple of `alignment` bytes.
  public func isAligned(to alignment: Int) -> Bool { unsafe Int(bitPattern: base) % alignment == 0 }

  /// The bytes as elements; the memory must be aligned for them, and every bit pattern must be a value.
  @_lifetime(borrow self)
  public func elements<Element: BitwiseCopyable>(of type: Element.Type) -> Span<Element> {
    precondition(isAligned(to: MemoryLayout<Element>.alignment), "aligned for its elements")
    let count = byteCount / MemoryLayout<Element>.stride
    // Safe: aligned and within the memory, which lives as long as the span borrows the buffer.
    let elements = unsafe UnsafeBufferPointer(start: base.assumingMemoryBound(to: Element.self), count: count)
    return unsafe _overrideLifetime(Span(_unsafeElements: elements), borrowing: self)
  }
}
