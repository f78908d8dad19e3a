import CKernels

/// A copy from one strided arrangement of elements to another: transposes, slices, expansions, concatenations.
public struct StridedCopy: Sendable {
  /// One axis of the copy; strides are in elements and may be 0 or negative in the source.
  public struct Axis: Sendable, Hashable {
    public var extent: Int
    public var source: Int
    public var target: Int

    public init(extent: Int, source: Int, target: Int) {
      (self.extent, self.source, self.target) = (extent, source, target)
    }
  }

  private let axes: [Axis]
  private let sourceStart: Int
  private let targetStart: Int
  private let elementCount: Int

  /// Axes from the outermost to the innermost; starts are in elements.
  public init(_ axes: [Axis], sourceStart: Int = 0, targetStart: Int = 0) {
    elementCount = axes.reduce(1) { $0 * max(0, $1.extent) }
    var merged: [Axis] = []
    for axis in axes where axis.extent != 1 {
      if let outer = merged.last, outer.source == axis.source * axis.extent,
        outer.target == axis.target * axis.extent
      {
        merged[merged.count - 1] = Axis(
          extent: outer.extent * axis.extent, source: axis.source, target: axis.target)
      } else {
        merged.append(axis)
      }
    }
    self.axes = merged
    (self.sourceStart, self.targetStart) = (sourceStart, targetStart)
  }

  /// Copies elements of `width` bytes (any width).
  public func run(width: Int, from source: Span<UInt8>, into target: inout MutableSpan<UInt8>, threads: Int) {
    if elementCount == 0 { return }
    check(source.count / width, start: sourceStart, "source") { $0.source }
    check(target.count / width, start: targetStart, "target") { $0.target }
    let steps = axes.map { ck_axis(extent: $0.extent, from: $0.source * width, to: $0.target * width) }
    let (from, to) = (sourceStart * width, targetStart * width)
    let isLarge = elementCount * width >= 1 << 18
    let splits = isLarge && threads > 1 && axes.first.map { $0.extent > 1 } == true
    // Safe: the first and last elements of both arrangements were checked above.
    unsafe lending(source, &target) { source, target in
      guard let source = unsafe source, let target = unsafe target else { return }
      unsafe steps.withUnsafeBufferPointer { steps in
        guard splits, let outer = unsafe steps.first else {
          unsafe ck_copy_strided(source + from, target + to, width, steps.baseAddress, steps.count)
          return
        }
        WorkSharing.forRanges(outer.extent, grain: 1, threads: threads) { range in
          unsafe withUnsafeTemporaryAllocation(of: ck_axis.self, capacity: steps.count) { own in
            _ = unsafe own.initialize(from: steps)
            unsafe own[0].extent = range.count
            unsafe ck_copy_strided(
              source + from + range.lowerBound * outer.from, target + to + range.lowerBound * outer.to, width,
              own.baseAddress, own.count)
          }
        }
      }
    }
  }

  private func check(_ count: Int, start: Int, _ name: String, _ stride: (Axis) -> Int) {
    var (least, most) = (start, start)
    for axis in axes {
      let reach = stride(axis) * (axis.extent - 1)
      if reach < 0 { least += reach } else { most += reach }
    }
    precondition(least >= 0 && most < count, "the \(name) lies within its memory")
  }
}
