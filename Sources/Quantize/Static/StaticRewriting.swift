import Kernels
import ONNXFile
public import ONNXGraph
public import QuantPlan
import Tensors

/// Executes a static plan: Q/DQ pairs behind every activation, integers for every constant.
extension GraphRewriter {
  /// The opset with 16-bit QuantizeLinear and 4-bit tensors, and the IR version that goes with it.
  private static let staticOpset: Int64 = 21
  private static let staticIRVersion: Int64 = 10

  /// Rewrites a prepared model by a static plan.
  ///
  /// Behind each activation stands QuantizeLinear → DequantizeLinear; the value keeps its name behind the pair, so
  /// that layers of both models can be compared. A conversion is a pair of its own in front of an operand.
  public static func rewrite(
    _ model: ModelGraph, plan: StaticPlan
  ) throws(QuantizeError) -> RewrittenModel {
    var rewriter = GraphRewriter(model)
    do throws(GraphError) {
      try rewriter.model.raiseOpset(to: staticOpset)
    } catch {
      throw QuantizeError(.opset(error.message), path: model.path)
    }
    rewriter.model.raiseIRVersion(to: staticIRVersion)
    var names = try StaticNames(rewriter.model, plan)
    try rewriter.requireSound(plan)
    try rewriter.requireOperands(plan, names)
    try rewriter.quantizeWeights(plan, &names)
    rewriter.convertOperands(plan, names)
    rewriter.quantizeActivations(plan, names)
    rewriter.model.removeIdleConstants(rewriter.replaced)
    return RewrittenModel(graph: rewriter.model, jobs: rewriter.jobs, findings: rewriter.findings)
  }

  // MARK: Activations

  private mutating func quantizeActivations(_ plan: StaticPlan, _ names: StaticNames) {
    for entry in plan.activations + names.added {
      guard let value = names.values[entry.tensor] else { continue }
      let graph = model[value].graph
      if let producer = model[value].producer {
        guard let place = model[producer].outputs.firstIndex(of: value) else { continue }
        let raw = model.makeValue("\(entry.tensor)_raw", in: graph)
        model[raw].info = model[value].info.map { described($0, as: raw) }
        model.setOutput(place, of: producer, to: raw)
        let pair = pair(raw, entry.tensor, entry.type, entry.parameters, result: value, in: graph)
        insert(pair, behind: raw, in: graph)
      } else {
        let result = model.makeValue("\(entry.tensor)_dequantized", in: graph)
        let users = model[value].uses
        for use in users { model.setInput(use.inputIndex, of: use.node, to: result) }
        let pair = pair(value, entry.tensor, entry.type, entry.parameters, result: result, in: graph)
        insert(pair, behind: value, in: graph)
      }
    }
  }

  private func described(_ info: ValueInfoProto, as value: ValueID) -> ValueInfoProto {
    var info = info
    info.name = model[value].name
    return info
  }

  private mutating func convertOperands(_ plan: StaticPlan, _ names: StaticNames) {
    struct Key: Hashable {
      let value: ValueID
      let type: IntegerType
      let scale: Float
      let zeroPoint: Int
    }
    var converted: [Key: ValueID] = [:]
    for entry in plan.conversions {
      guard let node = names.nodes[entry.node],
        case let value?? = model[node].inputs.dropFirst(entry.input).first
      else { continue }
      let key = Key(
        value: value, type: entry.type, scale: entry.parameters.scale, zeroPoint: entry.parameters.zeroPoint)
      if converted[key] == nil {
        let base = "\(entry.tensor)_\(entry.type.rawValue)"
        let result = model.makeValue(base, in: model[node].graph)
        let pair = pair(value, base, entry.type, entry.parameters, result: result, in: model[node].graph)
        for draft in pair { model.insert(draft, before: node) }
        converted[key] = result
      }
      if let result = converted[key] { model.setInput(entry.input, of: node, to: result) }
    }
  }

