import CPUBackend
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors
import Testing

@Suite("Inferred shapes are those that the engine computes")
struct ShapeRulesTests {
  /// One operator on an input x, and what else it takes.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let model: ModelProto
    let outputs: [String]

    init(
      _ opType: String, _ shapes: [[Int]], opset: Int64 = 21, domain: String? = nil,
      integers: [[Int64]] = [], outputs: Int = 1, _ attributes: [AttributeProto] = [], what: String = ""
    ) {
      testDescription = "\(opType) \(shapes) \(integers) \(what)"
      var model = ModelProto.sketch(opset: opset, ir: 10)
      if let domain { model.importing(domain, 1) }
      var inputs: [String] = []
      for (index, shape) in shapes.enumerated() {
        model.input("x\(index)", shape)
        inputs.append("x\(index)")
      }
      for (index, list) in integers.enumerated() {
        model.constant("c\(index)", .int64s(list, shape: [list.count]))
        inputs.append("c\(index)")
      }
      self.outputs = (0..<outputs).map { "y\($0)" }
      model.node(opType, inputs, self.outputs, domain: domain, attributes)
      for name in self.outputs {
        // Nothing is declared, so that everything must be inferred.
        var info = ValueInfoProto()
        info.name = name
        model.graph?.output.append(info)
      }
      self.model = model
    }
  }

  static let cases: [Case] = [
    Case("Add", [[2, 1, 3], [4, 1]]), Case("Mul", [[3], []]), Case("Pow", [[2, 3], [3]]),
    Case("Sub", [[2, 3], [2, 3]]), Case("Div", [[1, 4, 3], [5, 1, 1, 3]]), Case("Equal", [[2, 1], [1, 3]]),
    Case("MatMul", [[2, 1, 3, 4], [5, 4, 6]]), Case("MatMul", [[4], [2, 4, 3]]),
    Case("MatMul", [[3, 4], [4]]),
    Case("Gemm", [[4, 3], [5, 4], [5]], [.int("transA", 1), .int("transB", 1)]),
    Case("Conv", [[1, 4, 10], [6, 4, 3]], [.ints("pads", [1, 1]), .ints("strides", [2])]),
    Case("Conv", [[1, 4, 10], [6, 2, 3]], [.int("group", 2), .ints("dilations", [2])]),
    Case("Conv", [[2, 4, 5, 7], [3, 4, 1, 1]]),
    Case("Conv", [[1, 4, 10], [6, 4, 3]], [.string("auto_pad", "SAME_UPPER"), .ints("strides", [3])]),
    Case("Reshape", [[2, 3, 4]], integers: [[0, -1]]), Case("Reshape", [[2, 6]], integers: [[3, 2, -1]]),
    Case("Flatten", [[2, 3, 4]], [.int("axis", 2)]), Case("Flatten", [[2, 3, 4]], [.int("axis", -2)]),
    Case("Transpose", [[2, 3, 4]], [.ints("perm", [2, 0, 1])]), Case("Transpose", [[2, 3, 4]]),
    Case("Unsqueeze", [[2, 3]], integers: [[0, -1]]), Case("Squeeze", [[1, 2, 1]], integers: [[-1]]),
    Case("Squeeze", [[1, 2, 1]]), Case("Concat", [[2, 3], [2, 1]], [.int("axis", -1)]),
    Case("Split", [[2, 7]], outputs: 3, [.int("axis", 1), .int("num_outputs", 3)]),
    Case("Split", [[2, 7]], integers: [[3, 4]], outputs: 2, [.int("axis", -1)]),
    Case("Slice", [[5, 6]], integers: [[1, -2], [9, .max], [0, 1]]),
    Case("Slice", [[7]], integers: [[-1], [.min], [0], [-2]]),
    Case("Slice", [[7]], integers: [[1], [6], [0], [2]]),
    Case("Slice", [[4]], integers: [[3], [1]], what: "empty"),
    Case("Gather", [[4, 5]], integers: [[0, 2, 1]], [.int("axis", -1)]),
    Case("Expand", [[3, 1]], integers: [[2, 1, 4]]), Case("Tile", [[2, 3]], integers: [[2, 1]]),
    Case("Pad", [[2, 3]], integers: [[1, 0, 0, 2]]), Case("Softmax", [[2, 3]], [.int("axis", -1)]),
    Case("LayerNormalization", [[2, 3, 4], [4], [4]]), Case("Gelu", [[2, 3]]), Case("Erf", [[2]]),
    Case("IsNaN", [[2, 3]]), Case("Trilu", [[3, 3]]), Case("Shape", [[2, 3, 4]], [.int("start", -2)]),
    Case("ReduceMean", [[2, 3, 4]], integers: [[-1]]), Case("ReduceMean", [[2, 3]]),
    Case("ReduceSum", [[2, 3, 4]], integers: [[0, 2]], [.int("keepdims", 0)]),
    Case("ReduceMax", [[2, 3]], [.int("noop_with_empty_axes", 1)]),
    Case("ArgMax", [[2, 3]], [.int("axis", -1), .int("keepdims", 0)]), Case("ArgMax", [[2, 3]]),
    Case("Cast", [[2, 3]], [.int("to", 10)]), Case("Identity", [[]]), Case("Dropout", [[3]]),
    Case("SkipLayerNormalization", [[1, 3, 4], [1, 3, 4], [4], [4]], domain: "com.microsoft"),
    Case("BiasGelu", [[2, 3], [3]], domain: "com.microsoft"),
    Case("Gelu", [[2, 3]], domain: "com.microsoft", what: "contrib"),
  ]

  @Test("By operator", arguments: cases)
  func shapes(item: Case) throws {
    let graph = try item.model.lifted()
    let table = try ShapeTable.infer(graph)
    let found = try CPUBackend.session(graph).run(PassOracle.feeds(graph, seed: 5), outputs: item.outputs)
    for name in item.outputs {
      let wanted = try #require(found[name])
      let inferred = try #require(table[graph.value(name)!])
      #expect(inferred.dimensions == wanted.shape.dimensions)
      #expect(inferred.elementType == wanted.elementType)
    }
  }

  @Test("Einsum by its equation, which the engine does not have")
  func einsum() throws {
    let item = Case(
      "Einsum", [[2, 3, 4], [2, 5, 4]], [.string("equation", "bij, bkj -> bik")])
    let graph = try item.model.lifted()
    #expect(try ShapeTable.infer(graph).dimensions(graph.value("y0")!) == [2, 3, 5])
  }

  /// Models whose shapes are no shapes, and what is said.
  static let refusals: [(what: String, opType: String, shapes: [[Int]], integers: [[Int64]], word: String)] =
    [
      ("operands that do not fit", "Add", [[2, 3], [4]], [], "cannot join"),
      ("matrices that do not fit", "MatMul", [[2, 3], [4, 5]], [], "cannot multiply"),
      ("a reshape to another size", "Reshape", [[2, 3]], [[4, -1]], "cannot make"),
      ("a reshape that copies what is not there", "Reshape", [[2]], [[2, 0]], "copies dimension"),
      ("an axis that is not there", "Gather", [[]], [[0]], "axis"),
      ("a squeeze of a long dimension", "Squeeze", [[2, 3]], [[0]], "takes away"),
      ("parts of another length", "Split", [[2, 7]], [[3, 3]], "cannot cut"),
    ]

  @Test("A shape that cannot be is refused with the node's name", arguments: 0..<7)
  func refusal(index: Int) throws {
    let item = Self.refusals[index]
    var model = Case(item.opType, item.shapes, integers: item.integers, what: item.what).model
    model.graph?.node[0].name = "the/node"
    let graph = try model.lifted()
    let error = try #require(throws: PassError.self) { try ShapeTable.infer(graph) }
    #expect(error.message.contains("the/node") && error.message.contains(item.word), "\(error.message)")
  }

  @Test("A shape that is computed from data, and an operator that is not known, are refused by name")
  func dataDependent() throws {
    var model = ModelProto.sketch(opset: 21, ir: 10)
    model.input("x", [6])
    model.input("shape", .int64, [2])
    model.node("Reshape", ["x", "shape"], ["y"], name: "view")
    model.output("y")
    let error = try #require(throws: PassError.self) { try ShapeTable.infer(model.lifted()) }
    #expect(error.message.contains("'shape'") && error.message.contains("view"))
    var other = ModelProto.sketch(opset: 21, ir: 10)
    other.input("x", [6])
    other.node("NonZero", ["x"], ["y"], name: "strange")
    other.output("y")
    let unknown = try #require(throws: PassError.self) { try ShapeTable.infer(other.lifted()) }
    #expect(unknown.reason == .unknownOperator(opType: "NonZero", node: "strange"))
  }
}
