import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors
import TestSupport
import Testing

@Suite("What a node does, for an NPU")
struct NodeKindTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let kind: NodeKind
    let build: @Sendable (inout ModelProto) -> Void
  }

  static let cases = [
    Case(testDescription: "MatMul with a constant", kind: .linear) { $0.node("MatMul", ["x", "w"], ["y"]) },
    Case(testDescription: "Gemm with a constant", kind: .linear) { $0.node("Gemm", ["x", "w", "b"], ["y"]) },
    Case(testDescription: "Gemm of two activations", kind: .foreign) { $0.node("Gemm", ["x", "x"], ["y"]) },
    Case(testDescription: "MatMul of two activations", kind: .product) {
      $0.node("MatMul", ["x", "x"], ["y"])
    },
    Case(testDescription: "MatMul with a constant in front", kind: .product) {
      $0.node("MatMul", ["w", "x"], ["y"])
    },
    Case(testDescription: "Conv", kind: .convolution) { $0.node("Conv", ["x", "w"], ["y"]) },
    Case(testDescription: "Conv with a computed kernel", kind: .foreign) {
      $0.node("Conv", ["x", "x"], ["y"])
    },
    Case(testDescription: "LayerNormalization", kind: .normalization) {
      $0.node("LayerNormalization", ["x", "b", "b"], ["y"])
    },
    Case(testDescription: "Softmax", kind: .softmax) { $0.node("Softmax", ["x"], ["y"]) },
    Case(testDescription: "Gather of a float table", kind: .lookup) { $0.node("Gather", ["w", "i"], ["y"]) },
    Case(testDescription: "Gather of an activation", kind: .movement(operands: [0])) {
      $0.node("Gather", ["x", "i"], ["y"])
    },
    Case(testDescription: "Gather of integers", kind: .integer) { $0.node("Gather", ["i", "i"], ["y"]) },
    Case(testDescription: "Concat moves all operands", kind: .movement(operands: [0, 1, 2])) {
      $0.node("Concat", ["x", "x", "x"], ["y"], [.int("axis", 0)])
    },
    Case(testDescription: "Transpose", kind: .movement(operands: [0])) { $0.node("Transpose", ["x"], ["y"]) },
    Case(testDescription: "Add", kind: .elementwise) { $0.node("Add", ["x", "b"], ["y"]) },
    Case(testDescription: "Gelu of com.microsoft", kind: .elementwise) {
      $0.node("Gelu", ["x"], ["y"], domain: "com.microsoft")
    },
    Case(testDescription: "Erf is no operator of this target", kind: .foreign) {
      $0.node("Erf", ["x"], ["y"])
    },
    Case(testDescription: "another domain", kind: .foreign) {
      $0.node("Add", ["x", "b"], ["y"], domain: "my.own")
    },
    Case(testDescription: "Shape has a float operand", kind: .foreign) { $0.node("Shape", ["x"], ["y"]) },
    Case(testDescription: "Add of integers", kind: .integer) { $0.node("Add", ["i", "i"], ["y"]) },
  ]

  @Test("the kind follows from operator, constants and types", arguments: cases)
  func kind(_ item: Case) throws {
    var model = ModelProto.sketch(opset: 21)
    model.input("x", [4, 4])
    model.input("i", .int64, [2])
    model.weights("w", [4, 4])
    model.weights("b", [4])
    item.build(&model)
    model.output("y", item.kind == .integer ? .int64 : .float32)
    let graph = try model.lifted()
    let types = ElementTypeInference(graph)
    let node = try #require(graph.allNodes.first)
    #expect(NodeKind(node, in: graph, target: .snapdragonXElite) { types[$0] == .float32 } == item.kind)
  }
}

