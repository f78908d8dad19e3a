import ModelBackend
import Tensors

extension OperatorTable {
  static var controlEntries: [OperatorEntry] {
    [
      OperatorEntry("If") { (node) throws(BackendError) in
        guard let thenGraph = node.graphs["then_branch"], let elseGraph = node.graphs["else_branch"] else {
          throw node.fail("a branch is missing")
        }
        return .values { (call) throws(BackendError) in
          let condition = try call.tensor(0)
          guard condition.count == 1, condition.elementType == .bool, let run = call.context.runGraph else {
            throw call.fail(
              "the condition is \(condition.elementType.name)\(condition.shape), expected one bool")
          }
          return try run(condition.bytes[0] != 0 ? thenGraph : elseGraph)
        }
      }
    ]
  }
}
