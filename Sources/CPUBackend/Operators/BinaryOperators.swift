import Kernels
import ModelBackend
import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

private struct Sum: BinaryOperation {
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) -> N { N.sum(a, b) }
}

private struct Difference: BinaryOperation {
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) -> N { N.difference(a, b) }
}

private struct Product: BinaryOperation {
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) -> N { N.product(a, b) }
}

private struct Quotient: BinaryOperation {
  let node: NodeFacts
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) throws(BackendError) -> N {
    guard let result = N.quotient(a, b) else { throw node.fail("an integer is divided by zero") }
    return result
  }
}

private struct Remainder: BinaryOperation {
  let node: NodeFacts
  let isTruncated: Bool
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) throws(BackendError) -> N {
    if let x = a as? Int64, let y = b as? Int64 {
      guard y != 0 else { throw node.fail("an integer is divided by zero") }
      let rest = x.remainderReportingOverflow(dividingBy: y).partialValue
      let wraps = !isTruncated && rest != 0 && (rest < 0) != (y < 0)
      return (wraps ? rest + y : rest) as? N ?? N.zero
    }
    if let x = a as? UInt64, let y = b as? UInt64 {
      guard y != 0 else { throw node.fail("an integer is divided by zero") }
      return (x % y) as? N ?? N.zero
    }
    let rest = fmod(a.double, b.double)
    let wraps = !isTruncated && rest != 0 && (rest < 0) != (b.double < 0)
    return N(double: wraps ? rest + b.double : rest)
  }
}

private struct Power: BinaryOperation {
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) -> N { N(double: pow(a.double, b.double)) }
}

private struct Least: BinaryOperation {
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) -> N { a.isNotANumber || a < b ? a : b }
}

private struct Most: BinaryOperation {
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) -> N { a.isNotANumber || a > b ? a : b }
}

private struct BitCombination: BinaryOperation {
  let combine: @Sendable (UInt64, UInt64) -> UInt64
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) -> N {
    if let x = a as? Int64, let y = b as? Int64 {
      let bits = combine(UInt64(bitPattern: x), UInt64(bitPattern: y))
      return Int64(bitPattern: bits) as? N ?? N.zero
    }
    if let x = a as? UInt64, let y = b as? UInt64 { return combine(x, y) as? N ?? N.zero }
    return N.zero
  }
}

extension Call {
  /// Sum, difference, product or quotient with broadcasting.
  func arithmetic(
    _ function: BinaryFunction, _ a: RunTensor, _ b: RunTensor
  ) throws(BackendError) -> RunTensor {
    if a.elementType == .float32 && b.elementType == .float32 { return try floatArithmetic(function, a, b) }
    switch function {
    case .add: return try combined(a, b, Sum(), resultType: a.elementType)
    case .subtract: return try combined(a, b, Difference(), resultType: a.elementType)
    case .multiply: return try combined(a, b, Product(), resultType: a.elementType)
    case .divide: return try combined(a, b, Quotient(node: node), resultType: a.elementType)
    }
  }

  private func floatArithmetic(
    _ function: BinaryFunction, _ a: RunTensor, _ b: RunTensor
  ) throws(BackendError) -> RunTensor {
    let plan = try broadcast([a.shape, b.shape])
    let length = plan.length
    return try floats(plan.shape) { (out) throws(BackendError) in
      if out.isEmpty { return }
      FloatFunctions.combine(
        function, a.floats, stepA: plan.step(0), b.floats, stepB: plan.step(1), length: length,
        runCount: plan.runCount, into: &out, threads: threads
      ) { run in
        FloatFunctions.Run(a: plan.start(0, run: run), b: plan.start(1, run: run), output: run * length)
      }
    }
  }

  /// The second operand where opset 6 and earlier ask for it: aligned to an axis instead of the end.
  fileprivate func legacyOperand(_ a: RunTensor, _ b: RunTensor) throws(BackendError) -> RunTensor {
    guard node.version < 7, node.flag("broadcast"), let axis = node.integer("axis") else { return b }
    let start = try self.axis(axis, rank: a.rank, allowsEnd: true)
    guard start + b.rank <= a.rank else { throw fail("axis \(axis) leaves no room for \(b.shape)") }
    let tail = [Int](repeating: 1, count: a.rank - start - b.rank)
    return b.reshaped(try shape(b.dimensions + tail))
  }
}

