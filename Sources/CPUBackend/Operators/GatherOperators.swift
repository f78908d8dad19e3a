import Kernels
import ModelBackend
import Tensors

extension Call {
  /// Indices, each checked against `extent` and made non-negative.
  func indices(_ tensor: RunTensor, extent: Int) throws(BackendError) -> [Int] {
    let wide = try converted(tensor, to: .int64)
    let values = wide.elements(Int64.self)
    var result: [Int] = []
    result.reserveCapacity(values.count)
    for position in values.indices {
      let value = Int(values[position])
      let index = value < 0 ? value &+ extent : value
      guard index >= 0 && index < extent else {
        throw fail("index \(value) is out of range for an extent of \(extent)")
      }
      result.append(index)
    }
    return result
  }
}

extension OperatorTable {
  static var gatherEntries: [OperatorEntry] {
    [
      OperatorEntry("Gather") { (node) throws(BackendError) in
        let axis = node.integer("axis", default: 0)
        return .tensors { (call) throws(BackendError) in
          [try gather(try call.raw(0), try call.tensor(1), axis: axis, call)]
        }
      },
      OperatorEntry("GatherElements") { (node) throws(BackendError) in
        let axis = node.integer("axis", default: 0)
        return .tensors { (call) throws(BackendError) in
          let (x, selection) = (try call.raw(0), try call.tensor(1))
          let axis = try call.axis(axis, rank: x.rank)
          guard selection.rank == x.rank,
            x.dimensions.indices.allSatisfy({ $0 == axis || selection.dimensions[$0] <= x.dimensions[$0] })
          else { throw call.fail("indices \(selection.shape) do not fit \(x.shape)") }
          let indices = try call.indices(selection, extent: x.dimensions[axis])
          let width = try call.width(x)
          let strides = rowStrides(x.dimensions)
          return [
            try call.make(x.elementType, selection.shape, as: UInt8.self) { (out) throws(BackendError) in
              let bytes = x.bytes
              for (position, index) in indices.enumerated() {
                let source = elementOffset(
                  position, selection.dimensions, strides, replacing: axis, with: index)
                copyBytes(bytes, from: source * width, to: &out, at: position * width, count: width)
              }
            }
          ]
        }
      },
      OperatorEntry("GatherND") { (node) throws(BackendError) in
        let batch = node.integer("batch_dims", default: 0)
        return .tensors { (call) throws(BackendError) in [try gatherND(call, batch: batch)] }
      },
      OperatorEntry("Compress") { (node) throws(BackendError) in
        .tensors { (call) throws(BackendError) in
          var x = try call.raw(0)
          let flags = try call.integers(1)
          var axis = 0
          if let given = node.integer("axis") {
            axis = try call.axis(given, rank: x.rank)
          } else {
            x = x.reshaped(try call.shape([x.count]))
          }
          let kept = flags.indices.filter { flags[$0] != 0 }
          guard (kept.last ?? -1) < x.dimensions[axis] else {
            throw call.fail("the condition is longer than the axis")
          }
          return [try gather(x, try call.int64s(kept, [kept.count]), axis: axis, call)]
        }
      },
    ]
  }

  /// Where element `position` of a tensor of `dimensions` lies, with one axis' index replaced.
  static func elementOffset(
    _ position: Int, _ dimensions: [Int], _ strides: [Int], replacing axis: Int, with index: Int
  ) -> Int {
    var (rest, offset) = (position, 0)
    for current in dimensions.indices.reversed() {
      let (quotient, own) = rest.quotientAndRemainder(dividingBy: dimensions[current])
      offset += (current == axis ? index : own) * strides[current]
      rest = quotient
    }
    return offset
  }

  static func gather(
    _ x: RunTensor, _ selection: RunTensor, axis: Int, _ call: Call
  ) throws(BackendError) -> RunTensor {
    let axis = try call.axis(axis, rank: x.rank)
    let indices = try call.indices(selection, extent: x.dimensions[axis])
    let width = try call.width(x)
    let outer = x.dimensions[..<axis].reduce(1, *)
    let block = x.dimensions[(axis + 1)...].reduce(1, *) * width
    let target = try call.shape(x.dimensions[..<axis] + selection.dimensions + x.dimensions[(axis + 1)...])
    return try call.make(x.elementType, target, as: UInt8.self) { (out) throws(BackendError) in
      if out.isEmpty { return }
      let bytes = x.bytes
      var position = 0
      for row in 0..<outer {
        for index in indices {
          copyBytes(
            bytes, from: (row * x.dimensions[axis] + index) * block, to: &out, at: position, count: block)
          position += block
        }
      }
    }
  }

  /// Checked offsets, in elements, of the slices that index tuples name.
  static func sliceOffsets(
    _ selection: RunTensor, in dimensions: [Int], batch: Int, _ call: Call
  ) throws(BackendError) -> (offsets: [Int], sliceCount: Int) {
    guard let depth = selection.dimensions.last, batch >= 0, batch < selection.rank, batch < dimensions.count,
      batch + depth <= dimensions.count, dimensions[..<batch] == selection.dimensions[..<batch]
    else { throw call.fail("indices \(selection.shape) do not fit \(dimensions)") }
    let wide = try call.converted(selection, to: .int64)
    let values = wide.elements(Int64.self)
    let strides = rowStrides(dimensions)
    let tuples = selection.dimensions.dropLast().reduce(1, *)
    let batches = dimensions[..<batch].reduce(1, *)
    let batchStep = dimensions[batch...].reduce(1, *)
    var offsets: [Int] = []
    offsets.reserveCapacity(tuples)
    for tuple in 0..<tuples {
      var offset = batches == 0 ? 0 : tuple / max(1, tuples / batches) * batchStep
      for place in 0..<depth {
        let value = Int(values[tuple * depth + place])
        let extent = dimensions[batch + place]
        let index = value < 0 ? value &+ extent : value
        guard index >= 0 && index < extent else {
          throw call.fail("index \(value) is out of range for an extent of \(extent)")
        }
        offset += index * strides[batch + place]
      }
      offsets.append(offset)
    }
    return (offsets, dimensions[(batch + depth)...].reduce(1, *))
  }

  private static func gatherND(_ call: Call, batch: Int) throws(BackendError) -> RunTensor {
    let (x, selection) = (try call.raw(0), try call.tensor(1))
    let width = try call.width(x)
    let (offsets, sliceCount) = try sliceOffsets(selection, in: x.dimensions, batch: batch, call)
    let depth = selection.dimensions.last ?? 0
    let target = try call.shape(selection.dimensions.dropLast() + x.dimensions[(batch + depth)...])
    return try call.make(x.elementType, target, as: UInt8.self) { (out) throws(BackendError) in
      let bytes = x.bytes
      for (position, offset) in offsets.enumerated() {
        copyBytes(
          bytes, from: offset * width, to: &out, at: position * sliceCount * width, count: sliceCount * width)
      }
    }
  }
}
