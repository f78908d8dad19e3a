public import ONNXGraph
import Tensors

/// Makes keys and values easy to hold in 8 bits with one scale, without changing what attention computes.
///
/// Per head, keys and values are rotated by a Hadamard matrix (queries and the output projection undo it), so that no
/// channel sticks out; then each channel is moved to the middle of its range (a constant added to all keys changes no
/// softmax, and what is taken from the values comes back through the output projection's bias); then channels are
/// scaled by the square root of their relative size. All of it is folded into weights and biases.
/// Source: Ashkboos et al., "QuaRot: Outlier-free 4-bit inference in rotated LLMs", 2024, for rotating keys and
/// values by head.
public struct AttentionEqualization: Sendable {
  /// One attention whose keys and values are seen by nobody outside.
  struct Block {
    let query: NodeID
    let key: NodeID
    let value: NodeID
    let output: NodeID
    let headWidth: Int
  }

  /// The power of a channel's relative size that is taken out of it.
  static let exponent: Float = 0.5

  /// The number of attentions that were rotated.
  public static func rotate(_ model: inout ModelGraph) -> Int {
    var count = 0
    for block in blocks(of: model) {
      guard let sites = Sites(block, model) else { continue }
      var query = LinearValues(sites.query, in: model)
      var key = LinearValues(sites.key, in: model)
      var value = LinearValues(sites.value, in: model)
      var output = LinearValues(sites.output, in: model)
      query.rotateOutputs(headWidth: block.headWidth)
      key.rotateOutputs(headWidth: block.headWidth)
      value.rotateOutputs(headWidth: block.headWidth)
      output.rotateInputs(headWidth: block.headWidth)
      model.store(query, at: sites.query)
      model.store(key, at: sites.key)
      model.store(value, at: sites.value)
      model.store(output, at: sites.output)
      count += 1
    }
    return count
  }

  /// The names of the keys and values whose channels `equalize` wants to know.
  public static func observedValues(_ model: ModelGraph) -> [String] {
    blocks(of: model).flatMap { block in
      [block.key, block.value].compactMap { node in
        model[node].outputs.first.flatMap { $0 }.map { model[$0].name }
      }
    }
  }

  /// Centres and scales the channels of keys and values; `channels` gives the smallest and the largest number of
  /// each channel by the name of the value.
  public static func equalize(
    _ model: inout ModelGraph, channels: (String) -> (minima: [Float], maxima: [Float])?
  ) -> Int {
    var count = 0
    for block in blocks(of: model) {
      guard let sites = Sites(block, model),
        let keys = channels(name(of: block.key, model)), let values = channels(name(of: block.value, model))
      else { continue }
      var query = LinearValues(sites.query, in: model)
      var key = LinearValues(sites.key, in: model)
      var value = LinearValues(sites.value, in: model)
      var output = LinearValues(sites.output, in: model)
      let (keyMiddle, keySize) = condition(keys)
      for index in key.bias.indices { key.bias[index] -= keyMiddle[index] }
      key.scaleOutputs(keySize.map { 1 / $0 })
      query.scaleOutputs(keySize)
      let (valueMiddle, valueSize) = condition(values)
      for index in value.bias.indices { value.bias[index] -= valueMiddle[index] }
      output.absorbInputs(valueMiddle)
      value.scaleOutputs(valueSize.map { 1 / $0 })
      output.scaleInputs(valueSize)
      model.store(query, at: sites.query)
      model.store(key, at: sites.key)
      model.store(value, at: sites.value)
      model.store(output, at: sites.output)
      count += 1
    }
    return count
  }

  private static func condition(
    _ channels: (minima: [Float], maxima: [Float])
  ) -> (middle: [Float], size: [Float]) {
    let middle = zip(channels.minima, channels.maxima).map { ($0 + $1) / 2 }
    let half = zip(channels.minima, channels.maxima).map { ($1 - $0) / 2 }
    let largest = half.max() ?? 0
    guard largest > 0, largest.isFinite else { return (middle, half.map { _ in 1 }) }
    // A channel that hardly moves must not blow up its partner.
    return (middle, half.map { max($0 / largest, 1e-3).squareRoot() })
  }