private func arithmeticEntry(_ name: String, _ function: BinaryFunction) -> OperatorEntry {
  OperatorEntry(name, half: .widened) { _ in
    .tensors { (call) throws(BackendError) in
      let a = try call.tensor(0)
      return [try call.arithmetic(function, a, try call.legacyOperand(a, try call.tensor(1)))]
    }
  }
}

/// An operator of any number of operands, combined from the left.
private func variadic(
  _ name: String,
  _ combine: @escaping @Sendable (Call, RunTensor, RunTensor) throws(BackendError) -> RunTensor,
  finish: @escaping @Sendable (Call, RunTensor) throws(BackendError) -> RunTensor = { _, result in result }
) -> OperatorEntry {
  OperatorEntry(name, half: .widened) { _ in
    .tensors { (call) throws(BackendError) in
      var result = try call.tensor(0)
      for index in call.inputs.indices.dropFirst() {
        result = try combine(call, result, try call.tensor(index))
      }
      return [try finish(call, result)]
    }
  }
}

private func bits(_ name: String, _ combine: @escaping @Sendable (UInt64, UInt64) -> UInt64) -> OperatorEntry
{
  OperatorEntry(name) { _ in
    .tensors { (call) throws(BackendError) in
      let a = try call.tensor(0)
      return [
        try call.combined(a, try call.tensor(1), BitCombination(combine: combine), resultType: a.elementType)
      ]
    }
  }
}

extension OperatorTable {
  static var binaryEntries: [OperatorEntry] {
    [
      arithmeticEntry("Add", .add),
      arithmeticEntry("Sub", .subtract),
      arithmeticEntry("Mul", .multiply),
      arithmeticEntry("Div", .divide),
      bits("BitwiseAnd") { $0 & $1 },
      bits("BitwiseOr") { $0 | $1 },
      bits("BitwiseXor") { $0 ^ $1 },
      variadic("Sum") { (call, a, b) throws(BackendError) in try call.arithmetic(.add, a, b) },
      variadic(
        "Mean",
        { (call, a, b) throws(BackendError) in try call.arithmetic(.add, a, b) },
        finish: { (call, sum) throws(BackendError) in
          let count = try call.converted(try call.int64s([call.inputs.count], []), to: sum.elementType)
          return try call.arithmetic(.divide, sum, count)
        }),
      variadic("Min") { (call, a, b) throws(BackendError) in
        try call.combined(a, b, Least(), resultType: a.elementType)
      },
      variadic("Max") { (call, a, b) throws(BackendError) in
        try call.combined(a, b, Most(), resultType: a.elementType)
      },
      OperatorEntry("Pow", half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          let base = try call.tensor(0)
          let exponent = try call.legacyOperand(base, try call.tensor(1))
          if base.elementType == .float32, exponent.count == 1, try call.scalar(1) == 2,
            exponent.rank <= base.rank
          {
            return [try call.arithmetic(.multiply, base, base)]
          }
          // The exponent may be of another type; both meet in double precision, the result is the base's.
          let result = try call.combined(
            try call.converted(base, to: .float64), try call.converted(exponent, to: .float64), Power(),
            resultType: base.elementType)
          return [result]
        }
      },
      OperatorEntry("Mod", half: .widened) { (node) throws(BackendError) in
        let operation = Remainder(node: node, isTruncated: node.flag("fmod"))
        return .tensors { (call) throws(BackendError) in
          let a = try call.tensor(0)
          return [try call.combined(a, try call.tensor(1), operation, resultType: a.elementType)]
        }
      },
      OperatorEntry("PRelu", half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          return [try call.combined(x, try call.tensor(1), Slope(), resultType: x.elementType)]
        }
      },
    ]
  }
}

private struct Slope: BinaryOperation {
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) -> N { a < N.zero ? N.product(a, b) : a }
}
