import COnnxRuntime
import ModelBackend

/// Finds out which provider computes which nodes of a loaded model.
@safe struct PlacementReader {
  let api: RuntimeAPI
  let session: Handle
  let log: SessionLog
  let rules: NPURules

  private struct Node {
    let provider: String
    let name: String
    let operatorName: String
  }

  /// From the assignment that the runtime recorded (interface 24), else from its log, where nodes that a provider
  /// fused are listed as one.
  func placement(firstChoice: Provider, hasOpenShapes: Bool) throws(BackendError) -> Placement {
    let isRecorded = api.version >= OnnxRuntime.assignmentAPIVersion
    let nodes = isRecorded ? try recordedNodes() : loggedNodes()
    var counts: [String: Int] = [:]
    var operators: [String: [String: Int]] = [:]
    for node in nodes {
      counts[node.provider, default: 0] += 1
      operators[node.provider, default: [:]][node.operatorName, default: 0] += 1
    }
    if !isRecorded {
      // A list without names still has a number.
      for placement in log.placements { counts[placement.provider] = placement.count }
    }
    let shares = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { provider, count in
      Placement.Share(provider: provider, nodeCount: count, operators: operators[provider] ?? [:])
    }
    guard firstChoice == .qnn else { return Placement(shares: shares, leftovers: []) }
    let refusals = log.refusals
    let leftovers = nodes.filter { $0.provider != firstChoice.runtimeName }.map { node in
      Placement.Leftover(
        node: node.name, operatorName: node.operatorName, provider: node.provider,
        reason: reason(node, refusals[node.name], hasOpenShapes))
    }
    return Placement(shares: shares, leftovers: leftovers)
  }

  /// The runtime's words with our own rule behind them; either alone where the other is silent.
  private func reason(_ node: Node, _ refusal: String?, _ hasOpenShapes: Bool) -> String? {
    let rule = rules.objection(toOperator: node.operatorName, hasOpenShapes: hasOpenShapes)
    guard let refusal else { return rule }
    return rule.map { "\(refusal) (\($0))" } ?? refusal
  }

  private func loggedNodes() -> [Node] {
    let named = log.placements.flatMap { placement in
      placement.nodes.map { Node(provider: placement.provider, name: $0.name, operatorName: $0.operatorName) }
    }
    if !named.isEmpty { return named }
    // With everything on one provider there are no names, but the plugin said which nodes it refused.
    guard let only = log.placements.first?.provider else { return [] }
    return log.refusedNodes.map { Node(provider: only, name: $0.name, operatorName: $0.operatorName) }
  }

  private func recordedNodes() throws(BackendError) -> [Node] {
    // Safe, for all calls here: the session keeps the lists and texts, lives as long as `self`, and gives as many
    // pointers as it says; texts are copied.
    var subgraphs: UnsafePointer<OpaquePointer>?
    var subgraphCount = 0
    try unsafe api.check(
      cort_assignment(api.table, session.pointer, &subgraphs, &subgraphCount),
      "reading the assignment of nodes")
    var found: [Node] = []
    for index in 0..<subgraphCount {
      guard let subgraph = unsafe subgraphs?[index] else { break }
      var provider: UnsafePointer<CChar>?
      try unsafe api.check(
        cort_subgraph_provider(api.table, subgraph, &provider), "reading the assignment of nodes")
      var nodes: UnsafePointer<OpaquePointer>?
      var nodeCount = 0
      try unsafe api.check(
        cort_subgraph_nodes(api.table, subgraph, &nodes, &nodeCount), "reading the assignment of nodes")
      for index in 0..<nodeCount {
        guard let node = unsafe nodes?[index] else { break }
        found.append(
          Node(
            provider: unsafe api.text(provider) ?? "", name: try unsafe text(node, cort_node_name),
            operatorName: try unsafe operatorName(node)))
      }
    }
    return found
  }

  @unsafe private func operatorName(_ node: OpaquePointer) throws(BackendError) -> String {
    let domain = try unsafe text(node, cort_node_domain)
    let name = try unsafe text(node, cort_node_operator)
    return domain.isEmpty || domain == "ai.onnx" ? name : "\(domain).\(name)"
  }

  @unsafe private func text(
    _ node: OpaquePointer,
    _ read: (OpaquePointer, OpaquePointer, UnsafeMutablePointer<UnsafePointer<CChar>?>) -> OpaquePointer?
  ) throws(BackendError) -> String {
    var text: UnsafePointer<CChar>?
    try unsafe api.check(read(api.table, node, &text), "reading the assignment of nodes")
    return unsafe api.text(text) ?? ""
  }
}
