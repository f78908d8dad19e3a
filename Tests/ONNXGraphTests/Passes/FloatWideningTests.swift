import CPUBackend
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing

@Suite("Half precision becomes float32")
struct FloatWideningTests {
  /// The number that 16 bits are, by the definition of IEEE 754.
  private static func number(_ pattern: UInt16) -> Float {
    let sign: Float = pattern & 0x8000 == 0 ? 1 : -1
    let (exponent, fraction) = (Int(pattern >> 10) & 31, Float(pattern & 1023))
    if exponent == 31 { return fraction == 0 ? sign * .infinity : .nan }
    if exponent == 0 { return sign * fraction * 0x1p-24 }
    return sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
  }

  /// Nearest float16 of a number that has one.
  private static func pattern(_ value: Float) -> UInt16 {
    (0...UInt16.max).first { number($0) == value } ?? 0x7E00
  }

  private static func widen(_ model: ModelProto) throws -> (graph: ModelGraph, report: PassReport) {
    var graph = try model.lifted()
    let report = try FloatWidening().run(&graph, PassOracle.context)
    // What was made can be read again.
    return (try graph.lower().lifted(), report)
  }

  private static func types(_ model: ModelGraph) -> [ElementType] {
    let types = ElementTypeInference(model)
    let values = model.graphIDs.flatMap { model[$0].inputs + model[$0].initializers + model[$0].outputs }
    let made = model.allNodes.flatMap { model[$0].outputs.compactMap { $0 } }
    return (values + made).flatMap { [types[$0], model[$0].declaredElementType].compactMap { $0 } }
  }

  @Test("Each of the 65536 patterns becomes its number: subnormals, infinities and both zeros too")
  func everyNumber() throws {
    let patterns = (0...UInt16.max).map { $0 }
    for type in [ElementType.float16, .bfloat16] {
      var model = ModelProto.sketch()
      model.input("x", type, [1])
      model.constant("w", .halves(patterns, type, shape: [65536]))
      model.node("Add", ["x", "w"], ["y"])
      model.output("y", type)
      let (graph, report) = try Self.widen(model)
      #expect(report.changeCount > 0 && report.notes.count == 1)
      let weight = try #require(graph.value("w"))
      let found = try #require(graph.constantContent(of: weight))
      #expect(found.elementType == .float32 && found.shape.dimensions == [65536])
      let floats = try #require(found.floats)
      for (pattern, float) in zip(patterns, floats) {
        let wanted = type == .float16 ? Self.number(pattern) : Float(bitPattern: UInt32(pattern) << 16)
        let isSame = wanted.isNaN ? float.isNaN : float.bitPattern == wanted.bitPattern
        if !isSame { Issue.record("\(type) \(pattern): \(float), expected \(wanted)") }
      }
    }
  }

