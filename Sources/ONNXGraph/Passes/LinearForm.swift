import ONNXFile
import Tensors

/// Makes each product with a constant matrix a `Gemm` over rows, its bias inside.
///
/// The activation becomes [rows, K] by a Reshape before and after, which `RowForm` then moves away. Weights stay
/// where they are in their file.
public struct LinearForm: GraphPass {
  public let name = "make-linear-layers"
  public let requires = "Fixed shapes, constants folded."
  public let does =
    "Replaces MatMul with a constant matrix, and the Add of a constant bias behind it, by Gemm on activations of "
    + "rank 2; a Transpose of the matrix becomes transB."
  public let ensures = "No MatMul has a constant matrix; a matrix that a Gather shares stays one initializer."

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    var rows = RowValues(try ShapeTable.infer(model))
    var changeCount = 0
    var sharedCount = 0
    for node in model.order(of: model.root) where model.isPresent(node) && model.isOperator(node, "MatMul") {
      guard let matrix = Matrix(node, model) else { continue }
      if model[matrix.weight].uses.contains(where: { model[$0.node].opType == "Gather" }) { sharedCount += 1 }
      rewrite(node, matrix, &rows, &model)
      changeCount += 1
    }
    let notes =
      sharedCount == 0 ? [] : ["\(sharedCount) weight shared with a Gather stays one initializer (transB)"]
    return PassReport(name: name, changeCount: changeCount, notes: notes)
  }

  /// The constant matrix of a product: the only place that decides how it lies.
  private struct Matrix {
    let weight: ValueID
    /// Whether the stored matrix is [N, K].
    let isTransposed: Bool
    let outputCount: Int

    init?(_ product: NodeID, _ model: ModelGraph) {
      guard let operand = model.input(1, of: product) else { return nil }
      var stored = operand
      var turned = false
      if let turn = model.producer(of: operand, "Transpose"), let before = model.input(0, of: turn) {
        guard model.integers("perm", of: turn) ?? [1, 0] == [1, 0] else { return nil }
        (stored, turned) = (before, true)
      }
      guard let content = model.constantContent(of: stored), content.shape.rank == 2,
        let data = model.input(0, of: product), !model.isConstant(data)
      else { return nil }
      weight = stored
      isTransposed = turned
      outputCount = content.shape.dimensions[turned ? 0 : 1]
    }
  }

  private func rewrite(
    _ product: NodeID, _ matrix: Matrix, _ rows: inout RowValues, _ model: inout ModelGraph
  ) {
    guard let data = model.input(0, of: product), var output = model.output(of: product),
      let extents = rows.shapes.dimensions(data), extents.count >= 2, let depth = extents.last,
      let type = rows.shapes[data]?.elementType
    else { return }
    var last = product
    var operands: [ValueID?] = []
    if let add = model.soleUser(output, "Add"), let bias = model.partner(of: output, in: add),
      let vector = vector(bias, matrix.outputCount, rankLimit: extents.count, &model),
      let sum = model.output(of: add)
    {
      operands = [vector]
      (last, output) = (add, sum)
    }
    let count = extents.dropLast().reduce(1, *)
    let label = model.label(of: product)
    let name = model[product].name
    let input = rows.narrowed(data, [count, depth], before: product, &model)
    let attributes = matrix.isTransposed ? [AttributeProto.int("transB", 1)] : []
    let wideExtents = Array(extents.dropLast()) + [matrix.outputCount]
    let split = extents.count == 2 ? nil : rows.split(output, wideExtents, &model)
    let result = split?.rows(output) ?? output
    var drafts = [
      NodeDraft(
        "Gemm", name: label, inputs: [input, matrix.weight] + operands, outputs: [result],
        attributes: attributes)
    ]
    if let wide = split?.wide { drafts.append(rows.widening(result, to: wide, wideExtents, &model)) }
    rows.shapes[result] = (type, [count, matrix.outputCount])
    let made = model.replace(last, with: drafts)
    if last != product { model.remove(product) }
    model.inherit(name, by: made[0])
  }

  /// A constant that adds one number to each of the outputs, as a vector.
  private func vector(
    _ value: ValueID, _ count: Int, rankLimit: Int, _ model: inout ModelGraph
  ) -> ValueID? {
    guard let content = model.constantContent(of: value), content.shape.elementCount == count,
      content.shape.dimensions.last == count, content.shape.rank <= rankLimit
    else { return nil }
    if content.shape.rank == 1 { return value }
    guard let shape = Shape([count]) else { return nil }
    return model.makeInitializer(
      "\(model[value].name)_vector",
      TensorContent(elementType: content.elementType, shape: shape, bytes: content.bytes), in: model.root)
  }
}
