import ONNXFile
public import ONNXGraph
import Tensors

/// What the checker of ONNX would refuse in a lifted model, and quantization parameters that no runtime can use.
public enum StructureCheck {
  /// IR versions that exist.
  static let irVersions: ClosedRange<Int64> = 1...14

  /// Looks at header, ports, nodes and quantization parameters. Of the weights only scales and zero points are read.
  ///
  /// What keeps a model from being lifted at all (names defined twice or never, cycles, damaged tensors) is an error
  /// of lifting and does not come here.
  public static func findings(in model: ModelGraph) -> [Finding] {
    header(model) + ports(model) + nodes(model) + parameters(model)
  }

  private static func error(_ rule: String, _ place: String?, _ message: String) -> Finding {
    Finding(.error, rule: rule, place: place, message)
  }

  // MARK: Header and ports

  private static func header(_ model: ModelGraph) -> [Finding] {
    var found: [Finding] = []
    if let version = model.message.irVersion, irVersions.contains(version) {
      if version >= 3, model.message.opsetImport.isEmpty {
        found.append(error("opset-import", nil, "the model imports no operator set"))
      }
    } else {
      let shown = model.message.irVersion.map(String.init) ?? "missing"
      found.append(
        error(
          "ir-version", nil,
          "the IR version is \(shown), expected \(irVersions.lowerBound) to \(irVersions.upperBound)"))
    }
    var domains: Set<String> = []
    for entry in model.message.opsetImport {
      let domain = entry.domain.flatMap { $0 == "ai.onnx" ? "" : $0 } ?? ""
      if !domains.insert(domain).inserted {
        found.append(error("opset-import", nil, "the operator set '\(shown(domain))' is imported twice"))
      }
    }
    for graph in model.graphIDs where model[graph].name.isEmpty {
      let place = model.label(of: graph)
      found.append(
        error(
          "graph-name", place.isEmpty ? nil : place,
          "the graph\(place.isEmpty ? "" : " '\(place)'") has no name"))
    }
    if let version = model.message.irVersion, version < 4 {
      // Until then an initializer was the default of an input and nothing else.
      for value in model.allInitializers where !model[value].isGraphInput {
        let name = model[value].name
        found.append(
          error(
            "initializer", name,
            "the initializer '\(name)' is no input of its graph, as IR version \(version) wants it"))
      }
    }
    return found
  }

  private static func ports(_ model: ModelGraph) -> [Finding] {
    let graph = model[model.root]
    var found: [Finding] = []
    for (values, kind) in [(graph.inputs, "input"), (graph.outputs, "output")] {
      for value in values {
        let name = model[value].name
        guard let type = model[value].info?.type?.value else {
          found.append(error("port-type", name, "\(kind) '\(name)' has no type"))
          continue
        }
        guard case .tensor(let tensor) = type else { continue }
        if model[value].declaredElementType == nil {
          found.append(error("port-type", name, "\(kind) '\(name)' has no element type that exists"))
        }
        if tensor.shape == nil {
          found.append(error("port-shape", name, "\(kind) '\(name)' has no shape"))
        }
      }
    }
    return found
  }

  // MARK: Nodes

  private static func nodes(_ model: ModelGraph) -> [Finding] {
    let functions = Set(model.message.functions.map { "\($0.domain ?? "").\($0.name ?? "")" })
    var found: [Finding] = []
    for graph in model.graphIDs {
      var places: [NodeID: Int] = [:]
      for (index, node) in model[graph].nodes.enumerated() { places[node] = index }
      for (index, node) in model[graph].nodes.enumerated() {
        let record = model[node]
        for case let input? in record.inputs {
          if let producer = model[input].producer, let place = places[producer], place > index {
            found.append(
              error(
                "order", model.label(of: node),
                "\(record.opType) takes '\(model[input].name)' before node '\(model.label(of: producer))' makes it"
              ))
          }
        }
        if functions.contains("\(record.domain).\(record.opType)") { continue }
        found += schema(node, model)
      }
    }
    return found
  }

  private static func schema(_ node: NodeID, _ model: ModelGraph) -> [Finding] {
    let record = model[node]
    let label = model.label(of: node)
    if record.opType.isEmpty { return [error("operator", label, "a node has no operator")] }
    guard let version = model.opsetVersion(domain: record.domain) else {
      return [
        error(
          "opset-import", label,
          "\(record.opType) is of the operator set '\(shown(record.domain))', which the model does not import"
        )
      ]
    }
    // Other domains have no schema that everybody knows.
    guard record.domain.isEmpty else { return [] }
    guard let schema = OperatorSchema.schema(of: record.opType, version: Int(clamping: version)) else {
      let why =
        OperatorSchema.isKnown(record.opType)
        ? "operator set \(version) has no \(record.opType); it came later"
        : "there is no operator \(record.opType)"
      return version > OperatorSchemaText.newestVersion ? [] : [error("operator", label, why)]
    }
    if schema.isDeprecated {
      return [error("operator", label, "\(record.opType) is gone from operator set \(schema.version) on")]
    }
    var found: [Finding] = []
    if !schema.inputs.contains(record.inputs.count) {
      found.append(
        error(
          "arity", label,
          "\(record.opType) has \(counted(record.inputs.count, "input")), expected \(shown(schema.inputs))"))
    }
    if !schema.outputs.contains(record.outputs.count) {
      found.append(
        error(
          "arity", label,
          "\(record.opType) has \(counted(record.outputs.count, "output")), expected \(shown(schema.outputs))"
        ))
    }
    for attribute in record.attributes {
      guard let letter = schema.attributes[attribute.name] else {
        found.append(
          error(
            "attribute", label,
            "\(record.opType) has no attribute '\(attribute.name)' in operator set \(version)"))
        continue
      }
      if let type = attribute.message.type, let given = AttributeProto.Kind(rawValue: type),
        given.letter != letter,
        attribute.message.refAttrName == nil
      {
        found.append(
          error(
            "attribute", label, "the attribute '\(attribute.name)' of \(record.opType) has the wrong type"))
      }
    }
    for name in schema.requiredAttributes where !record.attributes.contains(where: { $0.name == name }) {
      found.append(error("attribute", label, "\(record.opType) needs the attribute '\(name)'"))
    }
    return found
  }

  private static func shown(_ domain: String) -> String { domain.isEmpty ? "ai.onnx" : domain }

  private static func counted(_ count: Int, _ word: String) -> String {
    "\(count) \(word)\(count == 1 ? "" : "s")"
  }

  private static func shown(_ range: ClosedRange<Int>) -> String {
    if range.upperBound == Int.max { return "at least \(range.lowerBound)" }
    return range.count == 1 ? "\(range.lowerBound)" : "\(range.lowerBound) to \(range.upperBound)"
  }
}

extension AttributeProto.Kind {
  /// The letter of `OperatorSchemaText`.
  fileprivate var letter: Character {
    switch self {
    case .undefined: "?"
    case .float: "f"
    case .int: "i"
    case .string: "s"
    case .tensor: "t"
    case .graph: "g"
    case .floats: "F"
    case .ints: "I"
    case .strings: "S"
    case .tensors: "T"
    case .graphs: "G"
    case .sparseTensor: "x"
    case .sparseTensors: "X"
    case .typeProto: "y"
    case .typeProtos: "Y"
    }
  }
}
