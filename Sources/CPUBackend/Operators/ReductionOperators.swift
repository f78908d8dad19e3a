import ModelBackend
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How elements along axes become one.
private enum Reduction: Sendable {
  case sum, mean, product, most, least, l1, l2, sumOfSquares, logOfSum, logOfSumOfExponentials
}

private struct ReductionWork: NumberWork {
  let call: Call
  let x: RunTensor
  let reduction: Reduction
  let isBool: Bool
  let target: Shape
  /// Extents and strides of the axes that stay, and of those that go.
  let kept: [(extent: Int, stride: Int)]
  let gone: [(extent: Int, stride: Int)]

  func run<N: Number>(_ type: N.Type) throws(BackendError) -> RunTensor {
    let values = x.elements(N.self)
    let inner = offsets(gone)
    let outer = offsets(kept)
    if inner.isEmpty && (reduction == .most || reduction == .least) && !(N.zero is any BinaryFloatingPoint) {
      // The value that changes nothing, as numpy's `initial` does.
      return try call.make(x.elementType, target, as: N.self) { (out) throws(BackendError) in
        let (least, most) = isBool ? (N.zero, N.one) : (N.lowest, N.highest)
        for index in out.indices { out[index] = reduction == .most ? least : most }
      }
    }
    return try call.make(x.elementType, target, as: N.self) { (out) throws(BackendError) in
      for (index, start) in outer.enumerated() { out[index] = reduce(values, start, inner) }
    }
  }

  private func offsets(_ axes: [(extent: Int, stride: Int)]) -> [Int] {
    var result = [0]
    for axis in axes {
      result = result.flatMap { base in (0..<axis.extent).map { base + $0 * axis.stride } }
    }
    return result
  }

  private func reduce<N: Number>(_ values: Span<N>, _ start: Int, _ offsets: [Int]) -> N {
    switch reduction {
    case .most, .least:
      var result = reduction == .most ? N.lowest : N.highest
      for offset in offsets {
        let value = values[start + offset]
        if result.isNotANumber { break }
        if value.isNotANumber || (reduction == .most ? value > result : value < result) { result = value }
      }
      return result
    case .product:
      var result = N.one
      for offset in offsets { result = N.product(result, values[start + offset]) }
      return result
    case .logOfSumOfExponentials:
      var most = -Double.infinity
      for offset in offsets { most = max(most, values[start + offset].double) }
      if most.isInfinite { return N(double: most) }
      var sum = 0.0
      for offset in offsets { sum += exp(values[start + offset].double - most) }
      return N(double: log(sum) + most)
    default:
      if let sum = exactSum(values, start, offsets) { return sum }
      var sum = 0.0
      for offset in offsets {
        let value = values[start + offset].double
        switch reduction {
        case .l1: sum += abs(value)
        case .l2, .sumOfSquares: sum += value * value
        default: sum += value
        }
      }
      switch reduction {
      case .mean: return N(double: sum / Double(offsets.count))
      case .l2: return N(double: sum.squareRoot())
      case .logOfSum: return N(double: log(sum))
      default: return N(double: sum)
      }
    }
  }

  /// Sums of integers, which Double may not hold.
  private func exactSum<N: Number>(_ values: Span<N>, _ start: Int, _ offsets: [Int]) -> N? {
    guard !(N.zero is any BinaryFloatingPoint) else { return nil }
    switch reduction {
    case .sum, .sumOfSquares, .l1:
      var sum = N.zero
      for offset in offsets {
        let value = values[start + offset]
        switch reduction {
        case .l1: sum = value < N.zero ? N.difference(sum, value) : N.sum(sum, value)
        case .sum: sum = N.sum(sum, value)
        default: sum = N.sum(sum, N.product(value, value))
        }
      }
      return sum
    default: return nil
    }
  }
}

extension OperatorTable {
  static var reductionEntries: [OperatorEntry] {
    [
      entry("ReduceSum", .sum),
      entry("ReduceMean", .mean),
      entry("ReduceProd", .product),
      entry("ReduceMax", .most),
      entry("ReduceMin", .least),
      entry("ReduceL1", .l1),
      entry("ReduceL2", .l2),
      entry("ReduceSumSquare", .sumOfSquares),
      entry("ReduceLogSum", .logOfSum),
      entry("ReduceLogSumExp", .logOfSumOfExponentials),
    ]
  }

  private static func entry(_ name: String, _ reduction: Reduction) -> OperatorEntry {
    OperatorEntry(name, half: .widened) { (node) throws(BackendError) in
      let keeps = node.integer("keepdims", default: 1) != 0
      let skipsEmpty = node.flag("noop_with_empty_axes")
      return .tensors { (call) throws(BackendError) in
        let x = try call.tensor(0)
        let given = try call.optionalList("axes", orInput: 1) ?? []
        var axes: Set<Int> = []
        for value in given { axes.insert(try call.axis(value, rank: x.rank)) }
        if given.isEmpty {
          axes = skipsEmpty ? [] : Set(x.dimensions.indices)
        }
        return [try reduced(x, axes, keeps: keeps, reduction, call)]
      }
    }
  }

  private static func reduced(
    _ x: RunTensor, _ axes: Set<Int>, keeps: Bool, _ reduction: Reduction, _ call: Call
  ) throws(BackendError) -> RunTensor {
    let strides = rowStrides(x.dimensions)
    let all = x.dimensions.indices.map { (extent: x.dimensions[$0], stride: strides[$0]) }
    let dimensions = x.dimensions.indices.compactMap {
      axes.contains($0) ? (keeps ? 1 : nil) : x.dimensions[$0]
    }
    let type = try call.computeType(x.elementType)
    let work = ReductionWork(
      call: call, x: try call.widened(x, to: type.elementType), reduction: reduction,
      isBool: x.elementType == .bool, target: try call.shape(dimensions),
      kept: all.indices.filter { !axes.contains($0) }.map { all[$0] },
      gone: all.indices.filter(axes.contains).map { all[$0] })
    return try call.converted(try type.run(work), to: x.elementType)
  }
}
