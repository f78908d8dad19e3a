import ONNXFile
import ONNXGraph

/// Counts operators in graphs and functions.
struct NodeCensus {
  private(set) var operators: [InspectionReport.OperatorCount] = []
  private(set) var functions: [InspectionReport.FunctionLine] = []

  private struct Key: Hashable {
    let domain: String
    let name: String
  }

  init(_ model: ModelProto, _ graph: ModelGraph) {
    var counts: [Key: Int] = [:]
    for node in graph.allNodes {
      counts[Key(domain: Self.shown(domain: graph[node].domain), name: graph[node].opType), default: 0] += 1
    }
    for function in model.functions {
      let nodeCount = Self.count(function.node, into: &counts)
      functions.append(
        InspectionReport.FunctionLine(
          domain: Self.shown(domain: function.domain), name: function.name ?? "", nodeCount: nodeCount))
    }
    operators = counts.map {
      InspectionReport.OperatorCount(domain: $0.key.domain, name: $0.key.name, count: $0.value)
    }.sorted { (-$0.count, $0.domain, $0.name) < (-$1.count, $1.domain, $1.name) }
  }

  /// The nodes of a function's body, those of graphs inside them too.
  private static func count(_ nodes: [NodeProto], into counts: inout [Key: Int]) -> Int {
    nodes.reduce(0) { total, node in
      counts[Key(domain: shown(domain: node.domain), name: node.opType ?? ""), default: 0] += 1
      let inner = node.attribute.flatMap { [$0.g?.value].compactMap { $0 } + $0.graphs }
      return inner.reduce(total + 1) { $0 + count($1.node, into: &counts) }
    }
  }

  /// The domain by the name that people know; in files the standard one is mostly empty.
  static func shown(domain: String?) -> String {
    guard let domain, !domain.isEmpty else { return "ai.onnx" }
    return domain
  }
}
