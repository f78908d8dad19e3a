import ONNXFile
import Tensors

/// Removes nodes that change nothing, and joins neighbours that only move elements.
public struct NoOpRemoval: GraphPass {
  public let name = "remove-idle-nodes"
  public let requires = "Fixed shapes, constants folded."
  public let does =
    "Removes Identity, Dropout, casts to the same type, Reshape, Transpose, Expand and Slice to the same shape, "
    + "products with 1 and sums with 0; joins chains of Reshape, Squeeze and Unsqueeze, and of Transpose; a "
    + "Transpose that moves only dimensions of length 1 becomes a Reshape."
  public let ensures = "No two Reshapes or Transposes follow each other, and none is idle."

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    var changeCount = 0
    while true {
      let count = try sweep(&model)
      if count == 0 { break }
      changeCount += count
      _ = try DeadCode().run(&model, context)
    }
    return PassReport(name: name, changeCount: changeCount)
  }

  private func sweep(_ model: inout ModelGraph) throws(PassError) -> Int {
    var shapes = try ShapeTable.infer(model)
    var count = 0
    for node in model.order(of: model.root) where model.isPresent(node) && model[node].domain.isEmpty {
      guard let output = model.output(of: node), let input = model.input(0, of: node) else { continue }
      if let kept = idleInput(node, output, shapes, model) {
        // A value that nobody takes any more goes with the dead code.
        if model[output].uses.isEmpty, model[output].graphOutputCount == 0 { continue }
        if model.substitute(output, by: kept) { count += 1 }
        continue
      }
      if model[node].opType == "Transpose" {
        if joinTransposes(node, input, output, &model)
          || flattenTranspose(node, input, output, shapes, &model)
        {
          count += 1
        } else if joinFolded(node, input, output, &shapes, &model) {
          count += 1
        }
      } else if Self.reshapes.contains(model[node].opType),
        joinReshapes(node, input, output, shapes, &model)
      {
        count += 1
      }
    }
    return count
  }

  private static let reshapes: Set<String> = ["Reshape", "Squeeze", "Unsqueeze", "Flatten"]

  /// The input that an idle node's result equals.
  private func idleInput(
    _ node: NodeID, _ output: ValueID, _ shapes: ShapeTable, _ model: ModelGraph
  ) -> ValueID? {
    let inputs = model[node].inputs
    guard let input = inputs.first.flatMap({ $0 }), let after = shapes[output] else { return nil }
    func isSame(_ value: ValueID) -> Bool {
      guard let before = shapes[value] else { return false }
      return before.elementType == after.elementType && before.dimensions == after.dimensions
    }
    switch model[node].opType {
    case "Identity", "Dropout": return input
    case "Cast", "Reshape", "Squeeze", "Unsqueeze", "Flatten", "Expand", "Tile":
      return isSame(input) ? input : nil
    case "Slice":
      let steps = model.input(4, of: node).flatMap { model.constantContent(of: $0)?.integers } ?? []
      return isSame(input) && steps.allSatisfy { $0 > 0 } ? input : nil
    case "Concat", "Sum", "Max", "Min": return inputs.count == 1 ? input : nil
    case "Transpose":
      let order = model.integers("perm", of: node) ?? []
      return order == order.indices.map(Int64.init) && !order.isEmpty ? input : nil
    case "Mul", "Add":
      let idle: Double = model[node].opType == "Mul" ? 1 : 0
      for (index, other) in [(0, 1), (1, 0)] {
        if model.scalar(model.input(other, of: node)) == idle, let value = model.input(index, of: node),
          isSame(value)
        {
          return value
        }
      }
      return nil
    case "Div", "Pow":
      return model.scalar(model.input(1, of: node)) == 1 && isSame(input) ? input : nil
    case "Sub": return model.scalar(model.input(1, of: node)) == 0 && isSame(input) ? input : nil
    default: return nil
    }
  }

  private func order(of node: NodeID, _ model: ModelGraph) -> [Int]? {
    model.integers("perm", of: node)?.map { Int(clamping: $0) }
  }

  private func joinTransposes(
    _ node: NodeID, _ input: ValueID, _ output: ValueID, _ model: inout ModelGraph
  ) -> Bool {
    guard let before = model.producer(of: input, "Transpose"), let source = model.input(0, of: before),
      let first = order(of: before, model), let second = order(of: node, model), first.count == second.count
    else { return false }
    model.setInputs(of: node, to: [source])
    model.setAttribute(.ints("perm", second.map { Int64(first[$0]) }), of: node)
    return true
  }

  /// A Transpose keeps the elements' order when those of the dimensions above 1 keep theirs.
  private func flattenTranspose(
    _ node: NodeID, _ input: ValueID, _ output: ValueID, _ shapes: ShapeTable, _ model: inout ModelGraph
  ) -> Bool {
    guard let extents = shapes.dimensions(input), let after = shapes.dimensions(output),
      let order = order(of: node, model)
    else { return false }
    let long = order.filter { extents[$0] > 1 }
    guard long == long.sorted() else { return false }
    let shape = model.makeShape("\(model[output].name)_shape", after)
    model.replace(
      node,
      with: [
        NodeDraft("Reshape", name: model.label(of: node), inputs: [input, shape], outputs: [output])
      ])
    return true
  }

  /// Reshape [a…, m, n] → [A, m, n], Transpose to [A, n, m], Reshape → [a…, n, m] is one Transpose.
  private func joinFolded(
    _ node: NodeID, _ input: ValueID, _ output: ValueID, _ shapes: inout ShapeTable, _ model: inout ModelGraph
  ) -> Bool {
    guard order(of: node, model) == [0, 2, 1], let before = model.producer(of: input, "Reshape"),
      let source = model.input(0, of: before), let wide = shapes.dimensions(source), wide.count > 3,
      let use = model.soleUse(output), model.isOperator(use.node, "Reshape"), use.inputIndex == 0,
      let result = model.output(of: use.node), let after = shapes.dimensions(result),
      let middle = shapes.dimensions(input), Array(wide.suffix(2)) == Array(middle.suffix(2)),
      after == Array(wide.dropLast(2)) + [wide[wide.count - 1], wide[wide.count - 2]]
    else { return false }
    let order = Array(0..<(wide.count - 2)) + [wide.count - 1, wide.count - 2]
    model.replace(
      use.node,
      with: [
        NodeDraft(
          "Transpose", name: model.label(of: node), inputs: [source], outputs: [result],
          attributes: [.ints("perm", order.map(Int64.init))])
      ])
    return true
  }

  private func joinReshapes(
    _ node: NodeID, _ input: ValueID, _ output: ValueID, _ shapes: ShapeTable, _ model: inout ModelGraph
  ) -> Bool {
    guard let before = model[input].producer, model[before].domain.isEmpty,
      Self.reshapes.contains(model[before].opType), let source = model.input(0, of: before),
      let after = shapes.dimensions(output)
    else { return false }
    let shape = model.makeShape("\(model[output].name)_shape", after)
    if model[node].opType == "Reshape" {
      model.setInputs(of: node, to: [source, shape])
      model.removeAttribute("allowzero", of: node)
    } else {
      model.replace(
        node,
        with: [
          NodeDraft("Reshape", name: model.label(of: node), inputs: [source, shape], outputs: [output])
        ])
    }
    return true
  }
}
