import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors

/// binary16 throughout: constants, casts, descriptions; float32 stays at the borders when asked, and around
/// operators that have no binary16 form.
extension GraphRewriter {
  /// Operators whose specification has no float16, whose meaning would suffer, or that ONNX Runtime has in float32
  /// alone (EyeLike).
  ///
  /// Source: type constraints in ONNX's operator schemas.
  private static let floatOnly: Set<String> = [
    "Range", "DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear", "Resize", "Upsample", "STFT",
    "DFT", "MelWeightMatrix", "HannWindow", "HammingWindow", "BlackmanWindow", "Multinomial",
    "NonMaxSuppression", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike",
    "MatMulInteger", "ConvInteger", "Bernoulli", "EyeLike", "ImageDecoder", "Unique", "GroupNormalization",
  ]

  mutating func convertToHalf(_ plan: QuantPlan) throws(QuantizeError) {
    let types = ElementTypeInference(model)
    let originalNodes = model.allNodes
    if let foreign = originalNodes.first(where: { !["", "com.microsoft"].contains(model[$0].domain) }) {
      throw QuantizeError(
        .impossible(
          weight: model.label(of: foreign),
          why: "nothing tells the types of \(model[foreign].domain).\(model[foreign].opType), so the graph "
            + "cannot be converted to fp16 as a whole; choose another scheme"), path: model.path)
    }
    if let whole = originalNodes.first(where: { model[$0].domain != "" && hasGraph($0) }) {
      throw QuantizeError(
        .impossible(
          weight: model.label(of: whole),
          why: "\(model[whole].opType) holds whole graphs whose types it fixes; convert encoder and decoder "
            + "to fp16 before they are composed"), path: model.path)
    }
    let treated = Set(try resolve(plan).map(\.weight.value))
    for weight in WeightCatalog.weights(of: model)
    where isNarrowed(weight.value, types) && !treated.contains(weight.value) {
      throw impossible(weight.name, "the scheme fp16 converts the whole graph, so no weight can be left")
    }
    let kept = plan.borderTypes == .keep ? constantsAtBorders(types) : []
    for value in model.allInitializers where !kept.contains(value) { narrow(value) }
    for node in originalNodes { narrowConstants(of: node) }
    for graph in model.graphIDs { redescribe(graph, types) }
    for node in originalNodes {
      if model[node].domain != "" || Self.floatOnly.contains(model[node].opType) {
        surround(node, types)
      } else if model[node].opType == "Cast" {
        narrowResult(ofCast: node)
      }
    }
    if plan.borderTypes == .keep { keepBorders(types, kept) }
  }

  /// Initializers that callers see: defaults of inputs, and outputs.
  private func constantsAtBorders(_ types: ElementTypeInference) -> Set<ValueID> {
    let root = model.root
    let defaults = model[root].inputs.filter { model[$0].initializer != nil && !model.isConstant($0) }
    let results = model[root].outputs.filter { model[$0].initializer != nil }
    return Set((defaults + results).filter { isNarrowed($0, types) })
  }

  /// A cast to what no longer exists.
  private mutating func narrowResult(ofCast node: NodeID) {
    guard let type = model.integer("to", of: node).flatMap({ Int32(exactly: $0) }).flatMap(ElementType.init),
      type == .float32 || type == .bfloat16
    else { return }
    model.setAttribute(.int("to", Int64(ElementType.float16.rawValue)), of: node)
  }

  private func hasGraph(_ node: NodeID) -> Bool {
    model[node].attributes.contains { if case .plain = $0 { false } else { true } }
  }

  private mutating func narrow(_ value: ValueID) {
    guard let content = model[value].initializer?.content,
      content.elementType == .float32 || content.elementType == .bfloat16
    else { return }
    model.setContent(halfContent(content, name: model[value].name), of: value)
  }

  /// The same numbers as binary16, made by a job.
  private mutating func halfContent(_ content: TensorContent, name: String) -> TensorContent {
    let bytes = promise(content.shape.elementCount * 2)
    guard case .promised(let payload, _) = bytes else { preconditionFailure("just promised") }
    let treatment = Treatment(
      form: .half, bits: 16, granularity: .tensor, blockSize: nil, symmetric: true, range: .maximum)
    jobs.append(
      WeightJob(
        name: name, content: content, orientation: .channelsFirst, treatment: treatment, layout: .half,
        values: payload, scales: nil, scalesCopy: nil, zeroPoints: nil,
        storedByteCount: bytes.byteCount))
    return TensorContent(elementType: .float16, shape: content.shape, bytes: bytes)
  }

