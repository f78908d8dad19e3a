import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

@Suite("Activations quantized at run time")
struct DynamicFormTests {
  let bench: QuantizeBench
  init() throws { bench = try QuantizeBench() }

  private func linear(
    _ opType: String, bias: [Int]? = nil, _ attributes: [AttributeProto] = [], shape: [Int] = [48, 33]
  )
    -> ModelProto
  {
    var model = ModelProto.sketch()
    let isTransposed = attributes.contains { $0.name == "transB" && $0.i == 1 }
    model.input("x", [5, isTransposed ? shape[1] : shape[0]])
    model.floats("w", weights(shape.reduce(1, *)), shape)
    if let bias { model.floats("b", weights(bias.reduce(1, *), seed: 2), bias) }
    model.node(opType, ["x", "w"] + (bias == nil ? [] : ["b"]), ["y"], name: "layer", attributes)
    model.output("y", [5, isTransposed ? shape[0] : shape[1]])
    return model
  }

  @Test("MatMul and Gemm, with biases of every shape, per channel and per tensor, by both ranges")
  func layers() throws {
    var oracle = Oracle()
    for granularity in [Granularity.channel, .tensor] {
      for range in [RangeRule.maximum, .leastSquares] {
        let demand: WeightQuestion.Range = range == .maximum ? .maximum : .clipped
        func add(_ label: String, _ model: ModelProto, axis: Int) throws {
          let result = try bench.quantize(model) { ($0.granularity, $0.range) = (granularity, range) }
          #expect(
            result.operators["MatMulInteger"] == 1 && result.operators["MatMul"] == nil
              && result.operators["Gemm"] == nil)
          #expect(try result.content("w_scale").shape.dimensions == (granularity == .tensor ? [] : [33]))
          result.requireTidy()
          oracle.ask("\(label) \(granularity) \(range)", result, sqnr: 30, [.linear("w", axis: axis, demand)])
        }
        try add("MatMul", linear("MatMul"), axis: 1)
        try add("Gemm", linear("Gemm"), axis: 1)
        try add("Gemm with bias", linear("Gemm", bias: [33]), axis: 1)
        try add("Gemm with a scalar", linear("Gemm", bias: []), axis: 1)
        try add("Gemm with a column", linear("Gemm", bias: [5, 1]), axis: 1)
        try add(
          "Gemm with transB", linear("Gemm", bias: [33], [.int("transB", 1)], shape: [33, 48]), axis: 0)
      }
    }
    try oracle.answers()
  }

  @Test("the operators are those that ONNX Runtime fuses, ending in the old output")
  func pattern() throws {
    let result = try bench.quantize(linear("Gemm", bias: [33]))
    #expect(
      result.graph.lines == [
        "x_quantized, x_scale, x_zero_point = DynamicQuantizeLinear(x)",
        "layer_integer = MatMulInteger(x_quantized, w_quantized, x_zero_point, w_zero_point)",
        "layer_cast = Cast(layer_integer)", "layer_scales = Mul(x_scale, w_scale)",
        "layer_scaled = Mul(layer_cast, layer_scales)", "y = Add(layer_scaled, b)",
      ])
  }

  @Test(
    "an activation of several layers is quantized once, before the first of them, whatever the weights' order"
  )
  func sharedActivation() throws {
    var model = ModelProto.sketch()
    model.input("in", [2, 3, 32])
    // The weights stand in another order than their nodes.
    for name in ["v", "k", "q"] {
      model.floats(name, weights(32 * 32, seed: UInt64(name.utf8.first!)), [32, 32])
    }
    model.node("Tanh", ["in"], ["x"])
    for name in ["q", "k", "v"] {
      model.node("MatMul", ["x", name], [name + "y"], name: name + "_proj")
      model.output(name + "y", [2, 3, 32])
    }
    let result = try bench.quantize(model)
    #expect(result.operators["DynamicQuantizeLinear"] == 1)
    #expect(result.operators["MatMulInteger"] == 3)
    result.requireTidy()
    var oracle = Oracle()
    oracle.ask("shared activation", result, sqnr: 30, ["q", "k", "v"].map { .linear($0, axis: 1) })
    try oracle.answers()
  }

  private func convolution(
    _ shape: [Int], input: [Int], group: Int = 1, bias: Bool, _ attributes: [AttributeProto] = []
  )
    -> ModelProto
  {
    var model = ModelProto.sketch()
    model.input("x", input)
    model.floats("w", weights(shape.reduce(1, *)), shape)
    if bias { model.floats("b", weights(shape[0], seed: 2), [shape[0]]) }
    model.node(
      "Conv", ["x", "w"] + (bias ? ["b"] : []), ["y"], name: "conv",
      [.int("group", Int64(group))] + attributes)
    model.output("y", input.map { _ in -1 }.enumerated().map { -$0.offset - 1 })
    return model
  }

  @Test("Conv of one and two dimensions, with groups, strides, pads and bias")
  func convolutions() throws {
    var oracle = Oracle()
    let cases: [(String, ModelProto)] = [
      (
        "1-D",
        convolution(
          [8, 6, 3], input: [2, 6, 20], bias: true, [.ints("pads", [1, 1]), .ints("strides", [2])])
      ),
      ("1-D without bias", convolution([8, 6, 3], input: [2, 6, 20], bias: false)),
      ("2-D", convolution([8, 6, 3, 3], input: [1, 6, 9, 10], bias: true, [.ints("pads", [1, 1, 1, 1])])),
      ("2-D groups", convolution([8, 3, 3, 3], input: [1, 6, 9, 10], group: 2, bias: true)),
      ("pointwise", convolution([16, 6, 1, 1], input: [1, 6, 9, 10], bias: true)),
    ]
    for (label, model) in cases {
      for granularity in [Granularity.channel, .tensor] {
        let result = try bench.quantize(model) { ($0.granularity, $0.convolutions) = (granularity, .always) }
        #expect(result.operators["ConvInteger"] == 1 && result.operators["Conv"] == nil)
        result.requireTidy()
        oracle.ask("\(label) \(granularity)", result, sqnr: 28, [.linear("w", axis: 0)])
      }
    }
    try oracle.answers()
  }

  @Test("a weight before Transpose, for one MatMul or two")
  func transposed() throws {
    var model = ModelProto.sketch()
    model.input("x", [3, 32])
    model.floats("w", weights(40 * 32), [40, 32])
    model.node("Transpose", ["w"], ["t"], [.ints("perm", [1, 0])])
    model.node("MatMul", ["x", "t"], ["y"])
    model.output("y", [3, 40])
    model.graph?.valueInfo = [ValueInfoProto("t", .float32, [32, 40])]
    var oracle = Oracle()
    oracle.ask("one", try bench.quantize(model), sqnr: 30, [.linear("w", axis: 0)])
    model.node("Neg", ["x"], ["n"])
    model.node("MatMul", ["n", "t"], ["z"])
    model.output("z", [3, 40])
    let two = try bench.quantize(model)
    #expect(two.operators["Transpose"] == 1)
    two.requireTidy()
    oracle.ask("two", two, sqnr: 30, [.linear("w", axis: 0)])
    try oracle.answers()
  }

  @Test("a weight that both branches of an If take is stored once")
  func branches() throws {
    var model = ModelProto.sketch()
    model.input("x", [3, 32])
    model.input("flag", .bool, [])
    model.floats("w", weights(32 * 24), [32, 24])
    let branches = [("then_branch", "Neg"), ("else_branch", "Tanh")].map { attribute, opType in
      AttributeProto.graph(
        attribute,
        GraphProto(
          opType,
          [
            NodeProto(opType, ["x"], [opType + "_x"]),
            NodeProto("MatMul", [opType + "_x", "w"], [opType + "_y"], name: opType + "_mm"),
          ],
          outputs: [ValueInfoProto(opType + "_y", .float32, [3, 24])]))
    }
    model.node("If", ["flag"], ["y"], name: "if", branches)
    model.output("y", [3, 24])
    let result = try bench.quantize(model)
    #expect(result.operators["MatMulInteger"] == 2)
    #expect(
      result.graph.allInitializers.map { result.graph[$0].name } == [
        "w_quantized", "w_scale", "w_zero_point",
      ])
    result.requireTidy()
    // With the same outer activation in both branches.
    var same = model
    for place in 0..<2 {
      same.graph?.node[0].attribute[place].g?.value.node[0].opType = "Identity"
      same.graph?.node[0].attribute[place].g?.value.node[1].input[0] = "x"
    }
    let outer = try bench.quantize(same)
    outer.requireTidy()
    var oracle = Oracle()
    oracle.ask("branches", result, sqnr: 30, [.linear("w", axis: 1)])
    oracle.ask("outer activation", outer, sqnr: 30, [.linear("w", axis: 1)])
    let blocks = try bench.quantize(model) { $0.scheme = .weightInt8 }
    oracle.ask("blocks", blocks, sqnr: 35, [.blocks("w", bits: 8, 32)])
    #expect(blocks.graph.allInitializers.count == 2)
    try oracle.answers()
  }

  @Test("float16, bfloat16 and float64 sources, and a bfloat16 weight before a Cast")
  func otherSources() throws {
    var oracle = Oracle()
    let values = weights(32 * 24)
    func model(_ type: ElementType, _ content: TensorContent) -> ModelProto {
      var model = ModelProto.sketch(opset: 17)
      model.input("x", type, [3, 32])
      model.constant("w", content)
      model.constant("b", .zeros(type, [24]))
      model.node("Gemm", ["x", "w", "b"], ["y"], name: "layer")
      model.output("y", type, [3, 24])
      return model
    }
    let double = TensorContent(
      elementType: .float64, shape: Shape([32, 24])!,
      bytes: .owned(
        values.flatMap { value in
          (0..<8).map { UInt8(truncatingIfNeeded: Double(value).bitPattern >> (8 * $0)) }
        }))
    let half = TensorContent.halves(values.map { Float16($0).bitPattern }, .float16, shape: [32, 24])
    for (label, type, content) in [("float64", .float64, double), ("float16", .float16, half)]
      as [(String, ElementType, TensorContent)]
    {
      let result = try bench.quantize(model(type, content))
      #expect(result.operators["MatMulInteger"] == 1, "\(label)")
      result.requireTidy()
      oracle.ask(label, result, sqnr: 30, [.linear("w", axis: 1)])
      let blocks = try bench.quantize(model(type, content)) { $0.scheme = .weightInt8 }
      oracle.ask(label + " blocks", blocks, sqnr: 35, [.blocks("w", bits: 8, 32)])
      let channels = try bench.quantize(model(type, content)) {
        ($0.scheme, $0.granularity) = (.weightInt8, .channel)
      }
      oracle.ask(label + " channels", channels, sqnr: 35, [.linear("w", axis: 1)])
    }
    var cast = ModelProto.sketch()
    cast.input("x", [3, 32])
    cast.constant("w", .halves(values.map { UInt16($0.bitPattern >> 16) }, .bfloat16, shape: [32, 24]))
    cast.node("Cast", ["w"], ["c"], [.int("to", 1)])
    cast.node("MatMul", ["x", "c"], ["y"])
    cast.output("y", [3, 24])
    for scheme in [Scheme.dynamicInt8, .weightInt8] {
      let result = try bench.quantize(cast) { $0.scheme = scheme }
      #expect(result.operators["Cast"] == (scheme == .dynamicInt8 ? 1 : nil))
      result.requireTidy()
      let question = scheme == .dynamicInt8 ? WeightQuestion.linear("w", axis: 1) : .blocks("w", bits: 8, 32)
      oracle.ask("bfloat16 before a Cast, \(scheme)", result, sqnr: 30, [question])
    }
    try oracle.answers()
  }

  @Test("a weight in a Constant node, and an IR 3 model whose weight is an input")
  func places() throws {
    var constant = ModelProto.sketch()
    constant.input("x", [3, 32])
    constant.node("Constant", [], ["w"], [.tensor("value", .floats(weights(32 * 24), shape: [32, 24]))])
    constant.node("MatMul", ["x", "w"], ["y"])
    constant.output("y", [3, 24])
    var old = linear("MatMul")
    old.irVersion = 3
    old.graph?.input.append(ValueInfoProto("w", .float32, [48, 33]))
    var oracle = Oracle()
    let first = try bench.quantize(constant)
    #expect(first.operators["Constant"] == nil)
    oracle.ask("Constant", first, sqnr: 30, [.linear("w", axis: 1)])
    let second = try bench.quantize(old)
    #expect(second.graph.message.irVersion == 4)
    #expect(second.graph[second.graph.root].inputs.count == 1)
    oracle.ask("IR 3", second, sqnr: 30, [.linear("w", axis: 1)])
    try oracle.answers()
  }
}

extension TensorContent {
  /// Zeros of any type of whole bytes.
  static func zeros(_ type: ElementType, _ shape: [Int]) -> TensorContent {
    let count = shape.reduce(1, *)
    return TensorContent(
      elementType: type, shape: Shape(shape)!,
      bytes: .owned([UInt8](repeating: 0, count: type.byteCount(elementCount: count) ?? 0)))
  }
}
