import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors
import TestSupport

/// Prepared models made by hand, and plans for them.
struct StaticSketch {
  var model = ModelProto.sketch(opset: 21)
  /// What was observed, by name; −1...1 for the others.
  var ranges: [String: ClosedRange<Float>] = [:]
  /// Tensors that no run has shown.
  var unknown: Set<String> = []

  init(_ build: (inout ModelProto) -> Void) { build(&model) }

  func plan(
    _ scheme: Scheme = .w8a16, _ change: (inout StaticPolicy) -> Void = { _ in }
  ) throws -> StaticPlan {
    var policy = StaticPolicy(scheme: scheme, target: .snapdragonXElite)
    change(&policy)
    return try StaticPlanner.plan(model.lifted(), policy: policy) { name, _ in
      unknown.contains(name) ? nil : ranges[name] ?? -1...1
    }
  }

  /// softmax(q · kᵀ) · v of two heads between linear layers, all as `whisperq prepare` leaves it.
  static func attention() -> StaticSketch {
    StaticSketch { model in
      model.input("x", [8, 16])
      for name in ["q", "k", "v", "o"] {
        model.weights("\(name)_weight", [16, 16])
        model.weights("\(name)_bias", [16])
      }
      model.int64("heads", [8, 2, 8])
      model.int64("joined", [8, 16])
      for name in ["q", "k", "v"] {
        model.node("Gemm", ["x", "\(name)_weight", "\(name)_bias"], [name], name: "\(name)_proj")
        model.node("Reshape", [name, "heads"], ["\(name)_heads"], name: "\(name)_reshape")
        model.node(
          "Transpose", ["\(name)_heads"], ["\(name)_t"], name: "\(name)_transpose",
          [.ints("perm", name == "k" ? [1, 2, 0] : [1, 0, 2])])
      }
      model.node("MatMul", ["q_t", "k_t"], ["scores"], name: "scores_product")
      model.node("Softmax", ["scores"], ["probabilities"], name: "softmax")
      model.node("MatMul", ["probabilities", "v_t"], ["context"], name: "context_product")
      model.node(
        "Transpose", ["context"], ["context_t"], name: "context_transpose", [.ints("perm", [1, 0, 2])])
      model.node("Reshape", ["context_t", "joined"], ["context_rows"], name: "context_reshape")
      model.node("Gemm", ["context_rows", "o_weight", "o_bias"], ["out"], name: "o_proj")
      model.node("Add", ["x", "out"], ["y"], name: "residual")
      model.output("y", [8, 16])
    }
  }
}

extension ModelProto {
  /// Seeded numbers between −1 and 1, told apart by the name's length and place.
  mutating func weights(_ name: String, _ shape: [Int]) {
    var random = SplitMix64(seed: UInt64(name.utf8.reduce(7) { $0 &* 31 &+ Int($1) } & 0xffff))
    let values = (0..<shape.reduce(1, *)).map { _ in
      Float(Int32(truncatingIfNeeded: random.next() >> 32)) * 0x1p-31
    }
    floats(name, values, shape)
  }

  mutating func int64(_ name: String, _ values: [Int64]) {
    let bytes = values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    constant(name, TensorContent(elementType: .int64, shape: Shape([values.count])!, bytes: .owned(bytes)))
  }
}

extension StaticPlan {
  func activation(_ tensor: String) -> ActivationEntry? { activations.first { $0.tensor == tensor } }
  func conversion(_ node: String, _ input: Int) -> ConversionEntry? {
    conversions.first { $0.node == node && $0.input == input }
  }
  func weight(_ name: String) -> StaticWeightEntry? { weights.first { $0.weight == name } }
}
