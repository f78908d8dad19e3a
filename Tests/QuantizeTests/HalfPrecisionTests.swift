import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

@Suite("The whole graph in binary16")
struct HalfPrecisionTests {
  let bench: QuantizeBench
  init() throws { bench = try QuantizeBench() }

  private func linear() -> ModelProto {
    var model = ModelProto.sketch()
    model.input("x", [3, 32])
    model.input("i", .int64, [3])
    model.floats("w", weights(32 * 24), [32, 24])
    model.floats("b", weights(24, seed: 3), [24])
    model.node("MatMul", ["x", "w"], ["m"], name: "mm")
    model.node("Add", ["m", "b"], ["y"], name: "add")
    model.output("y", [3, 24])
    model.graph?.valueInfo = [
      ValueInfoProto("m", .float32, [3, 24]), ValueInfoProto("x", .float32, [3, 32]),
    ]
    return model
  }

  @Test("borders keep their types, or become binary16")
  func borders() throws {
    var oracle = Oracle()
    let kept = try bench.quantize(linear()) { $0.scheme = .fp16 }
    kept.requireTidy()
    #expect(kept.operators == ["Cast": 2, "MatMul": 1, "Add": 1])
    let whole = try bench.quantize(linear()) { ($0.scheme, $0.borderTypes) = (.fp16, .fp16) }
    #expect(whole.operators == ["MatMul": 1, "Add": 1])
    // Descriptions follow, also that of an input which the file describes a second time.
    let descriptions = try #require(whole.graph.lower().graph).valueInfo
    #expect(
      descriptions.map { $0.serialized() } == [
        ValueInfoProto("m", .float16, [3, 24]).serialized(),
        ValueInfoProto("x", .float16, [3, 32]).serialized(),
      ])
    oracle.ask("keep", kept, sqnr: 60)
    oracle.ask("fp16", whole, sqnr: 60)
    let verdicts = try oracle.answers()
    #expect(
      verdicts.map(\.types) == [
        ["tensor(float)", "tensor(int64)", "tensor(float)"],
        ["tensor(float16)", "tensor(int64)", "tensor(float16)"],
      ])
  }

  @Test("values are rounded to nearest even; what is too large is clamped and counted, infinities stay")
  func rounding() throws {
    let values: [Float] = [
      1, -2.5, 65504, 65519.9, 65520, 1e6, -1e30, .infinity, -.infinity, 2049, 2051, 5.9604645e-8,
      2.9802322e-8, 1e-12, 0, -0.0,
    ]
    var model = ModelProto.sketch()
    model.input("x", [16])
    model.floats("mask", values, [16])
    model.node("Add", ["x", "mask"], ["y"])
    model.output("y", [16])
    let result = try bench.quantize(model) { $0.scheme = .fp16 }
    let bytes = try result.bytes("mask")
    let halves = stride(from: 0, to: bytes.count, by: 2).map {
      UInt16(bytes[$0]) | UInt16(bytes[$0 + 1]) << 8
    }
    let expected = values.map { value -> UInt16 in
      let half = Float16(value)
      let clamped =
        half.isInfinite && value.isFinite
        ? (value < 0 ? -Float16.greatestFiniteMagnitude : .greatestFiniteMagnitude) : half
      return clamped.bitPattern
    }
    #expect(halves == expected)
    #expect(result.outcomes[0].overflowCount == 3)
    #expect(result.outcomes[0].underflowCount == 2)
  }

  @Test("float32 islands stand around operators that have no binary16 form")
  func islands() throws {
    var model = ModelProto.sketch(opset: 17)
    model.input("x", [1, 2, 4, 4])
    model.input("limit", [])
    model.floats("scales", [1, 1, 2, 2], [4])
    model.floats("start", [0], [])
    model.floats("delta", [1], [])
    model.node("Resize", ["x", "", "scales"], ["r"], name: "resize")
    model.node("Range", ["start", "limit", "delta"], ["range"], name: "range")
    model.node("DynamicQuantizeLinear", ["r"], ["q", "qs", "qz"], name: "quantize")
    model.node("DequantizeLinear", ["q", "qs", "qz"], ["d"], name: "dequantize")
    model.node("Mul", ["d", "r"], ["y"])
    model.node("Relu", ["range"], ["z"])
    model.output("y", [1, 2, 8, 8])
    model.output("z", [-1])
    var oracle = Oracle()
    for border in [BorderTypes.keep, .fp16] {
      // A limit of three, so that rounding it does not change how many numbers there are.
      var fixed = model
      fixed.graph?.input.removeLast()
      fixed.floats("limit", [3], [])
      let result = try bench.quantize(fixed) { ($0.scheme, $0.borderTypes) = (.fp16, border) }
      result.requireTidy()
      oracle.ask("\(border)", result, sqnr: 35)
    }
    try oracle.answers()
  }

  @Test("constants in nodes, of every kind, and casts inside")
  func constants() throws {
    var model = ModelProto.sketch()
    model.input("x", [3])
    model.input("i", .int64, [3])
    model.node("Constant", [], ["a"], [.tensor("value", .floats([1, 2, 3], shape: [3]))])
    model.node("Constant", [], ["b"], [.float("value_float", 0.5)])
    var floats = AttributeProto()
    (floats.name, floats.floats, floats.type) = (
      "value_floats", [4, 5, 6], AttributeProto.Kind.floats.rawValue
    )
    model.node("Constant", [], ["c"], [floats])
    model.node("Shape", ["x"], ["shape"])
    model.node("ConstantOfShape", ["shape"], ["zero"])
    model.node("ConstantOfShape", ["shape"], ["seven"], [.tensor("value", .floats([7], shape: [1]))])
    model.node("Cast", ["i"], ["f"], [.int("to", 1)])
    model.node("Sum", ["x", "a", "b", "c", "zero", "seven", "f"], ["y"])
    model.node("EyeLike", ["eye"], ["e"], [.int("dtype", 1)])
    model.constant("eye", .int64s([0, 0, 0, 0], shape: [2, 2]))
    model.output("y", [3])
    model.output("e", [2, 2])
    var oracle = Oracle()
    let result = try bench.quantize(model) { $0.scheme = .fp16 }
    oracle.ask("constants", result, sqnr: 50)
    let whole = try bench.quantize(model) { ($0.scheme, $0.borderTypes) = (.fp16, .fp16) }
    oracle.ask("constants, fp16", whole, sqnr: 50)
    try oracle.answers()
  }

  @Test("bodies of If and Loop are converted with the graph around them")
  func bodies() throws {
    let float = { (name: String) in ValueInfoProto(name, .float32, [3]) }
    let then = GraphProto("then", [NodeProto("Mul", ["x", "w"], ["t"])], outputs: [float("t")])
    let other = GraphProto(
      "else",
      [
        NodeProto("Constant", [], ["k"], [.tensor("value", .floats([1, 2, 3], shape: [3]))]),
        NodeProto("Add", ["x", "k"], ["e"]),
      ], outputs: [float("e")])
    let body = GraphProto(
      "body", inputs: [ValueInfoProto("n", .int64, []), ValueInfoProto("c", .bool, []), float("carried")],
      [NodeProto("Mul", ["carried", "w"], ["next"]), NodeProto("Identity", ["c"], ["c2"])],
      outputs: [ValueInfoProto("c2", .bool, []), float("next")])
    var model = ModelProto.sketch()
    model.input("x", [3])
    model.input("flag", .bool, [])
    model.floats("w", [0.5, 2, -1], [3])
    model.constant("trips", .int64s([3], shape: []))
    model.node("If", ["flag"], ["i"], [.graph("then_branch", then), .graph("else_branch", other)])
    model.node("Loop", ["trips", "", "i"], ["y"], [.graph("body", body)])
    model.output("y", [3])
    var oracle = Oracle()
    for border in [BorderTypes.keep, .fp16] {
      let result = try bench.quantize(model) { ($0.scheme, $0.borderTypes) = (.fp16, border) }
      oracle.ask("\(border)", result, sqnr: 50)
    }
    try oracle.answers()
  }

  @Test("a bfloat16 graph becomes binary16, its casts too")
  func bfloat16() throws {
    func model(_ type: ElementType) -> ModelProto {
      let bits = weights(32 * 24).map { UInt16($0.bitPattern >> 16) }
      var model = ModelProto.sketch()
      model.input("x", [3, 32])
      if type == .bfloat16 {
        model.constant("w", .halves(bits, .bfloat16, shape: [32, 24]))
      } else {
        model.floats("w", bits.map { Float(bitPattern: UInt32($0) << 16) }, [32, 24])
      }
      model.node("Cast", ["x"], ["n"], [.int("to", Int64(type.rawValue))])
      model.node("MatMul", ["n", "w"], ["m"])
      model.node("Cast", ["m"], ["y"], [.int("to", 1)])
      model.output("y", [3, 24])
      return model
    }
    let reference = try SourceModel(model(.float32))
    var oracle = Oracle()
    for border in [BorderTypes.keep, .fp16] {
      let result = try bench.quantize(model(.bfloat16)) { ($0.scheme, $0.borderTypes) = (.fp16, border) }
      oracle.ask("\(border)", result, sqnr: 55, reference: reference.path)
    }
    try oracle.answers()
  }

  @Test("borders that are constants or pass through: a default, an output that is stored, an input given out")
  func oddBorders() throws {
    var model = ModelProto.sketch()
    model.input("x", [3])
    model.input("gain", [3])
    model.floats("gain", [1, 2, 3], [3])
    model.floats("stored", [4, 5, 6], [3])
    model.node("Mul", ["x", "gain"], ["m"])
    model.node("Add", ["m", "stored"], ["y"])
    for name in ["y", "stored", "x"] { model.output(name, [3]) }
    var oracle = Oracle()
    for border in [BorderTypes.keep, .fp16] {
      let result = try bench.quantize(model) { ($0.scheme, $0.borderTypes) = (.fp16, border) }
      oracle.ask("\(border)", result, sqnr: 50)
    }
    let verdicts = try oracle.answers()
    #expect(verdicts[0].types.allSatisfy { $0 == "tensor(float)" })
    #expect(verdicts[1].types.allSatisfy { $0 == "tensor(float16)" })
  }

  @Test("a weight that the plan leaves, a foreign operator and a composed one are refused")
  func refusals() throws {
    func why(_ model: ModelProto, _ edit: (inout QuantPlan) -> Void = { _ in }) -> String {
      do {
        _ = try bench.quantize(model, { $0.scheme = .fp16 }, edit: edit)
      } catch let error as QuantizeError {
        return error.message
      } catch {
        return "\(error)"
      }
      return ""
    }
    #expect(
      why(linear()) { $0.entries[0].treatment = nil }.contains(
        "'w' cannot be done: the scheme fp16 converts the whole graph"))
    #expect(why(linear()) { $0.entries.removeLast() }.contains("'b' cannot be done"))
    #expect(
      why(linear()) { $0.entries[0].shape = [24, 32] }.contains(
        "takes 'w' for float [24, 32], but it is float [32, 24]"))
    #expect(
      why(linear()) { $0.entries[0].weight = "v" }.contains("the weight 'v', which the model does not have"))
    let otherForm = why(linear()) { $0.entries[0].treatment?.form = .dequantize }
    #expect(otherForm.contains("knows the form 'half' only"))
    var foreign = linear()
    foreign.importing("custom", 1)
    foreign.node("Mystery", ["y"], ["z"], name: "strange", domain: "custom")
    #expect(why(foreign).contains("nothing tells the types of custom.Mystery"))
  }
}
