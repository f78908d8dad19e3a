import ONNXFile
import Tensors

extension ModelGraph {
  /// Raises the ai.onnx operator set to `version`, rewriting the operators whose form changed on the way.
  ///
  /// Requires: opset 11 or newer. Does: axes and splits from attributes to inputs, `num_outputs` for Split.
  /// Ensures: the same function. Modifies nothing when the model has the version already.
  ///
  /// Source: the ONNX operator change log, versions 11 to 21; operators that are not named here changed
  /// their types or gained optional parts only.
  public mutating func raiseOpset(to version: Int64) throws(GraphError) {
    guard let current = opsetVersion(), current < version else { return }
    for node in allNodes where self[node].domain == "" {
      try upgrade(node, from: current, to: version)
    }
    importOpset(domain: "", version: version)
    // IR version 10 came with opset 21 and its 4-bit types.
    if version >= 21 { raiseIRVersion(to: 10) }
  }

  private mutating func upgrade(_ node: NodeID, from current: Int64, to version: Int64) throws(GraphError) {
    let opType = self[node].opType
    func crosses(_ change: Int64) -> Bool { current < change && version >= change }
    func refuse(_ why: String) -> GraphError {
      GraphError(
        .opsetUpgrade(opType: opType, node: label(of: node), from: current, to: version, why: why), path: path
      )
    }
    if current < 11 { throw refuse("comes from an operator set before 11") }
    switch opType {
    case "Squeeze", "Unsqueeze", "ReduceSum":
      if crosses(13) { moveToInput("axes", of: node) }
    case "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum",
      "ReduceLogSumExp", "ReduceSumSquare":
      if crosses(18) { moveToInput("axes", of: node) }
    case "Split":
      if crosses(13) { moveToInput("split", of: node) }
      if crosses(18), self[node].inputs.dropFirst().allSatisfy({ $0 == nil }),
        integer("num_outputs", of: node) == nil
      {
        setAttribute(.int("num_outputs", Int64(self[node].outputs.count)), of: node)
      }
    case "Softmax", "LogSoftmax", "Hardmax":
      if crosses(13), integer("axis", of: node) != -1 {
        throw refuse("flattens its input in the old form")
      }
    case "Dropout":
      // A run-time model drops nothing, whatever the ratio.
      if crosses(12) { removeAttribute("ratio", of: node) }
    case "Resize":
      if crosses(13), text("coordinate_transformation_mode", of: node) == "tf_half_pixel_for_nn" {
        throw refuse("uses tf_half_pixel_for_nn, which opset 13 removed")
      }
    case "RoiAlign":
      if crosses(16) {
        setAttribute(.string("coordinate_transformation_mode", "output_half_pixel"), of: node)
      }
    case "BatchNormalization":
      if crosses(14), self[node].outputs.count > 1 { throw refuse("is in training form") }
    case "GridSample", "DFT":
      if crosses(20) { throw refuse("changed its attributes in opset 20") }
    case "GroupNormalization":
      if crosses(21) { throw refuse("changed its scale in opset 21") }
    case "Upsample", "Scatter":
      throw refuse("was removed from ONNX")
    default: break
    }
  }

  /// An integer-list attribute becomes the second input.
  private mutating func moveToInput(_ name: String, of node: NodeID) {
    guard let values = integers(name, of: node) else { return }
    // None means "all of them" or "in equal parts", in both forms; but Unsqueeze cannot do without.
    if values.isEmpty, self[node].opType != "Unsqueeze" { return removeAttribute(name, of: node) }
    let constant = makeInitializer(
      "\(label(of: node))_\(name)", .int64s(values, shape: [values.count]), in: self[node].graph)
    removeAttribute(name, of: node)
    appendInput(constant, to: node)
  }

  /// Adds an input after the last one.
  mutating func appendInput(_ value: ValueID, to node: NodeID) {
    self[node].inputs.append(value)
    self[value].uses.append(Use(node: node, inputIndex: self[node].inputs.count - 1))
  }
}
