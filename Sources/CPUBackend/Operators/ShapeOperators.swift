import ModelBackend
import Tensors

extension OperatorTable {
  static var shapeEntries: [OperatorEntry] {
    [
      OperatorEntry("Shape") { (node) throws(BackendError) in
        let (start, end) = (node.integer("start", default: 0), node.integer("end"))
        return .tensors { (call) throws(BackendError) in
          let dimensions = try call.raw(0).dimensions
          func clamped(_ value: Int) -> Int {
            min(max(value < 0 ? value &+ dimensions.count : value, 0), dimensions.count)
          }
          let first = clamped(start)
          let last = max(first, clamped(end ?? dimensions.count))
          return [try call.int64s(Array(dimensions[first..<last]), [last - first])]
        }
      },
      OperatorEntry("Size") { _ in
        .tensors { (call) throws(BackendError) in [try call.int64s([try call.raw(0).count], [])] }
      },
      OperatorEntry("Reshape") { (node) throws(BackendError) in
        .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          let wanted = try call.list("shape", orInput: 1)
          return [x.reshaped(try reshaped(x, wanted, allowsZero: node.flag("allowzero"), call))]
        }
      },
      OperatorEntry("Flatten") { (node) throws(BackendError) in
        let axis = node.integer("axis", default: 1)
        return .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          let split = try call.axis(axis, rank: x.rank, allowsEnd: false == (axis < 0))
          let outer = x.dimensions[..<split].reduce(1, *)
          let inner = x.dimensions[split...].reduce(1, *)
          return [x.reshaped(try call.shape([outer, inner]))]
        }
      },
      OperatorEntry("Squeeze") { (node) throws(BackendError) in
        .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          var axes: Set<Int> = []
          if let given = try call.optionalList("axes", orInput: 1) {
            for value in given {
              let axis = try call.axis(value, rank: x.rank)
              guard x.dimensions[axis] == 1 else { throw call.fail("axis \(value) of \(x.shape) is not 1") }
              axes.insert(axis)
            }
          } else {
            axes = Set(x.dimensions.indices.filter { x.dimensions[$0] == 1 })
          }
          let kept = x.dimensions.indices.filter { !axes.contains($0) }.map { x.dimensions[$0] }
          return [x.reshaped(try call.shape(kept))]
        }
      },
      OperatorEntry("Unsqueeze") { (node) throws(BackendError) in
        .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          let given = try call.list("axes", orInput: 1)
          let rank = x.rank + given.count
          var axes: Set<Int> = []
          for value in given {
            guard axes.insert(try call.axis(value, rank: rank)).inserted else {
              throw call.fail("axis \(value) is given twice")
            }
          }
          var rest = x.dimensions.makeIterator()
          let dimensions = (0..<rank).map { axes.contains($0) ? 1 : rest.next() ?? 1 }
          return [x.reshaped(try call.shape(dimensions))]
        }
      },
    ]
  }

  private static func reshaped(
    _ x: RunTensor, _ wanted: [Int], allowsZero: Bool, _ call: Call
  ) throws(BackendError) -> Shape {
    var dimensions = wanted
    var open: Int?
    for (axis, extent) in wanted.enumerated() {
      if extent == 0 && !allowsZero {
        guard axis < x.rank else {
          throw call.fail("axis \(axis) of \(x.shape) is to be kept, but there is none")
        }
        dimensions[axis] = x.dimensions[axis]
      } else if extent == -1 {
        guard open == nil else { throw call.fail("more than one extent of \(wanted) is open") }
        open = axis
        dimensions[axis] = 1
      }
    }
    if let open {
      let known = try call.shape(dimensions).elementCount
      guard known > 0, x.count % known == 0 else {
        throw call.fail("\(x.shape) cannot become \(wanted)")
      }
      dimensions[open] = x.count / known
    }
    let shape = try call.shape(dimensions)
    guard shape.elementCount == x.count else { throw call.fail("\(x.shape) cannot become \(wanted)") }
    return shape
  }
}
