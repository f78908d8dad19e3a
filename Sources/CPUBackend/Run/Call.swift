import ModelBackend
import Tensors

/// What every evaluation may use.
final class RunContext {
  let pool: BufferPool
  let threads: Int
  /// Evaluates the graph in an attribute (by its number in the program); set by the session.
  var runGraph: ((Int) throws(BackendError) -> [RunValue])?

  init(pool: BufferPool, threads: Int) {
    self.pool = pool
    self.threads = threads
  }
}

/// One evaluation of a node: its inputs, and where the results' memory comes from.
struct Call {
  let node: NodeFacts
  let inputs: [RunValue?]
  let context: RunContext

  var threads: Int { context.threads }

  // MARK: Inputs

  /// An input that must be a tensor, aligned.
  func tensor(_ index: Int) throws(BackendError) -> RunTensor {
    guard let tensor = try optionalTensor(index) else { throw fail("input \(index) is missing") }
    return tensor
  }

  /// An input that may be left out, aligned.
  func optionalTensor(_ index: Int) throws(BackendError) -> RunTensor? {
    guard let tensor = try optionalRaw(index) else { return nil }
    return tensor.isAligned ? tensor : try copied(tensor)
  }

  /// An input as it lies in its file, aligned or not.
  func raw(_ index: Int) throws(BackendError) -> RunTensor {
    guard let tensor = try optionalRaw(index) else { throw fail("input \(index) is missing") }
    return tensor
  }

  func optionalRaw(_ index: Int) throws(BackendError) -> RunTensor? {
    guard index < inputs.count, let value = inputs[index] else { return nil }
    guard case .tensor(let tensor) = value else {
      throw fail("input \(index) is a sequence or an empty optional, expected a tensor")
    }
    return tensor
  }

  /// All inputs as tensors; none may be missing.
  func tensors() throws(BackendError) -> [RunTensor] {
    var result: [RunTensor] = []
    for index in inputs.indices { result.append(try tensor(index)) }
    return result
  }

  /// The elements of a small integer input, such as a shape or axes.
  func integers(_ index: Int) throws(BackendError) -> [Int] {
    guard let values = try optionalIntegers(index) else { throw fail("input \(index) is missing") }
    return values
  }

  func optionalIntegers(_ index: Int) throws(BackendError) -> [Int]? {
    guard let tensor = try optionalRaw(index) else { return nil }
    return try integers(of: tensor, "input \(index)")
  }

  func integers(of tensor: RunTensor, _ name: String) throws(BackendError) -> [Int] {
    guard tensor.count <= 1 << 20, let values = tensor.content.integers else {
      throw fail("\(name) is \(tensor.elementType.name)\(tensor.shape), expected a few integers")
    }
    return values.map(Int.init)
  }

  /// A list that older versions have as an attribute and newer ones as an input.
  func optionalList(_ name: String, orInput index: Int) throws(BackendError) -> [Int]? {
    if let list = node.integers(name) { return list }
    return try optionalIntegers(index)
  }

  func list(_ name: String, orInput index: Int) throws(BackendError) -> [Int] {
    if let list = node.integers(name) { return list }
    return try integers(index)
  }

  /// The one element of a scalar input as a float.
  func scalar(_ index: Int) throws(BackendError) -> Double? {
    guard let tensor = try optionalTensor(index) else { return nil }
    guard tensor.count == 1 else { throw fail("input \(index) has \(tensor.count) elements, expected one") }
    let wide = try widened(tensor, to: .float64)
    return wide.elements(Double.self)[0]
  }

  // MARK: Results

  /// A new tensor whose elements `fill` writes in full.
  func make<Element: BitwiseCopyable>(
    _ type: ElementType, _ shape: Shape, as element: Element.Type,
    _ fill: (inout MutableSpan<Element>) throws(BackendError) -> Void
  ) throws(BackendError) -> RunTensor {
    guard let byteCount = type.byteCount(elementCount: shape.elementCount) else {
      throw fail("a result \(type.name)\(shape) is larger than any memory")
    }
    let count = byteCount / MemoryLayout<Element>.stride
    guard let buffer = try context.pool.buffer(count: count, of: element, fill) else {
      throw BackendError(
        .unsupported,
        "\(node.label): a result \(type.name)\(shape) needs \(byteCount) bytes, more than the "
          + "\(context.pool.byteLimit) that a run may use")
    }
    return RunTensor(elementType: type, shape: shape, buffer: buffer)
  }

  func floats(
    _ shape: Shape, _ fill: (inout MutableSpan<Float>) throws(BackendError) -> Void
  ) throws(BackendError) -> RunTensor {
    try make(.float32, shape, as: Float.self, fill)
  }

  /// A tensor of int64.
  func int64s(_ values: [Int], _ dimensions: [Int]) throws(BackendError) -> RunTensor {
    try make(.int64, try shape(dimensions), as: Int64.self) { (out) throws(BackendError) in
      for index in values.indices { out[index] = Int64(values[index]) }
    }
  }

  /// The same elements in aligned memory of our own.
  func copied(_ tensor: RunTensor) throws(BackendError) -> RunTensor {
    try make(tensor.elementType, tensor.shape, as: UInt8.self) { (out) throws(BackendError) in
      copyBytes(tensor.bytes, from: 0, to: &out, at: 0, count: out.count)
    }
  }

  /// A shape from computed extents.
  func shape(_ dimensions: [Int]) throws(BackendError) -> Shape {
    guard let shape = Shape(dimensions) else {
      throw fail(
        "a result of shape \(dimensions) cannot be: an extent is negative, or there are too many elements")
    }
    return shape
  }

  // MARK: Errors

  /// The model contradicts the operator's definition.
  func fail(_ problem: String) -> BackendError { node.fail(problem) }

  /// The operator is known, but not this use of it.
  func unsupported(_ what: String) -> BackendError { node.unsupported(what) }

  /// An axis that counts from the end when negative.
  func axis(_ value: Int, rank: Int, allowsEnd: Bool = false) throws(BackendError) -> Int {
    let limit = allowsEnd ? rank : rank - 1
    let (wrapped, overflow) = value < 0 ? value.addingReportingOverflow(limit + 1) : (value, false)
    guard !overflow, wrapped >= 0, wrapped <= limit else {
      throw fail("axis \(value) is out of range for rank \(rank)")
    }
    return wrapped
  }
}

/// Copies bytes between spans; the ranges must lie within them.
func copyBytes(
  _ source: Span<UInt8>, from start: Int, to target: inout MutableSpan<UInt8>, at position: Int, count: Int
) {
  if count == 0 { return }
  precondition(start >= 0 && count > 0 && start <= source.count - count, "within the source")
  precondition(position >= 0 && position <= target.count - count, "within the target")
  // Safe: both ranges were checked.
  unsafe source.withUnsafeBufferPointer { source in
    unsafe target.withUnsafeMutableBufferPointer { target in
      guard let from = source.baseAddress, let to = target.baseAddress else { return }
      unsafe UnsafeMutableRawPointer(to + position).copyMemory(from: from + start, byteCount: count)
    }
  }
}
