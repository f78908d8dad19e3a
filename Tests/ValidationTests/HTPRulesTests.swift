import ONNXGraph
import QuantPlan
import Tensors
import Testing
import Validation

@Suite("What the NPU accepts")
struct HTPRulesTests {
  private static func rules(_ graph: TestGraph) throws -> [String] {
    HTPRules.findings(in: try graph.lifted()).map(\.rule)
  }

  /// y = dq(x) · dq(w) (+ b), as HTP likes it.
  private static func linear(
    _ operatorName: String = "Gemm", activation: ElementType = .uint16, weight: ElementType = .int8,
    axis: Int = 0, scaleCount: Int = 2, biasScale: (Int) -> Double = { 0.05 * 0.1 * Double($0 + 1) }
  ) -> TestGraph {
    var graph = TestGraph()
    graph.input("x", ["1", "2"])
    graph.pair("x", "xq", activation)
    graph.weight("w", [2, 2], weight, scales: (0..<scaleCount).map { 0.1 * Double($0 + 1) }, axis: axis)
    if operatorName == "Gemm" {
      graph.weight("b", [2], .int32, scales: (0..<2).map(biasScale), axis: 0)
      graph.node("Gemm", ["xq", "w", "b"], ["p"], [.int("transB", 1)])
    } else {
      graph.node(operatorName, ["xq", "w"], ["p"])
    }
    graph.pair("p", "y", activation)
    graph.output("y", ["1", "2"])
    return graph
  }

  @Test("The form that maps whole has no finding")
  func whole() throws {
    #expect(try Self.rules(Self.linear()) == [])
    #expect(try Self.rules(Self.linear("MatMul", axis: 1)) == [])
    #expect(try Self.rules(Self.linear(activation: .uint8)) == [])
    #expect(try Self.rules(Self.linear(weight: .int16)) == [])
  }

  @Test("Every rule has a name of its own and a remedy")
  func summaries() {
    let summaries = HTPRules.summaries
    #expect(Set(summaries.map(\.name)).count == summaries.count && summaries.count >= 15)
    #expect(summaries.allSatisfy { !$0.remedy.isEmpty })
  }

  @Test("Open dimensions are refused, with the input's name")
  func openShapes() throws {
    var graph = TestGraph()
    graph.input("x", ["batch", "2"])
    graph.node("Relu", ["x"], ["y"])
    graph.output("y", ["batch", "2"])
    let findings = HTPRules.findings(in: try graph.lifted())
    #expect(findings.map(\.rule) == ["fixed-shapes"])
    #expect(findings[0].severity == .refused && findings[0].place == "x")
    #expect(findings[0].message.contains("'batch'"))
    #expect(HTPRules.findings(in: try graph.lifted(), binding: ["batch": 1]).isEmpty)
    #expect(HTPRules.findings(in: try graph.lifted(), binding: ["other": 1]).count == 1)
  }

  @Test("The whole pattern of dynamic quantization is taken with a warning; without its end it is refused")
  func dynamicPattern() throws {
    for isWhole in [true, false] {
      var graph = TestGraph()
      graph.input("x", ["4", "2"])
      graph.constant("w", [1, 2, 3, 4], [2, 2], .int8)
      graph.constant("s", [0.1], [])
      graph.node("DynamicQuantizeLinear", ["x"], ["xq", "xs", "xz"])
      graph.node("MatMulInteger", ["xq", "w", "xz"], ["i"])
      graph.node("Cast", ["i"], ["f"], [.int("to", 1)])
      if isWhole {
        graph.node("Mul", ["xs", "s"], ["scale"])
        graph.node("Mul", ["f", "scale"], ["y"])
      } else {
        graph.node("Neg", ["f"], ["y"])
      }
      graph.output("y", ["4", "2"])
      let findings = HTPRules.findings(in: try graph.lifted())
      #expect(Set(findings.map(\.rule)) == [isWhole ? "dynamic-pattern" : "run-time-int8"])
      #expect(findings.count == 2 && findings.allSatisfy { $0.severity == (isWhole ? .warning : .refused) })
    }
  }

