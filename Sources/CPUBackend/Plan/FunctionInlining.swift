import ModelBackend
import ONNXFile

/// Replaces calls of a model's own functions by the functions' nodes.
///
/// Inner values get names that begin with the calling node's. A function must import the versions of operator
/// sets that the model imports, for a node knows only one version of its set.
struct FunctionInlining {
  /// Calls within calls.
  private static let depthLimit = 64
  /// Nodes that calls may become, so that functions that double each other do not fill the memory.
  private static let nodeLimit = 1 << 20

  private let functions: [String: FunctionProto]
  private var opsets: [OperatorSetIdProto]
  private var expandedCount = 0
  private var callCount = 0

  static func inline(_ model: ModelProto) throws(BackendError) -> ModelProto {
    guard let graph = model.graph else { return model }
    var pass = FunctionInlining(
      functions: Dictionary(
        model.functions.map { (key($0.domain, $0.name, $0.overload), $0) }
      ) { first, _ in first },
      opsets: model.opsetImport)
    var result = model
    result.graph = try pass.inline(graph, depth: 0)
    result.opsetImport = pass.opsets
    result.functions = []
    return result
  }

  private init(functions: [String: FunctionProto], opsets: [OperatorSetIdProto]) {
    self.functions = functions
    self.opsets = opsets
  }

  private static func key(_ domain: String?, _ name: String?, _ overload: String?) -> String {
    "\(domain == "ai.onnx" ? "" : domain ?? "")\u{0}\(name ?? "")\u{0}\(overload ?? "")"
  }

  private mutating func inline(_ graph: GraphProto, depth: Int) throws(BackendError) -> GraphProto {
    var result = graph
    result.node = try inline(graph.node, depth: depth)
    return result
  }

  private mutating func inline(_ nodes: [NodeProto], depth: Int) throws(BackendError) -> [NodeProto] {
    guard depth < Self.depthLimit else {
      throw BackendError(.badModel, "functions call each other more than \(Self.depthLimit) deep")
    }
    var result: [NodeProto] = []
    for var node in nodes {
      for index in node.attribute.indices {
        if let graph = node.attribute[index].g?.value {
          node.attribute[index].g = Boxed(try inline(graph, depth: depth + 1))
        }
      }
      if let function = functions[Self.key(node.domain, node.opType, node.overload)] {
        result += try inline(try expand(function, for: node), depth: depth + 1)
      } else {
        result.append(node)
      }
    }
    return result
  }

  private mutating func expand(
    _ function: FunctionProto, for call: NodeProto
  ) throws(BackendError) -> [NodeProto] {
    let name = call.name.flatMap { $0.isEmpty ? nil : $0 } ?? call.opType ?? ""
    expandedCount += function.node.count
    guard expandedCount <= Self.nodeLimit else {
      throw BackendError(.badModel, "functions expand to more than \(Self.nodeLimit) nodes")
    }
    try adopt(function.opsetImport, of: name)
    callCount += 1
    var renaming = Renaming(prefix: "\(name)/\(callCount)/")
    for (index, input) in function.input.enumerated() {
      renaming.names[input] = index < call.input.count ? call.input[index] : ""
    }
    for (index, output) in function.output.enumerated() where index < call.output.count {
      if !call.output[index].isEmpty { renaming.names[output] = call.output[index] }
    }
    for attribute in function.attributeProto { renaming.attributes[attribute.name ?? ""] = attribute }
    for attribute in call.attribute { renaming.attributes[attribute.name ?? ""] = attribute }
    // An output that is an input as it is needs a node of its own.
    let aliases = Set(function.output).intersection(function.input)
    guard aliases.isEmpty else {
      throw BackendError(.unsupported, "function '\(name)' returns its own input '\(aliases.sorted()[0])'")
    }
    return function.node.map { renaming.renamed($0) }
  }

  private mutating func adopt(_ imports: [OperatorSetIdProto], of function: String) throws(BackendError) {
    for entry in imports {
      let domain = entry.domain == "ai.onnx" ? "" : entry.domain ?? ""
      guard let own = opsets.first(where: { ($0.domain == "ai.onnx" ? "" : $0.domain ?? "") == domain })
      else {
        opsets.append(entry)
        continue
      }
      guard own.version == entry.version else {
        throw BackendError(
          .unsupported,
          "function '\(function)' uses version \(entry.version ?? 0) of '\(domain)' where the model uses "
            + "\(own.version ?? 0); export the model with one version")
      }
    }
  }
}

/// New names for the values of one expansion.
private struct Renaming {
  let prefix: String
  var names: [String: String] = [:]
  var attributes: [String: AttributeProto] = [:]

  func renamed(_ name: String) -> String { name.isEmpty ? "" : names[name] ?? prefix + name }

  func renamed(_ node: NodeProto) -> NodeProto {
    var result = node
    result.name = node.name.map { prefix + $0 }
    result.input = node.input.map(renamed)
    result.output = node.output.map(renamed)
    result.attribute = node.attribute.compactMap { attribute in
      var own = attribute
      if let reference = attribute.refAttrName, !reference.isEmpty {
        guard let given = attributes[reference] else { return nil }
        own = given
        own.name = attribute.name
      }
      if let graph = own.g?.value, attribute.refAttrName?.isEmpty ?? true { own.g = Boxed(renamed(graph)) }
      return own
    }
    return result
  }

  private func renamed(_ graph: GraphProto) -> GraphProto {
    var result = graph
    result.node = graph.node.map(renamed)
    for index in result.initializer.indices {
      result.initializer[index].name = graph.initializer[index].name.map(renamed)
    }
    for index in result.input.indices { result.input[index].name = graph.input[index].name.map(renamed) }
    for index in result.output.indices { result.output[index].name = graph.output[index].name.map(renamed) }
    result.valueInfo = []
    return result
  }
}
