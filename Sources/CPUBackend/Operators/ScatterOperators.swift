import ModelBackend
import Tensors

/// What scattered elements do to those that are there.
private enum Reduction: String {
  case none, add, mul, min, max

  func apply<N: Number>(_ old: N, _ new: N) -> N {
    switch self {
    case .none: new
    case .add: N.sum(old, new)
    case .mul: N.product(old, new)
    case .min: old.isNotANumber || old < new ? old : new
    case .max: old.isNotANumber || old > new ? old : new
    }
  }
}

/// Writes updates at offsets, in order.
private struct ScatterWork: NumberWork {
  let call: Call
  let data: RunTensor
  let updates: RunTensor
  let offsets: [Int]
  let sliceCount: Int
  let reduction: Reduction

  func run<N: Number>(_ type: N.Type) throws(BackendError) -> RunTensor {
    let (old, new) = (data.elements(N.self), updates.elements(N.self))
    return try call.make(data.elementType, data.shape, as: N.self) { (out) throws(BackendError) in
      for index in out.indices { out[index] = old[index] }
      for (position, offset) in offsets.enumerated() {
        for index in 0..<sliceCount {
          out[offset + index] = reduction.apply(out[offset + index], new[position * sliceCount + index])
        }
      }
    }
  }
}

extension OperatorTable {
  static var scatterEntries: [OperatorEntry] {
    [
      OperatorEntry("ScatterND") { (node) throws(BackendError) in
        let reduction = try reduction(node)
        return .tensors { (call) throws(BackendError) in
          let (x, selection, updates) = (try call.raw(0), try call.tensor(1), try call.raw(2))
          let (offsets, sliceCount) = try sliceOffsets(selection, in: x.dimensions, batch: 0, call)
          let depth = selection.dimensions.last ?? 0
          guard updates.dimensions == selection.dimensions.dropLast() + x.dimensions[depth...] else {
            throw call.fail("updates \(updates.shape) do not fit indices \(selection.shape) of \(x.shape)")
          }
          return [try scattered(x, updates, offsets, sliceCount, reduction, call)]
        }
      },
      scatterElements("ScatterElements", versions: 11...newestVersion),
      scatterElements("Scatter", versions: 9...10),
    ]
  }

  private static func scatterElements(_ name: String, versions: ClosedRange<Int>) -> OperatorEntry {
    OperatorEntry(name, versions: versions) { (node) throws(BackendError) in
      let reduction = try reduction(node)
      let axis = node.integer("axis", default: 0)
      return .tensors { (call) throws(BackendError) in
        let (x, selection, updates) = (try call.raw(0), try call.tensor(1), try call.raw(2))
        let axis = try call.axis(axis, rank: x.rank)
        guard selection.dimensions == updates.dimensions, selection.rank == x.rank,
          x.dimensions.indices.allSatisfy({ $0 == axis || selection.dimensions[$0] <= x.dimensions[$0] })
        else {
          throw call.fail("indices \(selection.shape) and updates \(updates.shape) do not fit \(x.shape)")
        }
        let strides = rowStrides(x.dimensions)
        let offsets = try call.indices(selection, extent: x.dimensions[axis]).enumerated().map {
          elementOffset($0, selection.dimensions, strides, replacing: axis, with: $1)
        }
        return [try scattered(x, updates, offsets, 1, reduction, call)]
      }
    }
  }

  private static func reduction(_ node: NodeFacts) throws(BackendError) -> Reduction {
    let name = node.text("reduction", default: "none")
    guard let result = Reduction(rawValue: name) else { throw node.fail("reduction '\(name)' is unknown") }
    return result
  }

  private static func scattered(
    _ x: RunTensor, _ updates: RunTensor, _ offsets: [Int], _ sliceCount: Int, _ reduction: Reduction,
    _ call: Call
  ) throws(BackendError) -> RunTensor {
    guard x.elementType == updates.elementType else {
      throw call.fail("updates are \(updates.elementType.name), the data \(x.elementType.name)")
    }
    if reduction == .none {
      let width = try call.width(x)
      return try call.make(x.elementType, x.shape, as: UInt8.self) { (out) throws(BackendError) in
        copyBytes(x.bytes, from: 0, to: &out, at: 0, count: out.count)
        let bytes = updates.bytes
        for (position, offset) in offsets.enumerated() {
          copyBytes(
            bytes, from: position * sliceCount * width, to: &out, at: offset * width,
            count: sliceCount * width)
        }
      }
    }
    let type = try call.computeType(x.elementType)
    func wide(_ tensor: RunTensor) throws(BackendError) -> RunTensor {
      try call.converted(tensor.isAligned ? tensor : call.copied(tensor), to: type.elementType)
    }
    let work = ScatterWork(
      call: call, data: try wide(x), updates: try wide(updates), offsets: offsets, sliceCount: sliceCount,
      reduction: reduction)
    return try call.converted(try type.run(work), to: x.elementType)
  }
}
