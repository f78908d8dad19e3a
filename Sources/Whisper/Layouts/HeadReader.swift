import ONNXGraph
import Tensors

/// Finds the number of attention heads where no input or output tells it.
struct HeadReader {
  private let model: ModelGraph

  init(_ model: ModelGraph) { self.model = model }

  /// Heads from fused attention operators, else from the Reshapes that split the width into heads; the number
  /// that most of them agree on.
  func headCount(width: Int, in nodes: [NodeID]) -> Int? {
    var votes: [Int: Int] = [:]
    for node in nodes {
      let count: Int?
      switch model[node].opType {
      case "Attention", "MultiHeadAttention", "DecoderMaskedMultiHeadAttention", "DecoderMaskedSelfAttention":
        count = (model.integer("num_heads", of: node) ?? model.integer("q_num_heads", of: node))
          .flatMap { Int(exactly: $0) }
      case "Reshape": count = splitHeadCount(node, width: width)
      default: count = nil
      }
      if let count, count > 0, width % count == 0 { votes[count, default: 0] += 1 }
    }
    return votes.max { ($0.value, $1.key) < ($1.value, $0.key) }?.key
  }

  /// The h of a Reshape to [.., .., h, d / h].
  private func splitHeadCount(_ node: NodeID, width: Int) -> Int? {
    guard model[node].inputs.count > 1, let shape = model[node].inputs[1], let tail = lastTwo(shape) else {
      return nil
    }
    let (heads, features) = tail
    guard heads > 1, heads < width, width % heads == 0 else { return nil }
    return features == -1 || features == width / heads ? heads : nil
  }

  /// The last two numbers of a shape of four, whether it is a constant or put together from pieces.
  private func lastTwo(_ shape: ValueID) -> (heads: Int, features: Int)? {
    if let values = numbers(shape) { return values.count == 4 ? (values[2], values[3]) : nil }
    guard let producer = model[shape].producer, model[producer].opType == "Concat",
      model[producer].inputs.count == 4,
      case (let third?, let fourth?) = (model[producer].inputs[2], model[producer].inputs[3]),
      let heads = numbers(third), let features = numbers(fourth), heads.count == 1, features.count == 1
    else { return nil }
    return (heads[0], features[0])
  }

  /// The elements of a small constant of integers.
  private func numbers(_ value: ValueID) -> [Int]? {
    guard let content = model.constantContent(of: value), content.shape.elementCount <= 8,
      let integers = content.integers
    else { return nil }
    return integers.map { Int(clamping: $0) }
  }
}
