import Synchronization
import Tensors

/// Memory that runs take and give back, so that the next operator gets pages that are already there.
///
/// A buffer goes back when its last tensor goes. What lies unused is bounded; the rest returns to the system.
final class BufferPool: Sendable {
  /// Bytes that may be in use at one time.
  let byteLimit: Int
  /// Bytes that may lie unused.
  private let idleLimit: Int
  private let state = Mutex(State())

  private struct State {
    /// Unused blocks by capacity.
    var idle: [Int: [Block]] = [:]
    var idleByteCount = 0
    var usedByteCount = 0
    var peakByteCount = 0
  }

  @safe private struct Block: @unchecked Sendable {
    // Safe: exactly one owner at a time, the pool or one `PooledMemory`.
    let base: UnsafeMutableRawPointer
  }

  init(byteLimit: Int, idleLimit: Int = 768 << 20) {
    (self.byteLimit, self.idleLimit) = (byteLimit, idleLimit)
  }

  deinit {
    let blocks = state.withLock { $0.idle.values.flatMap { $0 } }
    for block in blocks { unsafe block.base.deallocate() }
  }

  /// Most bytes that were in use together.
  var peakByteCount: Int { state.withLock { $0.peakByteCount } }

  /// Capacities come in steps of an eighth of their power of two, so that blocks fit again.
  private static func capacity(for byteCount: Int) -> Int {
    let least = max(byteCount, 64)
    let step = max(64, (1 << (Int.bitWidth - 1 - least.leadingZeroBitCount)) / 8)
    return (least + step - 1) / step * step
  }

  /// A buffer that `fill` writes in full; nil when the limit does not allow it.
  func buffer<Element: BitwiseCopyable, Failure: Error>(
    count: Int, of type: Element.Type, _ fill: (inout MutableSpan<Element>) throws(Failure) -> Void
  ) throws(Failure) -> TensorBuffer? {
    let (byteCount, overflow) = count.multipliedReportingOverflow(by: MemoryLayout<Element>.stride)
    if overflow || count < 0 || byteCount > byteLimit { return nil }
    guard let memory = take(Self.capacity(for: byteCount)) else { return nil }
    // Safe: the block is ours alone, aligned to 64 bytes and large enough; elements are plain bits.
    let elements = unsafe UnsafeMutableBufferPointer(
      start: memory.base.bindMemory(to: Element.self, capacity: count), count: count)
    var span = unsafe MutableSpan(_unsafeElements: elements)
    try fill(&span)
    return unsafe TensorBuffer(borrowing: UnsafeRawPointer(memory.base), byteCount: byteCount, owner: memory)
  }

  private func take(_ capacity: Int) -> PooledMemory? {
    let found: Block?? = state.withLock { state in
      if state.usedByteCount > byteLimit - capacity { return nil }
      state.usedByteCount += capacity
      state.peakByteCount = max(state.peakByteCount, state.usedByteCount)
      guard let block = state.idle[capacity]?.popLast() else { return .some(nil) }
      state.idleByteCount -= capacity
      return block
    }
    guard let found else { return nil }
    if let found { return unsafe PooledMemory(base: found.base, capacity: capacity, pool: self) }
    return unsafe PooledMemory(
      base: .allocate(byteCount: capacity, alignment: 64), capacity: capacity, pool: self)
  }

  fileprivate func giveBack(_ base: UnsafeMutableRawPointer, _ capacity: Int) {
    let block = unsafe Block(base: base)
    let keeps = state.withLock { state in
      state.usedByteCount -= capacity
      if state.idleByteCount + capacity > idleLimit { return false }
      state.idleByteCount += capacity
      state.idle[capacity, default: []].append(block)
      return true
    }
    if !keeps { unsafe base.deallocate() }
  }
}

/// One block in use; its end gives the block back.
@safe private final class PooledMemory: Sendable {
  nonisolated(unsafe) let base: UnsafeMutableRawPointer
  let capacity: Int
  let pool: BufferPool

  init(base: UnsafeMutableRawPointer, capacity: Int, pool: BufferPool) {
    unsafe self.base = base
    self.capacity = capacity
    self.pool = pool
  }

  deinit { unsafe pool.giveBack(base, capacity) }
}
