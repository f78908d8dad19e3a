/// The extents of a tensor, all known; a scalar has none.
public struct Shape: Hashable, Sendable, CustomStringConvertible {
  public let dimensions: [Int]
  /// Product of the dimensions.
  public let elementCount: Int

  /// Nil when a dimension is negative or the number of elements does not fit 63 bits.
  public init?(_ dimensions: some Sequence<some BinaryInteger>) {
    var product = 1
    var extents: [Int] = []
    var hasZero = false
    for dimension in dimensions {
      guard let extent = Int(exactly: dimension), extent >= 0 else { return nil }
      extents.append(extent)
      if extent == 0 {
        hasZero = true
        continue
      }
      let (next, overflow) = product.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      product = next
    }
    self.dimensions = extents
    elementCount = hasZero ? 0 : product
  }

  public var rank: Int { dimensions.count }

  /// `[1280, 5120]`, or `[]` for a scalar.
  public var description: String {
    "[" + dimensions.map(String.init).joined(separator: ", ") + "]"
  }
}
