import Kernels
import ModelBackend
import Tensors

extension Call {
  /// Softmax of scale · q · kᵀ (+ bias), times v: heads of [batch, heads, length, size].
  ///
  /// `isCausal` hides what comes after a query, whose own place is at the end of the keys.
  fileprivate func attention(
    _ q: RunTensor, _ k: RunTensor, _ v: RunTensor, bias: RunTensor?, scale: Float, isCausal: Bool
  ) throws(BackendError) -> RunTensor {
    var scores = try product(q, k, transposesB: true, alpha: scale)
    if let bias { scores = try arithmetic(.add, scores, bias) }
    if isCausal { scores = try arithmetic(.add, scores, try causalMask(q.dimensions[2], k.dimensions[2])) }
    return try product(try softmax(scores, axis: scores.rank - 1), v)
  }

  /// 0 where a query may look and −∞ elsewhere.
  private func causalMask(_ queries: Int, _ keys: Int) throws(BackendError) -> RunTensor {
    try floats(try shape([queries, keys])) { (out) throws(BackendError) in
      for row in 0..<queries {
        for column in 0..<keys { out[row * keys + column] = column - row > keys - queries ? -.infinity : 0 }
      }
    }
  }

  /// [batch, length, heads · size] (plus a bias) as [batch, heads, length, size].
  fileprivate func splitHeads(
    _ x: RunTensor, heads: Int, bias: RunTensor?
  ) throws(BackendError) -> RunTensor {
    guard x.rank == 3, heads > 0, x.dimensions[2] % heads == 0 else {
      throw fail("\(x.shape) does not split into \(heads) heads")
    }
    let sum = try bias.map { (bias) throws(BackendError) in try arithmetic(.add, x, bias) } ?? x
    let (batch, length, size) = (x.dimensions[0], x.dimensions[1], x.dimensions[2] / heads)
    return try transposed(sum.reshaped(try shape([batch, length, heads, size])), [0, 2, 1, 3])
  }

  /// [batch, heads, length, size] as [batch, length, heads · size].
  fileprivate func joinHeads(_ x: RunTensor) throws(BackendError) -> RunTensor {
    let moved = try transposed(x, [0, 2, 1, 3])
    return moved.reshaped(try shape([x.dimensions[0], x.dimensions[2], x.dimensions[1] * x.dimensions[3]]))
  }

  /// Elements `range` of a vector.
  fileprivate func part(_ vector: RunTensor?, _ range: Range<Int>) throws(BackendError) -> RunTensor? {
    guard let vector else { return nil }
    guard vector.rank == 1, range.upperBound <= vector.count else { throw fail("a bias of \(vector.shape)") }
    return try sliced(vector, starts: [range.lowerBound], extents: [range.count], steps: [1])
  }

  fileprivate func scale(_ size: Int) -> Float {
    let given = node.float("scale", default: 0)
    return given == 0 ? 1 / Float(size).squareRoot() : given
  }

  fileprivate func refuse(inputs indices: [Int: String]) throws(BackendError) {
    for (index, name) in indices.sorted(by: { $0.key < $1.key })
    where index < inputs.count && inputs[index] != nil {
      throw unsupported(name)
    }
  }
}

extension OperatorTable {
  static var attentionEntries: [OperatorEntry] {
    [
      OperatorEntry("MultiHeadAttention", domain: contrib, half: .widened) { (node) throws(BackendError) in
        let heads = node.integer("num_heads", default: 0)
        let isCausal = node.flag("unidirectional")
        return .tensors { (call) throws(BackendError) in
          try multiHeadAttention(call, heads: heads, isCausal: isCausal)
        }
      },
      OperatorEntry("Attention", domain: contrib, half: .widened) { (node) throws(BackendError) in
        let heads = node.integer("num_heads", default: 0)
        if node.flag("do_rotary") || node.has("qkv_hidden_sizes") {
          throw node.unsupported("rotary or uneven sizes")
        }
        let isCausal = node.flag("unidirectional")
        return .tensors { (call) throws(BackendError) in
          try projectedAttention(call, heads: heads, isCausal: isCausal)
        }
      },
    ]
  }

