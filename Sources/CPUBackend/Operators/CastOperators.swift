import ModelBackend
import Tensors

extension OperatorTable {
  static var castEntries: [OperatorEntry] {
    [
      OperatorEntry("Cast") { (node) throws(BackendError) in
        guard let target = try node.elementType("to") else { throw node.fail("it has no attribute 'to'") }
        let overflow = overflow(node)
        return .tensors { (call) throws(BackendError) in
          [try call.converted(try call.tensor(0), to: target, overflow)]
        }
      },
      OperatorEntry("CastLike") { (node) throws(BackendError) in
        let overflow = overflow(node)
        return .tensors { (call) throws(BackendError) in
          [try call.converted(try call.tensor(0), to: try call.raw(1).elementType, overflow)]
        }
      },
      OperatorEntry("BitCast", versions: 26...newestVersion) { (node) throws(BackendError) in
        guard let target = try node.elementType("to") else { throw node.fail("it has no attribute 'to'") }
        return .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          guard x.elementType.bitWidth == target.bitWidth else {
            throw call.fail("\(x.elementType.name) and \(target.name) differ in width")
          }
          return [x.retyped(target)]
        }
      },
      OperatorEntry("Identity") { _ in
        .values { (call) throws(BackendError) in
          guard let value = call.inputs.first, let value else { throw call.fail("input 0 is missing") }
          return [value]
        }
      },
      OperatorEntry("Dropout", half: .own) { (node) throws(BackendError) in
        .tensors { (call) throws(BackendError) in
          let x = try call.raw(0)
          if call.inputs.count > 2, try call.scalar(2) ?? 0 != 0, try call.scalar(1) ?? 0.5 != 0 {
            throw call.unsupported("training mode")
          }
          guard call.node.usedOutputs.count > 1 else { return [x] }
          let keeps: UInt8 = 1
          let mask = try call.make(.bool, x.shape, as: UInt8.self) { (out) throws(BackendError) in
            for index in out.indices { out[index] = keeps }
          }
          return [x, mask]
        }
      },
    ]
  }

  private static func overflow(_ node: NodeFacts) -> FloatOverflow {
    node.integer("saturate", default: 1) != 0 ? .saturates : .isSpecial
  }
}
