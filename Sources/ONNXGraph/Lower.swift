public import ONNXFile
import Tensors

extension ModelGraph {
  /// The model as messages, ready to be written: names, order, metadata and unknown fields as they were.
  ///
  /// Tensors whose data was external become raw data that points into the source; the writer places it.
  public func lower() -> ModelProto {
    var result = message
    result.graph = lower(root)
    return result
  }

  private func lower(_ id: GraphID) -> GraphProto {
    let graph = self[id]
    var result = graph.message
    let outputInfo = graph.message.output
    result.input = graph.inputs.map { self[$0].info ?? named(self[$0].name) }
    result.output = zip(graph.outputs, outputInfo).map { value, info in
      var info = info
      info.name = self[value].name
      return info
    }
    result.initializer = graph.initializers.map(lowerInitializer)
    result.node = graph.nodes.map(lowerNode)
    result.valueInfo = graph.descriptions.compactMap(lowerDescription)
    return result
  }

  /// Nil when the value is gone.
  private func lowerDescription(_ description: Description) -> ValueInfoProto? {
    if case .dangling(let info) = description { return info }
    guard let value = description.value else { return nil }
    let record = self[value]
    guard
      record.producer != nil || record.initializer != nil || record.isGraphInput || record.isSparse,
      let info = record.info
    else { return nil }
    guard case .repeated(let repeated, _) = description else { return info }
    guard case .tensor(let type)? = info.type?.value, let number = type.elemType,
      let elementType = ElementType(rawValue: number)
    else { return repeated }
    return repeated.withElementType(elementType)
  }

  private func named(_ name: String) -> ValueInfoProto {
    var info = ValueInfoProto()
    info.name = name
    return info
  }

  private func lowerInitializer(_ value: ValueID) -> TensorProto {
    let record = self[value]
    guard let initializer = record.initializer else { preconditionFailure("an initializer has contents") }
    var tensor = initializer.message
    if tensor.dataLocation == 1, let content = initializer.content {
      tensor.externalData = []
      tensor.dataLocation = nil
      tensor.rawData = content.bytes
    }
    return tensor
  }

  private func lowerNode(_ id: NodeID) -> NodeProto {
    let node = self[id]
    var result = node.message
    result.input = node.inputs.map { $0.map { self[$0].name } ?? "" }
    result.output = node.outputs.map { $0.map { self[$0].name } ?? "" }
    result.attribute = node.attributes.map { attribute in
      switch attribute {
      case .plain(let message): return message
      case .graph(var message, let graph):
        message.g = Boxed(lower(graph))
        return message
      case .graphs(var message, let graphs):
        message.graphs = graphs.map(lower)
        return message
      }
    }
    return result
  }
}