  /// One function in half precision with casts, or in float32 with the same numbers and none.
  private static func sketch(_ half: ElementType?) -> ModelProto {
    let type = half ?? .float32
    func content(_ values: [Float], _ shape: [Int]) -> TensorContent {
      if half == nil { return .floats(values, shape: shape) }
      let patterns = values.map { half == .float16 ? pattern($0) : UInt16($0.bitPattern >> 16) }
      return .halves(patterns, type, shape: shape)
    }
    func cast(_ model: inout ModelProto, _ source: String, _ name: String, _ to: ElementType) {
      if half == nil {
        model.node("Identity", [source], [name])
      } else {
        model.node("Cast", [source], [name], [.int("to", Int64(to.rawValue))])
      }
    }
    var model = ModelProto.sketch(opset: 17)
    model.input("x", [3, 4])
    model.input("h", type, [3, 4])
    model.input("flag", .bool, [1])
    model.constant("w", content((0..<16).map { Float($0 % 7) / 8 - 0.375 }, [4, 4]))
    model.constant("length", .int64s([4], shape: [1]))
    cast(&model, "x", "x16", type)
    model.node("MatMul", ["x16", "w"], ["product"])
    model.node("Constant", [], ["bias"], [.tensor("value", content([0.5, -0.25, 3, 1], [4]))])
    model.node("Add", ["product", "bias"], ["sum"])
    model.node("ConstantOfShape", ["length"], ["filled"], [.tensor("value", content([0.125], [1]))])
    model.node("Mul", ["sum", "filled"], ["scaled"])
    model.node(half == nil ? "Identity" : "CastLike", half == nil ? ["h"] : ["h", "scaled"], ["like"])
    let inner = ValueInfoProto("inner", type, [3, 4])
    let other = ValueInfoProto("other", type, [3, 4])
    model.node(
      "If", ["flag"], ["chosen"],
      [
        .graph(
          "then_branch", GraphProto("then", [NodeProto("Tanh", ["scaled"], ["inner"])], outputs: [inner])),
        .graph(
          "else_branch", GraphProto("else", [NodeProto("Neg", ["scaled"], ["other"])], outputs: [other])),
      ])
    model.node("Add", ["chosen", "like"], ["y"])
    cast(&model, "chosen", "z", .float32)
    model.graph?.valueInfo = [ValueInfoProto("sum", type, [3, 4]), ValueInfoProto("gone", type, [1])]
    model.output("y", type, [3, 4])
    model.output("z", [3, 4])
    return model
  }

  @Test(
    "It computes exactly what the same weights do in float32, in subgraphs too, and no type is left",
    arguments: [ElementType.float16, .bfloat16])
  func exactness(type: ElementType) throws {
    let (graph, report) = try Self.widen(Self.sketch(type))
    let float = try Self.sketch(nil).lifted()
    #expect(report.changeCount > 10)
    let left = Self.types(graph).filter { $0 == .float16 || $0 == .bfloat16 }
    #expect(left.isEmpty, "\(left)")
    #expect(graph.lower().graph?.valueInfo.allSatisfy { $0.declaredType == .float32 } == true)
    // One Cast gives an output a name of its own, and is left to those who may take it away.
    #expect(graph.operators["CastLike"] == nil && graph.operators["Cast", default: 0] <= 1)
    #expect(graph.operators["MatMul"] == 1)
    for flag in [true, false] {
      var feeds = PassOracle.feeds(graph, seed: 3)
      feeds["flag"] = TensorContent(elementType: .bool, shape: Shape([1])!, bytes: .owned([flag ? 1 : 0]))
      let found = try CPUBackend.session(graph).run(feeds, outputs: ["y", "z"])
      let wanted = try CPUBackend.session(float).run(feeds, outputs: ["y", "z"])
      for name in ["y", "z"] {
        let values = try #require(found[name]?.floats)
        #expect(values == wanted[name]?.floats && values.contains { $0 != 0 }, "\(name), \(flag)")
      }
    }
  }

  @Test("A float model stays as it is, with its idle casts and wide Clips")
  func floatModels() throws {
    var model = ModelProto.sketch()
    model.input("x", [4])
    model.floats("low", [-65504], [])
    model.floats("high", [65504], [])
    model.node("Cast", ["x"], ["same"], [.int("to", 1)])
    model.node("Clip", ["same", "low", "high"], ["y"])
    model.output("y")
    let (graph, report) = try Self.widen(model)
    #expect(report.changeCount == 0 && report.notes.isEmpty)
    #expect(graph.lines == (try model.lifted()).lines)
  }

