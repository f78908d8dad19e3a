import ONNXGraph
import Tensors

extension DecoderTrace {
  /// The three operands of an attention and the scalar on its scores.
  struct AttentionCore {
    let query: Source
    let key: Source
    let value: Source
    let scale: Float
  }

  /// Where queries, keys or values come from.
  struct Source {
    /// The projection; nil when only caches lead here.
    var linear: Linear?
    var scale: Float = 1
    /// Graph inputs on the way: caches.
    var caches: [ValueID] = []
  }

  /// The attention whose result a value is, fused or as two products around Softmax.
  ///
  /// - Returns: nil when the value is no result of an attention.
  func attention(_ value: ValueID) throws(StaticSpeechError) -> AttentionCore? {
    let result = strip(value)
    guard let node = model[result.value].producer else { return nil }
    switch model[node].opType {
    case "MultiHeadAttention", "DecoderMaskedMultiHeadAttention": return try fusedAttention(node)
    case "Attention" where model[node].domain.isEmpty: return try fusedAttention(node)
    case "MatMul", "FusedMatMul": break
    default: return nil
    }
    guard let probabilities = input(0, of: node), let values = input(1, of: node),
      let softmax = producer(of: strip(probabilities).value, "Softmax"), let scores = input(0, of: softmax),
      let (product, scoreScale) = scoreProduct(scores, depth: 0), let queries = input(0, of: product),
      let keys = input(1, of: product)
    else { return nil }
    let scale = scoreScale * (model.float("alpha", of: product) ?? 1)
    let core = AttentionCore(
      query: try source(queries), key: try source(keys), value: try source(values), scale: scale)
    let after = result.scale * strip(probabilities).scale * core.value.scale
    guard abs(after - 1) < 1e-6 else {
      throw StaticSpeechError(
        .pattern, "\(place(result.value)): the attention's result is scaled by \(after), expected 1")
    }
    return core
  }

  /// The product of queries and keys behind scores: through scalars, and through a mask that is added or chosen.
  private func scoreProduct(_ value: ValueID, depth: Int) -> (node: NodeID, scale: Float)? {
    let stripped = strip(value)
    guard depth < 4, let node = model[stripped.value].producer else { return nil }
    let operands: [ValueID?]
    switch model[node].opType {
    case "MatMul", "FusedMatMul":
      guard let left = input(0, of: node), let right = input(1, of: node), constant(left) == nil,
        constant(right) == nil
      else { return nil }
      return (node, stripped.scale)
    case "Add": operands = model[node].inputs
    case "Where": operands = Array(model[node].inputs.dropFirst())
    default: return nil
    }
    for case let operand? in operands {
      guard let found = scoreProduct(operand, depth: depth + 1) else { continue }
      return (found.node, found.scale * stripped.scale)
    }
    return nil
  }

  /// ONNX Runtime's `MultiHeadAttention` and ONNX's own `Attention`, whose inputs are projected already.
  private func fusedAttention(_ node: NodeID) throws(StaticSpeechError) -> AttentionCore? {
    guard let queries = input(0, of: node), let keys = input(1, of: node), let values = input(2, of: node)
    else {
      throw StaticSpeechError(
        .pattern,
        "\(model.path): node '\(model.label(of: node))' (\(model[node].opType)) has queries, keys and values packed "
          + "into one input; export without fusing the attention (ONNX Runtime's exporter: without --optimize_onnx)"
      )
    }
    let scale = model.float("scale", of: node).flatMap { $0 == 0 ? nil : $0 }
    var sources = [try source(queries), try source(keys), try source(values)]
    if model[node].domain == "com.microsoft", let packed = input(3, of: node) {
      guard let bias = vector(packed)?.floatVector, bias.count % 3 == 0 else {
        throw StaticSpeechError(
          .pattern, "\(model.path): node '\(model.label(of: node))': its bias is no constant of three parts")
      }
      let count = bias.count / 3
      for index in 0..<3 {
        guard sources[index].linear?.part.bias == nil else { continue }
        let part = TensorContent.floats(
          Array(bias[(index * count)..<((index + 1) * count)]), shape: [count])
        sources[index].linear?.part.bias = part
      }
    }
    return AttentionCore(
      query: sources[0], key: sources[1], value: sources[2],
      scale: scale ?? 1 / Float(headWidth).squareRoot())
  }

  /// Where a tensor of heads comes from: through the places where new tokens meet their cache.
  private func source(_ value: ValueID, depth: Int = 0) throws(StaticSpeechError) -> Source {
    if let found = try linear(value) { return Source(linear: found, scale: found.scale) }
    let stripped = strip(value)
    var result = Source(linear: nil, scale: stripped.scale)
    guard depth < 8, let node = model[stripped.value].producer else {
      if model[stripped.value].isGraphInput { result.caches = [stripped.value] }
      return result
    }
    let operands: [ValueID?]
    switch model[node].opType {
    case "Concat": operands = model[node].inputs
    // The update is of this layer; the data behind it may have passed those before.
    case "ScatterND", "ScatterElements": operands = [input(2, of: node)]
    case "TensorScatter": operands = [input(1, of: node)]
    default: return result
    }
    for case let operand? in operands {
      let inner = try source(operand, depth: depth + 1)
      result.caches += inner.caches
      guard let linear = inner.linear else { continue }
      guard result.linear == nil else {
        throw StaticSpeechError(
          .pattern,
          "\(place(stripped.value)): two projections meet, expected one projection and a cache (AI Hub's form "
            + "computes each head by itself and is static already)")
      }
      result.linear = linear
      result.scale = stripped.scale * inner.scale
    }
    return result
  }
}

extension TensorContent {
  /// The elements of a small tensor of any float type.
  var floatVector: [Float]? { floats ?? numbers?.map { Float($0) } }
}
