package import Tensors

/// A decoder's cache of fixed length that is filled in place, one slot a token.
///
/// It is lent to each run without a copy; when somebody still holds what was lent at the next write, the write goes
/// to a copy, so nobody sees a tensor change.
package struct CacheMemory {
  /// Zeroed memory, aligned to 64 bytes.
  @safe private final class Storage: @unchecked Sendable {
    // Written only while no other reference exists, see `writableStorage`; read by all who hold one.
    let memory: UnsafeMutableRawBufferPointer

    init(byteCount: Int) {
      unsafe memory = .allocate(byteCount: max(byteCount, 1), alignment: 64)
      unsafe memory.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe memory.deallocate() }
  }

  package let elementType: ElementType
  package let shape: Shape
  private var storage: Storage

  /// Zeros.
  package init(elementType: ElementType, shape: Shape) {
    self.elementType = elementType
    self.shape = shape
    storage = Storage(byteCount: elementType.byteCount(elementCount: shape.elementCount) ?? 0)
  }

  private var byteCount: Int { elementType.byteCount(elementCount: shape.elementCount) ?? 0 }

  /// The cache as a tensor, valid for as long as anybody holds it.
  package var content: TensorContent {
    // Safe: the storage has this length, lives as long as the buffer, and is not written while the buffer lives,
    // because `writableStorage` copies storage that anybody else refers to.
    let buffer = unsafe TensorBuffer(
      borrowing: UnsafeRawPointer(storage.memory.baseAddress.unsafelyUnwrapped), byteCount: byteCount,
      owner: storage)
    return TensorContent(elementType: elementType, shape: shape, bytes: .buffer(buffer))
  }

  /// Writes one token's part at `slot` of `axis`; the part has the cache's extents with 1 there.
  ///
  /// - Returns: false when the part has another type or size, and nothing is written.
  package mutating func write(_ part: TensorContent, slot: Int, axis: Int) -> Bool {
    let extents = shape.dimensions
    guard let width = elementType.byteCount(elementCount: 1), part.elementType == elementType,
      extents.indices.contains(axis), (0..<extents[axis]).contains(slot)
    else { return false }
    let rowCount = extents[..<axis].reduce(1, *)
    let chunk = extents[(axis + 1)...].reduce(1, *) * width
    guard part.bytes.byteCount == rowCount * chunk else { return false }
    let target = writableStorage()
    let stride = extents[axis] * chunk
    part.bytes.withBytes { source in
      for row in 0..<rowCount {
        for index in 0..<chunk {
          // Safe: row * stride + slot * chunk + index lies under rowCount * stride, the storage's length.
          unsafe target.memory[row * stride + slot * chunk + index] = source[row * chunk + index]
        }
      }
    }
    return true
  }

  private mutating func writableStorage() -> Storage {
    if isKnownUniquelyReferenced(&storage) { return storage }
    let copy = Storage(byteCount: byteCount)
    // Safe: both have the same length.
    unsafe copy.memory.copyMemory(from: UnsafeRawBufferPointer(storage.memory))
    storage = copy
    return copy
  }
}
