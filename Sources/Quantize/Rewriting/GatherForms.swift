import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors

/// Tables whose rows are gathered as integers and scaled afterwards, so that no table is ever widened.
extension GraphRewriter {
  /// s8 [V, d] with one scale a row, for Gather and, when tied, for the logits.
  ///
  /// `isDynamic`: the logits quantize their activations at run time; else they take a DequantizeLinear.
  mutating func rewriteGatherRows(
    _ weight: Weight, twin: Weight?, _ treatment: Treatment, isDynamic: Bool
  ) {
    let graph = model[weight.value].graph
    let dimensions = weight.content.shape.dimensions
    let hasLogits =
      twin != nil || weight.uses.contains { if case .gather = $0 { false } else { true } }
    let values = promisedConstant("\(weight.name)_quantized", .int8, dimensions, in: graph)
    // One column, so that gathered scales stand before the elements of their rows.
    let rowScale = promisedConstant("\(weight.name)_row_scale", .float32, [dimensions[0], 1], in: graph)
    let scale =
      hasLogits
      ? promisedConstant("\(weight.name)_scale", .float32, [dimensions[0]], in: graph) : nil
    let zeroPoint =
      hasLogits && isDynamic
      ? zeros("\(weight.name)_zero_point", .int8, [dimensions[0]], in: graph) : nil
    jobs.append(
      WeightJob(
        name: weight.name, content: weight.content, orientation: .channelsFirst, treatment: treatment,
        layout: .weightShape, values: values.payload, scales: rowScale.payload, scalesCopy: scale?.payload,
        zeroPoints: nil,
        storedByteCount: storedByteCount))
    let type = weight.seenType
    var restoredTable: ValueID?
    for use in weight.uses + (twin?.uses ?? []) {
      switch use {
      case .gather(let node):
        gatherRows(node, values: values.value, scales: rowScale.value, type: type)
      case .matMul(let node), .gemm(let node, _), .transposedMatMul(_, let node):
        guard let scale else { continue }
        if !isDynamic {
          let restored =
            restoredTable
            ?? restoredWeight(weight, [values.value, scale.value], [.int("axis", 0)], in: graph)
          restoredTable = restored
          takeRestored(use, restored)
          continue
        }
        let operand = logitsOperand(use, values.value, before: node)
        let bias = model[node].opType == "Gemm" && model[node].inputs.count > 2 ? model[node].inputs[2] : nil
        rewriteDynamicMatMul(
          node, IntegerWeight(values: operand, scale: scale.value, zeroPoint: zeroPoint), bias: bias,
          type: type)
      case .convolution, .other: break
      }
    }
  }

  /// Lets the logits take the widened [V, d] table.
  private mutating func takeRestored(_ use: WeightUse, _ table: ValueID) {
    switch use {
    case .transposedMatMul(let transpose, _):
      if model[transpose].inputs[0] != table { model.setInput(0, of: transpose, to: table) }
    case .gemm(let node, true): model.setInput(1, of: node, to: table)
    case .matMul(let node), .gemm(let node, false):
      let transposed = insertTranspose(of: table, before: node)
      model.setInput(1, of: node, to: transposed)
    case .gather, .convolution, .other: break
    }
  }

  /// The table as [d, V] for a MatMul.
  private mutating func logitsOperand(_ use: WeightUse, _ values: ValueID, before node: NodeID) -> ValueID {
    if case .transposedMatMul(let transpose, _) = use {
      replaceTransposed(transpose, by: values)
      return transposedOutput(transpose)
    }
    return insertTranspose(of: values, before: node)
  }