  /// QuantizeLinear and DequantizeLinear with constants of their own.
  private mutating func pair(
    _ value: ValueID, _ base: String, _ type: IntegerType, _ parameters: ScaleAndZeroPoint, result: ValueID,
    in graph: GraphID
  ) -> [NodeDraft] {
    let (scale, zeroPoint) = constants(base, type, parameters, in: graph)
    let levels = model.makeValue("\(base)_quantized", in: graph)
    return [
      NodeDraft(
        "QuantizeLinear", name: "\(base)_QuantizeLinear", inputs: [value, scale, zeroPoint], outputs: [levels]
      ),
      NodeDraft(
        "DequantizeLinear", name: "\(base)_DequantizeLinear", inputs: [levels, scale, zeroPoint],
        outputs: [result]),
    ]
  }

  private mutating func constants(
    _ base: String, _ type: IntegerType, _ parameters: ScaleAndZeroPoint, in graph: GraphID
  ) -> (scale: ValueID, zeroPoint: ValueID) {
    let scale = model.makeInitializer(
      "\(base)_scale", .floats([parameters.scale], shape: []), in: graph)
    let zeroPoint = model.makeInitializer(
      "\(base)_zero_point", Self.levels([parameters.zeroPoint], type, []), in: graph)
    return (scale, zeroPoint)
  }