  /// Constant, ConstantOfShape: float values in attributes.
  private mutating func narrowConstants(of node: NodeID) {
    guard model[node].domain == "", ["Constant", "ConstantOfShape"].contains(model[node].opType) else {
      return
    }
    let output = model[node].outputs.first.flatMap { $0 }
    let name = output.map { model[$0].name } ?? ""
    if model[node].opType == "ConstantOfShape", model[node].attributes.isEmpty {
      var tensor = TensorProto(name: "", .floats([0], shape: [1]))
      tensor.dataType = ElementType.float16.rawValue
      tensor.rawData = .owned([0, 0])
      setTensor(tensor, of: node)
      return
    }
    for attribute in model[node].attributes {
      switch attribute.name {
      case "value":
        guard let tensor = attribute.message.t?.value,
          let content = try? TensorContent(tensor, external: ExternalDataFiles(modelPath: model.path)),
          content.elementType == .float32 || content.elementType == .bfloat16
        else { continue }
        var half = TensorProto(name: tensor.name ?? "", halfContent(content, name: name))
        if tensor.name == nil { half.name = nil }
        setTensor(half, of: node)
      case "value_float", "value_floats":
        let floats = attribute.name == "value_float" ? [attribute.message.f ?? 0] : attribute.message.floats
        let shape = attribute.name == "value_float" ? [] : [floats.count]
        var half = TensorProto(name: "", halfContent(.floats(floats, shape: shape), name: name))
        half.name = nil
        model.removeAttribute(attribute.name, of: node)
        setTensor(half, of: node)
      default: continue
      }
    }
  }

  private mutating func setTensor(_ tensor: TensorProto, of node: NodeID) {
    var attribute = AttributeProto()
    attribute.name = "value"
    attribute.t = Boxed(tensor)
    attribute.type = AttributeProto.Kind.tensor.rawValue
    model.setAttribute(attribute, of: node)
  }

  /// Descriptions say float16 where values become so.
  private mutating func redescribe(_ graph: GraphID, _ types: ElementTypeInference) {
    let outputs = model[graph].nodes.flatMap { model[$0].outputs }.compactMap { $0 }
    for value in model[graph].inputs + outputs where isNarrowed(value, types) {
      if let info = model[value].info { model[value].info = info.withElementType(.float16) }
    }
    let narrowed = Set(model[graph].outputs.filter { isNarrowed($0, types) })
    model.redescribeOutputs(of: graph) { narrowed.contains($0) ? .float16 : nil }
  }

  private func isNarrowed(_ value: ValueID, _ types: ElementTypeInference) -> Bool {
    let type = types[value] ?? model[value].declaredElementType
    return type == .float32 || type == .bfloat16
  }

  // MARK: Islands of float32

  /// Casts around a node that works in float32.
  private mutating func surround(_ node: NodeID, _ types: ElementTypeInference) {
    for (index, input) in model[node].inputs.enumerated() {
      guard let input, isNarrowed(input, types) else { continue }
      let wide = cast(input, to: .float32, before: node)
      model.setInput(index, of: node, to: wide)
    }
    for (index, output) in model[node].outputs.enumerated() {
      guard let output, isNarrowed(output, types) else { continue }
      let wide = model.makeValue("\(model[output].name)_float", in: model[node].graph)
      model.setOutput(index, of: node, to: wide)
      model.insertAfter(
        node,
        NodeDraft(
          "Cast", name: "\(model[output].name)_narrow", inputs: [wide], outputs: [output],
          attributes: [.int("to", Int64(ElementType.float16.rawValue))]))
    }
  }

  // MARK: Borders

  /// Inputs and outputs of the model keep their types, with casts behind and before them.
  private mutating func keepBorders(_ types: ElementTypeInference, _ constants: Set<ValueID>) {
    let root = model.root
    let half = Int64(ElementType.float16.rawValue)
    let inputs = model[root].inputs.filter { model[$0].initializer == nil && isNarrowed($0, types) }
    for value in inputs + constants.sorted() {
      guard let type = types[value] else { continue }
      if let info = model[value].info { model[value].info = info.withElementType(type) }
      let uses = model[value].uses
      if uses.isEmpty { continue }
      let narrow = model.makeValue("\(model[value].name)_half", in: root)
      model.prepend(
        NodeDraft(
          "Cast", name: "\(model[value].name)_to_half", inputs: [value], outputs: [narrow],
          attributes: [.int("to", half)]), to: root)
      for use in uses { model.setInput(use.inputIndex, of: use.node, to: narrow) }
    }
    for output in Set(model[root].outputs).sorted() {
      guard isNarrowed(output, types), let type = types[output], let producer = model[output].producer,
        let index = model[producer].outputs.firstIndex(of: output)
      else { continue }
      let narrow = model.makeValue("\(model[output].name)_half", in: root)
      let uses = model[output].uses
      model.setOutput(index, of: producer, to: narrow)
      for use in uses { model.setInput(use.inputIndex, of: use.node, to: narrow) }
      model.append(
        NodeDraft(
          "Cast", name: "\(model[output].name)_from_half", inputs: [narrow], outputs: [output],
          attributes: [.int("to", Int64(type.rawValue))]), to: root)
      if let info = model[output].info { model[output].info = info.withElementType(type) }
    }
    let narrowed = Set(model[root].outputs.filter { isNarrowed($0, types) })
    model.redescribeOutputs(of: root) { narrowed.contains($0) ? types[$0] : nil }
  }
}
