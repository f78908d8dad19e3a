public import Tensors

/// The element types and fixed shapes of a model's values.
public struct ShapeTable: Sendable {
  private var facts: [ValueID: (elementType: ElementType, dimensions: [Int])] = [:]

  init() {}

  /// Type and extents of a value; nil when they are not known.
  public internal(set) subscript(value: ValueID) -> (elementType: ElementType, dimensions: [Int])? {
    get { facts[value] }
    set { facts[value] = newValue }
  }

  /// The extents of a value; nil when they are not known.
  public func dimensions(_ value: ValueID?) -> [Int]? { value.flatMap { facts[$0]?.dimensions } }

  /// How many values are known.
  public var count: Int { facts.count }
}

extension ShapeTable {
  /// The shapes of all values of a model with fixed inputs; a value whose shape cannot be known is an error.
  public static func infer(_ model: ModelGraph) throws(PassError) -> ShapeTable {
    var walk = ShapeWalk(model)
    for node in model.order(of: model.root) { try walk.visit(node, model) }
    return walk.table
  }
}

/// One walk over the main graph in running order.
struct ShapeWalk {
  var table = ShapeTable()
  private let types: ElementTypeInference

  init(_ model: ModelGraph) {
    types = ElementTypeInference(model)
    for value in model[model.root].inputs + model[model.root].initializers { learn(value, model) }
  }

  /// What an input or initializer says of itself.
  mutating func learn(_ value: ValueID, _ model: ModelGraph) {
    if let content = model[value].initializer?.content {
      table[value] = (content.elementType, content.shape.dimensions)
      return
    }
    guard let declared = model.declaredShape(of: value), let type = model[value].declaredElementType else {
      return
    }
    let extents = declared.compactMap(\.extent)
    if extents.count == declared.count, Shape(extents) != nil { table[value] = (type, extents) }
  }

  /// Learns the shapes of what a node computes.
  mutating func visit(_ node: NodeID, _ model: ModelGraph) throws(PassError) {
    let shapes = try ShapeRules(node: node, model: model, table: table).results()
    for (index, output) in model[node].outputs.enumerated() {
      guard let output else { continue }
      guard index < shapes.count, let dimensions = shapes[index] else { continue }
      guard Shape(dimensions) != nil else {
        throw PassError(
          .shape(
            opType: model[node].opType, node: model.label(of: node),
            problem: "would have the shape \(dimensions); export the model again"), path: model.path)
      }
      guard let type = types[output] ?? model[output].declaredElementType else {
        throw PassError(
          .unknownOperator(opType: model[node].opType, node: model.label(of: node)), path: model.path)
      }
      table[output] = (type, dimensions)
    }
  }
}
