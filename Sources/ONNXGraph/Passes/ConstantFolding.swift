import ONNXFile
import Tensors

/// Computes what does not depend on the model's inputs, and learns all shapes on the way.
public struct ConstantFolding: GraphPass {
  public let name = "fold-constants"
  public let requires = "Inputs of fixed shape, operator set 13 or newer."
  public let does =
    "Replaces Constant nodes, Shape of known shapes, and nodes with constant inputs by initializers; the "
    + "weights of matrix products and convolutions stay where they are."
  public let ensures = "Shapes no longer depend on nodes; every value's shape is known."

  /// Results above this many bytes stay computed.
  public var byteLimit = 16 << 20

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    PassReport(name: name, changeCount: try fold(&model, context, .whole))
  }

  /// Folds what does not depend on an `If`, so that its condition can become constant.
  public func foldUpToBranches(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) {
    _ = try fold(&model, context, .upToBranches)
  }

  private enum Reach {
    case whole
    /// Nodes behind an `If` are passed over.
    case upToBranches
  }

  /// Returns the number of nodes that went.
  private func fold(
    _ model: inout ModelGraph, _ context: PassContext, _ reach: Reach
  ) throws(PassError) -> Int {
    model.sortNodes(of: model.root)
    var walk = ShapeWalk(model)
    var gone: Set<NodeID> = []
    var results: [(value: ValueID, content: TensorContent)] = []
    var meetsBranch = false
    for node in model[model.root].nodes {
      if reach == .upToBranches,
        !model[node].attributes.allSatisfy({ if case .plain = $0 { true } else { false } })
      {
        meetsBranch = true
        continue
      }
      do {
        try walk.visit(node, model)
      } catch {
        if meetsBranch { continue }
        throw error
      }
      guard let contents = try contents(of: node, model, walk.table, context) else { continue }
      let outputs = model[node].outputs
      gone.insert(node)
      for (index, output) in outputs.enumerated() {
        guard let output, index < contents.count else { continue }
        walk.table[output] = (contents[index].elementType, contents[index].shape.dimensions)
        // Later nodes of this walk see the contents; the node itself goes at the end, all in one walk.
        model[output].initializer = Initializer(message: TensorProto(), content: contents[index])
        results.append((output, contents[index]))
      }
    }
    model.remove(gone)
    for (value, content) in results { model.becomeInitializer(value, content) }
    return gone.count
  }

  private func contents(
    of node: NodeID, _ model: ModelGraph, _ table: ShapeTable, _ context: PassContext
  ) throws(PassError) -> [TensorContent]? {
    let record = model[node]
    if record.opType == "Constant", record.domain.isEmpty {
      return record.outputs.first.flatMap { $0 }.flatMap { model.literal(of: $0) }.map { [$0] }
    }
    if record.opType == "Shape", record.domain.isEmpty { return shape(node, model, table) }
    guard !Self.random.contains(record.opType), !record.outputs.isEmpty else { return nil }
    var inputs: [TensorContent?] = []
    var byteCount = 0
    for value in record.inputs {
      guard let value else {
        inputs.append(nil)
        continue
      }
      guard let content = model.constantContent(of: value) else { return nil }
      byteCount += content.bytes.byteCount
      inputs.append(content)
    }
    for case let output? in record.outputs {
      guard let fact = table[output], let shape = Shape(fact.dimensions),
        let size = fact.elementType.byteCount(elementCount: shape.elementCount), size <= byteLimit
      else { return nil }
      // A weight in another form: the linear layer that takes it takes it as it lies.
      if Self.forms.contains(record.opType), byteCount > 1 << 16, shape.rank >= 2 { return nil }
    }
    return try context.evaluator.evaluate(
      ConstantNode(
        label: model.label(of: node), domain: record.domain, opType: record.opType,
        version: Int(clamping: model.opsetVersion(domain: record.domain) ?? 1),
        attributes: record.attributes.map(\.message), inputs: inputs, outputCount: record.outputs.count,
        path: model.path))
  }

  private func shape(_ node: NodeID, _ model: ModelGraph, _ table: ShapeTable) -> [TensorContent]? {
    guard let input = model[node].inputs.first.flatMap({ $0 }), let extents = table.dimensions(input) else {
      return nil
    }
    let rules = ShapeRules(node: node, model: model, table: table)
    let start = min(max(rules.bounded(rules.attribute("start") ?? 0, extents.count), 0), extents.count)
    let end = min(
      max(rules.bounded(rules.attribute("end") ?? extents.count, extents.count), 0), extents.count)
    let part = start < end ? extents[start..<end].map(Int64.init) : []
    return [.int64s(part, shape: [part.count])]
  }

  private static let random: Set<String> = [
    "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Multinomial", "Bernoulli",
  ]

  private static let forms: Set<String> = ["Transpose", "Identity", "DequantizeLinear"]
}
