import ONNXFile
import Tensors

extension ModelTree {
  mutating func visit(_ model: ModelProto) {
    line(1, model.irVersion)
    line(2, model.producerName)
    line(3, model.producerVersion)
    line(4, model.domain)
    line(5, model.modelVersion)
    line(6, model.docString)
    one(7, model.graph) { $0.visit($1) }
    each(8, model.opsetImport) { $0.visit($1) }
    each(14, model.metadataProps) { $0.visit($1) }
    each(20, model.trainingInfo) { $0.visit($1) }
    each(25, model.functions) { $0.visit($1) }
    each(26, model.configuration) { $0.visit($1) }
    unknown(model.unknownFields)
  }

  mutating func visit(_ opset: OperatorSetIdProto) {
    line(1, opset.domain)
    line(2, opset.version)
    unknown(opset.unknownFields)
  }

  mutating func visit(_ entry: StringStringEntryProto) {
    line(1, entry.key)
    line(2, entry.value)
    unknown(entry.unknownFields)
  }

  mutating func visit(_ training: TrainingInfoProto) {
    one(1, training.initialization) { $0.visit($1) }
    one(2, training.algorithm) { $0.visit($1) }
    each(3, training.initializationBinding) { $0.visit($1) }
    each(4, training.updateBinding) { $0.visit($1) }
    unknown(training.unknownFields)
  }

  mutating func visit(_ graph: GraphProto) {
    each(1, graph.node) { $0.visit($1) }
    line(2, graph.name)
    each(5, graph.initializer) { $0.visit($1) }
    line(10, graph.docString)
    each(11, graph.input) { $0.visit($1) }
    each(12, graph.output) { $0.visit($1) }
    each(13, graph.valueInfo) { $0.visit($1) }
    each(14, graph.quantizationAnnotation) { $0.visit($1) }
    each(15, graph.sparseInitializer) { $0.visit($1) }
    each(16, graph.metadataProps) { $0.visit($1) }
    unknown(graph.unknownFields)
  }

  mutating func visit(_ annotation: TensorAnnotation) {
    line(1, annotation.tensorName)
    each(2, annotation.quantParameterTensorNames) { $0.visit($1) }
    unknown(annotation.unknownFields)
  }

  mutating func visit(_ node: NodeProto) {
    line(1, node.input)
    line(2, node.output)
    line(3, node.name)
    line(4, node.opType)
    each(5, node.attribute) { $0.visit($1) }
    line(6, node.docString)
    line(7, node.domain)
    line(8, node.overload)
    each(9, node.metadataProps) { $0.visit($1) }
    each(10, node.deviceConfigurations) { $0.visit($1) }
    unknown(node.unknownFields)
  }

  mutating func visit(_ attribute: AttributeProto) {
    line(1, attribute.name)
    line(2, attribute.f)
    line(3, attribute.i)
    line(4, raw: attribute.s.map(TensorBytes.owned))
    one(5, attribute.t?.value) { $0.visit($1) }
    one(6, attribute.g?.value) { $0.visit($1) }
    line(7, numbers: attribute.floats.map(\.bitPattern))
    line(8, numbers: attribute.ints)
    for value in attribute.strings { line(9, value) }
    each(10, attribute.tensors) { $0.visit($1) }
    each(11, attribute.graphs) { $0.visit($1) }
    line(13, attribute.docString)
    one(14, attribute.tp?.value) { $0.visit($1) }
    each(15, attribute.typeProtos) { $0.visit($1) }
    line(20, attribute.type)
    line(21, attribute.refAttrName)
    one(22, attribute.sparseTensor?.value) { $0.visit($1) }
    each(23, attribute.sparseTensors) { $0.visit($1) }
    unknown(attribute.unknownFields)
  }

  mutating func visit(_ function: FunctionProto) {
    line(1, function.name)
    line(4, function.input)
    line(5, function.output)
    line(6, function.attribute)
    each(7, function.node) { $0.visit($1) }
    line(8, function.docString)
    each(9, function.opsetImport) { $0.visit($1) }
    line(10, function.domain)
    each(11, function.attributeProto) { $0.visit($1) }
    each(12, function.valueInfo) { $0.visit($1) }
    line(13, function.overload)
    each(14, function.metadataProps) { $0.visit($1) }
    unknown(function.unknownFields)
  }

