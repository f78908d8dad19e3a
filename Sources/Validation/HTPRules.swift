public import ONNXGraph
public import QuantPlan
import Tensors

/// The check of a model against what the Hexagon Tensor Processor (QNN HTP) of a target accepts.
///
/// What is accepted stands in the target; how each rule was measured, in docs/npu.md.
public enum HTPRules {
  /// Looks at every node of a model; none of the weights is read.
  ///
  /// - Parameter dimensions: extents that open dimensions get when the model runs, by name.
  public static func findings(
    in model: ModelGraph, binding dimensions: [String: Int] = [:], target: Target = .snapdragonXElite
  ) -> [Finding] {
    let view = QuantizationView(model, dimensions, target)
    return all.flatMap { rule in
      rule.find(view).map {
        Finding(rule.severity, rule: rule.name, place: $0.place, $0.message, remedy: rule.remedy)
      }
    }
  }

  /// The rules with their remedies, for documentation.
  public static var summaries: [(name: String, severity: Finding.Severity, remedy: String)] {
    all.map { ($0.name, $0.severity, $0.remedy) }
  }

  static let all: [HTPRule] = shapeRules + operatorRules + weightRules + arithmeticRules + rangeRules

  // MARK: Operators

  /// Operators that quantize activations while the model runs.
  static let runTimeQuantized: Set<String> = [
    "DynamicQuantizeLinear", "MatMulInteger", "MatMulInteger16", "ConvInteger", "MatMulIntegerToFloat",
    "DynamicQuantizeMatMul", "QLinearMatMul", "QLinearConv", "QGemm", "QLinearAdd", "QLinearMul",
    "QAttention",
  ]

  /// Operators that hold block-quantized weights of their own.
  static let blockOperators: Set<String> = ["MatMulNBits", "MatMulBnb4", "GatherBlockQuantized"]

  static let controlFlow: Set<String> = ["If", "Loop", "Scan", "SequenceMap"]
}

/// One thing that HTP refuses, spoils or does badly.
struct HTPRule: Sendable {
  struct Hit {
    let place: String?
    let message: String
    var node: NodeID?
  }

  let name: String
  let severity: Finding.Severity
  let remedy: String
  let find: @Sendable (QuantizationView) -> [Hit]

  init(
    _ name: String, _ severity: Finding.Severity, remedy: String,
    _ find: @escaping @Sendable (QuantizationView) -> [Hit]
  ) {
    self.name = name
    self.severity = severity
    self.remedy = remedy
    self.find = find
  }

  /// A rule that looks at each node by itself.
  static func eachNode(
    _ name: String, _ severity: Finding.Severity, of operators: Set<String>? = nil, remedy: String,
    _ message: @escaping @Sendable (NodeID, QuantizationView) -> String?
  ) -> HTPRule {
    HTPRule(name, severity, remedy: remedy) { view in
      view.model.allNodes.compactMap { node in
        if let operators, !operators.contains(view.model[node].opType) { return nil }
        return message(node, view).map { Hit(place: view.model.label(of: node), message: $0, node: node) }
      }
    }
  }
}