@Suite("Static plans: activations and conversions")
struct StaticActivationTests {
  @Test("w8a16 gives every activation 16 bits, with reasons, in the order of the graph")
  func types() throws {
    let plan = try StaticSketch.attention().plan()
    #expect(plan.version == 1 && plan.scheme == .w8a16 && plan.target == "snapdragon-x-elite")
    #expect(
      plan.activations.map(\.tensor) == [
        "x", "q", "q_heads", "q_t", "k", "k_heads", "k_t", "v", "v_heads", "v_t", "scores", "probabilities",
        "context", "context_t", "context_rows", "out", "y",
      ])
    let narrow = plan.activations.filter { $0.type != .u16 }
    #expect(narrow.map(\.tensor) == ["k_heads", "k_t", "v_heads", "v_t"])
    #expect(narrow.allSatisfy { $0.type == .u8 })
    for entry in plan.activations { #expect(!entry.reason.isEmpty, "\(entry.tensor)") }
    for entry in plan.conversions { #expect(!entry.reason.isEmpty, "\(entry.node)") }
    #expect(plan.floatNodes.isEmpty)
  }

  @Test("keys and values are converted before they are moved, once each")
  func keysAndValues() throws {
    for (choice, type) in [(KeyValueType.u8, IntegerType.u8), (.s16, .s16)] {
      let plan = try StaticSketch.attention().plan { $0.keysAndValues = choice }
      #expect(plan.conversions.map(\.node) == ["k_reshape", "v_reshape"], "\(choice)")
      for entry in plan.conversions { #expect(entry.type == type && entry.input == 0) }
      for tensor in ["k_heads", "k_t", "v_heads", "v_t"] { #expect(plan.activation(tensor)?.type == type) }
      for tensor in ["k", "v", "q_t", "probabilities"] { #expect(plan.activation(tensor)?.type == .u16) }
      let key = try #require(plan.conversion("k_reshape", 0))
      #expect(plan.activation("k_t")?.parameters == key.parameters)
      #expect(key.parameters == ScaleAndZeroPoint(holding: -1...1, as: type))
    }
  }

  @Test("an operand that is not moved is converted at the product itself")
  func bareProduct() throws {
    let sketch = StaticSketch {
      $0.input("a", [4, 8])
      $0.input("b", [8, 4])
      $0.node("Sigmoid", ["b"], ["s"], name: "sigmoid")
      $0.node("MatMul", ["a", "s"], ["y"], name: "product")
      $0.output("y", [4, 4])
    }
    let plan = try sketch.plan()
    #expect(plan.activation("s")?.type == .u16)
    #expect(plan.conversions.map { "\($0.node) \($0.input) \($0.type)" } == ["product 1 u8"])
  }

  @Test("values that are only moved share scale and zero point, and hold what any of them held")
  func groups() throws {
    var sketch = StaticSketch {
      $0.input("past", [1, 2, 5, 8])
      $0.input("x", [1, 2, 1, 8])
      $0.floats("pad", [-9] + [Float](repeating: 0, count: 15), [1, 2, 1, 8])
      $0.node("Sigmoid", ["x"], ["new"], name: "sigmoid")
      $0.node("Concat", ["past", "new", "pad"], ["present"], name: "join", [.int("axis", 2)])
      $0.node("Transpose", ["present"], ["turned"], name: "turn", [.ints("perm", [0, 1, 3, 2])])
      $0.node("Add", ["turned", "turned"], ["y"], name: "add")
      $0.output("y", [1, 2, 8, 7])
      $0.output("present", [1, 2, 7, 8])
    }
    sketch.ranges = ["past": -3...2, "new": -1...5, "present": -3...4, "turned": 0...1]
    let plan = try sketch.plan()
    let wanted = ScaleAndZeroPoint(holding: -9...5, as: .u16)
    for tensor in ["past", "new", "present", "turned"] {
      #expect(plan.activation(tensor)?.parameters == wanted, "\(tensor)")
      #expect(plan.activation(tensor)?.minimum == -9 && plan.activation(tensor)?.maximum == 5)
    }
    #expect(plan.weight("pad")?.parameters == wanted)
    #expect(plan.weight("pad")?.type == .u16 && plan.weight("pad")?.role == .operand)
    #expect(plan.conversions.isEmpty)
    #expect(plan.activation("y")?.parameters != wanted)
  }

  @Test("users that want different types leave a group at 16 bits and convert for themselves")
  func disagreement() throws {
    let plan = try StaticSketch {
      $0.input("x", [4, 4])
      $0.node("Transpose", ["x"], ["t"], name: "turn", [.ints("perm", [1, 0])])
      $0.node("MatMul", ["x", "t"], ["p"], name: "product")
      $0.node("Add", ["p", "t"], ["y"], name: "add")
      $0.output("y", [4, 4])
    }.plan()
    #expect(plan.activation("t")?.type == .u16)
    #expect(plan.conversions.map { "\($0.node) \($0.input) \($0.type)" } == ["product 1 u8"])
  }

  @Test("Softmax has the range 0...1 and tables their own, which no run must tell")
  func fixedRanges() throws {
    var sketch = StaticSketch {
      $0.input("i", .int64, [3])
      $0.floats("table", [-2, 1, 0.5, 3, 0, -0.25], [3, 2])
      $0.node("Gather", ["table", "i"], ["rows"], name: "lookup")
      $0.node("Softmax", ["rows"], ["y"], name: "softmax")
      $0.output("y", [3, 2])
    }
    sketch.unknown = ["rows", "y"]
    let plan = try sketch.plan(.w8a8)
    #expect(plan.activation("y")?.type == .u16)
    #expect(plan.activation("y")?.parameters == ScaleAndZeroPoint(scale: 1 / 65535, zeroPoint: 0))
    let table = try #require(plan.weight("table"))
    #expect(table.role == .table && table.type == .u16 && table.granularity == .tensor)
    #expect(table.parameters == ScaleAndZeroPoint(holding: -2...3, as: .u16))
    #expect(plan.activation("rows")?.parameters == table.parameters)
    let policy = StaticPolicy(scheme: .w8a16, target: .snapdragonXElite)
    #expect(try StaticPlanner.observedValues(sketch.model.lifted(), policy: policy) == [])
    #expect(
      try StaticPlanner.observedValues(StaticSketch.attention().model.lifted(), policy: policy).contains(
        "q_t"))
  }

  @Test("a range that is missing is an error with the tensor's name and the remedy")
  func missingRange() throws {
    var sketch = StaticSketch.attention()
    sketch.unknown = ["context"]
    // The group is known by its other values.
    #expect(throws: Never.self) { try sketch.plan() }
    sketch.unknown = ["context", "context_t", "context_rows"]
    let error = try #require(throws: StaticPlanError.self) { try sketch.plan() }
    #expect(
      error.message.contains("'context'") && error.message.contains("--calibration"), "\(error.message)")
    sketch.unknown = ["scores"]
    let other = try #require(throws: StaticPlanError.self) { try sketch.plan() }
    #expect(other.message.contains("'scores'"))
  }

  @Test("excluded and foreign nodes stay float, and their neighbours get conversions")
  func floatNodes() throws {
    let sketch = StaticSketch {
      $0.input("x", [4, 4])
      $0.weights("w", [4, 4])
      $0.node("Sigmoid", ["x"], ["a"], name: "before")
      $0.node("Erf", ["a"], ["e"], name: "erf")
      $0.node("Tanh", ["e"], ["t"], name: "tanh")
      $0.node("MatMul", ["t", "w"], ["y"], name: "layer")
      $0.output("y", [4, 4])
    }
    let plan = try sketch.plan()
    #expect(plan.floatNodes.map(\.node) == ["erf"])
    #expect(
      plan.floatNodes[0].operatorName == "Erf" && plan.floatNodes[0].reason.contains("Snapdragon X Elite"))
    #expect(plan.activations.map(\.tensor) == ["x", "a", "t", "y"])
    #expect(plan.conversions.map { "\($0.node) \($0.tensor) \($0.type)" } == ["tanh e u16"])
    for pattern in ["layer", "node:layer", "weight:w", "op:MatMul", "w"] {
      let other = try sketch.plan { $0.exclude = [pattern] }
      #expect(other.floatNodes.map(\.node) == ["erf", "layer"], "\(pattern)")
      #expect(other.floatNodes.last?.reason.contains(pattern) == true)
      #expect(other.weights.isEmpty && other.activation("y") == nil, "\(pattern)")
    }
    // A movement that stays float joins nothing.
    let moved = try StaticSketch.attention().plan { $0.exclude = ["node:k_reshape"] }
    #expect(moved.activation("k_heads") == nil && moved.conversion("k_reshape", 0) == nil)
    #expect(moved.conversion("k_transpose", 0)?.type == .u8)
  }

  @Test("a node that its neighbours make an integer operation is not called float, and a sentence names it")
  func enclosed() throws {
    let sketch = StaticSketch.attention()
    func found(_ patterns: [String]) throws -> (floats: [String], sentences: [String]) {
      var policy = StaticPolicy(scheme: .w8a16, target: .snapdragonXElite)
      policy.exclude = patterns
      let plan = try sketch.plan { $0.exclude = patterns }
      let sentences = StaticPlanner.enclosedSentences(try sketch.model.lifted(), policy: policy, plan: plan)
      return (plan.floatNodes.map(\.node), sentences)
    }
    let alone = try found(["node:softmax"])
    #expect(alone.floats.isEmpty && alone.sentences.count == 1)
    #expect(alone.sentences.first?.contains("'node:softmax' cannot keep 'softmax' (Softmax)") == true)
    let whole = try sketch.plan()
    let excluded = try sketch.plan { $0.exclude = ["node:softmax"] }
    #expect(excluded.activations.map(\.parameters) == whole.activations.map(\.parameters))
    #expect(excluded.conversions.map(\.type) == whole.conversions.map(\.type))
    // With its neighbours it is what it is called.
    let together = try found(["node:softmax", "node:scores_product", "node:context_product"])
    #expect(together.floats.contains("softmax"), "\(together)")
    // A layer has a constant, which stays float with it.
    let layer = try found(["node:o_proj"])
    #expect(layer.floats == ["o_proj"] && layer.sentences.isEmpty)
  }

  @Test("an input that only float nodes take stays as it is")
  func floatInput() throws {
    let plan = try StaticSketch {
      $0.input("x", [4])
      $0.node("Erf", ["x"], ["y"], name: "erf")
      $0.output("y", [4])
    }.plan()
    #expect(plan.activations.isEmpty && plan.conversions.isEmpty && plan.floatNodes.count == 1)
  }
}
