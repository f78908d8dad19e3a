import ONNXFile
import Tensors

/// Puts the scale of attention scores into the weights of the queries.
///
/// A product of two activations may be scaled on either side, through Transposes and Reshapes, and behind; all
/// factors become one. A weight is multiplied once and rounded once, so each product is the same to half a unit
/// in the last place, 6e-8 of its size; halves are only scaled by powers of two, which is exact.
public struct ScaleFolding: GraphPass {
  public let name = "fold-scales"
  public let requires = "Constants folded, idle nodes removed."
  public let does =
    "Multiplies the weight and bias of the linear layer behind one operand of an attention product by all constant "
    + "factors around that product, and removes the products with these factors."
  public let ensures = "Where a linear layer alone feeds the queries, nothing scales queries, keys or scores."

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    var changeCount = 0
    for node in model[model.root].nodes where model.isPresent(node) && model.isOperator(node, "MatMul") {
      if try fold(node, &model, context) { changeCount += 1 }
    }
    return PassReport(name: name, changeCount: changeCount)
  }

  /// What stands before one operand.
  private struct Side {
    /// Nodes that only scale, from the operand backwards.
    var scalings: [NodeID] = []
    var factor = 1.0
    var linear: Linear?
  }

  /// A linear layer that feeds only this operand.
  private struct Linear {
    let product: NodeID
    /// Where the constant weight is taken: the product itself, or a Transpose before it.
    let weightUse: Use
    let biasUse: Use?
  }

  private func fold(
    _ node: NodeID, _ model: inout ModelGraph, _ context: PassContext
  ) throws(PassError) -> Bool {
    guard let left = model.input(0, of: node), let right = model.input(1, of: node),
      !model.isConstant(left), !model.isConstant(right), left != right, let output = model.output(of: node)
    else { return false }
    let sides = [side(left, model), side(right, model)]
    var scalings = sides.flatMap(\.scalings)
    var factor = sides.reduce(1) { $0 * $1.factor }
    if let use = model.soleUse(output), let (value, behind) = model.scaling(use.node), value == output {
      scalings.append(use.node)
      factor *= behind
    }
    guard !scalings.isEmpty, factor.isFinite, factor != 0,
      let linear = sides.compactMap(\.linear).first
    else { return false }
    let uses = [linear.weightUse] + (linear.biasUse.map { [$0] } ?? [])
    guard uses.allSatisfy({ canScale($0, by: factor, model) }) else { return false }
    for use in uses { try scale(use, by: factor, &model, context) }
    for scaling in scalings {
      guard let (value, _) = model.scaling(scaling), let result = model.output(of: scaling) else { continue }
      model.substitute(result, by: value)
      model.remove(scaling)
    }
    return true
  }

  private func side(_ operand: ValueID, _ model: ModelGraph) -> Side {
    var result = Side()
    var current = operand
    while model.soleUse(current) != nil, let producer = model[current].producer {
      if let (value, factor) = model.scaling(producer), !model.isConstant(value) {
        result.scalings.append(producer)
        result.factor *= factor
        current = value
        continue
      }
      guard model[producer].domain.isEmpty, let input = model.input(0, of: producer) else { break }
      switch model[producer].opType {
      case "Transpose", "Reshape", "Squeeze", "Unsqueeze": current = input
      default:
        result.linear = linear(producer, model)
        return result
      }
    }
    return result
  }

  private func linear(_ node: NodeID, _ model: ModelGraph) -> Linear? {
    var product = node
    var biasUse: Use?
    if model.isOperator(node, "Add") {
      for (index, other) in [(0, 1), (1, 0)] {
        guard let bias = model.input(other, of: node), model.isConstant(bias),
          let before = model.input(index, of: node), model.soleUse(before) != nil,
          let found = model[before].producer
        else { continue }
        biasUse = Use(node: node, inputIndex: other)
        product = found
      }
      guard biasUse != nil, model.isOperator(product, "MatMul") else { return nil }
    }
    if model.isOperator(product, "Gemm") {
      if model.float("alpha", of: product) ?? 1 != 1 || model.float("beta", of: product) ?? 1 != 1 {
        return nil
      }
      if let bias = model.input(2, of: product) {
        guard model.isConstant(bias) else { return nil }
        biasUse = Use(node: product, inputIndex: 2)
      }
    } else if !model.isOperator(product, "MatMul") {
      return nil
    }
    guard let weight = model.input(1, of: product) else { return nil }
    if model.isConstant(weight) {
      return Linear(product: product, weightUse: Use(node: product, inputIndex: 1), biasUse: biasUse)
    }
    guard let turn = model.producer(of: weight, "Transpose"), model.soleUse(weight) != nil,
      let stored = model.input(0, of: turn), model.isConstant(stored)
    else { return nil }
    return Linear(product: product, weightUse: Use(node: turn, inputIndex: 0), biasUse: biasUse)
  }

  private func canScale(_ use: Use, by factor: Double, _ model: ModelGraph) -> Bool {
    guard let value = model.input(use.inputIndex, of: use.node),
      let content = model.constantContent(of: value)
    else { return false }
    if content.elementType == .float32 || content.elementType == .float64 { return true }
    return factor.magnitude.significand == 1
  }

  private func scale(
    _ use: Use, by factor: Double, _ model: inout ModelGraph, _ context: PassContext
  ) throws(PassError) {
    guard let value = model.input(use.inputIndex, of: use.node),
      let content = model.constantContent(of: value),
      let number = TensorContent.floats([Float(factor)], shape: []).converted(to: content.elementType)
    else { return }
    let results = try context.evaluator.evaluate(
      ConstantNode(
        label: "\(model[value].name)/scale", opType: "Mul",
        version: Int(clamping: model.opsetVersion() ?? 21), inputs: [content, number], path: model.path))
    guard let scaled = results?.first else {
      throw PassError(
        .shape(
          opType: "Mul", node: model[value].name,
          problem: "cannot be scaled as \(content.elementType.name); export the model in float"),
        path: model.path
      )
    }
    let constant = model.makeInitializer("\(model[value].name)_scaled", scaled, in: model.root)
    model.setInput(use.inputIndex, of: use.node, to: constant)
  }
}
