import Kernels
import ModelBackend
import Tensors

extension Call {
  /// f(a, b) with broadcasting, of numbers that were widened to one compute type; `resultType` nil keeps the type.
  func combined<Op: BinaryOperation>(
    _ a: RunTensor, _ b: RunTensor, _ operation: Op, resultType: ElementType
  ) throws(BackendError) -> RunTensor {
    guard a.elementType == b.elementType else {
      throw fail("operands are \(a.elementType.name) and \(b.elementType.name), expected one type")
    }
    let type = try computeType(a.elementType)
    let plan = try broadcast([a.shape, b.shape])
    let work = BinaryWork(
      call: self, a: try widened(a, to: type.elementType), b: try widened(b, to: type.elementType),
      plan: plan,
      operation: operation)
    let result = try type.run(work)
    return result.elementType == resultType ? result : try converted(result, to: resultType)
  }

  /// f(x) of numbers that were widened to a compute type.
  func mapped<Op: UnaryOperation>(_ x: RunTensor, _ operation: Op) throws(BackendError) -> RunTensor {
    let type = try computeType(x.elementType)
    let result = try type.run(
      UnaryWork(call: self, x: try widened(x, to: type.elementType), operation: operation))
    return result.elementType == x.elementType || Op.givesBool
      ? result : try converted(result, to: x.elementType)
  }
}

/// A function of two numbers of one type, as a type so that the loop is compiled for it.
protocol BinaryOperation {
  /// The result's type; nil is the operands'.
  static var resultType: ElementType? { get }
  func apply<N: Number>(_ a: N, _ b: N) throws(BackendError) -> N
}

struct BinaryWork<Op: BinaryOperation>: NumberWork {
  let call: Call
  let a: RunTensor
  let b: RunTensor
  let plan: Broadcast
  let operation: Op

  func run<N: Number>(_ type: N.Type) throws(BackendError) -> RunTensor {
    let (x, y) = (a.elements(N.self), b.elements(N.self))
    let (stepA, stepB, length) = (plan.step(0), plan.step(1), plan.length)
    if Op.resultType == .bool {
      return try call.make(.bool, plan.shape, as: UInt8.self) { (out) throws(BackendError) in
        if out.isEmpty { return }
        for run in 0..<plan.runCount {
          let (startA, startB) = (plan.start(0, run: run), plan.start(1, run: run))
          for index in 0..<length {
            let value = try operation.apply(x[startA + index * stepA], y[startB + index * stepB])
            out[run * length + index] = value == N.zero ? 0 : 1
          }
        }
      }
    }
    return try call.make(a.elementType, plan.shape, as: N.self) { (out) throws(BackendError) in
      if out.isEmpty { return }
      for run in 0..<plan.runCount {
        let (startA, startB) = (plan.start(0, run: run), plan.start(1, run: run))
        for index in 0..<length {
          out[run * length + index] = try operation.apply(
            x[startA + index * stepA], y[startB + index * stepB])
        }
      }
    }
  }
}

/// A function of one number.
protocol UnaryOperation {
  static var givesBool: Bool { get }
  func apply<N: Number>(_ x: N) -> N
}

extension UnaryOperation {
  static var givesBool: Bool { false }
}

struct UnaryWork<Op: UnaryOperation>: NumberWork {
  let call: Call
  let x: RunTensor
  let operation: Op

  func run<N: Number>(_ type: N.Type) throws(BackendError) -> RunTensor {
    let values = x.elements(N.self)
    if Op.givesBool {
      return try call.make(.bool, x.shape, as: UInt8.self) { (out) throws(BackendError) in
        for index in out.indices { out[index] = operation.apply(values[index]) == N.zero ? 0 : 1 }
      }
    }
    return try call.make(x.elementType, x.shape, as: N.self) { (out) throws(BackendError) in
      for index in out.indices { out[index] = operation.apply(values[index]) }
    }
  }
}
