public import ONNXGraph

/// Tells a model that was quantized from an original.
public enum QuantizationTraces {
  private static let operators: Set<String> = HTPRules.runTimeQuantized.union(HTPRules.blockOperators)
    .union(["QuantizeLinear", "DequantizeLinear", "EPContext"])

  /// Whether a node of the model computes with quantized numbers.
  public static func exist(in model: ModelGraph) -> Bool {
    model.allNodes.contains { operators.contains(model[$0].opType) }
  }
}
