import ONNXFile
import Tensors

/// Lets the body of the model run on rows: moves Reshapes between [rows, d] and higher ranks out of the way.
public struct RowForm: GraphPass {
  public let name = "run-on-rows"
  public let requires = "Fixed shapes; linear layers as Gemm between Reshapes."
  public let does =
    "Computes Add, Sub, Mul, Div, Gelu and LayerNormalization over the last axis on [rows, d] where a neighbour "
    + "does, and joins the Reshapes that meet."
  public let ensures =
    "Between Gemms there is a Reshape only where heads, convolutions or the model's ends need it."

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    var changeCount = 0
    while true {
      var rows = RowValues(try ShapeTable.infer(model))
      var count = 0
      for node in model.order(of: model.root) where narrow(node, &rows, &model) { count += 1 }
      if count == 0 { break }
      changeCount += count
      _ = try NoOpRemoval().run(&model, context)
    }
    return PassReport(name: name, changeCount: changeCount)
  }

  private static let elementwise: Set<String> = [
    "Add", "Sub", "Mul", "Div", "Gelu", "Relu", "Sigmoid", "Tanh", "Erf",
  ]

  /// Computes one node on rows when a neighbour does.
  private func narrow(_ node: NodeID, _ rows: inout RowValues, _ model: inout ModelGraph) -> Bool {
    let record = model[node]
    let isNormalization = record.opType == "LayerNormalization"
    guard record.domain.isEmpty, isNormalization || Self.elementwise.contains(record.opType),
      record.outputs.compactMap({ $0 }).count == 1, let output = model.output(of: node),
      let fact = rows.shapes[output], fact.dimensions.count > 2, let width = fact.dimensions.last
    else { return false }
    if isNormalization {
      let axis = model.integer("axis", of: node) ?? -1
      guard axis == -1 || axis == Int64(fact.dimensions.count - 1) else { return false }
    }
    let target = [fact.dimensions.dropLast().reduce(1, *), width]
    let dataCount = isNormalization ? 1 : record.inputs.count
    var hasNeighbour = model[output].uses.contains { use in
      model.isOperator(use.node, "Reshape")
        && model.output(of: use.node).flatMap { rows.shapes.dimensions($0) } == target
    }
    for value in record.inputs.prefix(dataCount) {
      guard let value, let extents = rows.shapes.dimensions(value) else { return false }
      if model.isConstant(value) {
        guard Self.rowConstant(extents, fact.dimensions, target) != nil else { return false }
      } else {
        guard extents == fact.dimensions else { return false }
        if rows.source(of: value, target, model) != nil { hasNeighbour = true }
      }
    }
    guard hasNeighbour else { return false }
    var inputs = record.inputs
    for index in 0..<dataCount {
      guard let value = inputs[index] else { continue }
      inputs[index] =
        model.isConstant(value)
        ? constant(value, fact.dimensions, target, &model)
        : rows.narrowed(value, target, before: node, &model)
    }
    model.setInputs(of: node, to: inputs)
    if isNormalization { model.setAttribute(.int("axis", -1), of: node) }
    let result = rows.split(output, fact.dimensions, &model)
    let narrow = result.rows(output)
    if narrow != output { model.setOutput(0, of: node, to: narrow) }
    rows.shapes[narrow] = (fact.elementType, target)
    model.insertAfter(node, rows.widening(narrow, to: result.wide, fact.dimensions, &model))
    return true
  }

  /// The shape of a constant operand on rows, or nil when it has none.
  private static func rowConstant(_ extents: [Int], _ wide: [Int], _ target: [Int]) -> [Int]? {
    let core = Array(extents.drop { $0 == 1 })
    if core.isEmpty { return [] }
    if core.count == 1, extents.last == target[1] { return core }
    return extents.reduce(1, *) == target[0] * target[1] ? target : nil
  }

  private func constant(
    _ value: ValueID, _ wide: [Int], _ target: [Int], _ model: inout ModelGraph
  ) -> ValueID {
    guard let content = model.constantContent(of: value),
      let extents = Self.rowConstant(content.shape.dimensions, wide, target),
      extents != content.shape.dimensions, let shape = Shape(extents)
    else { return value }
    return model.makeInitializer(
      "\(model[value].name)_rows",
      TensorContent(elementType: content.elementType, shape: shape, bytes: content.bytes), in: model.root)
  }
}

/// Values as rows while a pass rewrites: shapes, and the Reshapes that were made already.
struct RowValues {
  var shapes: ShapeTable
  private var made: [ValueID: ValueID] = [:]

  init(_ shapes: ShapeTable) { self.shapes = shapes }

  /// How a result of higher rank is computed on rows.
  enum Split {
    /// The value keeps its name and becomes rows; users take the new wide one.
    case users(wide: ValueID)
    /// The value is an output of the model and stays wide.
    case output(rows: ValueID, wide: ValueID)

    var wide: ValueID {
      switch self {
      case .users(let wide), .output(_, let wide): wide
      }
    }

    func rows(_ value: ValueID) -> ValueID {
      if case .output(let rows, _) = self { rows } else { value }
    }
  }

  /// The rows from which a Reshape makes this value.
  func source(of value: ValueID, _ target: [Int], _ model: ModelGraph) -> ValueID? {
    guard let reshape = model.producer(of: value, "Reshape"), let source = model.input(0, of: reshape),
      shapes.dimensions(source) == target
    else { return nil }
    return source
  }

  /// A value as rows, by a Reshape where there is none yet.
  mutating func narrowed(
    _ value: ValueID, _ target: [Int], before node: NodeID, _ model: inout ModelGraph
  ) -> ValueID {
    guard let fact = shapes[value], fact.dimensions != target else { return value }
    if let source = source(of: value, target, model) { return source }
    if let known = made[value] { return known }
    let result = model.makeValue("\(model[value].name)_rows", in: model.root)
    let shape = model.makeShape("\(model[result].name)_shape", target)
    model.insert(
      NodeDraft("Reshape", name: "\(model[result].name)/Reshape", inputs: [value, shape], outputs: [result]),
      before: node)
    shapes[result] = (fact.elementType, target)
    made[value] = result
    return result
  }

  /// Makes the second value of a result that is computed on rows; its shape is noted.
  mutating func split(_ value: ValueID, _ wide: [Int], _ model: inout ModelGraph) -> Split {
    if model[value].graphOutputCount > 0 {
      let rows = model.makeValue("\(model[value].name)_rows", in: model.root)
      return .output(rows: rows, wide: value)
    }
    let other = model.makeValue("\(model[value].name)_wide", in: model.root)
    model.moveUses(of: value, to: other)
    if let type = shapes[value]?.elementType { shapes[other] = (type, wide) }
    return .users(wide: other)
  }

  /// The Reshape from rows to the wide value.
  func widening(
    _ rows: ValueID, to wide: ValueID, _ extents: [Int], _ model: inout ModelGraph
  ) -> NodeDraft {
    let shape = model.makeShape("\(model[wide].name)_shape", extents)
    return NodeDraft(
      "Reshape", name: "\(model[wide].name)/Reshape", inputs: [rows, shape], outputs: [wide])
  }
}