  private static func name(of node: NodeID, _ model: ModelGraph) -> String {
    model[node].outputs.first.flatMap { $0 }.map { model[$0].name } ?? ""
  }

  private struct Sites {
    let query: LinearSite
    let key: LinearSite
    let value: LinearSite
    let output: LinearSite

    init?(_ block: Block, _ model: ModelGraph) {
      guard let query = LinearSite(block.query, in: model), let key = LinearSite(block.key, in: model),
        let value = LinearSite(block.value, in: model), let output = LinearSite(block.output, in: model)
      else { return nil }
      (self.query, self.key, self.value, self.output) = (query, key, value, output)
    }
  }

  // MARK: Finding attention

  /// Attentions of the form softmax(q·kᵀ [+ mask])·v whose heads are runs of channels.
  static func blocks(of model: ModelGraph) -> [Block] {
    model[model.root].nodes.compactMap { node in
      guard model[node].opType == "Softmax", let scores = model[node].inputs.first ?? nil else { return nil }
      guard let product = source(scores, model, through: ["Add"]), model[product].opType == "MatMul",
        let query = source(model[product].inputs.first ?? nil, model),
        let key = source(model[product].inputs.dropFirst().first ?? nil, model),
        let context = onlyUser(model[node].outputs.first ?? nil, model), model[context].opType == "MatMul",
        let value = source(model[context].inputs.dropFirst().first ?? nil, model),
        let output = onlyUser(model[context].outputs.first ?? nil, model, through: movements),
        [query, key, value, output].allSatisfy({ ["Gemm", "MatMul"].contains(model[$0].opType) }),
        isOwn(query, model), isOwn(key, model), isOwn(value, model),
        let shape = model[product].inputs.first.flatMap({ $0 }).flatMap({ model.declaredShape(of: $0) }),
        let headWidth = shape.last?.extent, headWidth > 1, headWidth & (headWidth - 1) == 0,
        let width = model[query].outputs.first.flatMap({ $0 }).flatMap({
          model.declaredShape(of: $0)?.last?.extent
        }),
        width % headWidth == 0
      else { return nil }
      return Block(query: query, key: key, value: value, output: output, headWidth: headWidth)
    }
  }

  private static let movements: Set<String> = ["Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity"]

  /// The node behind movements.
  private static func source(
    _ value: ValueID?, _ model: ModelGraph, through others: Set<String> = []
  ) -> NodeID? {
    var current = value
    for _ in 0..<8 {
      guard let producer = current.flatMap({ model[$0].producer }) else { return nil }
      guard movements.contains(model[producer].opType) || others.contains(model[producer].opType) else {
        return producer
      }
      // Of a sum with a mask, the product comes first; the mask is a constant or an input.
      current =
        model[producer].inputs.first { input in input.map { model[$0].producer != nil } ?? false } ?? nil
    }
    return nil
  }

  /// The only node that takes a value, seen through movements that only it takes.
  private static func onlyUser(
    _ value: ValueID?, _ model: ModelGraph, through skipped: Set<String> = []
  ) -> NodeID? {
    var current = value
    for _ in 0..<8 {
      guard let value = current, model[value].uses.count == 1, model[value].graphOutputCount == 0 else {
        return nil
      }
      let user = model[value].uses[0].node
      guard skipped.contains(model[user].opType) else { return user }
      current = model[user].outputs.first ?? nil
    }
    return nil
  }

  /// Whether all that a projection gives goes to one place through movements, and to no output of the model.
  private static func isOwn(_ node: NodeID, _ model: ModelGraph) -> Bool {
    onlyUser(model[node].outputs.first ?? nil, model, through: movements) != nil
  }
}
