import Kernels
import ModelBackend
import Tensors

extension OperatorTable {
  static var contribEntries: [OperatorEntry] {
    [
      OperatorEntry("Gelu", domain: contrib, half: .widened) { _ in
        .tensors { (call) throws(BackendError) in [try call.real(try call.tensor(0), .gelu, gelu)] }
      },
      OperatorEntry("BiasGelu", domain: contrib, half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          let sum = try call.arithmetic(.add, try call.tensor(0), try call.tensor(1))
          return [try call.real(sum, .gelu, gelu)]
        }
      },
      OperatorEntry("FastGelu", domain: contrib, half: .widened) { _ in
        .tensors { (call) throws(BackendError) in
          var x = try call.tensor(0)
          if let bias = try call.optionalTensor(1) { x = try call.arithmetic(.add, x, bias) }
          return [try call.real(x, .geluTanh, geluTanh)]
        }
      },
      OperatorEntry("QuickGelu", domain: contrib, half: .widened) { (node) throws(BackendError) in
        let alpha = node.float("alpha", default: 1.702)
        return .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          if alpha == 1.702 { return [try call.real(x, .quickGelu) { $0 }] }
          let factor = try call.floats(try call.shape([])) { (out) throws(BackendError) in out[0] = alpha }
          let gate = try call.real(try call.arithmetic(.multiply, x, factor), .sigmoid) { $0 }
          return [try call.arithmetic(.multiply, x, gate)]
        }
      },
      skipEntry("SkipLayerNormalization", .aroundMean),
      skipEntry("SkipSimplifiedLayerNormalization", .none),
      OperatorEntry("FusedMatMul", domain: contrib, half: .widened) { (node) throws(BackendError) in
        let (transposesA, transposesB) = (node.flag("transA"), node.flag("transB"))
        let alpha = node.float("alpha", default: 1)
        if node.flag("transBatchA") || node.flag("transBatchB") {
          throw node.unsupported("transposed batches")
        }
        return .tensors { (call) throws(BackendError) in
          let (a, b) = (try call.tensor(0), try call.raw(1))
          guard a.elementType == .float32, b.elementType == .float32 else {
            throw call.unsupported("element type \(a.elementType.name)")
          }
          return [try call.product(a, b, transposesA: transposesA, transposesB: transposesB, alpha: alpha)]
        }
      },
    ]
  }

  /// Input and skip are added (with a bias), then normalized; the last output is the sum.
  private static func skipEntry(_ name: String, _ centering: RowFunctions.Centering) -> OperatorEntry {
    OperatorEntry(name, domain: contrib, half: .widened) { (node) throws(BackendError) in
      let epsilon = node.float("epsilon", default: centering == .aroundMean ? 1e-12 : 1e-5)
      return .tensors { (call) throws(BackendError) in
        var sum = try call.arithmetic(.add, try call.tensor(0), try call.tensor(1))
        let scale = try call.tensor(2)
        let beta = centering == .aroundMean ? try call.optionalTensor(3) : nil
        if let bias = try call.optionalTensor(centering == .aroundMean ? 4 : 3) {
          sum = try call.arithmetic(.add, sum, bias)
        }
        let result = try call.normalized(sum, axis: -1, scale: scale, bias: beta, epsilon: epsilon, centering)
        return [result.y, result.mean, result.inverseDeviation, sum]
      }
    }
  }
}
