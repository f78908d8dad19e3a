import ModelBackend
import Tensors

/// Which scale belongs to which element: one in all, one per index of an axis, or one per block along an axis.
struct QuantizationGrid {
  /// A run of elements that walk their scales (`step` 1) or share one (`step` 0).
  struct Run {
    var start: Int
    var count: Int
    var scale: Int
    var step: Int
  }

  private enum Kind {
    case whole, axis
    case block(Int)
  }

  private let kind: Kind
  /// Extents before the axis, along it, and after it.
  private let outer: Int
  private let extent: Int
  private let inner: Int
  private let blockCount: Int

  /// `blockSize` is 0 unless the scales are blocked.
  init(_ x: Shape, scale: Shape, axis: Int, blockSize: Int, _ call: Call) throws(BackendError) {
    if scale.elementCount == 1 && blockSize == 0 {
      kind = .whole
      (outer, extent, inner, blockCount) = (1, 1, x.elementCount, 1)
      return
    }
    let place = try call.axis(axis, rank: x.rank)
    outer = x.dimensions[..<place].reduce(1, *)
    extent = x.dimensions[place]
    inner = x.dimensions[(place + 1)...].reduce(1, *)
    if blockSize == 0 {
      guard scale.elementCount == extent, scale.rank <= 1 else {
        throw call.fail("scale \(scale) does not fit axis \(place) of \(x)")
      }
      kind = .axis
      blockCount = extent
      return
    }
    guard blockSize > 0, scale.rank == x.rank else {
      throw call.fail("scale \(scale) does not fit \(x) in blocks")
    }
    blockCount = extent == 0 ? 0 : (extent - 1) / blockSize + 1
    var expected = x.dimensions
    expected[place] = blockCount
    guard scale.dimensions == expected else {
      throw call.fail("scale \(scale) does not fit blocks of \(blockSize) along axis \(place) of \(x)")
    }
    kind = .block(blockSize)
  }

  /// Calls `body` for runs that cover every element once.
  func forEachRun(_ body: (Run) -> Void) {
    switch kind {
    case .whole: body(Run(start: 0, count: inner, scale: 0, step: 0))
    case .axis where inner == 1:
      for row in 0..<outer { body(Run(start: row * extent, count: extent, scale: 0, step: 1)) }
    case .axis:
      for row in 0..<outer {
        for index in 0..<extent {
          body(Run(start: (row * extent + index) * inner, count: inner, scale: index, step: 0))
        }
      }
    case .block(let size) where inner == 1:
      for row in 0..<outer {
        for block in 0..<blockCount {
          let first = block * size
          body(
            Run(
              start: row * extent + first, count: min(size, extent - first), scale: row * blockCount + block,
              step: 0)
          )
        }
      }
    case .block(let size):
      for row in 0..<outer {
        for index in 0..<extent {
          let scale = (row * blockCount + index / size) * inner
          body(Run(start: (row * extent + index) * inner, count: inner, scale: scale, step: 1))
        }
      }
    }
  }
}