  @Test("Scales along the axis that is summed over are an error, whatever the operator")
  func reductionAxis() throws {
    #expect(try Self.rules(Self.linear(axis: 1)) == ["reduction-axis"])
    #expect(try Self.rules(Self.linear("MatMul", axis: 0)) == ["reduction-axis"])
    var graph = TestGraph()
    graph.input("x", ["1", "2", "4"])
    graph.pair("x", "xq", .uint16)
    graph.weight("w", [2, 2, 3], .int8, scales: [0.1, 0.2], axis: 1)
    graph.node("Conv", ["xq", "w"], ["c"])
    graph.pair("c", "y", .uint16)
    graph.output("y", ["1", "2", "2"])
    #expect(try Self.rules(graph) == ["reduction-axis"])
  }

  @Test("A Transpose between a weight and its user turns the axis")
  func transposed() throws {
    for (axis, isGood) in [(0, true), (1, false)] {
      var graph = TestGraph()
      graph.input("x", ["1", "2"])
      graph.pair("x", "xq", .uint16)
      graph.weight("w", [2, 2], .int8, scales: [0.1, 0.2], axis: axis)
      graph.node("Transpose", ["w"], ["wt"], [.ints("perm", [1, 0])])
      graph.node("MatMul", ["xq", "wt"], ["m"])
      graph.pair("m", "y", .uint16)
      graph.output("y", ["1", "2"])
      #expect(try Self.rules(graph) == (isGood ? [] : ["reduction-axis"]), "axis \(axis)")
    }
  }

  @Test("The scale of an int32 bias is the product of the other two, and its zero point is 0")
  func biasScale() throws {
    #expect(try Self.rules(Self.linear { _ in 0.005 }) == ["bias-scale"])
    #expect(try Self.rules(Self.linear { 0.005 * Double($0 + 1) * 1.001 }) == ["bias-scale"])
    #expect(try Self.rules(Self.linear { 0.005 * Double($0 + 1) * (1 + 1e-8) }) == [])
  }

  @Test("What quantizes while the model runs, block operators, control flow and strangers are refused")
  func operators() throws {
    for (name, domain, rule) in [
      ("DynamicQuantizeLinear", "", "run-time-int8"), ("MatMulInteger", "", "run-time-int8"),
      ("MatMulNBits", "com.microsoft", "block-operator"), ("If", "", "control-flow"),
      ("Einsum", "", nil), ("NonMaxSuppression", "", "operator"), ("BiasGelu", "com.microsoft", "operator"),
      ("Gelu", "com.microsoft", nil), ("IsNaN", "", nil), ("RMSNormalization", "", nil),
      ("IsInf", "", "operator"), ("Relu", "com.example", "operator"), ("Shape", "", nil),
    ] as [(String, String, String?)] {
      var graph = TestGraph()
      graph.input("x", ["1", "2"])
      graph.node(name, ["x"], ["y"], domain: domain)
      graph.output("y", ["1", "2"])
      #expect(try Self.rules(graph) == [rule].compactMap { $0 }, "\(domain).\(name)")
    }
  }

  @Test("Erf is taken inside Gelu only")
  func erf() throws {
    var graph = TestGraph()
    graph.input("x", ["1", "2"])
    graph.constant("r", [1.414], [])
    graph.constant("one", [1], [])
    graph.constant("half", [0.5], [])
    graph.node("Div", ["x", "r"], ["a"])
    graph.node("Erf", ["a"], ["b"])
    var whole = graph
    whole.node("Add", ["b", "one"], ["c"])
    whole.node("Mul", ["x", "c"], ["d"])
    whole.node("Mul", ["d", "half"], ["y"])
    whole.output("y", ["1", "2"])
    #expect(try Self.rules(whole) == [])
    graph.output("b", ["1", "2"])
    #expect(try Self.rules(graph) == ["lone-erf"])
  }