  private static func levels(_ values: [Int], _ type: IntegerType, _ dimensions: [Int]) -> TensorContent {
    let width = Levels.width(type)
    guard let shape = Shape(dimensions) else { preconditionFailure("the shape of a constant that exists") }
    let bytes = values.flatMap { value in (0..<width).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    return TensorContent(elementType: type.elementType, shape: shape, bytes: .owned(bytes))
  }

  // MARK: Constants

  private struct ConstantKey: Hashable {
    let weight: String
    let type: IntegerType
    let granularity: Granularity
    let axis: Int?
    let blockSize: Int?
    let scale: Float?
  }

  private mutating func quantizeWeights(_ plan: StaticPlan, _ names: inout StaticNames) throws(QuantizeError)
  {
    var made: [ConstantKey: ValueID] = [:]
    /// Where the job of a weight stands, for the biases that wait for its scales.
    var jobOf: [String: Int] = [:]
    var scalesOf: [String: [Float]] = [:]
    for entry in plan.weights where entry.role != .bias {
      let (node, value) = try names.operand(entry, model)
      try requireForm(entry, node, value)
      let key = ConstantKey(
        weight: entry.weight, type: entry.type, granularity: entry.granularity, axis: entry.axis,
        blockSize: entry.blockSize, scale: entry.parameters?.scale)
      replaced.insert(value)
      if made[key] == nil {
        let jobCount = jobs.count
        let (result, scales) = try quantizedConstant(
          entry, value, rounding: names.rounding(entry, node), floors: scaleFloors(entry, node, names),
          in: model[node].graph)
        made[key] = result
        if jobs.count > jobCount { jobOf[entry.weight] = jobCount }
        if let scales { scalesOf[entry.weight] = scales }
      }
      if let result = made[key] { model.setInput(entry.input, of: node, to: result) }
    }
    for entry in plan.weights where entry.role == .bias {
      let (node, value) = try names.operand(entry, model)
      try requireForm(entry, node, value)
      replaced.insert(value)
      guard let content = model.constantContent(of: value), let inputScale = names.inputScale(of: node),
        let weight = plan.weights.first(where: { $0.node == entry.node && $0.input == 1 })
      else { throw impossible(entry.weight, "the scales of the node '\(entry.node)' are not in the plan") }
      if weight.granularity == .block {
        try addBehind(node, value, content, entry, plan, &names)
        continue
      }
      let result: ValueID
      if let scales = scalesOf[weight.weight] {
        result = biasConstant(entry, content, inputScale, scales, in: model[node].graph)
      } else if let place = jobOf[weight.weight] {
        result = promisedBias(entry, content, inputScale, place, in: model[node].graph)
      } else {
        throw impossible(entry.weight, "its weight '\(weight.weight)' is not in the plan")
      }
      model.setInput(entry.input, of: node, to: result)
    }
  }

  /// A constant behind a DequantizeLinear; its scales when they are known at once.
  private mutating func quantizedConstant(
    _ entry: StaticWeightEntry, _ value: ValueID, rounding: StaticRounding?, floors: [Float]?,
    in graph: GraphID
  ) throws(QuantizeError) -> (result: ValueID, scales: [Float]?) {
    guard let content = model.constantContent(of: value) else {
      throw impossible(entry.weight, "it is no constant")
    }
    let dimensions = content.shape.dimensions
    guard dimensions == entry.shape else {
      throw QuantizeError(
        .otherWeight(
          entry.weight, planned: "float \(entry.shape)", found: "\(content.elementType.name) \(dimensions)"),
        path: model.path)
    }
    storedByteCount = 0
    if let parameters = entry.parameters {
      let values = promisedConstant(
        "\(entry.weight)_quantized", entry.type.elementType, dimensions, in: graph)
      jobs.append(
        WeightJob(
          name: entry.weight, content: content, orientation: .channelsFirst, treatment: entry.treatment,
          layout: .levels(parameters, entry.type), values: values.payload, scales: nil, scalesCopy: nil,
          zeroPoints: nil, storedByteCount: storedByteCount))
      let (scale, zeroPoint) = constants(entry.weight, entry.type, parameters, in: graph)
      return (dequantized(entry, [values.value, scale, zeroPoint], in: graph), nil)
    }
    if entry.type == .s16 || entry.role == .gamma || entry.granularity == .tensor {
      return try smallConstant(entry, content, floors: floors, in: graph)
    }
    let isFirst = entry.granularity == .block ? entry.axis == dimensions.count - 1 : entry.axis == 0
    var scaleShape: [Int] = [dimensions[entry.axis ?? 0]]
    if entry.granularity == .block, let size = entry.blockSize, let axis = entry.axis {
      scaleShape = dimensions
      scaleShape[axis] = (dimensions[axis] + size - 1) / size
    }
    let values = promisedConstant("\(entry.weight)_quantized", entry.type.elementType, dimensions, in: graph)
    let scale = promisedConstant("\(entry.weight)_scale", .float32, scaleShape, in: graph)
    let zeroPoint = zeros("\(entry.weight)_zero_point", entry.type.elementType, scaleShape, in: graph)
    jobs.append(
      WeightJob(
        name: entry.weight, content: content, orientation: isFirst ? .channelsFirst : .reductionFirst,
        treatment: entry.treatment, layout: .weightShape, values: values.payload, scales: scale.payload,
        scalesCopy: nil, zeroPoints: nil, storedByteCount: storedByteCount, rounding: rounding))
    return (dequantized(entry, [values.value, scale.value, zeroPoint], in: graph), nil)
  }

  private mutating func dequantized(
    _ entry: StaticWeightEntry, _ inputs: [ValueID?], in graph: GraphID
  ) -> ValueID {
    let result = model.makeValue("\(entry.weight)_dequantized", in: graph)
    var attributes: [AttributeProto] = []
    if let axis = entry.axis, entry.granularity != .tensor { attributes.append(.int("axis", Int64(axis))) }
    if let size = entry.blockSize { attributes.append(.int("block_size", Int64(size))) }
    model.prepend(
      NodeDraft(
        "DequantizeLinear", name: "\(entry.weight)_DequantizeLinear", inputs: inputs, outputs: [result],
        attributes: attributes), to: graph)
    return result
  }

  /// 16-bit kernels, factors and whole-tensor scales: small enough to be made at once.
  private mutating func smallConstant(
    _ entry: StaticWeightEntry, _ content: TensorContent, floors: [Float]?, in graph: GraphID
  ) throws(QuantizeError) -> (result: ValueID, scales: [Float]?) {
    guard let values = content.floats else {
      throw impossible(entry.weight, "it is \(content.elementType.name)")
    }
    if let place = values.firstIndex(where: { !$0.isFinite }) {
      throw QuantizeError(
        .notFinite(weight: entry.weight, elementIndex: place, value: values[place]), path: model.path)
    }
    let isPerChannel = entry.granularity == .channel && entry.axis == 0
    let channelCount = isPerChannel ? entry.shape.first ?? 1 : 1
    let rowCount = channelCount == 0 ? 0 : values.count / channelCount
    var bytes: [UInt8] = []
    var scales: [Float] = []
    for channel in 0..<channelCount {
      let row = values[(channel * rowCount)..<((channel + 1) * rowCount)]
      let largest = row.reduce(0) { max($0, abs($1)) }
      var parameters = ScaleAndZeroPoint(holding: -largest...largest, as: entry.type)
      // The bias must fit 32 bits at the product of the scales.
      parameters.scale = max(parameters.scale, floors?[channel] ?? 0)
      scales.append(parameters.scale)
      bytes += Levels.bytes(of: Array(row).span, parameters: parameters, type: entry.type).bytes
    }
    if entry.type == .s4 {
      var packed = [UInt8](repeating: 0, count: NibblePacking.byteCount(bytes.count))
      var span = packed.mutableSpan
      NibblePacking.pack(bytes.span, into: &span)
      bytes = packed
    }
    storedByteCount += bytes.count
    let levels = model.makeInitializer(
      "\(entry.weight)_quantized",
      TensorContent(elementType: entry.type.elementType, shape: content.shape, bytes: .owned(bytes)),
      in: graph)
    let scaleShape = isPerChannel ? [channelCount] : []
    let scale = model.makeInitializer("\(entry.weight)_scale", .floats(scales, shape: scaleShape), in: graph)
    let zeroPoint = model.makeInitializer(
      "\(entry.weight)_zero_point",
      Self.levels([Int](repeating: 0, count: channelCount), entry.type, scaleShape), in: graph)
    return (dequantized(entry, [levels, scale, zeroPoint], in: graph), scales)
  }

  // MARK: Biases

  /// The least scale of each channel of a 16-bit kernel or factor at which its bias fits half of int32's range.
  private func scaleFloors(_ entry: StaticWeightEntry, _ node: NodeID, _ names: StaticNames) -> [Float]? {
    guard entry.type == .s16, entry.role == .convolution || entry.role == .gamma,
      model[node].inputs.count > 2,
      let bias = model[node].inputs[2].flatMap({ model.constantContent(of: $0)?.floats }),
      let inputScale = names.inputScale(of: node)
    else { return nil }
    let floors = bias.map { abs($0) / (inputScale * Float(1 << 30)) }
    return entry.role == .gamma ? [floors.max() ?? 0] : floors
  }

  private mutating func biasConstant(
    _ entry: StaticWeightEntry, _ content: TensorContent, _ inputScale: Float, _ weightScales: [Float],
    in graph: GraphID
  ) -> ValueID {
    let (bytes, scales, clipped) = Levels.bias(
      content.floats ?? [], inputScale: inputScale, weightScales: weightScales)
    if clipped > 0 { findings.append("\(clipped) elements of the bias '\(entry.weight)' do not fit 32 bits") }
    let isOne = weightScales.count == 1
    let values = model.makeInitializer(
      "\(entry.weight)_quantized",
      TensorContent(elementType: .int32, shape: content.shape, bytes: .owned(bytes)), in: graph)
    let scale = model.makeInitializer(
      "\(entry.weight)_scale",
      .floats(isOne ? [inputScale * weightScales[0]] : scales, shape: isOne ? [] : [scales.count]), in: graph)
    let zeroPoint = model.makeInitializer(
      "\(entry.weight)_zero_point",
      Self.levels([Int](repeating: 0, count: isOne ? 1 : scales.count), .s32, isOne ? [] : [scales.count]),
      in: graph)
    var entry = entry
    if isOne { entry.granularity = .tensor }
    return dequantized(entry, [values, scale, zeroPoint], in: graph)
  }

  private mutating func promisedBias(
    _ entry: StaticWeightEntry, _ content: TensorContent, _ inputScale: Float, _ job: Int, in graph: GraphID
  ) -> ValueID {
    let count = content.shape.elementCount
    let values = promisedConstant("\(entry.weight)_quantized", .int32, [count], in: graph)
    let scale = promisedConstant("\(entry.weight)_scale", .float32, [count], in: graph)
    let zeroPoint = zeros("\(entry.weight)_zero_point", .int32, [count], in: graph)
    jobs[job].biases.append(
      BiasPromise(
        content: content, inputScale: inputScale, values: values.payload, scales: scale.payload,
        isCorrected: entry.rounding == .errorAware))
    return dequantized(entry, [values.value, scale.value, zeroPoint], in: graph)
  }

  /// Weights in blocks have no one scale per channel that a bias could take: the bias is added behind the product, in
  /// 16 bits. The product's range is that of the sum, widened by the bias.
  private mutating func addBehind(
    _ node: NodeID, _ value: ValueID, _ content: TensorContent, _ entry: StaticWeightEntry,
    _ plan: StaticPlan,
    _ names: inout StaticNames
  ) throws(QuantizeError) {
    guard let output = model[node].outputs.first ?? nil, let bias = content.floats,
      let sum = plan.activations.first(where: { $0.tensor == model[output].name }),
      let low = bias.min(), let high = bias.max()
    else { throw impossible(entry.weight, "the node '\(entry.node)' has no range in the plan") }
    let graph = model[node].graph
    let base = model[output].name
    let parameters = ScaleAndZeroPoint(holding: min(low, 0)...max(high, 0), as: .u16)
    let levels = Levels.bytes(of: bias.span, parameters: parameters, type: .u16).bytes
    let constant = model.makeInitializer(
      "\(entry.weight)_quantized",
      TensorContent(elementType: .uint16, shape: content.shape, bytes: .owned(levels)), in: graph)
    let (scale, zeroPoint) = constants(entry.weight, .u16, parameters, in: graph)
    var whole = entry
    whole.granularity = .tensor
    let operand = dequantized(whole, [constant, scale, zeroPoint], in: graph)
    let product = model.makeValue("\(base)_product", in: graph)
    model[product].info = model[output].info.map { described($0, as: product) }
    model.setOutput(0, of: node, to: product)
    model.insertAfter(
      node, NodeDraft("Add", name: "\(base)_bias", inputs: [product, operand], outputs: [output]))
    if model.integer("transB", of: node) == 1 {
      model.setInput(2, of: node, to: nil)
    } else {
      names.nodes[entry.node] = asMatMul(node)
    }
    let range = min(sum.minimum - max(high, 0), 0)...max(sum.maximum - min(low, 0), 0)
    names.added.append(
      ActivationEntry(
        tensor: model[product].name, producer: "MatMul", type: .u16,
        parameters: ScaleAndZeroPoint(holding: range, as: .u16), minimum: range.lowerBound,
        maximum: range.upperBound, reason: "the product before its bias"))
    names.values[model[product].name] = product
  }

  /// A Gemm of plain operands as the MatMul that it is.
  private mutating func asMatMul(_ node: NodeID) -> NodeID? {
    let record = model[node]
    return model.replace(
      node,
      with: [
        NodeDraft(
          "MatMul", name: record.name, inputs: Array(record.inputs.prefix(2)),
          outputs: record.outputs.compactMap { $0 })
      ]
    ).first
  }
}

extension StaticWeightEntry {
  /// The same in the words of jobs.
  fileprivate var treatment: Treatment {
    Treatment(
      form: .dequantize, bits: type == .s4 ? 4 : type.elementType.bitWidth ?? 8, granularity: granularity,
      blockSize: blockSize, symmetric: type.isSymmetric, range: range)
  }
}