  mutating func visit(_ tensor: TensorProto) {
    line(1, numbers: tensor.dims)
    line(2, tensor.dataType)
    one(3, tensor.segment) {
      $0.line(1, $1.begin)
      $0.line(2, $1.end)
      $0.unknown($1.unknownFields)
    }
    line(4, fixed: tensor.floatData, width: 4)
    line(5, varints: tensor.int32Data, width: 4)
    for value in tensor.stringData { line(6, value) }
    line(7, varints: tensor.int64Data, width: 8)
    line(8, tensor.name)
    line(9, raw: tensor.rawData)
    line(10, fixed: tensor.doubleData, width: 8)
    line(11, varints: tensor.uint64Data, width: 8)
    line(12, tensor.docString)
    each(13, tensor.externalData) { $0.visit($1) }
    line(14, tensor.dataLocation)
    each(16, tensor.metadataProps) { $0.visit($1) }
    unknown(tensor.unknownFields)
  }

  mutating func visit(_ tensor: SparseTensorProto) {
    one(1, tensor.values) { $0.visit($1) }
    one(2, tensor.indices) { $0.visit($1) }
    line(3, numbers: tensor.dims)
    unknown(tensor.unknownFields)
  }

  mutating func visit(_ info: ValueInfoProto) {
    line(1, info.name)
    one(2, info.type) { $0.visit($1) }
    line(3, info.docString)
    each(4, info.metadataProps) { $0.visit($1) }
    unknown(info.unknownFields)
  }

  mutating func visit(_ type: TypeProto) {
    if case .tensor(let inner) = type.value { message(1) { $0.visit(inner) } }
    if case .sequence(let inner) = type.value { message(4) { $0.visit(inner.value) } }
    if case .map(let inner) = type.value {
      message(5) {
        $0.line(1, inner.value.keyType)
        $0.one(2, inner.value.valueType) { $0.visit($1) }
        $0.unknown(inner.value.unknownFields)
      }
    }
    line(6, type.denotation)
    if case .opaque(let inner) = type.value {
      message(7) {
        $0.line(1, inner.domain)
        $0.line(2, inner.name)
        $0.unknown(inner.unknownFields)
      }
    }
    if case .sparseTensor(let inner) = type.value { message(8) { $0.visit(inner) } }
    if case .optional(let inner) = type.value { message(9) { $0.visit(inner.value) } }
    unknown(type.unknownFields)
  }

  mutating func visit(_ type: TypeProto.TensorType) {
    line(1, type.elemType)
    one(2, type.shape) {
      $0.each(1, $1.dim) { $0.visit($1) }
      $0.unknown($1.unknownFields)
    }
    unknown(type.unknownFields)
  }

  mutating func visit(_ type: TypeProto.ElementOf) {
    one(1, type.elemType) { $0.visit($1) }
    unknown(type.unknownFields)
  }

  mutating func visit(_ dimension: TensorShapeProto.Dimension) {
    if case .value(let number) = dimension.value { line(1, number) }
    if case .parameter(let text) = dimension.value { line(2, text) }
    line(3, dimension.denotation)
    unknown(dimension.unknownFields)
  }

  mutating func visit(_ configuration: DeviceConfigurationProto) {
    line(1, configuration.name)
    line(2, configuration.numDevices)
    line(3, configuration.device)
    unknown(configuration.unknownFields)
  }

  mutating func visit(_ configuration: NodeDeviceConfigurationProto) {
    line(1, configuration.configurationID)
    each(2, configuration.shardingSpec) { $0.visit($1) }
    line(3, configuration.pipelineStage)
    unknown(configuration.unknownFields)
  }

  mutating func visit(_ spec: ShardingSpecProto) {
    line(1, spec.tensorName)
    line(2, numbers: spec.device)
    each(3, spec.indexToDeviceGroupMap) {
      $0.line(1, $1.key)
      $0.line(2, numbers: $1.value)
      $0.unknown($1.unknownFields)
    }
    each(4, spec.shardedDim) {
      $0.line(1, $1.axis)
      $0.each(2, $1.simpleSharding) { $0.visit($1) }
      $0.unknown($1.unknownFields)
    }
    unknown(spec.unknownFields)
  }

  mutating func visit(_ dimension: SimpleShardedDimProto) {
    if case .value(let number) = dimension.dim { line(1, number) }
    if case .parameter(let text) = dimension.dim { line(2, text) }
    line(3, dimension.numShards)
    unknown(dimension.unknownFields)
  }
}
