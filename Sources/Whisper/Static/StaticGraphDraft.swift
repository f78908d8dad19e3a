import ONNXFile
import ONNXGraph
import Tensors

/// A graph in the making in which every value has a name of its own and a fixed shape.
struct StaticGraphDraft {
  private(set) var graph: GraphProto
  private var taken: Set<String>
  private var constants: [[Int]: String] = [:]

  /// Begins with nothing.
  init(name: String) {
    graph = GraphProto()
    graph.name = name
    taken = []
  }

  /// Goes on with a graph that is there.
  init(extending graph: GraphProto) {
    self.graph = graph
    taken = Set(graph.input.compactMap(\.name) + graph.initializer.compactMap(\.name))
    for node in graph.node { taken.formUnion(node.output) }
  }

  /// The name itself when it is free, else with a number.
  private mutating func unused(_ name: String) -> String {
    var candidate = name
    var number = 0
    while !taken.insert(candidate).inserted {
      number += 1
      candidate = "\(name)_\(number)"
    }
    return candidate
  }

  // MARK: Ports

  mutating func input(_ name: String, _ type: ElementType, _ shape: [Int]) -> String {
    taken.insert(name)
    graph.input.append(ValueInfoProto(tensor: name, type, shape))
    return name
  }

  /// Declares a value that a node made with `node(.., isOutput: true)` as an output.
  mutating func output(_ name: String, _ type: ElementType, _ shape: [Int]) {
    graph.output.append(ValueInfoProto(tensor: name, type, shape))
  }

  mutating func removeOutputs(where isGone: (String) -> Bool) {
    graph.output.removeAll { isGone($0.name ?? "") }
  }

  // MARK: Constants

  /// A float constant; halves are widened by a Cast, so that the bytes stay where they are.
  mutating func weight(_ name: String, _ content: TensorContent) -> String {
    if content.elementType == .float32 { return initializer(name, content) }
    let stored = initializer(name + ".\(content.elementType)", content)
    return node(
      "Cast", name, [stored], content.shape.dimensions, [.int("to", Int64(ElementType.float32.rawValue))])
  }

  mutating func initializer(_ name: String, _ content: TensorContent) -> String {
    let name = unused(name)
    graph.initializer.append(TensorProto(name: name, content))
    return name
  }

  /// A shape as a constant, the same one for equal shapes.
  private mutating func shape(_ dimensions: [Int]) -> String {
    if let known = constants[dimensions] { return known }
    let name = initializer(
      "shape." + dimensions.map(String.init).joined(separator: "x"),
      .int64s(dimensions.map(Int64.init), shape: [dimensions.count]))
    constants[dimensions] = name
    return name
  }

  // MARK: Nodes

  /// Adds a node with one float output of a known shape; the output's name is the node's, too.
  mutating func node(
    _ opType: String, _ name: String, _ inputs: [String], _ dimensions: [Int],
    _ attributes: [AttributeProto] = []
  ) -> String {
    let name = unused(name)
    var node = NodeProto()
    node.opType = opType
    node.name = name
    node.input = inputs
    node.output = [name]
    node.attribute = attributes
    graph.node.append(node)
    graph.valueInfo.append(ValueInfoProto(tensor: name, .float32, dimensions))
    return name
  }

  /// A node whose result is an output of the graph.
  mutating func outputNode(
    _ opType: String, _ name: String, _ inputs: [String], _ dimensions: [Int],
    _ attributes: [AttributeProto] = []
  ) -> String {
    let made = node(opType, name, inputs, dimensions, attributes)
    graph.valueInfo.removeLast()
    output(made, .float32, dimensions)
    return made
  }

  mutating func reshape(_ name: String, _ value: String, to dimensions: [Int]) -> String {
    node("Reshape", name, [value, shape(dimensions)], dimensions)
  }

  mutating func outputReshape(_ name: String, _ value: String, to dimensions: [Int]) -> String {
    outputNode("Reshape", name, [value, shape(dimensions)], dimensions)
  }

  /// x · W + b for rank 2.
  mutating func linear(
    _ name: String, _ value: String, _ part: LinearPart, rows: Int, isOutput: Bool = false
  ) -> String {
    let weight = self.weight(name + ".weight", part.weight)
    return linear(name, value, part, weight: weight, rows: rows, isOutput: isOutput)
  }

  /// The same with a weight that is in the graph already.
  mutating func linear(
    _ name: String, _ value: String, _ part: LinearPart, weight: String, rows: Int, isOutput: Bool = false
  ) -> String {
    var inputs = [value, weight]
    if let bias = part.bias { inputs.append(self.weight(name + ".bias", bias)) }
    let attributes: [AttributeProto] = part.orientation == .outputFirst ? [.int("transB", 1)] : []
    let dimensions = [rows, part.outputCount]
    return isOutput
      ? outputNode("Gemm", name, inputs, dimensions, attributes)
      : node("Gemm", name, inputs, dimensions, attributes)
  }

  mutating func norm(_ name: String, _ value: String, _ part: NormPart, _ dimensions: [Int]) -> String {
    var inputs = [value, weight(name + ".weight", part.gamma)]
    if let beta = part.beta { inputs.append(weight(name + ".bias", beta)) }
    return node(
      "LayerNormalization", name, inputs, dimensions, [.int("axis", -1), .float("epsilon", part.epsilon)])
  }

  // MARK: Whole

  /// Drops nodes and constants that no output needs.
  mutating func prune() {
    var needed = Set(graph.output.compactMap(\.name))
    var kept: [NodeProto] = []
    for node in Self.ordered(graph.node).reversed() where node.output.contains(where: needed.contains) {
      kept.append(node)
      needed.formUnion(Self.taken(by: node))
    }
    let names = Set(kept.flatMap(\.output))
    graph.node = graph.node.filter { $0.output.contains(where: names.contains) }
    graph.initializer.removeAll { !needed.contains($0.name ?? "") }
    graph.valueInfo.removeAll { !needed.contains($0.name ?? "") }
  }

  /// Files may hold nodes in any order; here each stands behind what it takes.
  private static func ordered(_ nodes: [NodeProto]) -> [NodeProto] {
    var producers: [String: Int] = [:]
    for (index, node) in nodes.enumerated() { for name in node.output { producers[name] = index } }
    var result: [NodeProto] = []
    var done = [Bool](repeating: false, count: nodes.count)
    for start in nodes.indices where !done[start] {
      var open = [(start, false)]
      while let (index, isReady) = open.popLast() {
        if done[index] { continue }
        if isReady {
          done[index] = true
          result.append(nodes[index])
          continue
        }
        open.append((index, true))
        for name in taken(by: nodes[index]) {
          if let before = producers[name], !done[before], before != index { open.append((before, false)) }
        }
      }
    }
    return result
  }

  /// What a node and the graphs inside it take.
  private static func taken(by node: NodeProto) -> [String] {
    let graphs = node.attribute.flatMap { $0.graphs + [$0.g?.value].compactMap { $0 } }
    return node.input
      + graphs.flatMap { $0.node.flatMap(taken) + $0.output.compactMap(\.name) }
  }
}
