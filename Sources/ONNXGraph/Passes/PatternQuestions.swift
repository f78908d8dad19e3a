import ONNXFile
import Tensors

/// Small questions that passes ask while they look for patterns.
extension ModelGraph {
  /// Whether a node is still there; passes remove nodes that their walk has yet to come to.
  func isPresent(_ node: NodeID) -> Bool { nodeStorage[node.index] != nil }

  /// Whether a node is an operator of ai.onnx of this name.
  func isOperator(_ node: NodeID, _ opType: String) -> Bool {
    self[node].opType == opType && self[node].domain.isEmpty
  }

  /// The node that computes a value, when it is this operator.
  func producer(of value: ValueID?, _ opType: String) -> NodeID? {
    guard let value, let producer = self[value].producer, isOperator(producer, opType) else { return nil }
    return producer
  }

  /// The only place that takes a value; nil when there are others, or when it is an output of the graph.
  func soleUse(_ value: ValueID) -> Use? {
    let record = self[value]
    guard record.uses.count == 1, record.graphOutputCount == 0 else { return nil }
    return record.uses[0]
  }

  /// The node that alone takes a value, when it is this operator.
  func soleUser(_ value: ValueID, _ opType: String) -> NodeID? {
    guard let use = soleUse(value), isOperator(use.node, opType) else { return nil }
    return use.node
  }

  /// An input of a node; nil when it is left out.
  func input(_ index: Int, of node: NodeID) -> ValueID? {
    let inputs = self[node].inputs
    return index < inputs.count ? inputs[index] : nil
  }

  /// The first result of a node.
  func output(of node: NodeID) -> ValueID? { self[node].outputs.first.flatMap { $0 } }

  /// The one number of a constant with one element.
  func scalar(_ value: ValueID?) -> Double? {
    guard let value, let content = constantContent(of: value), content.shape.elementCount == 1 else {
      return nil
    }
    return content.numbers?.first
  }

  /// The operand of a two-operand node that is not `value`; nil when both or none are.
  func partner(of value: ValueID, in node: NodeID) -> ValueID? {
    let inputs = self[node].inputs
    guard inputs.count == 2 else { return nil }
    if inputs[0] == value, inputs[1] != value { return inputs[1] }
    if inputs[1] == value, inputs[0] != value { return inputs[0] }
    return nil
  }

  /// The factor and the other operand, when a node multiplies by a constant number or divides by one.
  func scaling(_ node: NodeID) -> (value: ValueID, factor: Double)? {
    if isOperator(node, "Mul") {
      for (index, other) in [(0, 1), (1, 0)] {
        if let factor = scalar(input(other, of: node)), let value = input(index, of: node) {
          return (value, factor)
        }
      }
    }
    if isOperator(node, "Div"), let divisor = scalar(input(1, of: node)), divisor != 0,
      let value = input(0, of: node)
    {
      return (value, 1 / divisor)
    }
    return nil
  }

  /// A constant of int64, named after what it is for.
  mutating func makeShape(_ name: String, _ extents: [Int]) -> ValueID {
    makeInitializer(name, .int64s(extents.map(Int64.init), shape: [extents.count]), in: root)
  }
}

/// Whether two numbers are the same to a relative 5e-4: constants such as √2 are written in float16 too.
func isNear(_ left: Double?, _ right: Double) -> Bool {
  guard let left else { return false }
  return abs(left - right) <= abs(right) * 5e-4
}
