import ONNXGraph

/// The graphs of a model as recognition looks at them: beam-search operators hold theirs in attributes.
struct RecognitionScope {
  let model: ModelGraph
  /// The operator that holds encoder and decoder and searches, if there is one.
  let searchNode: NodeID?
  /// Whether a processor's compiled program stands in the place of the operators.
  let isCompiled: Bool
  /// The inputs and outputs of the main graph.
  let ports: PortList
  /// Those of the decoder inside a beam-search operator, else `ports`.
  let decoderPorts: PortList
  /// Those of the encoder inside a beam-search operator, else `ports`.
  let encoderPorts: PortList
  /// All nodes that compute the encoder (a part of the decoder may be among them), and the decoder.
  let encoderNodes: [NodeID]
  let decoderNodes: [NodeID]

  init(_ model: ModelGraph) {
    self.model = model
    let nodes = model.allNodes
    let search = nodes.first { ["WhisperBeamSearch", "BeamSearch"].contains(model[$0].opType) }
    searchNode = search
    isCompiled = nodes.contains { model[$0].opType == "EPContext" }
    ports = PortList(model, model.root)
    let decoder = search.flatMap { model.graph("decoder", of: $0) } ?? model.root
    let encoder = search.flatMap { model.graph("encoder", of: $0) } ?? model.root
    decoderPorts = PortList(model, decoder)
    encoderPorts = PortList(model, encoder)
    decoderNodes = model.nodes(within: decoder)
    encoderNodes = model.nodes(within: encoder)
  }
}
