import ByteIO
import ModelBackend
import Tensors

extension RunTensor {
  /// A tensor of a file or a caller; mapped bytes stay where they are.
  init(_ content: TensorContent) {
    elementType = content.elementType
    shape = content.shape
    switch content.bytes {
    case .buffer(let buffer): self.buffer = buffer
    case .mapped(let file, let range):
      let part = file.bytes.extracting(range)
      // Safe: the file keeps its mapping for as long as it lives, and the buffer keeps the file.
      buffer = unsafe part.withUnsafeBufferPointer { bytes in
        guard let base = bytes.baseAddress else { return TensorBuffer(byteCount: 0) { _ in } }
        return unsafe TensorBuffer(borrowing: UnsafeRawPointer(base), byteCount: bytes.count, owner: file)
      }
    case .owned, .promised:
      let bytes = content.bytes.copied()
      buffer = TensorBuffer(byteCount: bytes.count) { out in
        copyBytes(bytes.span, from: 0, to: &out, at: 0, count: bytes.count)
      }
    }
  }
}

extension OperatorTable {
  static var constantEntries: [OperatorEntry] {
    [
      OperatorEntry("Constant") { (node) throws(BackendError) in
        let value = try constant(node)
        return .tensors { _ in [value] }
      },
      OperatorEntry("ConstantOfShape", versions: 9...newestVersion) { (node) throws(BackendError) in
        let content = try node.tensor("value")
        if let content, content.shape.elementCount != 1 {
          throw node.fail("its value has \(content.shape.elementCount) elements")
        }
        return .tensors { (call) throws(BackendError) in
          let target = try call.shape(try call.integers(0))
          guard let content else {
            return [
              try call.floats(target) { (out) throws(BackendError) in
                for index in out.indices { out[index] = 0 }
              }
            ]
          }
          let value = RunTensor(content)
          return [try call.expanded(value.reshaped(try call.shape([])), target)]
        }
      },
      OperatorEntry("EyeLike", versions: 9...newestVersion) { (node) throws(BackendError) in
        let named = try node.elementType("dtype")
        let shift = node.integer("k", default: 0)
        return .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          guard x.rank == 2 else { throw call.fail("\(x.shape) is no matrix") }
          let columns = x.dimensions[1]
          let eye = try call.floats(x.shape) { (out) throws(BackendError) in
            for index in out.indices { out[index] = index % columns - index / columns == shift ? 1 : 0 }
          }
          return [try call.converted(eye, to: named ?? x.elementType)]
        }
      },
      OperatorEntry("Range", versions: 11...newestVersion) { _ in
        .tensors { (call) throws(BackendError) in
          let (start, limit, delta) = (try call.tensor(0), try call.tensor(1), try call.tensor(2))
          guard start.count == 1, limit.count == 1, delta.count == 1, limit.elementType == start.elementType,
            delta.elementType == start.elementType
          else { throw call.fail("start, limit and delta must be scalars of one type") }
          let type = try call.computeType(start.elementType)
          let work = RangeWork(
            call: call, start: try call.widened(start, to: type.elementType),
            limit: try call.widened(limit, to: type.elementType),
            delta: try call.widened(delta, to: type.elementType))
          return [try call.converted(try type.run(work), to: start.elementType)]
        }
      },
      OperatorEntry("OneHot", versions: 9...newestVersion) { (node) throws(BackendError) in
        let axis = node.integer("axis", default: -1)
        return .tensors { (call) throws(BackendError) in [try oneHot(call, axis: axis)] }
      },
    ]
  }

  static func constant(_ node: NodeFacts) throws(BackendError) -> RunTensor {
    if let content = try node.tensor("value") {
      if content.elementType == .string { throw node.unsupported("text") }
      return RunTensor(content)
    }
    func small<E: BitwiseCopyable>(_ type: ElementType, _ values: [E], _ dimensions: [Int]) -> RunTensor? {
      guard let shape = Shape(dimensions) else { return nil }
      let bytes = TensorBuffer(byteCount: values.count * MemoryLayout<E>.stride) { out in
        // Safe: elements are plain bits, and the span has their size.
        unsafe values.withUnsafeBytes { source in
          for index in out.indices { out[index] = unsafe source[index] }
        }
      }
      return RunTensor(elementType: type, shape: shape, buffer: bytes)
    }
    var result: RunTensor?
    if node.has("value_float") { result = small(.float32, [node.float("value_float", default: 0)], []) }
    if let values = node.floats("value_floats"), node.has("value_floats") {
      result = small(.float32, values, [values.count])
    }
    if let value = node.integer("value_int") { result = small(.int64, [Int64(value)], []) }
    if let values = node.integers("value_ints") {
      result = small(.int64, values.map(Int64.init), [values.count])
    }
    guard let result else { throw node.unsupported("a constant that is neither a tensor nor numbers") }
    return result
  }

  private static func oneHot(_ call: Call, axis: Int) throws(BackendError) -> RunTensor {
    let (indices, values) = (try call.tensor(0), try call.raw(2))
    let given = try call.scalar(1) ?? 0
    guard given >= 1, given < 1e15 else { throw call.fail("a depth of \(given)") }
    let depth = Int(given)
    guard values.count == 2 else { throw call.fail("a depth of \(depth) and \(values.count) values") }
    let axis = try call.axis(axis, rank: indices.rank + 1)
    var dimensions = indices.dimensions
    dimensions.insert(depth, at: axis)
    let width = try call.width(values)
    let wide = try call.converted(indices, to: .int64)
    let inner = indices.dimensions[axis...].reduce(1, *)
    return try call.make(values.elementType, try call.shape(dimensions), as: UInt8.self) {
      (out) throws(BackendError) in
      let (hot, choices) = (wide.elements(Int64.self), values.bytes)
      for position in 0..<(width == 0 ? 0 : out.count / width) {
        let (row, rest) = position.quotientAndRemainder(dividingBy: depth * inner)
        let (place, column) = rest.quotientAndRemainder(dividingBy: inner)
        let index = Int(hot[row * inner + column])
        let isHot = index >= -depth && index < depth && (index < 0 ? index + depth : index) == place
        copyBytes(choices, from: isHot ? width : 0, to: &out, at: position * width, count: width)
      }
    }
  }
}

private struct RangeWork: NumberWork {
  let call: Call
  let start: RunTensor
  let limit: RunTensor
  let delta: RunTensor

  func run<N: Number>(_ type: N.Type) throws(BackendError) -> RunTensor {
    let (first, last, step) = (
      start.elements(N.self)[0], limit.elements(N.self)[0], delta.elements(N.self)[0]
    )
    let count = ((last.double - first.double) / step.double).rounded(.up)
    guard count.isFinite, abs(count) < 1e12 else {
      throw call.fail("from \(first) to \(last) by \(step) is no range")
    }
    let target = try call.shape([max(0, Int(count))])
    return try call.make(start.elementType, target, as: N.self) { (out) throws(BackendError) in
      var value = first
      for index in out.indices {
        out[index] = value
        value = N.sum(value, step)
      }
    }
  }
}
