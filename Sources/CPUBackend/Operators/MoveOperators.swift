import Kernels
import ModelBackend
import Tensors

extension Call {
  /// Bytes of an element that can be moved alone.
  func width(_ tensor: RunTensor) throws(BackendError) -> Int {
    guard let width = tensor.width else { throw unsupported("element type \(tensor.elementType.name)") }
    return width
  }

  /// A new tensor made of strided parts of others; every element must be written by some part.
  func moved(
    _ type: ElementType, _ shape: Shape, width: Int, _ parts: [(source: RunTensor, copy: StridedCopy)]
  ) throws(BackendError) -> RunTensor {
    try make(type, shape, as: UInt8.self) { (out) throws(BackendError) in
      for part in parts { part.copy.run(width: width, from: part.source.bytes, into: &out, threads: threads) }
    }
  }

  /// The axes in another order.
  func transposed(_ x: RunTensor, _ order: [Int]) throws(BackendError) -> RunTensor {
    let target = try shape(order.map { x.dimensions[$0] })
    // Axes of extent 1 may move freely.
    if order.filter({ x.dimensions[$0] != 1 }) == order.filter({ x.dimensions[$0] != 1 }).sorted() {
      return x.reshaped(target)
    }
    let (from, to) = (rowStrides(x.dimensions), rowStrides(target.dimensions))
    let axes = order.enumerated().map {
      StridedCopy.Axis(extent: x.dimensions[$1], source: from[$1], target: to[$0])
    }
    return try moved(x.elementType, target, width: try width(x), [(x, StridedCopy(axes))])
  }

  /// x repeated to `shape`, which it must broadcast to.
  func expanded(_ x: RunTensor, _ shape: Shape) throws(BackendError) -> RunTensor {
    if x.shape == shape { return x }
    let missing = [Int](repeating: 1, count: shape.rank - x.rank)
    let dimensions = missing + x.dimensions
    let (from, to) = (rowStrides(dimensions), rowStrides(shape.dimensions))
    let axes = dimensions.indices.map {
      StridedCopy.Axis(
        extent: shape.dimensions[$0], source: dimensions[$0] == 1 ? 0 : from[$0], target: to[$0])
    }
    return try moved(x.elementType, shape, width: try width(x), [(x, StridedCopy(axes))])
  }

  /// Tensors one after the other along an axis.
  func concatenated(_ parts: [RunTensor], axis: Int) throws(BackendError) -> RunTensor {
    guard let first = parts.first else { throw fail("there is nothing to concatenate") }
    var dimensions = first.dimensions
    dimensions[axis] = 0
    for part in parts {
      guard part.elementType == first.elementType, part.rank == first.rank,
        part.dimensions.indices.allSatisfy({ $0 == axis || part.dimensions[$0] == first.dimensions[$0] })
      else {
        throw fail(
          "parts \(first.elementType.name)\(first.shape) and \(part.elementType.name)\(part.shape) do not fit"
        )
      }
      dimensions[axis] += part.dimensions[axis]
    }
    let target = try shape(dimensions)
    let to = rowStrides(dimensions)
    var start = 0
    var copies: [(RunTensor, StridedCopy)] = []
    for part in parts where part.count > 0 {
      let from = rowStrides(part.dimensions)
      let axes = part.dimensions.indices.map {
        StridedCopy.Axis(extent: part.dimensions[$0], source: from[$0], target: to[$0])
      }
      copies.append((part, StridedCopy(axes, targetStart: start * to[axis])))
      start += part.dimensions[axis]
    }
    return try moved(first.elementType, target, width: try width(first), copies)
  }

  /// The part of x that begins at `starts` and takes `extents` elements `steps` apart.
  func sliced(_ x: RunTensor, starts: [Int], extents: [Int], steps: [Int]) throws(BackendError) -> RunTensor {
    let target = try shape(extents)
    if extents == x.dimensions && steps.allSatisfy({ $0 == 1 }) { return x }
    let (from, to) = (rowStrides(x.dimensions), rowStrides(extents))
    let axes = extents.indices.map {
      StridedCopy.Axis(extent: extents[$0], source: from[$0] * steps[$0], target: to[$0])
    }
    let start = zip(starts, from).reduce(0) { $0 + $1.0 * $1.1 }
    return try moved(x.elementType, target, width: try width(x), [(x, StridedCopy(axes, sourceStart: start))])
  }
}