  @Test("Clips at the ends of half precision go, others stay")
  func clips() throws {
    // ±64504 is what Transformers clamps to after each fp16 layer.
    let cases: [(bounds: [String], isKept: Bool)] = [
      (["low", "high"], false), (["lowest"], false), (["", "high"], false), (["lowest", "high"], false),
      (["minusOne", "high"], true), (["low", "one"], true), (["", "one"], true), (["low", "given"], true),
    ]
    for item in cases {
      var model = ModelProto.sketch()
      model.input("x", .float16, [4])
      model.input("given", .float16, [])
      for (name, value) in [
        ("low", -64512), ("high", 64512), ("lowest", -65504), ("one", 1), ("minusOne", -1),
      ] {
        model.constant(name, .halves([Self.pattern(Float(value))], .float16, shape: []))
      }
      model.node("Neg", ["x"], ["n"])
      model.node("Clip", ["n"] + item.bounds, ["c"])
      model.node("Abs", ["c"], ["y"])
      model.output("y", .float16)
      let (graph, report) = try Self.widen(model)
      #expect((graph.operators["Clip"] == 1) == item.isKept, "\(item.bounds)")
      #expect(report.notes.contains { $0.contains("Clip") } == !item.isKept, "\(item.bounds)")
    }
  }

  @Test("The least float16 hides positions of a mask like −∞ does, behind a cast and inside Where")
  func sentinels() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    let far = Self.pattern(-65504)
    model.input("x", .float16, [3, 3])
    model.floats("wide", [0, -3.402_823_5e38, -65504, 0, 0, -65504, 0, 0, 0], [3, 3])
    model.constant("half", .halves([0, far, far, 0, 0, far, 0, 0, 0], .float16, shape: [3, 3]))
    model.constant(
      "seen",
      TensorContent(
        elementType: .bool, shape: Shape([3, 3])!, bytes: .owned([1, 0, 0, 1, 1, 0, 1, 1, 1])))
    model.constant("far", .halves([far], .float16, shape: []))
    model.node("Cast", ["wide"], ["narrow"], [.int("to", 10)])
    model.node("Add", ["x", "narrow"], ["a"])
    model.node("Add", ["a", "half"], ["b"])
    model.node("Where", ["seen", "b", "far"], ["c"])
    model.node("Softmax", ["c"], ["y"])
    model.output("y", .float16)
    var graph = try model.lifted()
    _ = try FloatWidening().run(&graph, PassOracle.context)
    let report = try MaskClamp().run(&graph, PassOracle.context)
    #expect(report.changeCount == 3 && graph.operators["Cast"] == nil)
    let taken = graph.allNodes.flatMap { graph[$0].inputs.compactMap { $0 } }
    let least = taken.compactMap { graph.constantContent(of: $0)?.floats?.min() }.filter { $0 < 0 }
    #expect(!least.isEmpty && least.allSatisfy { $0 == -100 }, "\(least)")
    let feeds = PassOracle.feeds(graph, seed: 5)
    let weights = try #require(try CPUBackend.session(graph).run(feeds, outputs: ["y"])["y"]?.floats)
    for index in [1, 2, 5] { #expect(weights[index] < 1e-30) }
    #expect(weights[0] == 1 && weights.allSatisfy { $0.isFinite })
  }

  @Test("Sequences of halves are described as sequences of floats")
  func sequences() throws {
    var model = ModelProto.sketch()
    model.input("x", .float16, [4])
    model.node("SequenceConstruct", ["x"], ["s"])
    model.node("SequenceAt", ["s", "zero"], ["y"])
    model.constant("zero", .int64s([0], shape: []))
    var element = TypeProto.ElementOf()
    element.elemType = ValueInfoProto("", .float16, [4]).type
    var info = ValueInfoProto()
    info.name = "s"
    info.type = TypeProto()
    info.type?.value = .sequence(Boxed(element))
    model.graph?.valueInfo = [info]
    model.output("y", .float16)
    let found = try #require(try Self.widen(model).graph.lower().graph?.valueInfo.first)
    guard case .sequence(let boxed)? = found.type?.value,
      case .tensor(let tensor)? = boxed.value.elemType?.value
    else {
      Issue.record("no sequence: \(found)")
      return
    }
    #expect(tensor.elemType == 1)
  }
}

extension ValueInfoProto {
  fileprivate var declaredType: ElementType? {
    guard case .tensor(let tensor)? = type?.value else { return nil }
    return tensor.elemType.flatMap(ElementType.init(rawValue:))
  }
}