  @Test("Weights alone are taken with one scale, not per channel or in blocks")
  func weightOnly() throws {
    for (scales, axis, isGood) in [([0.1], nil, true), ([0.1, 0.2], 1, false)] as [([Double], Int?, Bool)] {
      var graph = TestGraph()
      graph.input("x", ["1", "2"])
      graph.weight("w", [2, 2], .int8, scales: scales, axis: axis)
      graph.node("MatMul", ["x", "w"], ["y"])
      graph.output("y", ["1", "2"])
      #expect(try Self.rules(graph) == (isGood ? [] : ["weight-only"]))
    }
  }

  @Test("Types that do not go together are refused")
  func types() throws {
    #expect(try Self.rules(Self.linear(activation: .uint8, weight: .int16)) == ["linear-types"])
    #expect(try Self.rules(Self.linear(activation: .int16)) == ["linear-types"])
  }

  @Test("LayerNormalization: 16-bit gamma with 16-bit activations, and the same type on both sides")
  func layerNormalization() throws {
    func norm(
      _ gamma: ElementType, input: ElementType = .uint16, output: ElementType = .uint16
    ) throws -> [String] {
      var graph = TestGraph()
      graph.input("x", ["1", "2"])
      graph.pair("x", "xq", input)
      graph.weight("g", [2], gamma)
      graph.node("LayerNormalization", ["xq", "g"], ["n"])
      graph.pair("n", "y", output)
      graph.output("y", ["1", "2"])
      return try Self.rules(graph)
    }
    #expect(try norm(.int16) == [])
    #expect(try norm(.int8) == ["norm-gamma"])
    #expect(try norm(.uint16) == ["norm-gamma"])
    #expect(try norm(.uint8) == ["norm-gamma-u8"])
    #expect(try norm(.int16, output: .uint8) == ["same-type"])
    #expect(try norm(.uint8, input: .uint8, output: .uint8) == [])
  }

  @Test("An 8-bit Softmax with the usual scale is warned of, and one on another axis refused")
  func softmax() throws {
    var graph = TestGraph()
    graph.input("x", ["1", "2", "2"])
    graph.node("Softmax", ["x"], ["p"])
    graph.pair("p", "y", .uint8, scale: 1 / 255)
    graph.output("y", ["1", "2", "2"])
    #expect(try Self.rules(graph) == ["softmax-u8"])
    var other = TestGraph()
    other.input("x", ["1", "2", "2"])
    other.node("Softmax", ["x"], ["y"], [.int("axis", 1)])
    other.output("y", ["1", "2", "2"])
    #expect(try Self.rules(other) == ["last-axis"])
  }

  @Test("A product of two 16-bit activations is warned of, mixed types are told apart")
  func products() throws {
    for (first, second, result, rule) in [
      (.uint16, .uint16, .uint16, "u16-product"), (.uint16, .uint8, .uint16, nil),
      (.uint16, .int16, .uint16, nil), (.int8, .int8, .int8, nil), (.int16, .int8, .int16, nil),
      (.uint8, .uint16, .uint8, "product-types"), (.uint8, .int16, .uint8, "product-types"),
      (.int16, .uint8, .int16, "product-types"),
      // The result's type is not the first operand's, so the product runs in floating point.
      (.uint8, .uint16, .uint16, "same-type"), (.uint16, .uint16, .uint8, "same-type"),
    ] as [(ElementType, ElementType, ElementType, String?)] {
      var graph = TestGraph()
      graph.input("a", ["2", "2"])
      graph.input("b", ["2", "2"])
      graph.pair("a", "aq", first)
      graph.pair("b", "bq", second)
      graph.node("MatMul", ["aq", "bq"], ["p"])
      graph.pair("p", "y", result)
      graph.output("y", ["2", "2"])
      #expect(try Self.rules(graph) == [rule].compactMap { $0 }, "\(first) \(second) \(result)")
    }
  }

