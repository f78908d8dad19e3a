import Kernels
import ModelBackend
import Tensors

/// A batch of matrix products with the shapes of numpy's `matmul`.
struct MatrixBatch {
  let shape: ProductShape
  let pairs: [ProductOffsets]
  let result: Shape

  /// `transposesA` and `transposesB`: the last two axes of the operand are exchanged.
  init(
    _ a: Shape, _ b: Shape, transposesA: Bool = false, transposesB: Bool = false, _ call: Call
  ) throws(BackendError) {
    guard a.rank > 0, b.rank > 0 else { throw call.fail("an operand is a scalar") }
    // A vector is a row on the left and a column on the right.
    let left = a.rank == 1 ? [1] + a.dimensions : a.dimensions
    let right = b.rank == 1 ? b.dimensions + [1] : b.dimensions
    var (m, k) = (left[left.count - 2], left[left.count - 1])
    if transposesA { (m, k) = (k, m) }
    var (inner, n) = (right[right.count - 2], right[right.count - 1])
    if transposesB { (inner, n) = (n, inner) }
    guard inner == k, let outerA = Shape(left.dropLast(2)), let outerB = Shape(right.dropLast(2)) else {
      throw call.fail("\(a) and \(b) do not fit: inner extents are \(k) and \(inner)")
    }
    var batch = [ProductOffsets(a: 0, b: 0)]
    var rows = m
    var outer = outerA.dimensions
    if outerB.elementCount == 1 && outerB.rank <= outerA.rank && !transposesA {
      // One right operand for all rows of the left.
      rows = outerA.elementCount * m
    } else {
      let plan = try call.broadcast([outerA, outerB])
      outer = plan.shape.dimensions
      batch = []
      for run in 0..<(plan.shape.elementCount == 0 ? 0 : plan.runCount) {
        for index in 0..<plan.length {
          batch.append(
            ProductOffsets(
              a: (plan.start(0, run: run) + index * plan.step(0)) * m * k,
              b: (plan.start(1, run: run) + index * plan.step(1)) * k * n))
        }
      }
    }
    shape = ProductShape(m: rows, n: n, k: k, isATransposed: transposesA, isBTransposed: transposesB)
    pairs = batch
    result = try call.shape(outer + (a.rank == 1 ? [] : [m]) + (b.rank == 1 ? [] : [n]))
  }
}

extension Call {
  /// a · b of float tensors; `b` needs no alignment.
  func product(
    _ a: RunTensor, _ b: RunTensor, transposesA: Bool = false, transposesB: Bool = false, alpha: Float = 1,
    bias: RunTensor? = nil
  ) throws(BackendError) -> RunTensor {
    let batch = try MatrixBatch(a.shape, b.shape, transposesA: transposesA, transposesB: transposesB, self)
    let nothing: [Float] = []
    return try floats(batch.result) { (out) throws(BackendError) in
      if let bias {
        MatrixProduct.floats(
          batch.shape, a.floats, b.bytes, batch: batch.pairs, alpha: alpha, bias: bias.floats, into: &out,
          threads: threads)
      } else {
        MatrixProduct.floats(
          batch.shape, a.floats, b.bytes, batch: batch.pairs, alpha: alpha, bias: nothing.span, into: &out,
          threads: threads)
      }
    }
  }
}

/// The product of numbers that have no kernel.
private struct ProductWork: NumberWork {
  let call: Call
  let a: RunTensor
  let b: RunTensor
  let batch: MatrixBatch

  func run<N: Number>(_ type: N.Type) throws(BackendError) -> RunTensor {
    let (x, y) = (a.elements(N.self), b.elements(N.self))
    let (m, n, k) = (batch.shape.m, batch.shape.n, batch.shape.k)
    return try call.make(a.elementType, batch.result, as: N.self) { (out) throws(BackendError) in
      for (index, pair) in batch.pairs.enumerated() {
        for row in 0..<m {
          for column in 0..<n {
            var sum = N.zero
            for inner in 0..<k {
              let left = batch.shape.isATransposed ? inner * m + row : row * k + inner
              let right = batch.shape.isBTransposed ? column * k + inner : inner * n + column
              sum = N.sum(sum, N.product(x[pair.a + left], y[pair.b + right]))
            }
            out[(index * m + row) * n + column] = sum
          }
        }
      }
    }
  }
}

extension OperatorTable {
  static var matrixEntries: [OperatorEntry] {
    [
      OperatorEntry("MatMul", half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          let (a, b) = (try call.tensor(0), try call.raw(1))
          if a.elementType == .float32, b.elementType == .float32 { return [try call.product(a, b)] }
          return [try otherProduct(a, try call.tensor(1), transposesA: false, transposesB: false, call)]
        }
      },
      OperatorEntry("Gemm", half: .widened) { (node) throws(BackendError) in
        let (alpha, beta) = (node.float("alpha", default: 1), node.float("beta", default: 1))
        let (transposesA, transposesB) = (node.flag("transA"), node.flag("transB"))
        return .tensors { (call) throws(BackendError) in
          let (a, b) = (try call.tensor(0), try call.raw(1))
          guard a.rank == 2, b.rank == 2 else {
            throw call.fail("operands \(a.shape) and \(b.shape) are no matrices")
          }
          let c = try call.optionalTensor(2)
          if a.elementType == .float32, b.elementType == .float32 {
            let columns = transposesB ? b.dimensions[0] : b.dimensions[1]
            if let c, beta == 1, c.elementType == .float32, c.dimensions == [columns] {
              return [
                try call.product(
                  a, b, transposesA: transposesA, transposesB: transposesB, alpha: alpha, bias: c)
              ]
            }
            let product = try call.product(
              a, b, transposesA: transposesA, transposesB: transposesB, alpha: alpha)
            return [try added(product, c, beta, call)]
          }
          let product = try otherProduct(
            a, try call.tensor(1), transposesA: transposesA, transposesB: transposesB, call)
          return [try added(try scaled(product, alpha, call), c, beta, call)]
        }
      },
    ]
  }

  static func otherProduct(
    _ a: RunTensor, _ b: RunTensor, transposesA: Bool, transposesB: Bool, _ call: Call
  ) throws(BackendError) -> RunTensor {
    guard a.elementType == b.elementType else {
      throw call.fail("operands are \(a.elementType.name) and \(b.elementType.name), expected one type")
    }
    let type = try call.computeType(a.elementType)
    let work = ProductWork(
      call: call, a: try call.widened(a, to: type.elementType), b: try call.widened(b, to: type.elementType),
      batch: try MatrixBatch(a.shape, b.shape, transposesA: transposesA, transposesB: transposesB, call))
    return try call.converted(try type.run(work), to: a.elementType)
  }

  private static func scaled(_ x: RunTensor, _ factor: Float, _ call: Call) throws(BackendError) -> RunTensor
  {
    if factor == 1 { return x }
    let scalar = try call.floats(try call.shape([])) { (out) throws(BackendError) in out[0] = factor }
    return try call.arithmetic(.multiply, x, try call.converted(scalar, to: x.elementType))
  }

  private static func added(
    _ x: RunTensor, _ c: RunTensor?, _ beta: Float, _ call: Call
  ) throws(BackendError) -> RunTensor {
    guard let c, beta != 0 else { return x }
    return try call.arithmetic(.add, x, try scaled(c, beta, call))
  }
}
