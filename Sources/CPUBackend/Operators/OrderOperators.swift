import ModelBackend
import Tensors

/// A tensor seen as rows along one axis: element i of row r is at `start(r) + i * step`.
struct AxisRows {
  let extent: Int
  let step: Int
  let rowCount: Int

  init(_ dimensions: [Int], axis: Int) {
    extent = dimensions[axis]
    step = dimensions[(axis + 1)...].reduce(1, *)
    rowCount = dimensions[..<axis].reduce(1, *) * step
  }

  func start(_ row: Int) -> Int { row / step * step * extent + row % step }
}

private struct ExtremeWork: NumberWork {
  let call: Call
  let x: RunTensor
  let rows: AxisRows
  let target: Shape
  let isLargest: Bool
  let takesLast: Bool

  func run<N: Number>(_ type: N.Type) throws(BackendError) -> RunTensor {
    let values = x.elements(N.self)
    return try call.make(.int64, target, as: Int64.self) { (out) throws(BackendError) in
      for row in out.indices {
        let start = rows.start(row)
        var best = 0
        for index in 0..<rows.extent where index > 0 {
          let (value, record) = (values[start + index * rows.step], values[start + best * rows.step])
          let wins = isLargest ? value > record : value < record
          if wins || (takesLast && value == record) { best = index }
        }
        out[row] = Int64(best)
      }
    }
  }
}

private struct TopWork: NumberWork {
  let call: Call
  let x: RunTensor
  let rows: AxisRows
  let target: Shape
  let count: Int
  let isLargest: Bool

  func run<N: Number>(_ type: N.Type) throws(BackendError) -> [RunTensor] {
    let values = x.elements(N.self)
    var chosen: [[Int]] = []
    for row in 0..<rows.rowCount {
      let start = rows.start(row)
      var order = Array(0..<rows.extent)
      func value(_ index: Int) -> N { values[start + index * rows.step] }
      order.sort { a, b in
        let (x, y) = (value(a), value(b))
        if x == y || x.isNotANumber && y.isNotANumber { return a < b }
        // NaN is the largest.
        let less = x.isNotANumber ? false : y.isNotANumber ? true : x < y
        return isLargest ? !less : less
      }
      chosen.append(Array(order.prefix(count)))
    }
    func place(_ row: Int, _ index: Int) -> Int {
      row / rows.step * rows.step * count + row % rows.step + index * rows.step
    }
    let best = try call.make(x.elementType, target, as: N.self) { (out) throws(BackendError) in
      for (row, indices) in chosen.enumerated() {
        for (index, source) in indices.enumerated() {
          out[place(row, index)] = values[rows.start(row) + source * rows.step]
        }
      }
    }
    let places = try call.make(.int64, target, as: Int64.self) { (out) throws(BackendError) in
      for (row, indices) in chosen.enumerated() {
        for (index, source) in indices.enumerated() { out[place(row, index)] = Int64(source) }
      }
    }
    return [best, places]
  }
}

private struct CumulativeWork: NumberWork {
  let call: Call
  let x: RunTensor
  let rows: AxisRows
  let isExclusive: Bool
  let isReversed: Bool

  func run<N: Number>(_ type: N.Type) throws(BackendError) -> RunTensor {
    let values = x.elements(N.self)
    return try call.make(x.elementType, x.shape, as: N.self) { (out) throws(BackendError) in
      for row in 0..<rows.rowCount {
        var sum = N.zero
        for position in 0..<rows.extent {
          let index = rows.start(row) + (isReversed ? rows.extent - 1 - position : position) * rows.step
          if isExclusive {
            out[index] = sum
            sum = N.sum(sum, values[index])
          } else {
            sum = N.sum(sum, values[index])
            out[index] = sum
          }
        }
      }
    }
  }
}

extension Call {
  /// How many elements TopK takes: an attribute before version 10, then an input.
  fileprivate func topCount() throws(BackendError) -> Int {
    if let count = node.integer("k") { return count }
    return try integers(1).first ?? 0
  }
}

extension OperatorTable {
  static var orderEntries: [OperatorEntry] {
    [
      extreme("ArgMax", isLargest: true),
      extreme("ArgMin", isLargest: false),
      OperatorEntry("TopK", half: .widenedFirst) { (node) throws(BackendError) in
        let isLargest = node.integer("largest", default: 1) != 0
        let axis = node.integer("axis", default: -1)
        return .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          let axis = try call.axis(axis, rank: x.rank)
          let count = try call.topCount()
          guard count >= 0, count <= x.dimensions[axis] else {
            throw call.fail("k is \(count), the axis has \(x.dimensions[axis])")
          }
          var dimensions = x.dimensions
          dimensions[axis] = count
          let type = try call.computeType(x.elementType)
          let result = try type.run(
            TopWork(
              call: call, x: try call.widened(x, to: type.elementType),
              rows: AxisRows(x.dimensions, axis: axis),
              target: try call.shape(dimensions), count: count, isLargest: isLargest))
          return [try call.converted(result[0], to: x.elementType), result[1]]
        }
      },
      OperatorEntry("CumSum", half: .widened) { (node) throws(BackendError) in
        let (isExclusive, isReversed) = (node.flag("exclusive"), node.flag("reverse"))
        return .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          let axis = try call.axis(try call.integers(1).first ?? 0, rank: x.rank)
          let type = try call.computeType(x.elementType)
          let work = CumulativeWork(
            call: call, x: try call.widened(x, to: type.elementType),
            rows: AxisRows(x.dimensions, axis: axis),
            isExclusive: isExclusive, isReversed: isReversed)
          return [try call.converted(try type.run(work), to: x.elementType)]
        }
      },
      OperatorEntry("NonZero", half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          let x = try call.converted(try call.tensor(0), to: .bool)
          let flags = x.bytes
          let places = flags.indices.filter { flags[$0] != 0 }
          let strides = rowStrides(x.dimensions)
          let rank = x.rank
          return [
            try call.make(.int64, try call.shape([rank, places.count]), as: Int64.self) {
              (out) throws(BackendError) in
              for (column, place) in places.enumerated() {
                for axis in 0..<rank {
                  out[axis * places.count + column] = Int64(place / strides[axis] % x.dimensions[axis])
                }
              }
            }
          ]
        }
      },
    ]
  }

  private static func extreme(_ name: String, isLargest: Bool) -> OperatorEntry {
    OperatorEntry(name, half: .widened) { (node) throws(BackendError) in
      let keeps = node.integer("keepdims", default: 1) != 0
      let takesLast = node.flag("select_last_index")
      let axis = node.integer("axis", default: 0)
      return .tensors { (call) throws(BackendError) in
        let x = try call.tensor(0)
        let axis = try call.axis(axis, rank: x.rank)
        guard x.dimensions[axis] > 0 else { throw call.fail("axis \(axis) of \(x.shape) is empty") }
        var dimensions = x.dimensions
        if keeps { dimensions[axis] = 1 } else { dimensions.remove(at: axis) }
        let type = try call.computeType(x.elementType)
        return [
          try type.run(
            ExtremeWork(
              call: call, x: try call.widened(x, to: type.elementType),
              rows: AxisRows(x.dimensions, axis: axis),
              target: try call.shape(dimensions), isLargest: isLargest, takesLast: takesLast))
        ]
      }
    }
  }
}
