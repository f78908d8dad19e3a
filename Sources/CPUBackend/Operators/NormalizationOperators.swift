import Kernels
import ModelBackend
import Tensors

extension Call {
  /// Layer normalization over the last axes: y, and one mean and inverse deviation per row when asked for.
  func normalized(
    _ x: RunTensor, axis: Int, scale: RunTensor, bias: RunTensor?, epsilon: Float,
    _ centering: RowFunctions.Centering = .aroundMean
  ) throws(BackendError) -> (y: RunTensor, mean: RunTensor, inverseDeviation: RunTensor) {
    let axis = try self.axis(axis, rank: x.rank)
    let rowShape = try shape(Array(x.dimensions[axis...]))
    let scale = try expanded(scale, try broadcastInto(rowShape, scale))
    let bias = try bias.map { (bias) throws(BackendError) in
      try expanded(bias, try broadcastInto(rowShape, bias))
    }
    let ones = [Int](repeating: 1, count: x.rank - axis)
    let statistics = try shape(x.dimensions[..<axis] + ones)
    guard x.elementType == .float32, scale.elementType == .float32, bias?.elementType ?? .float32 == .float32
    else {
      throw unsupported("element type \(x.elementType.name) with \(scale.elementType.name)")
    }
    let rowCount = statistics.elementCount
    var means = [Float](repeating: 0, count: x.count == 0 ? 0 : rowCount)
    var deviations = means
    var meanSpan = means.mutableSpan
    var deviationSpan = deviations.mutableSpan
    let nothing: [Float] = []
    let y = try floats(x.shape) { (out) throws(BackendError) in
      if let bias {
        RowFunctions.normalize(
          x.floats, scale: scale.floats, bias: bias.floats, epsilon: epsilon, centering, into: &out,
          means: &meanSpan, inverseDeviations: &deviationSpan, threads: threads)
      } else {
        RowFunctions.normalize(
          x.floats, scale: scale.floats, bias: nothing.span, epsilon: epsilon, centering, into: &out,
          means: &meanSpan, inverseDeviations: &deviationSpan, threads: threads)
      }
    }
    let mean = try floats(statistics) { (out) throws(BackendError) in
      for index in out.indices { out[index] = index < means.count ? means[index] : .nan }
    }
    let deviation = try floats(statistics) { (out) throws(BackendError) in
      for index in out.indices { out[index] = index < deviations.count ? deviations[index] : .nan }
    }
    return (y, mean, deviation)
  }

  /// `shape`, which `tensor` must broadcast to.
  private func broadcastInto(_ shape: Shape, _ tensor: RunTensor) throws(BackendError) -> Shape {
    guard try broadcast([shape, tensor.shape]).shape == shape else {
      throw fail("\(tensor.shape) does not broadcast to \(shape)")
    }
    return shape
  }

  /// Softmax over one axis.
  func softmax(
    _ x: RunTensor, axis: Int, _ result: RowFunctions.SoftmaxResult = .probabilities
  ) throws(BackendError) -> RunTensor {
    let last = x.rank - 1
    if axis != last && x.dimensions[axis] != 1 {
      var order = Array(x.dimensions.indices)
      order.swapAt(axis, last)
      let moved = try softmax(try transposed(x, order), axis: last, result)
      return try transposed(moved, order)
    }
    return try floats(x.shape) { (out) throws(BackendError) in
      RowFunctions.softmax(
        x.floats, columnCount: max(1, x.dimensions[axis]), result, into: &out, threads: threads)
    }
  }

  /// x as float32, or as it is when it is; double is refused where the kernels have no double precision.
  func requireFloat(_ x: RunTensor) throws(BackendError) -> RunTensor {
    switch x.elementType {
    case .float32: return x
    case .float16, .bfloat16, .float64: return try converted(x, to: .float32)
    default: throw fail("\(x.elementType.name) where floats are expected")
    }
  }
}

extension OperatorTable {
  static var normalizationEntries: [OperatorEntry] {
    [
      softmaxEntry("Softmax", .probabilities),
      softmaxEntry("LogSoftmax", .logarithms),
      OperatorEntry("LayerNormalization", versions: 1...newestVersion, half: .widenedFirst) {
        (node) throws(BackendError) in
        let axis = node.integer("axis", default: -1)
        let epsilon = node.float("epsilon", default: 1e-5)
        return .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          let result = try call.normalized(
            try call.requireFloat(x), axis: axis, scale: try call.requireFloat(try call.tensor(1)),
            bias: try call.optionalTensor(2).map { (bias) throws(BackendError) in try call.requireFloat(bias)
            },
            epsilon: epsilon)
          return [try call.converted(result.y, to: x.elementType), result.mean, result.inverseDeviation]
        }
      },
      OperatorEntry("RMSNormalization", versions: 23...newestVersion, half: .widenedFirst) {
        (node) throws(BackendError) in
        let axis = node.integer("axis", default: -1)
        let epsilon = node.float("epsilon", default: 1e-5)
        return .tensors { (call) throws(BackendError) in
          let x = try call.tensor(0)
          let result = try call.normalized(
            try call.requireFloat(x), axis: axis, scale: try call.requireFloat(try call.tensor(1)), bias: nil,
            epsilon: epsilon, .none)
          return [try call.converted(result.y, to: x.elementType)]
        }
      },
    ]
  }

  private static func softmaxEntry(_ name: String, _ result: RowFunctions.SoftmaxResult) -> OperatorEntry {
    OperatorEntry(name, half: .widened) { (node) throws(BackendError) in
      // Before version 13 the axes from `axis` on are one.
      let isFlat = node.version < 13
      let axis = node.integer("axis", default: isFlat ? 1 : -1)
      return .tensors { (call) throws(BackendError) in
        let given = try call.tensor(0)
        let x = try call.requireFloat(given)
        let place = try call.axis(axis, rank: x.rank)
        let y: RunTensor
        if isFlat {
          let columns = x.dimensions[place...].reduce(1, *)
          let rows = x.dimensions[..<place].reduce(1, *)
          let flat = x.reshaped(try call.shape([rows, columns]))
          y = try call.softmax(flat, axis: 1, result).reshaped(x.shape)
        } else {
          y = try call.softmax(x, axis: place, result)
        }
        return [try call.converted(y, to: given.elementType)]
      }
    }
  }
}
