import ONNXFile
import ONNXGraph
import QuantPlan
import Tensors
import TestSupport
import Testing

/// One weight of a shape, and how a model takes it.
struct WeightSketch {
  var model = ModelProto.sketch()

  init(_ shape: [Int] = [64, 32], type: ElementType = .float32, build: (inout ModelProto) -> Void) {
    model.input("x", [4, 64])
    let count = shape.reduce(1, *)
    var random = SplitMix64(seed: 5)
    if type == .float32 {
      model.floats("w", random.normalFloats(count), shape)
    } else {
      model.constant("w", .halves((0..<count).map { UInt16($0 % 1000) }, type, shape: shape))
    }
    build(&model)
  }

  func entry(_ change: (inout QuantPolicy) -> Void = { _ in }) throws -> PlanEntry {
    var policy = QuantPolicy()
    change(&policy)
    return try #require(Planner.plan(model.lifted(), policy: policy).entries.first { $0.weight == "w" })
  }
}

@Suite("Roles are told by all users of a weight")
struct RoleTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    var shape = [64, 32]
    let role: WeightRole
    var consumers = ["n"]
    let build: @Sendable (inout ModelProto) -> Void
  }

  static let cases = [
    Case(testDescription: "MatMul", role: .matMul) { $0.node("MatMul", ["x", "w"], ["y"], name: "n") },
    Case(testDescription: "MatMul as first operand", role: .other) {
      $0.node("MatMul", ["w", "x"], ["y"], name: "n")
    },
    Case(testDescription: "MatMul of both operands", role: .other, consumers: ["n", "n"]) {
      $0.node("MatMul", ["w", "w"], ["y"], name: "n")
    },
    Case(testDescription: "MatMul of rank 3", shape: [2, 64, 32], role: .other) {
      $0.node("MatMul", ["x", "w"], ["y"], name: "n")
    },
    Case(testDescription: "Gemm", role: .gemm) { $0.node("Gemm", ["x", "w"], ["y"], name: "n") },
    Case(testDescription: "Gemm with transB", role: .gemm) {
      $0.node("Gemm", ["x", "w"], ["y"], name: "n", [.int("transB", 1)])
    },
    Case(testDescription: "Gemm with transA", role: .other) {
      $0.node("Gemm", ["x", "w"], ["y"], name: "n", [.int("transA", 1)])
    },
    Case(testDescription: "Gemm with alpha", role: .other) {
      $0.node("Gemm", ["x", "w"], ["y"], name: "n", [.float("alpha", 0.5)])
    },
    Case(testDescription: "Gemm with beta 1 in words", role: .gemm) {
      $0.node("Gemm", ["x", "w"], ["y"], name: "n", [.float("beta", 1), .int("transA", 0)])
    },
    Case(testDescription: "bias of Gemm", role: .other) {
      $0.node("Gemm", ["x", "x", "w"], ["y"], name: "n")
    },
    Case(testDescription: "MatMul and Gemm", role: .matMul, consumers: ["m", "n"]) {
      $0.node("MatMul", ["x", "w"], ["y"], name: "m")
      $0.node("Gemm", ["x", "w"], ["z"], name: "n")
    },
    Case(testDescription: "Conv", shape: [8, 4, 3], role: .convolution) {
      $0.node("Conv", ["x", "w"], ["y"], name: "n")
    },
    Case(testDescription: "Gather", role: .embedding) { $0.node("Gather", ["w", "i"], ["y"], name: "n") },
    Case(testDescription: "Gather of columns", role: .other) {
      $0.node("Gather", ["w", "i"], ["y"], name: "n", [.int("axis", 1)])
    },
    Case(testDescription: "Gather and Transpose before MatMul", role: .tiedEmbedding, consumers: ["g", "n"]) {
      $0.node("Gather", ["w", "i"], ["y"], name: "g")
      $0.node("Transpose", ["w"], ["t"], [.ints("perm", [1, 0])])
      $0.node("MatMul", ["q", "t"], ["z"], name: "n")
    },
    Case(testDescription: "Gather and Gemm with transB", role: .tiedEmbedding, consumers: ["g", "n"]) {
      $0.node("Gather", ["w", "i"], ["y"], name: "g")
      $0.node("Gemm", ["q", "w"], ["z"], name: "n", [.int("transB", 1)])
    },
    Case(testDescription: "Transpose for two MatMuls", role: .matMul, consumers: ["m", "n"]) {
      $0.node("Transpose", ["w"], ["t"])
      $0.node("MatMul", ["q", "t"], ["z"], name: "m")
      $0.node("MatMul", ["z", "t"], ["zz"], name: "n")
    },
    Case(testDescription: "Transpose for a MatMul and something else", role: .other, consumers: ["transpose"])
    {
      $0.node("Transpose", ["w"], ["t"], name: "transpose")
      $0.node("MatMul", ["q", "t"], ["z"], name: "m")
      $0.node("Neg", ["t"], ["zz"], name: "n")
    },
    Case(testDescription: "Transpose that is an output", role: .other, consumers: ["transpose"]) {
      $0.node("Transpose", ["w"], ["t"], name: "transpose")
      $0.node("MatMul", ["q", "t"], ["z"], name: "m")
      $0.output("t", [32, 64])
    },
    Case(testDescription: "through Cast", role: .matMul) {
      $0.node("Cast", ["w"], ["c"], [.int("to", 1)])
      $0.node("MatMul", ["x", "c"], ["y"], name: "n")
    },
    Case(testDescription: "MatMul and Add", role: .other, consumers: ["n", "a"]) {
      $0.node("MatMul", ["x", "w"], ["y"], name: "n")
      $0.node("Add", ["w", "w"], ["z"], name: "a")
    },
    Case(testDescription: "an operator of another domain", role: .other) {
      $0.node("MatMul", ["x", "w"], ["y"], name: "n", domain: "custom")
    },
    Case(testDescription: "MatMul, and an output of the graph", role: .other) {
      $0.node("MatMul", ["x", "w"], ["y"], name: "n")
      $0.output("w", [64, 32])
    },
    Case(testDescription: "in both branches of an If", role: .matMul, consumers: ["t", "e"]) { model in
      model.input("flag", .bool, [])
      let branches = [("then_branch", "t"), ("else_branch", "e")].map { attribute, name in
        AttributeProto.graph(
          attribute,
          GraphProto(
            name, [NodeProto("MatMul", ["x", "w"], [name + "y"], name: name)],
            outputs: [ValueInfoProto(name + "y", .float32, nil)]))
      }
      model.node("If", ["flag"], ["y"], branches)
    },
  ]

  @Test("all the ways in which a weight is taken", arguments: cases)
  func roles(_ example: Case) throws {
    let sketch = WeightSketch(example.shape) { model in
      model.input("i", .int64, [3])
      model.input("q", [4, 32])
      example.build(&model)
    }
    let entry = try sketch.entry()
    #expect(entry.role == example.role)
    var consumers = entry.consumers
    if example.testDescription == "MatMul and Add" { consumers = Array(Set(consumers)).sorted().reversed() }
    #expect(consumers == example.consumers)
    #expect(entry.shape == example.shape)
    #expect(entry.elementType == "float")
    // What a rule cannot quantize in any scheme says why.
    if example.role == .other {
      for scheme in [Scheme.dynamicInt8, .weightInt8, .weightInt4] {
        let entry = try sketch.entry { $0.scheme = scheme }
        #expect(entry.treatment == nil && !entry.reason.isEmpty)
      }
    }
  }

  @Test("the graph of a weight is named by the nodes that hold it")
  func graphLabels() throws {
    var branch = GraphProto(
      "then", [NodeProto("MatMul", ["x", "inner"], ["b"], name: "m")],
      outputs: [ValueInfoProto("b", .float32, nil)])
    branch.initializer = [
      TensorProto(name: "inner", .floats([Float](repeating: 1, count: 2048), shape: [64, 32]))
    ]
    let sketch = WeightSketch { model in
      model.input("flag", .bool, [])
      model.node(
        "If", ["flag"], ["y"], name: "if", [.graph("then_branch", branch), .graph("else_branch", branch)])
    }
    let entries = Planner.plan(try sketch.model.lifted(), policy: QuantPolicy()).entries
    #expect(entries.map(\.graph) == ["", "if/then_branch", "if/else_branch"])
    #expect(entries.map { $0.treatment != nil } == [false, true, true])
    #expect(entries[0].reason == "no node takes it")
  }
}
