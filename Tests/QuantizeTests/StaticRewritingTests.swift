import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

/// Prepared models made by hand.
enum StaticModels {
  static func linear(_ k: Int = 24, _ n: Int = 20, transposed: Bool = false, bias: Bool = true) -> ModelProto
  {
    var model = ModelProto.sketch()
    model.input("x", [6, k])
    model.weights("w", transposed ? [n, k] : [k, n])
    if bias { model.weights("b", [n]) }
    if transposed || bias {
      model.node(
        "Gemm", ["x", "w"] + (bias ? ["b"] : []), ["h"], name: "layer", transposed ? [.int("transB", 1)] : [])
    } else {
      model.node("MatMul", ["x", "w"], ["h"], name: "layer")
    }
    model.node("Relu", ["h"], ["y"], name: "after")
    model.output("y", [6, n])
    return model
  }

  static func convolution(bias: Bool = true) -> ModelProto {
    var model = ModelProto.sketch()
    model.input("mel", [1, 4, 12])
    model.weights("kernel", [8, 4, 3])
    if bias { model.weights("kernel_bias", [8]) }
    model.node(
      "Conv", ["mel", "kernel"] + (bias ? ["kernel_bias"] : []), ["c"], name: "stem",
      [.ints("pads", [1, 1]), .ints("strides", [2])])
    model.node("Gelu", ["c"], ["y"], name: "gelu")
    model.output("y", [1, 8, 6])
    model.opsetImport[0].version = 20
    return model
  }

  static func normalization() -> ModelProto {
    var model = ModelProto.sketch()
    model.input("x", [5, 16])
    for name in ["gamma", "beta"] { model.weights(name, [16]) }
    model.weights("w", [16, 8])
    model.weights("b", [8])
    model.node("LayerNormalization", ["x", "gamma", "beta"], ["n"], name: "norm", [.int("axis", -1)])
    model.node("Gemm", ["n", "w", "b"], ["y"], name: "layer")
    model.output("y", [5, 8])
    return model
  }

  static func attention() -> ModelProto {
    var model = ModelProto.sketch()
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
    return model
  }

  /// A table, a cache that is joined, and a constant operand.
  static func cache() -> ModelProto {
    var model = ModelProto.sketch()
    model.input("ids", .int64, [2])
    model.input("past", [3, 8])
    model.weights("table", [5, 8])
    model.weights("offset", [1, 8])
    model.weights("pad", [1, 8])
    model.node("Gather", ["table", "ids"], ["rows"], name: "lookup")
    model.node("Add", ["rows", "offset"], ["new"], name: "add")
    model.node("Concat", ["past", "new", "pad"], ["present"], name: "join", [.int("axis", 0)])
    model.node("Transpose", ["present"], ["turned"], name: "turn", [.ints("perm", [1, 0])])
    model.node("MatMul", ["new", "turned"], ["y"], name: "product")
    model.output("y", [2, 6])
    model.output("present", [6, 8])
    return model
  }

  /// One operator that the target lacks between others.
  static func foreign() -> ModelProto {
    var model = ModelProto.sketch()
    model.input("x", [4, 8])
    model.weights("w", [8, 8])
    model.node("Sigmoid", ["x"], ["a"], name: "before")
    model.node("Erf", ["a"], ["e"], name: "erf")
    model.node("MatMul", ["e", "w"], ["y"], name: "layer")
    model.output("y", [4, 8])
    return model
  }
}

@Suite("Static Q/DQ models say and compute what their plan says")
struct StaticRewritingTests {
  let bench: StaticBench
  init() throws { bench = try StaticBench() }

  @Test("linear layers of both layouts, with bias and without, by maximum and least squares")
  func linear() throws {
    for (transposed, bias) in [(false, true), (true, true), (false, false), (true, false)] {
      for range in [RangeRule.maximum, .leastSquares] {
        let label = "transB \(transposed), bias \(bias), \(range)"
        let graph = try bench.quantize(label, StaticModels.linear(transposed: transposed, bias: bias)) {
          $0.weightRange = range
        }
        #expect(graph.opsetVersion() == 21)
      }
    }
    try bench.answers(sqnr: 35)
  }

  @Test(
    "convolutions with 16 and 8 bits, LayerNormalization, attention, tables and caches, a foreign operator")
  func operators() throws {
    for wide in [true, false] {
      for bias in [true, false] {
        try bench.quantize("conv wide \(wide) bias \(bias)", StaticModels.convolution(bias: bias)) {
          $0.isStemWide = wide
        }
      }
    }
    try bench.quantize("norm", StaticModels.normalization())
    for kv in KeyValueType.allCases {
      try bench.quantize("attention \(kv)", StaticModels.attention()) { $0.keysAndValues = kv }
      try bench.quantize("cache \(kv)", StaticModels.cache()) { $0.keysAndValues = kv }
    }
    try bench.quantize("foreign", StaticModels.foreign())
    try bench.quantize("excluded", StaticModels.attention()) {
      $0.exclude = ["op:Softmax", "node:k_reshape"]
    }
    try bench.answers(sqnr: 20)
  }

