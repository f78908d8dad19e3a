public import ONNXGraph
import Tensors

/// What a node does, as far as quantization is concerned.
public enum NodeKind: Sendable, Equatable {
  /// A matrix product or Gemm with a constant weight at input 1.
  case linear
  /// A convolution with a constant kernel.
  case convolution
  /// A matrix product of two activations.
  case product
  /// LayerNormalization over the last axis.
  case normalization
  case softmax
  /// It only moves elements of these operands.
  case movement(operands: [Int])
  /// Gather of rows of a constant float table.
  case lookup
  /// Any other operator that the target computes in integers.
  case elementwise
  /// No float goes in or out.
  case integer
  /// The target has no such operator.
  case foreign
}

extension NodeKind {
  /// The kind of a node for a target. `isFloat` tells which values are floating-point.
  public init(_ node: NodeID, in model: ModelGraph, target: Target, isFloat: (ValueID) -> Bool) {
    let record = model[node]
    let floats = (record.inputs + record.outputs).compactMap { $0 }.filter(isFloat)
    let isContrib = record.domain == "com.microsoft"
    guard !floats.isEmpty else {
      self = .integer
      return
    }
    guard record.domain.isEmpty || isContrib else {
      self = .foreign
      return
    }
    func isConstant(_ index: Int) -> Bool {
      guard record.inputs.indices.contains(index), let value = record.inputs[index] else { return false }
      return model.constantContent(of: value) != nil
    }
    switch record.opType {
    case "MatMul" where !isConstant(1), "MatMul" where isConstant(0): self = .product
    case "MatMul", "Gemm": self = isConstant(1) ? .linear : .foreign
    case "Conv": self = isConstant(1) ? .convolution : .foreign
    case "LayerNormalization": self = .normalization
    case "Softmax": self = .softmax
    case "Gather" where isConstant(0): self = .lookup
    case "Gather", "GatherElements", "GatherND": self = .movement(operands: [0])
    case "Concat": self = .movement(operands: Array(record.inputs.indices))
    case let name where target.movements.contains(name): self = .movement(operands: [0])
    case let name where target.operators.contains(name): self = .elementwise
    default: self = .foreign
    }
  }
}
