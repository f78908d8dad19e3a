import ONNXGraph
import QuantPlan
import Tensors

/// What the runtime makes of a node between its Q/DQ pairs.
///
/// A node becomes one integer operation when every float operand comes out of a DequantizeLinear, every result goes
/// into one QuantizeLinear and nowhere else, and the types agree. Otherwise it stands alone: it computes in floating
/// point (fp16), and the Q and DQ around it are operations of their own. Measured by compiling small models and reading
/// the graphs that QNN was given.
enum Grouping: Equatable {
  /// Integers go in and out.
  case oneOperation
  /// Floating point, for this reason.
  case apart(Reason)
  /// No float goes in or out.
  case integers

  enum Reason: Equatable {
    /// No operand is quantized.
    case float
    /// An operand, named here, is not quantized.
    case operand(String)
    /// A result is not quantized, or is used as a float too.
    case result(String)
    /// The types do not agree.
    case types(String)
    /// Scales differ where elements are only moved.
    case scales(String)
  }

  var isOneOperation: Bool { self == .oneOperation }

  /// A sentence without its end.
  var words: String {
    switch self {
    case .oneOperation: "operands and result are quantized in types that go together"
    case .integers: "no float goes in or out"
    case .apart(.float): "its activation is float"
    case .apart(.operand(let name)): "its operand '\(name)' is not quantized"
    case .apart(.result(let name)): "its result '\(name)' is not quantized, or is used as a float too"
    case .apart(.types(let words)), .apart(.scales(let words)): words
    }
  }
}

extension QuantizationView {
  private static let floats: Set<ElementType> = [.float32, .float16, .bfloat16, .float64]
  /// Operators whose further operands may be float constants.
  private static let firstOperandOnly: Set<String> = ["Clip", "Pad", "Resize"]
  /// Operators that move elements and yet take other scales.
  private static let rescaling: Set<String> = ["Concat", "Slice"]

  func isFloat(_ value: ValueID) -> Bool { types[value].map(Self.floats.contains) ?? true }

  /// The nodes that take what a DequantizeLinear makes, seen through Transpose.
  func users(of node: NodeID) -> [NodeID] {
    var found: [NodeID] = []
    var open = [node]
    while let next = open.popLast(), found.count < 10_000 {
      for case let output? in model[next].outputs {
        for use in model[output].uses {
          if model[use.node].opType == "Transpose", weight(of: model[use.node].outputs.first ?? nil) != nil {
            open.append(use.node)
          } else {
            found.append(use.node)
          }
        }
      }
    }
    return found
  }

  /// The types of the two operands of a product of activations that is one operation; nil for others.
  func product(_ node: NodeID) -> [Target.OperandType]? {
    guard model[node].opType == "MatMul", weight(of: input(1, of: node)) == nil,
      grouping(of: node).isOneOperation,
      let first = storedType(of: input(0, of: node)).flatMap(Target.OperandType.init),
      let second = storedType(of: input(1, of: node)).flatMap(Target.OperandType.init)
    else { return nil }
    return [first, second]
  }

  func grouping(of node: NodeID) -> Grouping {
    let record = model[node]
    let name = record.opType
    var operands = Array(record.inputs.enumerated()).compactMap { index, value in
      value.map { (index: index, value: $0) }
    }.filter { isFloat($0.value) }
    let results = record.outputs.compactMap { $0 }.filter(isFloat)
    guard !operands.isEmpty || !results.isEmpty else { return .integers }
    if Self.firstOperandOnly.contains(name) { operands = operands.filter { $0.index == 0 } }
    // The runtime quantizes the bias of a linear layer itself.
    if name == "Gemm" || name == "Conv" {
      operands = operands.filter { $0.index != 2 || model.constantContent(of: $0.value) == nil }
    }
    let sites = operands.map { source(of: $0.value) ?? weight(of: $0.value)?.site }
    if sites.allSatisfy({ $0 == nil }) { return .apart(.float) }
    if let place = sites.firstIndex(where: { $0 == nil }) {
      let value = operands[place].value
      return sites[0] == nil ? .apart(.float) : .apart(.operand(model[value].name))
    }
    let targets = results.map { result(of: $0) }
    if let place = targets.firstIndex(where: { $0 == nil }) {
      return .apart(.result(model[results[place]].name))
    }
    let given = zip(operands, sites).map { ($0.index, $1?.elementType) }
    if let words = disagreement(node, given, targets.map { $0?.elementType }) { return .apart(.types(words)) }
    let movements = target.movements.contains(name) || name == "Gather"
    if movements, !Self.rescaling.contains(name), let source = sites[0], let result = targets.first ?? nil,
      let scale = source.scale, let other = result.scale, scale != other
    {
      return .apart(.scales("\(name) moves elements, and its result has another scale"))
    }
    return .oneOperation
  }

  /// Why the types around a node do not go together; nil when they do.
  private func disagreement(
    _ node: NodeID, _ operands: [(index: Int, type: ElementType?)], _ results: [ElementType?]
  ) -> String? {
    let name = model[node].opType
    guard let first = operands.first?.type else { return nil }
    if let other = results.compactMap({ $0 }).first(where: { $0 != first }) {
      return "\(name) takes \(first.name) and gives \(other.name)"
    }
    switch name {
    case "MatMul", "Gemm", "Conv", "LayerNormalization":
      if let bias = operands.first(where: { $0.index == 2 })?.type, bias != .int32 {
        return "\(name) has a bias of type \(bias.name), not int32"
      }
      // Of signed 8-bit activations the runtime only joins their own kind.
      if first == .int8, let second = operands.first(where: { $0.index == 1 })?.type, second != .int8 {
        return "\(name) takes int8 and \(second.name)"
      }
      return nil
    default:
      let other = operands.compactMap(\.type).first { $0 != first }
      return other.map { "\(name) takes \(first.name) and \($0.name)" }
    }
  }
}

extension QuantizationSite {
  /// How a weight is quantized that HTP dequantizes only inside an integer operation; nil for one that it
  /// dequantizes by itself.
  var formThatCannotStandAlone: String? {
    if elementType == .int32 { return "in 32 bits" }
    if isPerTensor { return nil }
    return blockSize > 0 ? "in blocks" : "per channel"
  }
}
