import Kernels

/// XᵀX of the rows of a tensor [..., K], and the sums of its columns; rows of many runs add up.
public final class GramMatrix {
  /// K, the extent of the last axis.
  public let width: Int
  /// Rows so far.
  public private(set) var rowCount = 0
  private var sums: [Double]
  /// [K, K]; only blocks on and above the diagonal are kept up.
  private var storage: [Float]
  /// Columns of a panel.
  private static let panelWidth = 256
  /// Rows whose columns are summed as Float.
  private static let rowChunk = 64

  public init(width: Int) {
    self.width = width
    sums = [Double](repeating: 0, count: width)
    storage = [Float](repeating: 0, count: width * width)
  }

  /// Bytes that a matrix takes, with those for a panel in work.
  public static func byteCount(width: Int) -> Int { (width + min(width, panelWidth)) * width * 4 + width * 8 }

  /// The mean of each column; zeros before the first row.
  public var means: [Float] { sums.map { Float($0 / Double(max(1, rowCount))) } }

  /// The diagonal: the sum of squares of each column.
  public var diagonal: [Float] { (0..<width).map { storage[$0 * width + $0] } }

  /// The element of the symmetric matrix.
  public subscript(row: Int, column: Int) -> Float {
    storage[min(row, column) * width + max(row, column)]
  }

  /// Adds rows of `width` values.
  public func add(_ values: Span<Float>, threads: Int) {
    precondition(width > 0 && values.count % width == 0, "whole rows")
    let rows = values.count / width
    if rows == 0 { return }
    addSums(values, rows)
    rowCount += rows
    let place = MatrixPlace(offset: 0, rowStride: width)
    for first in stride(from: 0, to: width, by: Self.panelWidth) {
      let (height, length) = (min(Self.panelWidth, width - first), width - first)
      var panel = [Float](repeating: 0, count: height * length)
      var span = panel.mutableSpan
      var from = place
      from.offset = first
      MatrixProduct.panel(
        ProductShape(m: height, n: length, k: rows, isATransposed: true), values, at: from, values, at: from,
        into: &span, threads: threads)
      var target = storage.mutableSpan
      for row in 0..<height {
        FloatRows.add(
          panel.span.extracting(row * length..<(row + 1) * length), to: &target,
          at: (first + row) * width + first)
      }
    }
  }

  private func addSums(_ values: Span<Float>, _ rows: Int) {
    var part = [Float](repeating: 0, count: width)
    for start in stride(from: 0, to: rows, by: Self.rowChunk) {
      let end = min(rows, start + Self.rowChunk)
      var span = part.mutableSpan
      for index in span.indices { span[index] = 0 }
      for row in start..<end {
        FloatRows.add(values.extracting(row * width..<(row + 1) * width), to: &span, at: 0)
      }
      for column in sums.indices { sums[column] += Double(part[column]) }
    }
  }
}

/// Which Gram matrices are made in which sweep over the data, so that those of one sweep fit a limit of memory.
public struct GramPlan: Sendable, Equatable {
  /// Names of tensors, sweep by sweep.
  public let sweeps: [[String]]
  /// Bytes of the largest sweep.
  public let peakByteCount: Int

  /// Groups tensors in their order; one that is over the limit alone has a sweep of its own.
  ///
  /// - Parameter tensors: names with the extent of the last axis, in the order in which they are computed.
  public init(_ tensors: [(name: String, width: Int)], byteLimit: Int) {
    var sweeps: [[String]] = []
    var (byteCount, peak) = (0, 0)
    for (name, width) in tensors {
      let own = GramMatrix.byteCount(width: width)
      if sweeps.isEmpty || byteCount + own > byteLimit {
        sweeps.append([])
        byteCount = 0
      }
      sweeps[sweeps.count - 1].append(name)
      byteCount += own
      peak = max(peak, byteCount)
    }
    self.sweeps = sweeps
    peakByteCount = peak
  }
}
