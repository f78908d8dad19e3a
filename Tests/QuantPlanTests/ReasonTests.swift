import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors
import TestSupport
import Testing

@Suite("Every decision has its reason")
struct ReasonTests {
  private let matMul = WeightSketch { $0.node("MatMul", ["x", "w"], ["y"], name: "fc1") }

  private func gather(_ build: (inout ModelProto) -> Void = { _ in }) -> WeightSketch {
    WeightSketch { model in
      model.input("i", .int64, [3])
      model.node("Gather", ["w", "i"], ["y"], name: "embed")
      build(&model)
    }
  }

  private func tied() -> WeightSketch {
    gather { model in
      model.input("q", [4, 32])
      model.node("Transpose", ["w"], ["t"])
      model.node("MatMul", ["q", "t"], ["z"], name: "logits")
    }
  }

  private func conv(_ shape: [Int]) -> WeightSketch {
    WeightSketch(shape) { $0.node("Conv", ["x", "w"], ["y"], name: "conv") }
  }

  private func left(_ entry: PlanEntry, _ reason: String, _ sourceLocation: SourceLocation = #_sourceLocation)
  {
    #expect(entry.treatment == nil, sourceLocation: sourceLocation)
    #expect(entry.reason == reason, sourceLocation: sourceLocation)
    #expect(entry.bytesAfter == entry.bytesBefore, sourceLocation: sourceLocation)
  }

  private func done(
    _ entry: PlanEntry, _ form: WeightForm, _ summary: String, _ reason: String,
    _ sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(entry.treatment?.form == form, sourceLocation: sourceLocation)
    #expect(entry.treatment?.summary == summary, sourceLocation: sourceLocation)
    #expect(entry.reason == reason, sourceLocation: sourceLocation)
  }

  @Test("linear layers in every scheme")
  func linear() throws {
    done(try matMul.entry(), .dynamicMatMul, "s8 channel", "8-bit weights, activations quantized at run time")
    done(
      try matMul.entry { $0.granularity = .tensor }, .dynamicMatMul, "s8 tensor",
      "8-bit weights, activations quantized at run time")
    done(
      try matMul.entry { $0.granularity = .block }, .dynamicMatMul, "s8 channel",
      "8-bit weights, activations quantized at run time")
    done(
      try matMul.entry { $0.scheme = .weightInt8 }, .matMulNBits, "s8 block 32",
      "block-wise weights, float activations")
    done(
      try matMul.entry { ($0.scheme, $0.blockSize, $0.symmetric) = (.weightInt4, 64, false) }, .matMulNBits,
      "u4 block 64",
      "block-wise weights, float activations")
    done(
      try matMul.entry { ($0.scheme, $0.format) = (.weightInt4, .qdq) }, .dequantize, "s4 block 32",
      "integer weights, dequantized before use")
    done(
      try matMul.entry { ($0.scheme, $0.granularity) = (.weightInt8, .channel) }, .dequantize, "s8 channel",
      "integer weights, dequantized before use")
    done(try matMul.entry { $0.scheme = .fp16 }, .half, "fp16", "all float weights become binary16")
  }

  @Test("ranges: the default is measured, the user's own goes first")
  func ranges() throws {
    #expect(try matMul.entry().treatment?.range == .maximum)
    #expect(try matMul.entry { $0.scheme = .weightInt8 }.treatment?.range == .maximum)
    #expect(try matMul.entry { $0.scheme = .weightInt4 }.treatment?.range == .leastSquares)
    #expect(try matMul.entry { ($0.scheme, $0.range) = (.weightInt4, .maximum) }.treatment?.range == .maximum)
    #expect(try matMul.entry { $0.range = .leastSquares }.treatment?.range == .leastSquares)
  }

  @Test("include, exclude and exceptions")
  func patterns() throws {
    left(try matMul.entry { $0.exclude = ["z", "fc*", "w"] }, "excluded by 'fc*'")
    left(try matMul.entry { $0.include = ["weight:fc*"] }, "not among the included")
    left(try matMul.entry { ($0.include, $0.exclude) = (["w"], ["op:MatMul"]) }, "excluded by 'op:MatMul'")
    #expect(try matMul.entry { $0.include = ["z", "w"] }.treatment != nil)
    var exception = QuantPolicy.Exception(match: "fc*")
    exception.leave = true
    left(try matMul.entry { $0.exceptions = [exception] }, "left by the exception 'fc*'")
    exception.leave = nil
    exception.bits = 8
    exception.blockSize = 128
    exception.symmetric = false
    exception.range = .maximum
    done(
      try matMul.entry { ($0.scheme, $0.exceptions) = (.weightInt4, [exception]) }, .matMulNBits,
      "u8 block 128",
      "block-wise weights, float activations; exception 'fc*'")
    // The first match counts, also when a later one would leave the weight.
    var later = QuantPolicy.Exception(match: "*")
    later.leave = true
    #expect(try matMul.entry { $0.exceptions = [exception, later] }.treatment != nil)
    exception.granularity = .channel
    exception.symmetric = true
    done(
      try matMul.entry { ($0.scheme, $0.exceptions) = (.weightInt4, [exception]) }, .dequantize, "s8 channel",
      "integer weights, dequantized before use; exception 'fc*'")
  }

  @Test("small, empty, idle and vector weights")
  func sizes() throws {
    left(try matMul.entry { $0.minimumElementCount = 2049 }, "fewer than 2049 elements")
    #expect(try matMul.entry { $0.minimumElementCount = 2048 }.treatment != nil)
    left(try WeightSketch([0, 32]) { $0.node("MatMul", ["x", "w"], ["y"]) }.entry(), "it has no elements")
    left(try WeightSketch { _ in }.entry(), "no node takes it")
    left(try WeightSketch([4096]) { $0.node("Add", ["x", "w"], ["y"]) }.entry(), "a vector stays float")
    left(try WeightSketch([]) { $0.node("Add", ["x", "w"], ["y"]) }.entry(), "a scalar stays float")
    left(try WeightSketch { $0.node("Add", ["x", "w"], ["y"]) }.entry(), "Add takes it, which stays float")
    left(
      try WeightSketch { $0.node("MatMul", ["x", "w"], ["y"], domain: "custom") }.entry(),
      "custom.MatMul takes it as it is")
    left(
      try WeightSketch {
        $0.node("MatMul", ["x", "w"], ["y"])
        $0.output("w", [64, 32])
      }.entry(), "it is an output of the graph")
  }

  @Test("a weight whose users see different channels stays")
  func mixedAxes() throws {
    let both = WeightSketch([64, 64]) { model in
      model.node("MatMul", ["x", "w"], ["y"])
      model.node("Gemm", ["x", "w"], ["z"], [.int("transB", 1)])
    }
    let reason = "it is used both as it is and transposed, so its channels differ by user"
    for scheme in [Scheme.dynamicInt8, .weightInt8, .weightInt4] {
      left(try both.entry { $0.scheme = scheme }, reason)
    }
    let table = gather { $0.node("MatMul", ["x", "w"], ["z"]) }
    left(try table.entry(), reason)
    let odd = WeightSketch([64, 32, 1]) { model in
      model.node("Conv", ["x", "w"], ["y"])
      model.node("Neg", ["w"], ["z"])
    }
    left(try odd.entry { $0.convolutions = .always }, "Neg takes it, which stays float")
  }

  @Test("embeddings")
  func embeddings() throws {
    let rows = "rows are gathered as integers, then scaled"
    done(try gather().entry(), .gatherRows, "s8 channel", rows)
    done(try gather().entry { $0.scheme = .weightInt4 }, .gatherRows, "s8 channel", rows)
    left(try gather().entry { $0.embeddings = false }, "embeddings are left by the policy")
    done(try tied().entry(), .gatherRows, "s8 channel", rows)
    done(
      try tied().entry { $0.scheme = .weightInt8 }, .matMulNBits, "s8 block 32", "one table for both users")
    done(
      try tied().entry { $0.scheme = .weightInt4 }, .matMulNBits, "s8 block 32",
      "8 bits for embedding and logits")
    // Rows of 32 elements are no whole blocks of 64.
    done(
      try tied().entry { ($0.scheme, $0.blockSize) = (.weightInt8, 64) }, .gatherRows, "s8 channel",
      "one table for both users")
    done(
      try tied().entry { ($0.scheme, $0.format) = (.weightInt8, .qdq) }, .gatherRows, "s8 channel",
      "one table for both users")
    #expect(try tied().entry().role == .tiedEmbedding)
    left(try tied().entry { $0.embeddings = false }, "embeddings are left by the policy")
  }

  @Test("convolutions")
  func convolutions() throws {
    let (stem, pointwise) = (conv([32, 16, 3]), conv([64, 32, 1, 1]))
    left(try stem.entry(), "ConvInteger costs accuracy and gains no time (--conv always quantizes it)")
    left(
      try pointwise.entry(), "a 1x1 Conv is faster in float than as ConvInteger (--conv always quantizes it)")
    left(
      try stem.entry { $0.scheme = .weightInt8 },
      "the stem's Conv costs accuracy and holds few weights (--conv always quantizes it)")
    left(
      try pointwise.entry { ($0.scheme, $0.convolutions) = (.weightInt8, .never) },
      "convolutions are left by the policy")
    done(
      try stem.entry { $0.convolutions = .always }, .dynamicConvolution, "s8 channel",
      "8-bit weights, activations quantized at run time")
    done(
      try pointwise.entry { $0.scheme = .weightInt8 }, .dequantize, "s8 channel",
      "integer weights, dequantized before use")
    done(
      try pointwise.entry { $0.scheme = .weightInt4 }, .dequantize, "s8 channel",
      "integer weights, dequantized before use; Conv has no 4-bit operator in this format")
    done(
      try pointwise.entry { ($0.scheme, $0.format) = (.weightInt4, .qdq) }, .dequantize, "s4 block 32",
      "integer weights, dequantized before use")
    done(
      try stem.entry { ($0.scheme, $0.format, $0.convolutions) = (.weightInt4, .qdq, .always) }, .dequantize,
      "s8 channel",
      "integer weights, dequantized before use; Conv has no 4-bit operator in this format")
  }

  @Test("fp16 converts what is wider, and says so of what is not")
  func half() throws {
    func typed(_ type: ElementType) -> WeightSketch {
      WeightSketch(type: type) { $0.node("MatMul", ["x", "w"], ["y"]) }
    }
    #expect(try typed(.bfloat16).entry { $0.scheme = .fp16 }.treatment?.form == .half)
    left(try typed(.float16).entry { $0.scheme = .fp16 }, "it is binary16 already")
    var model = ModelProto.sketch()
    model.constant(
      "w",
      TensorContent(elementType: .float64, shape: Shape([1])!, bytes: .owned([UInt8](repeating: 0, count: 8)))
    )
    var policy = QuantPolicy()
    policy.scheme = .fp16
    left(try #require(Planner.plan(model.lifted(), policy: policy).entries.first), "double stays as it is")
    // Patterns do not reach it: half a graph cannot be converted.
    #expect(try matMul.entry { ($0.scheme, $0.exclude) = (.fp16, ["*"]) }.treatment?.form == .half)
  }
}

@Suite("A table that is stored twice is kept once")
struct TwinTests {
  private func model(
    _ change: (inout [Float]) -> Void = { _ in }, twinName: String = "onnx::MatMul_1"
  ) -> ModelProto {
    var random = SplitMix64(seed: 9)
    let (rows, columns) = (512, 32)
    let table = random.normalFloats(rows * columns)
    var transposed = (0..<(rows * columns)).map { table[($0 % rows) * columns + $0 / rows] }
    change(&transposed)
    var model = ModelProto.sketch()
    model.input("i", .int64, [3])
    model.input("q", [4, columns])
    model.floats("table", table, [rows, columns])
    model.floats(twinName, transposed, [columns, rows])
    model.node("Gather", ["table", "i"], ["e"], name: "embed")
    model.node("MatMul", ["q", twinName], ["z"], name: "logits")
    return model
  }

  @Test("the transpose of a table, in every scheme of integers")
  func found() throws {
    for scheme in [Scheme.dynamicInt8, .weightInt8, .weightInt4] {
      var policy = QuantPolicy()
      policy.scheme = scheme
      let entries = Planner.plan(try model().lifted(), policy: policy).entries
      #expect(entries.map(\.weight) == ["table"])
      #expect(entries[0].twin == "onnx::MatMul_1")
      #expect(entries[0].role == .tiedEmbedding)
      #expect(entries[0].consumers == ["embed", "logits"])
      #expect(entries[0].bytesBefore == 2 * 512 * 32 * 4)
      #expect(entries[0].reason.hasSuffix("; 'onnx::MatMul_1' holds the same numbers and goes"))
    }
  }

  @Test("one other bit anywhere makes two weights", arguments: [0, 1, 31, 511, 512, 8000, 512 * 32 - 1])
  func different(place: Int) throws {
    let entries = Planner.plan(
      try model { $0[place] = Float(bitPattern: $0[place].bitPattern ^ 1) }.lifted(), policy: QuantPolicy()
    ).entries
    #expect(entries.map(\.weight) == ["table", "onnx::MatMul_1"])
    #expect(entries.allSatisfy { $0.twin == nil && $0.treatment != nil })
  }

  @Test("patterns reach a pair by both names")
  func patterns() throws {
    for name in ["table", "onnx::MatMul_1"] {
      var policy = QuantPolicy()
      policy.exclude = ["weight:" + name]
      let entry = try #require(Planner.plan(model().lifted(), policy: policy).entries.first)
      #expect(entry.treatment == nil && entry.bytesAfter == entry.bytesBefore, "\(name)")
      policy.exclude = []
      policy.include = ["weight:" + name]
      #expect(try Planner.plan(model().lifted(), policy: policy).entries[0].treatment != nil, "\(name)")
    }
  }

  @Test("without embeddings, or for fp16, both stay weights of their own")
  func notLooked() throws {
    var policy = QuantPolicy()
    policy.embeddings = false
    #expect(
      Planner.plan(try model().lifted(), policy: policy).entries.map(\.weight) == ["table", "onnx::MatMul_1"])
    policy = QuantPolicy()
    policy.scheme = .fp16
    #expect(Planner.plan(try model().lifted(), policy: policy).entries.count == 2)
  }

  @Test(
    "Optimum's decoders store the table twice, and the merged one too",
    arguments: [
      "decoder_model", "decoder_with_past_model", "decoder_model_merged",
    ])
  func optimum(name: String) throws {
    let path = PackageRoot.path("Tests/Resources/layouts/optimum/\(name).onnx")
    let graph = try ModelGraph.lift(
      ModelReader.read(path: path), external: ExternalDataFiles(modelPath: path))
    let tables = Planner.plan(graph, policy: QuantPolicy()).entries.filter { $0.role == .tiedEmbedding }
    #expect(tables.count == 1)
    #expect(tables.first?.treatment != nil)
    let isMerged = name.hasSuffix("merged")
    #expect(tables.first?.consumers.count == (isMerged ? 4 : 2), "\(tables)")
  }
}