  private mutating func gatherRows(_ node: NodeID, values: ValueID, scales: ValueID, type: ElementType) {
    guard model[node].inputs.count > 1, let indices = model[node].inputs[1],
      case let output?? = model[node].outputs.first
    else { return }
    let graph = model[node].graph
    let base = name(of: node)
    let rows = model.makeValue("\(base)_rows", in: graph)
    let rowScales = model.makeValue("\(base)_row_scales", in: graph)
    let wide = model.makeValue("\(base)_wide", in: graph)
    let isFloat = type == .float32
    let product = isFloat ? output : model.makeValue("\(base)_product", in: graph)
    var drafts = [
      NodeDraft("Gather", name: "\(base)_quant", inputs: [values, indices], outputs: [rows]),
      NodeDraft("Gather", name: "\(base)_quant_scales", inputs: [scales, indices], outputs: [rowScales]),
      NodeDraft(
        "Cast", name: "\(base)_quant_cast", inputs: [rows], outputs: [wide],
        attributes: [.int("to", Int64(ElementType.float32.rawValue))]),
      NodeDraft("Mul", name: "\(base)_quant_mul", inputs: [wide, rowScales], outputs: [product]),
    ]
    if !isFloat {
      drafts.append(
        NodeDraft(
          "Cast", name: "\(base)_cast_back", inputs: [product], outputs: [output],
          attributes: [.int("to", Int64(type.rawValue))]))
    }
    model.replace(node, with: drafts)
  }

  /// Rows of a MatMulNBits table: [V, blocks, size] u8 around 128, scales [V, blocks].
  mutating func gatherBlocks(_ node: NodeID, _ weight: BlockWeight) {
    guard model[node].inputs.count > 1, let indices = model[node].inputs[1],
      case let output?? = model[node].outputs.first
    else { return }
    let graph = model[node].graph
    let base = name(of: node)
    func value(_ suffix: String) -> ValueID { model.makeValue("\(base)_\(suffix)", in: graph) }
    let rows = value("rows")
    let wide = value("wide")
    let centred = value("centred")
    let scales = value("block_scales")
    let column = value("block_scales_column")
    let scaled = value("scaled")
    let indexShape = value("index_shape")
    let shape = value("row_shape")
    let isFloat = weight.type == .float32
    let result = isFloat ? output : value("row")
    let middle = model.makeInitializer("\(base)_middle", .floats([128], shape: []), in: graph)
    let last = model.makeInitializer("\(base)_row_length", .int64s([Int64(weight.k)], shape: [1]), in: graph)
    let float = Int64(ElementType.float32.rawValue)
    var drafts = [
      NodeDraft("Gather", name: "\(base)_quant", inputs: [weight.values, indices], outputs: [rows]),
      NodeDraft(
        "Cast", name: "\(base)_quant_cast", inputs: [rows], outputs: [wide], attributes: [.int("to", float)]),
      NodeDraft("Sub", name: "\(base)_quant_centre", inputs: [wide, middle], outputs: [centred]),
      NodeDraft("Gather", name: "\(base)_quant_scales", inputs: [weight.scales, indices], outputs: [scales]),
      unsqueezeLast(scales, column, "\(base)_quant_unsqueeze", in: graph),
      NodeDraft("Mul", name: "\(base)_quant_mul", inputs: [centred, column], outputs: [scaled]),
      NodeDraft("Shape", name: "\(base)_index_shape", inputs: [indices], outputs: [indexShape]),
      NodeDraft(
        "Concat", name: "\(base)_row_shape", inputs: [indexShape, last], outputs: [shape],
        attributes: [.int("axis", 0)]),
      NodeDraft("Reshape", name: "\(base)_quant_reshape", inputs: [scaled, shape], outputs: [result]),
    ]
    if !isFloat {
      drafts.append(
        NodeDraft(
          "Cast", name: "\(base)_cast_back", inputs: [result], outputs: [output],
          attributes: [.int("to", Int64(weight.type.rawValue))]))
    }
    model.replace(node, with: drafts)
  }

  /// Unsqueeze at the end; axes are an attribute before opset 13.
  private mutating func unsqueezeLast(
    _ value: ValueID, _ result: ValueID, _ name: String, in graph: GraphID
  )
    -> NodeDraft
  {
    if (model.opsetVersion() ?? 0) < 13 {
      return NodeDraft(
        "Unsqueeze", name: name, inputs: [value], outputs: [result], attributes: [.ints("axes", [-1])])
    }
    let axes = model.makeInitializer("\(name)_axes", .int64s([-1], shape: [1]), in: graph)
    return NodeDraft("Unsqueeze", name: name, inputs: [value, axes], outputs: [result])
  }
}