extension OperatorTable {
  static var moveEntries: [OperatorEntry] {
    [
      OperatorEntry("Transpose") { (node) throws(BackendError) in
        .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          let order = node.integers("perm") ?? Array(x.dimensions.indices.reversed())
          guard order.sorted() == Array(x.dimensions.indices) else {
            throw call.fail("perm \(order) is no order of \(x.rank) axes")
          }
          return [try call.transposed(x, order)]
        }
      },
      OperatorEntry("Concat") { (node) throws(BackendError) in
        let axis = node.integer("axis", default: 1)
        return .tensors { (call) throws(BackendError) in
          var parts: [RunTensor] = []
          for index in call.inputs.indices { parts.append(try call.raw(index)) }
          guard let first = parts.first else { throw call.fail("there is nothing to concatenate") }
          return [try call.concatenated(parts, axis: try call.axis(axis, rank: first.rank))]
        }
      },
      OperatorEntry("Split") { (node) throws(BackendError) in
        let axis = node.integer("axis", default: 0)
        return .tensors { (call) throws(BackendError) in try split(call, axis: axis) }
      },
      OperatorEntry("Slice") { _ in .tensors { (call) throws(BackendError) in [try slice(call)] } },
      OperatorEntry("Expand") { _ in
        .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          let target = try call.broadcast([x.shape, try call.shape(try call.integers(1))]).shape
          return [try call.expanded(x, target)]
        }
      },
      OperatorEntry("Tile", versions: 6...newestVersion) { _ in
        .tensors { (call) throws(BackendError) in [try tile(call)] }
      },
      OperatorEntry("Pad", half: .own) { (node) throws(BackendError) in
        let mode = node.text("mode", default: "constant")
        return .tensors { (call) throws(BackendError) in [try pad(call, mode: mode)] }
      },
      OperatorEntry("Trilu") { (node) throws(BackendError) in
        let isUpper = node.integer("upper", default: 1) != 0
        return .tensors { (call) throws(BackendError) in [try triangle(call, isUpper: isUpper)] }
      },
      OperatorEntry("DepthToSpace") { (node) throws(BackendError) in
        let block = node.integer("blocksize", default: 1)
        let isColumnRow = node.text("mode", default: "DCR") == "CRD"
        return .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          let divisor = block > 0 && block < 1 << 15 ? block * block : 0
          guard x.rank == 4, divisor > 0, x.dimensions[1] % divisor == 0 else {
            throw call.fail("\(x.shape) cannot be rearranged by blocks of \(block)")
          }
          let (n, c, h, w) = (x.dimensions[0], x.dimensions[1] / divisor, x.dimensions[2], x.dimensions[3])
          let inner = isColumnRow ? [n, c, block, block, h, w] : [n, block, block, c, h, w]
          let order = isColumnRow ? [0, 1, 4, 2, 5, 3] : [0, 3, 4, 1, 5, 2]
          let moved = try call.transposed(x.reshaped(try call.shape(inner)), order)
          return [moved.reshaped(try call.shape([n, c, h * block, w * block]))]
        }
      },
    ]
  }

  private static func split(_ call: Call, axis: Int) throws(BackendError) -> [RunTensor] {
    let x = try call.raw(0)
    let axis = try call.axis(axis, rank: x.rank)
    let extent = x.dimensions[axis]
    let parts = call.node.usedOutputs.count
    var lengths: [Int]
    if let given = try call.optionalList("split", orInput: 1) {
      lengths = given
    } else {
      let count = call.node.integer("num_outputs", default: parts)
      guard count > 0, count <= 1 << 20 else { throw call.fail("it splits into \(count) parts") }
      let length = (extent + count - 1) / count
      lengths = (0..<count).map { min(length, max(0, extent - $0 * length)) }
    }
    guard lengths.allSatisfy({ $0 >= 0 }), lengths.count >= parts, lengths.reduce(0, { $0 &+ $1 }) == extent
    else {
      throw call.fail("parts \(lengths) do not make up an extent of \(extent) in \(parts) outputs")
    }
    var results: [RunTensor] = []
    var start = 0
    for length in lengths.prefix(parts) {
      var starts = [Int](repeating: 0, count: x.rank)
      var extents = x.dimensions
      (starts[axis], extents[axis]) = (start, length)
      results.append(
        try call.sliced(x, starts: starts, extents: extents, steps: [Int](repeating: 1, count: x.rank)))
      start += length
    }
    return results
  }

  private static func slice(_ call: Call) throws(BackendError) -> RunTensor {
    let x = try call.raw(0)
    let begins = try call.list("starts", orInput: 1)
    let ends = try call.list("ends", orInput: 2)
    let axes = try call.optionalList("axes", orInput: 3) ?? Array(begins.indices)
    let strides = try call.optionalIntegers(4) ?? [Int](repeating: 1, count: begins.count)
    guard ends.count == begins.count, axes.count == begins.count, strides.count == begins.count else {
      throw call.fail("starts, ends, axes and steps differ in length")
    }
    var starts = [Int](repeating: 0, count: x.rank)
    var extents = x.dimensions
    var steps = [Int](repeating: 1, count: x.rank)
    for index in begins.indices {
      let axis = try call.axis(axes[index], rank: x.rank)
      let (extent, step) = (x.dimensions[axis], strides[index])
      guard step != 0, step != .min else { throw call.fail("a step is \(step)") }
      func place(_ value: Int, _ range: ClosedRange<Int>) -> Int {
        let wrapped = value < 0 ? value.addingReportingOverflow(extent).partialValue : value
        return min(max(wrapped, range.lowerBound), range.upperBound)
      }
      let first = step > 0 ? place(begins[index], 0...extent) : place(begins[index], -1...max(extent - 1, -1))
      let last = step > 0 ? place(ends[index], 0...extent) : place(ends[index], -1...max(extent - 1, -1))
      let span = step > 0 ? last - first : first - last
      let count = span <= 0 ? 0 : (span - 1) / Int(step.magnitude) + 1
      (starts[axis], extents[axis]) = (count == 0 ? 0 : first, count)
      steps[axis] = count > 1 ? step : 1
    }
    return try call.sliced(x, starts: starts, extents: extents, steps: steps)
  }

  private static func tile(_ call: Call) throws(BackendError) -> RunTensor {
    let x = try call.raw(0)
    let repeats = try call.integers(1)
    guard repeats.count == x.rank, repeats.allSatisfy({ $0 >= 0 }) else {
      throw call.fail("repeats \(repeats) do not fit \(x.shape)")
    }
    var extents: [Int] = []
    for (extent, times) in zip(x.dimensions, repeats) {
      let (product, overflow) = extent.multipliedReportingOverflow(by: times)
      guard !overflow else { throw call.fail("\(x.shape) times \(repeats) is too large") }
      extents.append(product)
    }
    let target = try call.shape(extents)
    let (from, to) = (rowStrides(x.dimensions), rowStrides(target.dimensions))
    let axes = x.dimensions.indices.flatMap { axis in
      [
        StridedCopy.Axis(extent: repeats[axis], source: 0, target: to[axis] * x.dimensions[axis]),
        StridedCopy.Axis(extent: x.dimensions[axis], source: from[axis], target: to[axis]),
      ]
    }
    return try call.moved(x.elementType, target, width: try call.width(x), [(x, StridedCopy(axes))])
  }

  private static func pad(_ call: Call, mode: String) throws(BackendError) -> RunTensor {
    let x = try call.raw(0)
    let width = try call.width(x)
    let given = try call.list(call.node.has("paddings") ? "paddings" : "pads", orInput: 1)
    var axes: [Int] = []
    for axis in try call.optionalIntegers(3) ?? Array(x.dimensions.indices) {
      axes.append(try call.axis(axis, rank: x.rank))
    }
    guard given.count == 2 * axes.count else { throw call.fail("\(given.count) pads for \(axes.count) axes") }
    var (before, after) = ([Int](repeating: 0, count: x.rank), [Int](repeating: 0, count: x.rank))
    for (index, axis) in axes.enumerated() {
      (before[axis], after[axis]) = (given[index], given[axes.count + index])
    }
    guard given.allSatisfy({ abs($0) < 1 << 48 }) else { throw call.fail("pads \(given) are too large") }
    let target = try call.shape(x.dimensions.indices.map { x.dimensions[$0] + before[$0] + after[$0] })
    // For every axis, which index of x each index of the result takes; -1 is the constant.
    var sources: [[Int]] = []
    for axis in x.dimensions.indices {
      let extent = x.dimensions[axis]
      guard target.dimensions[axis] <= 1 << 24 else { throw call.fail("pads \(given) are too large") }
      sources.append(
        (0..<target.dimensions[axis]).map { paddedIndex($0 - before[axis], extent, mode) })
    }
    var fill = [UInt8](repeating: 0, count: width)
    if let value = try call.optionalTensor(2), value.count == 1 {
      fill = value.content.bytes.copied()
    } else if call.node.has("value") {
      let value = try call.floats(try call.shape([])) { (out) throws(BackendError) in
        out[0] = call.node.float("value", default: 0)
      }
      fill = try call.converted(value, to: x.elementType).content.bytes.copied()
    }
    let strides = rowStrides(x.dimensions)
    let rowCount = target.dimensions.dropLast().reduce(1, *)
    let last = sources.last ?? [0]
    return try call.make(x.elementType, target, as: UInt8.self) { (out) throws(BackendError) in
      if out.isEmpty { return }
      let bytes = x.bytes
      for row in 0..<rowCount {
        var (rest, start, isInside) = (row, 0, true)
        for axis in target.dimensions.indices.dropLast().reversed() {
          let (quotient, index) = rest.quotientAndRemainder(dividingBy: target.dimensions[axis])
          let source = sources[axis][index]
          if source < 0 { isInside = false } else { start += source * strides[axis] }
          rest = quotient
        }
        for (column, source) in last.enumerated() {
          let position = (row * last.count + column) * width
          if isInside && source >= 0 && x.count > 0 {
            copyBytes(bytes, from: (start + source) * width, to: &out, at: position, count: width)
          } else {
            copyBytes(fill.span, from: 0, to: &out, at: position, count: width)
          }
        }
      }
    }
  }

  private static func paddedIndex(_ index: Int, _ extent: Int, _ mode: String) -> Int {
    if index >= 0 && index < extent { return index }
    guard extent > 0 else { return -1 }
    switch mode {
    case "edge": return min(max(index, 0), extent - 1)
    case "wrap":
      let rest = index % extent
      return rest < 0 ? rest + extent : rest
    case "reflect":
      if extent == 1 { return 0 }
      let period = 2 * (extent - 1)
      let rest = index % period
      let inside = rest < 0 ? rest + period : rest
      return inside < extent ? inside : period - inside
    default: return -1
    }
  }

  private static func triangle(_ call: Call, isUpper: Bool) throws(BackendError) -> RunTensor {
    let x = try call.raw(0)
    let width = try call.width(x)
    guard x.rank >= 2 else { throw call.fail("\(x.shape) has no rows and columns") }
    let shift = min(max(try call.optionalIntegers(1)?.first ?? 0, -1 << 40), 1 << 40)
    let (rows, columns) = (x.dimensions[x.rank - 2], x.dimensions[x.rank - 1])
    return try call.make(x.elementType, x.shape, as: UInt8.self) { (out) throws(BackendError) in
      let bytes = x.bytes
      for row in 0..<(columns == 0 ? 0 : x.count / columns) {
        // The first column that is right of (or beyond) the diagonal.
        let diagonal = min(max(row % rows + shift, -1), columns)
        let border = isUpper ? max(diagonal, 0) : min(diagonal + 1, columns)
        let (kept, cleared) = isUpper ? (border..<columns, 0..<border) : (0..<border, border..<columns)
        let start = row * columns
        copyBytes(
          bytes, from: (start + kept.lowerBound) * width, to: &out, at: (start + kept.lowerBound) * width,
          count: kept.count * width)
        for index in cleared.lowerBound * width..<cleared.upperBound * width {
          out[start * width + index] = 0
        }
      }
    }
  }
}