  @Test("w8a8 and w4a16 in blocks, per channel, and where K is no multiple of the block")
  func schemes() throws {
    try bench.quantize("attention w8a8", StaticModels.attention(), .w8a8)
    try bench.quantize("norm w8a8", StaticModels.normalization(), .w8a8)
    for scheme in [Scheme.w8a16, .w4a16] {
      var model = ModelProto.sketch()
      model.input("x", [1, 3, 9])
      model.weights("w", [1, 9, 5])
      model.node("MatMul", ["x", "w"], ["y"], name: "layer")
      model.output("y", [1, 3, 5])
      try bench.quantize("rank 3 \(scheme)", model, scheme)
    }
    for transposed in [false, true] {
      for bias in [false, true] {
        for (k, size) in [(64, 16), (64, 32), (40, 32), (64, nil)] {
          let label = "w4a16 K \(k), block \(size ?? 0), transB \(transposed), bias \(bias)"
          try bench.quantize(
            label, StaticModels.linear(k, 20, transposed: transposed, bias: bias), .w4a16
          ) { $0.blockSize = size }
        }
      }
    }
    try bench.answers(sqnr: 12)
  }

  @Test("inputs that the range does not hold, and channels of zeros or of one element")
  func edges() throws {
    var model = StaticModels.linear(1, 1)
    try bench.quantize("one by one", model, ranges: ["x": -0.25...0.5])
    model = ModelProto.sketch()
    model.input("x", [3, 4])
    model.floats("w", [0, 1e-30, 3, -2, 0, 0, 1, 2, 0, 0, 0.5, 1, 0, -1e-30, 0, 0.1], [4, 4])
    model.floats("b", [0, 0, 1e-3, -1], [4])
    model.node("Gemm", ["x", "w", "b"], ["y"], name: "layer")
    model.output("y", [3, 4])
    try bench.quantize("zeros", model)
    try bench.answers(sqnr: 3)
  }

  @Test("a bias beside weights that hardly move fits 32 bits, and a channel of subnormal numbers has a scale")
  func smallWeights() throws {
    for transposed in [false, true] {
      for granularity in [Granularity.channel, .tensor] {
        var model = ModelProto.sketch()
        model.input("x", [3, 4])
        let tiny = Float(bitPattern: 9)
        let rows: [Float] = [1e-6, -1e-6, 0, 5e-7, 1, -2, 0.5, 1, tiny, 0, -tiny, tiny]
        let columns = (0..<4).flatMap { k in (0..<3).map { rows[$0 * 4 + k] } }
        model.floats("w", transposed ? rows : columns, transposed ? [3, 4] : [4, 3])
        model.floats("b", [2, -1, 0.5], [3])
        model.node("Gemm", ["x", "w", "b"], ["y"], name: "layer", transposed ? [.int("transB", 1)] : [])
        model.output("y", [3, 3])
        for scheme in [Scheme.w8a16, .w4a16] {
          try bench.quantize("\(scheme), transB \(transposed), \(granularity)", model, scheme) {
            $0.blockSize = nil
          } edit: { plan in
            guard granularity == .tensor else { return }
            (plan.weights[0].granularity, plan.weights[0].axis) = (.tensor, nil)
          }
        }
      }
    }
    try bench.answers(sqnr: 8)
  }

  @Test("two layers may share a weight and a bias")
  func shared() throws {
    var model = ModelProto.sketch()
    model.input("x", [3, 16])
    model.weights("w", [16, 16])
    model.weights("b", [16])
    model.node("Gemm", ["x", "w", "b"], ["h"], name: "first")
    model.node("Relu", ["h"], ["r"], name: "relu")
    model.node("Gemm", ["r", "w", "b"], ["y"], name: "second")
    model.output("y", [3, 16])
    let graph = try bench.quantize("shared", model, ranges: ["r": 0...2])
    // The integers of the weight are there once, the bias once for each input scale.
    let names = graph.allInitializers.map { graph[$0].name }
    #expect(names.count { $0.hasPrefix("w_quantized") } == 1)
    #expect(names.count { $0.hasPrefix("b_quantized") } == 2)
    try bench.answers(sqnr: 30)
  }

  @Test("the same input gives the same bytes, with one thread and with four")
  func deterministic() throws {
    for (model, scheme) in [
      (StaticModels.attention(), Scheme.w8a8), (StaticModels.convolution(), .w8a16),
      (StaticModels.linear(64, 20), .w4a16),
    ] {
      let source = try SourceModel(model)
      let plan = try StaticBench.plan(source.graph, scheme) { $0.weightRange = .leastSquares }
      for (index, threads) in [1, 4, 1].enumerated() {
        try bench.write(source.graph, plan, to: bench.folder.path("same-\(index).onnx"), threads: threads)
      }
      let first = try bench.folder.read("same-0.onnx")
      #expect(try first == bench.folder.read("same-1.onnx"))
      #expect(try first == bench.folder.read("same-2.onnx"))
    }
  }
}
