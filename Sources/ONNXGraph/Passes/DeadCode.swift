import Tensors

/// Removes what no output depends on.
public struct DeadCode: GraphPass {
  public let name = "remove-dead-code"
  public let requires = "A lifted model."
  public let does = "Removes nodes whose results nobody takes, and constants that nothing takes."
  public let ensures = "Every node and constant of the main graph reaches an output; inputs and outputs stay."

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    let nodes = model.order(of: model.root)
    var live: Set<NodeID> = []
    for node in nodes.reversed() {
      let isTaken = model[node].outputs.contains { output in
        guard let output else { return false }
        return model[output].graphOutputCount > 0
          || model[output].uses.contains { live.contains($0.node) || model[$0.node].graph != model.root }
      }
      if isTaken { live.insert(node) }
    }
    let dead = Set(nodes).subtracting(live)
    model.remove(dead)
    let idle = Set(
      model[model.root].initializers.filter {
        model[$0].uses.isEmpty && model[$0].graphOutputCount == 0 && !model[$0].isGraphInput
      })
    model.removeIdle(initializers: idle)
    return PassReport(name: name, changeCount: dead.count + idle.count)
  }
}

/// Brings the model to an operator set in which its operators have the forms that the other passes know.
public struct OpsetRaising: GraphPass {
  public let name = "raise-opset"
  public let requires = "Operator set 11 or newer."
  public let does = "Rewrites operators whose form changed on the way; see `raiseOpset`."
  public let ensures = "The operator set is at least the one asked for."

  /// The version of ai.onnx.
  public var version: Int64

  public init(version: Int64 = 21) { self.version = version }

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    let before = model.opsetVersion() ?? 0
    do { try model.raiseOpset(to: version) } catch {
      throw PassError(.graph(error.message), path: model.path)
    }
    let after = model.opsetVersion() ?? 0
    return PassReport(
      name: name, changeCount: before == after ? 0 : 1,
      notes: before == after ? [] : ["opset \(before) became \(after)"])
  }
}

/// Writes the shape of every value into the model.
public struct ShapeWriting: GraphPass {
  public let name = "write-shapes"
  public let requires = "Inputs of fixed shape, no shape that depends on data."
  public let does = "Infers the shape of every value."
  public let ensures = "The model's outputs and its value_info say type and fixed shape of every value."

  public init() {}

  public func run(_ model: inout ModelGraph, _ context: PassContext) throws(PassError) -> PassReport {
    model.sortNodes(of: model.root)
    let table = try ShapeTable.infer(model)
    var values: [ValueID] = []
    for node in model[model.root].nodes {
      for case let output? in model[node].outputs {
        guard let fact = table[output] else { continue }
        model.describe(output, fact.elementType, fact.dimensions)
        if model[output].graphOutputCount == 0 { values.append(output) }
      }
    }
    model.describeValues(of: model.root, values)
    return PassReport(name: name, changeCount: values.count)
  }
}
