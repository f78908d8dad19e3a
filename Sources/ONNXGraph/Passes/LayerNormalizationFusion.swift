import ONNXFile
import Tensors

/// Makes one `LayerNormalization` of its parts, and takes ONNX Runtime's fused skip connection apart.
public struct LayerNormalizationFusion: GraphPass {
  public let name = "fuse-layer-normalization"
  public let requires = "Operator set 17 or newer, fixed shapes."
  public let does =
    "Replaces (x − mean)/√(mean((x − mean)²) + ε)·γ + β over the last axis by LayerNormalization, and "
    + "com.microsoft.SkipLayerNormalization by Add and LayerNormalization."
  public let ensures = "Each layer normalization over the last axis is one node."

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    let shapes = try ShapeTable.infer(model)
    var changeCount = 0
    for node in model[model.root].nodes where model.isPresent(node) {
      if model.isOperator(node, "Sqrt") {
        if fuse(node, shapes, &model) { changeCount += 1 }
      } else if model[node].opType == "SkipLayerNormalization", model[node].domain == "com.microsoft" {
        if unfuse(node, &model) { changeCount += 1 }
      }
    }
    return PassReport(name: name, changeCount: changeCount)
  }

  private func unfuse(_ node: NodeID, _ model: inout ModelGraph) -> Bool {
    let label = model.label(of: node)
    guard let input = model.input(0, of: node), let skip = model.input(1, of: node),
      let gamma = model.input(2, of: node), let output = model.output(of: node)
    else { return false }
    let outputs = model[node].outputs
    // Mean and deviation are for training.
    for place in [1, 2] where place < outputs.count {
      if let value = outputs[place], !model[value].uses.isEmpty { return false }
    }
    let given = outputs.count > 3 ? outputs[3] : nil
    var drafts: [NodeDraft] = []
    var sum = given ?? model.makeValue("\(model[output].name)_sum", in: model.root)
    let whole = sum
    if let bias = model.input(4, of: node) {
      sum = model.makeValue("\(model[output].name)_biased", in: model.root)
      drafts.append(NodeDraft("Add", name: "\(label)/AddBias", inputs: [input, bias], outputs: [sum]))
      drafts.append(NodeDraft("Add", name: "\(label)/Add", inputs: [sum, skip], outputs: [whole]))
    } else {
      drafts.append(NodeDraft("Add", name: "\(label)/Add", inputs: [input, skip], outputs: [whole]))
    }
    let epsilon = model.float("epsilon", of: node) ?? 1e-12
    drafts.append(
      normalization(label, whole, gamma, model.input(3, of: node), output, epsilon))
    let name = model[node].name
    let made = model.replace(node, with: drafts)
    if let last = made.last { model.inherit(name, by: last) }
    return true
  }

  private func normalization(
    _ name: String, _ input: ValueID, _ gamma: ValueID, _ beta: ValueID?, _ output: ValueID, _ epsilon: Float
  ) -> NodeDraft {
    NodeDraft(
      "LayerNormalization", name: name, inputs: [input, gamma] + (beta.map { [$0] } ?? []), outputs: [output],
      attributes: [.int("axis", -1), .float("epsilon", epsilon)])
  }

  private func fuse(_ root: NodeID, _ shapes: ShapeTable, _ model: inout ModelGraph) -> Bool {
    // Backwards: √ ← + ε ← mean ← square ← x − mean.
    guard let sum = model.input(0, of: root), let add = model.producer(of: sum, "Add"),
      let deviation = model.output(of: root), let divide = model.soleUser(deviation, "Div"),
      let difference = model.input(0, of: divide), model.input(1, of: divide) == deviation,
      let (variance, epsilon) = constantTerm(of: add, model),
      let mean = model.producer(of: variance, "ReduceMean"), let squared = model.input(0, of: mean),
      let square = model[squared].producer, let based = squareBase(square, model),
      let x = centered(difference, model), centered(based, model) == x,
      let extent = shapes.dimensions(x)?.last, isLastAxis(mean, x, shapes, model)
    else { return false }
    // Forwards: · γ + β, where they are there.
    guard var output = model.output(of: divide) else { return false }
    var gone: Set<NodeID> = []
    var last = divide
    var gamma: ValueID?
    var beta: ValueID?
    if let multiply = model.soleUser(output, "Mul"), let factor = model.partner(of: output, in: multiply),
      isVector(factor, extent, model), let next = model.output(of: multiply)
    {
      gone.insert(last)
      (gamma, last, output) = (factor, multiply, next)
      if let shift = model.soleUser(output, "Add"), let term = model.partner(of: output, in: shift),
        isVector(term, extent, model), let next = model.output(of: shift)
      {
        gone.insert(last)
        (beta, last, output) = (term, shift, next)
      }
    }
    let label = "\(model.label(of: root))/LayerNormalization"
    let ones =
      gamma
      ?? model.makeInitializer(
        "\(label)_scale", .floats([Float](repeating: 1, count: extent), shape: [extent]), in: model.root)
    model.replace(last, with: [normalization(label, x, ones, beta, output, Float(epsilon))])
    model.remove(gone)
    return true
  }

  /// The value that has its own mean taken away, when that is what `value` is.
  private func centered(_ value: ValueID, _ model: ModelGraph) -> ValueID? {
    guard let subtract = model.producer(of: value, "Sub"), let x = model.input(0, of: subtract),
      let mean = model.producer(of: model.input(1, of: subtract), "ReduceMean"), model.input(0, of: mean) == x
    else { return nil }
    return x
  }

  private func squareBase(_ node: NodeID, _ model: ModelGraph) -> ValueID? {
    if model.isOperator(node, "Pow"), model.scalar(model.input(1, of: node)) == 2 {
      return model.input(0, of: node)
    }
    if model.isOperator(node, "Mul"), model.input(0, of: node) == model.input(1, of: node) {
      return model.input(0, of: node)
    }
    return nil
  }

  private func constantTerm(of add: NodeID, _ model: ModelGraph) -> (value: ValueID, term: Double)? {
    for (index, other) in [(0, 1), (1, 0)] {
      if let term = model.scalar(model.input(other, of: add)), let value = model.input(index, of: add) {
        return (value, term)
      }
    }
    return nil
  }

  private func isLastAxis(
    _ mean: NodeID, _ value: ValueID, _ shapes: ShapeTable, _ model: ModelGraph
  ) -> Bool {
    guard let rank = shapes.dimensions(value)?.count, model.integer("keepdims", of: mean) ?? 1 == 1 else {
      return false
    }
    let axes =
      model.integers("axes", of: mean)
      ?? model.input(1, of: mean).flatMap { model.constantContent(of: $0)?.integers }
    return axes == [-1] || axes == [Int64(rank - 1)]
  }

  private func isVector(_ value: ValueID, _ extent: Int, _ model: ModelGraph) -> Bool {
    model.constantContent(of: value)?.shape.dimensions == [extent]
  }
}
