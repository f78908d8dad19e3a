import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors

/// binary16 throughout: constants, casts, descriptions; float32 stays at the borders when asked, and around
/// operators that have no binary16 form.
extension GraphRewriter {
  /// Operators whose specification has no float16, or whose meaning would suffer.
  ///
  /// Source: type constraints in ONNX's operator schemas.
  private static let floatOnly: Set<String> = [
    "Range", "DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear", "Resize", "Upsample", "STFT",
    "DFT", "MelWeightMatrix", "HannWindow", "HammingWindow", "BlackmanWindow", "Multinomial",
    "NonMaxSuppression", "RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike",
    "MatMulInteger", "ConvInteger", "Bernoulli", "ImageDecoder", "Unique", "GroupNormalization",
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
    let treated = Set(plan.entries.filter { $0.treatment != nil }.map { PlanKey($0.graph, $0.weight) })
    for value in model.allInitializers { narrow(value, treated) }
    for node in originalNodes { narrowConstants(of: node, treated) }
    for graph in model.graphIDs { redescribe(graph, types) }
    for node in originalNodes {
      if model[node].domain != "" || Self.floatOnly.contains(model[node].opType) {
        surround(node, types)
      } else if model[node].opType == "Cast",
        model.integer("to", of: node) == Int64(ElementType.float32.rawValue)
      {
        model.setAttribute(.int("to", Int64(ElementType.float16.rawValue)), of: node)
      }
    }
    if plan.borderTypes == .keep { keepBorders(types) }
  }

  struct PlanKey: Hashable {
    let graph: String
    let weight: String
    init(_ graph: String, _ weight: String) {
      self.graph = graph
      self.weight = weight
    }
  }

  private func hasGraph(_ node: NodeID) -> Bool {
    model[node].attributes.contains { if case .plain = $0 { false } else { true } }
  }

  /// float32 and bfloat16 constants of at least this many elements are converted by a job.
  private static let jobElementCount = 4096

  private mutating func narrow(_ value: ValueID, _ treated: Set<PlanKey>) {
    guard let content = model[value].initializer?.content,
      content.elementType == .float32 || content.elementType == .bfloat16,
      treated.contains(PlanKey(model.label(of: model[value].graph), model[value].name))
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
        values: payload, scales: nil, scalesCopy: nil, zeroPoints: nil))
    return TensorContent(elementType: .float16, shape: content.shape, bytes: bytes)
  }

  /// Constant, ConstantOfShape: float values in attributes.
  private mutating func narrowConstants(of node: NodeID, _ treated: Set<PlanKey>) {
    guard model[node].domain == "", ["Constant", "ConstantOfShape"].contains(model[node].opType) else { return }
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
        if model[node].opType == "Constant",
          !treated.contains(PlanKey(model.label(of: model[node].graph), name))
        {
          continue
        }
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

  /// float32 inputs and outputs of the model stay, with casts behind and before them.
  private mutating func keepBorders(_ types: ElementTypeInference) {
    let root = model.root
    for input in model[root].inputs {
      guard model[input].initializer == nil, types[input] == .float32 else { continue }
      if let info = model[input].info { model[input].info = info.withElementType(.float32) }
      let uses = model[input].uses
      if uses.isEmpty { continue }
      let half = model.makeValue("\(model[input].name)_half", in: root)
      model.prepend(
        NodeDraft(
          "Cast", name: "\(model[input].name)_to_half", inputs: [input], outputs: [half],
          attributes: [.int("to", Int64(ElementType.float16.rawValue))]), to: root)
      for use in uses { model.setInput(use.inputIndex, of: use.node, to: half) }
    }
    for output in model[root].outputs {
      guard types[output] == .float32, let producer = model[output].producer,
        let index = model[producer].outputs.firstIndex(of: output)
      else { continue }
      let half = model.makeValue("\(model[output].name)_half", in: root)
      let uses = model[output].uses
      model.setOutput(index, of: producer, to: half)
      for use in uses { model.setInput(use.inputIndex, of: use.node, to: half) }
      model.append(
        NodeDraft(
          "Cast", name: "\(model[output].name)_from_half", inputs: [half], outputs: [output],
          attributes: [.int("to", Int64(ElementType.float32.rawValue))]), to: root)
      if let info = model[output].info { model[output].info = info.withElementType(.float32) }
    }
    model.redescribeOutputs(of: root) { types[$0] == .float32 ? .float32 : nil }
  }
}