  @Test("A linear layer that changes the type is no integer operation, and its weight cannot stand alone")
  func typeChange() throws {
    var graph = TestGraph()
    graph.input("x", ["1", "2"])
    graph.pair("x", "xq", .uint16)
    graph.weight("w", [2, 2], .int8, scales: [0.1, 0.2], axis: 1)
    graph.node("MatMul", ["xq", "w"], ["m"])
    graph.pair("m", "y", .uint8)
    graph.output("y", ["1", "2"])
    let findings = HTPRules.findings(in: try graph.lifted())
    #expect(Set(findings.map(\.rule)) == ["weight-only", "same-type"])
    let refusal = try #require(findings.first { $0.severity == .refused })
    #expect(refusal.message.contains("MatMul takes uint16 and gives uint8"), "\(refusal.message)")
  }

  @Test("Gemm with quantized operands must give integers, MatMul need not")
  func floatResult() throws {
    for (name, rules) in [("Gemm", ["gemm-result"]), ("MatMul", [])] {
      var graph = TestGraph()
      graph.input("x", ["1", "2"])
      graph.pair("x", "xq", .uint16)
      graph.weight("w", [2, 2], .int8)
      graph.node(name, ["xq", "w"], ["y"])
      graph.output("y", ["1", "2"])
      #expect(try Self.rules(graph) == rules, "\(name)")
    }
  }

  @Test("16-bit unsigned weights go with MatMul, not with Gemm; u4 goes with both")
  func operatorTypes() throws {
    #expect(try Self.rules(Self.linear("MatMul", weight: .uint16, axis: 1)) == [])
    #expect(try Self.rules(Self.linear(weight: .uint16)) == ["linear-types"])
    #expect(try Self.rules(Self.linear(weight: .uint4)) == [])
  }

  @Test("Rules read the target: one that takes less refuses more")
  func otherTarget() throws {
    var target = Target.snapdragonXElite
    target.weights["Gemm"] = ["u16": [.s16]]
    target.operators.removeAll { $0 == "Softmax" }
    let graph = try Self.linear().lifted()
    #expect(HTPRules.findings(in: graph).isEmpty)
    #expect(HTPRules.findings(in: graph, target: target).map(\.rule) == ["linear-types"])
    var softmax = TestGraph()
    softmax.input("x", ["1", "2"])
    softmax.node("Softmax", ["x"], ["y"])
    softmax.output("y", ["1", "2"])
    #expect(HTPRules.findings(in: try softmax.lifted(), target: target).map(\.rule) == ["operator"])
  }

  @Test("A range that a mask blew up is warned of where it is quantized")
  func maskRange() throws {
    for (scale, rules) in [(200.0 / 65_535, []), (20_000.0 / 65_535, ["mask-range"])] {
      var graph = TestGraph()
      graph.input("x", ["1", "2"])
      graph.input("m", ["1", "2"])
      graph.pair("x", "xq", .uint16)
      graph.pair("m", "mq", .uint16)
      graph.node("Add", ["xq", "mq"], ["s"])
      graph.pair("s", "y", .uint16, scale: scale)
      graph.output("y", ["1", "2"])
      #expect(try Self.rules(graph) == rules, "\(scale)")
    }
  }

  @Test("Masks of minus infinity and of huge numbers are warned of, -100 is not")
  func masks() throws {
    for (value, isGood) in [(-100.0, true), (-.infinity, false), (-3.4e38, false)] {
      var graph = TestGraph()
      graph.input("x", ["1", "2"])
      graph.constant("m", [0, value], [1, 2])
      graph.node("Add", ["x", "m"], ["y"])
      graph.output("y", ["1", "2"])
      #expect(try Self.rules(graph) == (isGood ? [] : ["mask-sentinel"]), "\(value)")
    }
  }
}
