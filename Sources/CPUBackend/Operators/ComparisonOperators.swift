import ModelBackend
import Tensors

private struct Comparison: BinaryOperation, Sendable {
  enum Relation { case equal, greater, greaterOrEqual, less, lessOrEqual, and, or, exclusiveOr }

  let relation: Relation
  static var resultType: ElementType? { .bool }

  func apply<N: Number>(_ a: N, _ b: N) -> N {
    let holds =
      switch relation {
      case .equal: a == b
      case .greater: a > b
      case .greaterOrEqual: a >= b
      case .less: a < b
      case .lessOrEqual: a <= b
      case .and: a != N.zero && b != N.zero
      case .or: a != N.zero || b != N.zero
      case .exclusiveOr: (a != N.zero) != (b != N.zero)
      }
    return holds ? N.one : N.zero
  }
}

private func comparison(_ name: String, _ relation: Comparison.Relation) -> OperatorEntry {
  OperatorEntry(name, half: .widened) { _ in
    .tensors { (call) throws(BackendError) in
      [
        try call.combined(
          try call.tensor(0), try call.tensor(1), Comparison(relation: relation), resultType: .bool)
      ]
    }
  }
}

extension OperatorTable {
  static var comparisonEntries: [OperatorEntry] {
    [
      comparison("Equal", .equal),
      comparison("Greater", .greater),
      comparison("GreaterOrEqual", .greaterOrEqual),
      comparison("Less", .less),
      comparison("LessOrEqual", .lessOrEqual),
      comparison("And", .and),
      comparison("Or", .or),
      comparison("Xor", .exclusiveOr),
      OperatorEntry("Where") { _ in
        .tensors { (call) throws(BackendError) in [try choose(call)] }
      },
      OperatorEntry("Clip", half: .widened) { _ in
        .tensors { (call) throws(BackendError) in [try clip(call)] }
      },
    ]
  }

  /// Elements of one operand or the other, by their bits.
  private static func choose(_ call: Call) throws(BackendError) -> RunTensor {
    let condition = try call.tensor(0)
    let (a, b) = (try call.tensor(1), try call.tensor(2))
    guard condition.elementType == .bool else {
      throw call.fail("the condition is \(condition.elementType.name)")
    }
    guard a.elementType == b.elementType else {
      throw call.fail("operands are \(a.elementType.name) and \(b.elementType.name), expected one type")
    }
    let plan = try call.broadcast([condition.shape, a.shape, b.shape])
    switch a.width {
    case 1: return try choose(UInt8.self, condition, a, b, plan, call)
    case 2: return try choose(UInt16.self, condition, a, b, plan, call)
    case 4: return try choose(UInt32.self, condition, a, b, plan, call)
    case 8: return try choose(UInt64.self, condition, a, b, plan, call)
    default: throw call.unsupported("element type \(a.elementType.name)")
    }
  }

  private static func choose<W: FixedWidthInteger & BitwiseCopyable>(
    _ type: W.Type, _ condition: RunTensor, _ a: RunTensor, _ b: RunTensor, _ plan: Broadcast, _ call: Call
  ) throws(BackendError) -> RunTensor {
    let (flags, x, y) = (condition.bytes, a.elements(type), b.elements(type))
    let length = plan.length
    let (stepC, stepA, stepB) = (plan.step(0), plan.step(1), plan.step(2))
    return try call.make(a.elementType, plan.shape, as: type) { (out) throws(BackendError) in
      if out.isEmpty { return }
      for run in 0..<plan.runCount {
        let (c, p, q) = (plan.start(0, run: run), plan.start(1, run: run), plan.start(2, run: run))
        for index in 0..<length {
          let takesFirst = flags[c + index * stepC] != 0
          out[run * length + index] = takesFirst ? x[p + index * stepA] : y[q + index * stepB]
        }
      }
    }
  }

  private static func clip(_ call: Call) throws(BackendError) -> RunTensor {
    let x = try call.tensor(0)
    var (least, most): (RunTensor?, RunTensor?) = (try call.optionalTensor(1), try call.optionalTensor(2))
    if call.node.version < 11 {
      let facts = call.node
      func limit(_ name: String) throws(BackendError) -> RunTensor? {
        guard facts.has(name) else { return nil }
        let value = try call.floats(try call.shape([])) { (out) throws(BackendError) in
          out[0] = facts.float(name, default: 0)
        }
        return try call.converted(value, to: x.elementType)
      }
      least = try limit("min")
      most = try limit("max")
    }
    var result = x
    // Min comes first: where the limits cross, the upper one wins.
    if let least {
      result = try call.combined(result, least, Limit(isLower: true), resultType: x.elementType)
    }
    if let most { result = try call.combined(result, most, Limit(isLower: false), resultType: x.elementType) }
    return result
  }
}

private struct Limit: BinaryOperation {
  let isLower: Bool
  static var resultType: ElementType? { nil }
  func apply<N: Number>(_ a: N, _ b: N) -> N { isLower ? (a < b ? b : a) : (a > b ? b : a) }
}
