import ModelBackend
import Tensors

/// How operands of different shapes meet: their common shape, and each operand's strides in it (0 where it
/// repeats), with neighbouring axes merged.
struct Broadcast {
  let shape: Shape
  /// Extents of the merged axes, at least one.
  let extents: [Int]
  /// Per operand, a stride per merged axis, in elements.
  let strides: [[Int]]

  /// Nil when the shapes do not fit together.
  init?(_ shapes: [Shape]) {
    let rank = shapes.map(\.rank).max() ?? 0
    var dimensions = [Int](repeating: 1, count: rank)
    for shape in shapes {
      for (axis, extent) in zip((rank - shape.rank)..., shape.dimensions) where extent != 1 {
        if dimensions[axis] == 1 { dimensions[axis] = extent }
        if dimensions[axis] != extent { return nil }
      }
    }
    guard let common = Shape(dimensions) else { return nil }
    self.shape = common
    let all = shapes.map { shape -> [Int] in
      var strides = [Int](repeating: 0, count: rank)
      var step = 1
      for (axis, extent) in zip((rank - shape.rank)..., shape.dimensions).reversed() {
        if extent != 1 { strides[axis] = step }
        step *= max(extent, 1)
      }
      return strides
    }
    var extents: [Int] = []
    var merged = [[Int]](repeating: [], count: shapes.count)
    for axis in 0..<rank where dimensions[axis] != 1 {
      let extent = dimensions[axis]
      let joins = !extents.isEmpty && zip(merged, all).allSatisfy { $0[$0.count - 1] == $1[axis] * extent }
      if joins {
        extents[extents.count - 1] *= extent
        for operand in merged.indices { merged[operand][merged[operand].count - 1] = all[operand][axis] }
      } else {
        extents.append(extent)
        for operand in merged.indices { merged[operand].append(all[operand][axis]) }
      }
    }
    if extents.isEmpty {
      extents = [1]
      for operand in merged.indices { merged[operand] = [0] }
    }
    self.extents = extents
    strides = merged
  }

  /// Length of the innermost axis.
  var length: Int { extents[extents.count - 1] }
  var runCount: Int { extents.dropLast().reduce(1, *) }

  /// The innermost stride of an operand.
  func step(_ operand: Int) -> Int { strides[operand][extents.count - 1] }

  /// Where an operand's run begins, in elements.
  func start(_ operand: Int, run: Int) -> Int {
    var rest = run
    var offset = 0
    var axis = extents.count - 2
    while axis >= 0 {
      let (quotient, index) = rest.quotientAndRemainder(dividingBy: extents[axis])
      offset += index * strides[operand][axis]
      rest = quotient
      axis -= 1
    }
    return offset
  }
}

extension Call {
  func broadcast(_ shapes: [Shape]) throws(BackendError) -> Broadcast {
    guard let result = Broadcast(shapes) else {
      throw fail("shapes \(shapes.map(\.description).joined(separator: " and ")) do not broadcast")
    }
    return result
  }
}

/// Row-major strides of a shape, in elements.
func rowStrides(_ dimensions: [Int]) -> [Int] {
  var strides = [Int](repeating: 1, count: dimensions.count)
  for axis in dimensions.indices.dropLast().reversed() {
    strides[axis] = strides[axis + 1] * dimensions[axis + 1]
  }
  return strides
}