  private static func multiHeadAttention(
    _ call: Call, heads: Int, isCausal: Bool
  ) throws(BackendError) -> [RunTensor] {
    try call.refuse(inputs: [4: "a key padding mask", 8: "a shared past", 9: "cache indirection"])
    let query = try call.tensor(0)
    guard query.rank == 3, let width = query.dimensions.last else {
      throw call.unsupported("packed projections")
    }
    let (key, value) = (try call.tensor(1), try call.tensor(2))
    let bias = try call.optionalTensor(3)
    let q = try call.splitHeads(query, heads: heads, bias: try call.part(bias, 0..<width))
    // Keys of a cross attention come split into heads already.
    var k = key
    var v = value
    if key.rank == 3 {
      k = try call.splitHeads(key, heads: heads, bias: try call.part(bias, width..<2 * width))
      let last = bias.map { 2 * width..<$0.count }
      v = try call.splitHeads(
        value, heads: heads,
        bias: try last.map { (range) throws(BackendError) in
          try call.part(bias, range)
        } ?? nil)
    }
    guard k.rank == 4, v.rank == 4, k.dimensions[3] == q.dimensions[3] else {
      throw call.fail("query \(query.shape), key \(key.shape) and value \(value.shape) do not fit")
    }
    if let past = try call.optionalTensor(6) { k = try call.concatenated([past, k], axis: 2) }
    if let past = try call.optionalTensor(7) { v = try call.concatenated([past, v], axis: 2) }
    let y = try call.attention(
      q, k, v, bias: try call.optionalTensor(5), scale: call.scale(q.dimensions[3]), isCausal: isCausal)
    return [try call.joinHeads(y), k, v]
  }

  private static func projectedAttention(
    _ call: Call, heads: Int, isCausal: Bool
  ) throws(BackendError) -> [RunTensor] {
    try call.refuse(inputs: [3: "a mask", 6: "a shared past"])
    let (x, weights) = (try call.tensor(0), try call.raw(1))
    guard x.rank == 3, weights.rank == 2, weights.dimensions[1] % 3 == 0, weights.elementType == .float32
    else {
      throw call.fail("input \(x.shape) and weights \(weights.shape) do not fit")
    }
    let width = weights.dimensions[1] / 3
    var projected = try call.product(x, weights)
    if let bias = try call.optionalTensor(2) { projected = try call.arithmetic(.add, projected, bias) }
    func third(_ index: Int) throws(BackendError) -> RunTensor {
      let part = try call.sliced(
        projected, starts: [0, 0, index * width], extents: [x.dimensions[0], x.dimensions[1], width],
        steps: [1, 1, 1])
      return try call.splitHeads(part, heads: heads, bias: nil)
    }
    let q = try third(0)
    var (k, v) = (try third(1), try third(2))
    if let past = try call.optionalTensor(4) {
      guard past.rank == 5, past.dimensions[0] == 2 else { throw call.fail("a past of \(past.shape)") }
      let half = try call.shape(Array(past.dimensions[1...]))
      func old(_ index: Int) throws(BackendError) -> RunTensor {
        try call.sliced(
          past, starts: [index, 0, 0, 0, 0], extents: [1] + half.dimensions, steps: [1, 1, 1, 1, 1]
        ).reshaped(half)
      }
      k = try call.concatenated([try old(0), k], axis: 2)
      v = try call.concatenated([try old(1), v], axis: 2)
    }
    let y = try call.attention(
      q, k, v, bias: try call.optionalTensor(5), scale: call.scale(q.dimensions[3]), isCausal: isCausal)
    var results = [try call.joinHeads(y)]
    if call.node.usedOutputs.count > 1 {
      let one = try call.shape([1] + k.dimensions)
      results.append(try call.concatenated([k.reshaped(one), v.reshaped(one)], axis: 0))
    }
    return results
  }
}
