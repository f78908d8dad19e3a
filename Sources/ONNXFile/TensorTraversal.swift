extension ModelProto {
  /// Visits every tensor of the model: initializers, sparse ones too, and attributes, in graphs, graphs
  /// inside nodes, functions and training graphs.
  public func forEachTensor<Failure: Error>(_ visit: (TensorProto) throws(Failure) -> Void) throws(Failure) {
    try graph?.forEachTensor(visit)
    for training in trainingInfo {
      try training.initialization?.forEachTensor(visit)
      try training.algorithm?.forEachTensor(visit)
    }
    for function in functions {
      try function.node.forEachTensor(visit)
      try function.attributeProto.forEachTensor(visit)
    }
  }
}

extension GraphProto {
  fileprivate func forEachTensor<Failure: Error>(
    _ visit: (TensorProto) throws(Failure) -> Void
  ) throws(Failure) {
    for tensor in initializer { try visit(tensor) }
    for tensor in sparseInitializer { try tensor.forEachTensor(visit) }
    try node.forEachTensor(visit)
  }
}

extension SparseTensorProto {
  fileprivate func forEachTensor<Failure: Error>(
    _ visit: (TensorProto) throws(Failure) -> Void
  ) throws(Failure) {
    if let values { try visit(values) }
    if let indices { try visit(indices) }
  }
}

extension [NodeProto] {
  fileprivate func forEachTensor<Failure: Error>(
    _ visit: (TensorProto) throws(Failure) -> Void
  ) throws(Failure) {
    for node in self { try node.attribute.forEachTensor(visit) }
  }
}

extension [AttributeProto] {
  fileprivate func forEachTensor<Failure: Error>(
    _ visit: (TensorProto) throws(Failure) -> Void
  ) throws(Failure) {
    for attribute in self {
      if let tensor = attribute.t?.value { try visit(tensor) }
      for tensor in attribute.tensors { try visit(tensor) }
      try attribute.sparseTensor?.value.forEachTensor(visit)
      for tensor in attribute.sparseTensors { try tensor.forEachTensor(visit) }
      try attribute.g?.value.forEachTensor(visit)
      for graph in attribute.graphs { try graph.forEachTensor(visit) }
    }
  }
}
