import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing

@Suite("Raising the operator set keeps the function")
struct OpsetUpgradeTests {
  /// A model of one idea: input x of a shape, some nodes, outputs.
  struct Case: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let model: ModelProto

    init(
      _ what: String, opset: Int64, shape: [Int] = [2, 6, 4], outputs: Int = 1, ranks: [Int]? = nil,
      _ build: (inout ModelProto) -> Void
    ) {
      testDescription = "\(what), \(opset)"
      var model = ModelProto.sketch(opset: opset, ir: 6)
      model.input("x", shape)
      build(&model)
      for (index, rank) in (ranks ?? [Int](repeating: shape.count, count: outputs)).enumerated() {
        model.output("y\(index)", (0..<rank).map { -10 * index - $0 - 1 })
      }
      self.model = model
    }
  }

  /// Operators whose form changed between opset 11 and 21, in the forms in which exporters write them.
  static let cases: [Case] = [
    Case("Split in equal parts", opset: 13, outputs: 3) { model in
      model.node("Split", ["x"], ["y0", "y1", "y2"], [.int("axis", 1)])
    },
    Case("Split with an empty input", opset: 17, outputs: 2) { model in
      model.node("Split", ["x", ""], ["y0", "y1"], [.int("axis", 1)])
    },
    Case("Split by an input", opset: 13, outputs: 2) { model in
      model.constant("parts", .int64s([2, 4], shape: [2]))
      model.node("Split", ["x", "parts"], ["y0", "y1"], [.int("axis", 1)])
    },
    Case("Split by an attribute", opset: 12, outputs: 2) { model in
      model.node("Split", ["x"], ["y0", "y1"], [.int("axis", 1), .ints("split", [5, 1])])
    },
    Case("Split without the attribute", opset: 11, outputs: 2) { model in
      model.node("Split", ["x"], ["y0", "y1"])
    },
    Case("ReduceMean over axes", opset: 13) { model in
      model.node("ReduceMean", ["x"], ["y0"], [.ints("axes", [-1])])
    },
    Case("ReduceMean over all", opset: 17, ranks: [0]) { model in
      model.node("ReduceMean", ["x"], ["y0"], [.int("keepdims", 0)])
    },
    Case("all the other reductions", opset: 17, ranks: [1, 1, 1, 1, 1, 1, 1, 1]) { model in
      let operators = [
        "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp",
        "ReduceSumSquare",
      ]
      model.node("Abs", ["x"], ["a"])
      for (index, name) in operators.enumerated() {
        model.node(name, ["a"], ["y\(index)"], [.ints("axes", [1, 2]), .int("keepdims", 0)])
      }
    },
    Case("ReduceSum", opset: 12) { model in model.node("ReduceSum", ["x"], ["y0"], [.ints("axes", [0, 2])]) },
    Case("Unsqueeze and Squeeze", opset: 12, ranks: [5, 4]) { model in
      model.node("Unsqueeze", ["x"], ["y0"], [.ints("axes", [0, 2])])
      model.node("Squeeze", ["y0"], ["y1"], [.ints("axes", [0])])
    },
    Case("Squeeze of everything", opset: 12, shape: [1, 3, 1], ranks: [1]) { model in
      model.node("Squeeze", ["x"], ["y0"])
    },
    Case("Unsqueeze in both branches of an If", opset: 12, ranks: [4]) { model in
      let branch = { (axis: Int64, inner: String) in
        GraphProto(
          inner, [NodeProto("Unsqueeze", ["x"], [inner], name: "unsqueeze", [.ints("axes", [axis])])],
          outputs: [ValueInfoProto(inner, .float32, nil)])
      }
      model.input("flag", .bool, [])
      model.node(
        "If", ["flag"], ["y0"],
        [.graph("then_branch", branch(0, "p")), .graph("else_branch", branch(1, "q"))])
    },
    Case("Softmax along the last axis", opset: 12) { model in
      model.node("Softmax", ["x"], ["y0"], [.int("axis", -1)])
    },
    Case("Dropout with a ratio", opset: 11) { model in
      model.node("Dropout", ["x"], ["y0"], [.float("ratio", 0.3)])
    },
    Case("BatchNormalization", opset: 13, shape: [2, 3, 4]) { model in
      for (name, value) in [("s", 2), ("b", 1), ("m", 0.5), ("v", 4)] as [(String, Float)] {
        model.floats(name, [value, value, value], [3])
      }
      model.node("BatchNormalization", ["x", "s", "b", "m", "v"], ["y0"])
    },
    Case("RoiAlign with its old grid", opset: 13, shape: [1, 1, 6, 6]) { model in
      model.floats("rois", [0.3, 0.7, 4.2, 3.9], [1, 4])
      model.constant("batch", .int64s([0], shape: [1]))
      model.node(
        "RoiAlign", ["x", "rois", "batch"], ["y0"], [.int("output_height", 2), .int("output_width", 2)])
    },
    Case("Resize, Pad, Clip, Cast, Gather, Where and Range", opset: 13, shape: [1, 1, 4, 4], outputs: 3) {
      model in
      model.floats("scales", [1, 1, 2, 2], [4])
      model.node("Resize", ["x", "", "scales"], ["y0"])
      model.constant("pads", .int64s([0, 0, 1, 1, 0, 0, 1, 1], shape: [8]))
      model.node("Pad", ["x", "pads"], ["y1"])
      model.floats("zero", [0], [])
      model.node("Clip", ["x", "zero"], ["positive"])
      model.node("Greater", ["positive", "zero"], ["is"])
      model.node("Where", ["is", "x", "zero"], ["y2"])
    },
  ]

  @Test("ONNX Runtime computes the same bits before and after", arguments: [18, 21] as [Int64])
  func equalOutputs(target: Int64) throws {
    let folder = try TemporaryFolder()
    var pairs: [String] = []
    for (number, example) in Self.cases.enumerated() {
      var graph = try example.model.lifted()
      try graph.raiseOpset(to: target)
      #expect(graph.opsetVersion() == target)
      let paths = (folder.path("\(number).onnx"), folder.path("\(number)-raised.onnx"))
      try example.model.write(to: paths.0)
      try graph.lower().write(to: paths.1)
      pairs += [paths.0, paths.1]
    }
    let lines = try PythonOracle.output(script: "check_model.py", arguments: pairs).split(separator: "\n")
    try #require(lines.count == Self.cases.count)
    for (example, line) in zip(Self.cases, lines) {
      #expect(line.hasPrefix("ok\tchecker session outputs\t"), "\(example.testDescription): \(line)")
    }
  }

  @Test("a model that has the version already, or no operator set, stays as it is")
  func unchanged() throws {
    for (version, target) in [(21, 13), (13, 13)] as [(Int64, Int64)] {
      var model = ModelProto.sketch(opset: version)
      model.input("x", [2, 2])
      model.node("ReduceMean", ["x"], ["y"], [.ints("axes", [0])])
      var graph = try model.lifted()
      try graph.raiseOpset(to: target)
      #expect(graph.lower().serialized() == model.serialized())
    }
  }

  @Test("operators of other domains are left alone")
  func otherDomains() throws {
    var model = ModelProto.sketch(opset: 12)
    model.importing("custom", 3)
    model.input("x", [2])
    model.node("Unsqueeze", ["x"], ["y"], domain: "custom", [.ints("axes", [0])])
    var graph = try model.lifted()
    try graph.raiseOpset(to: 21)
    #expect(graph.lines == ["y = Unsqueeze(x)"])
    #expect(graph.opsetVersion(domain: "custom") == 3)
    #expect(graph.message.irVersion == 10)
  }

  struct Refusal: Sendable, CustomTestStringConvertible {
    let opType: String
    let from: Int64
    var to: Int64 = 21
    var attributes: [AttributeProto] = []
    var outputs = ["y"]
    var testDescription: String { "\(opType) of opset \(from)" }
  }

  static let refusals = [
    Refusal(opType: "Softmax", from: 12),
    Refusal(opType: "LogSoftmax", from: 11, to: 13, attributes: [.int("axis", 1)]),
    Refusal(opType: "Hardmax", from: 12),
    Refusal(opType: "BatchNormalization", from: 13, outputs: ["y", "mean"]),
    Refusal(opType: "GridSample", from: 16), Refusal(opType: "DFT", from: 17),
    Refusal(opType: "GroupNormalization", from: 18),
    Refusal(opType: "Upsample", from: 11), Refusal(opType: "Scatter", from: 13),
    Refusal(opType: "Relu", from: 10, to: 11),
    Refusal(
      opType: "Resize", from: 11,
      attributes: [.string("coordinate_transformation_mode", "tf_half_pixel_for_nn")]),
  ]

  @Test("what cannot be raised is refused with operator, node and versions", arguments: refusals)
  func refused(_ example: Refusal) throws {
    var model = ModelProto.sketch(opset: example.from)
    model.input("x", [2, 2])
    model.node(example.opType, ["x"], example.outputs, name: "the node", example.attributes)
    var graph = try model.lifted()
    let error = #expect(throws: GraphError.self) { try graph.raiseOpset(to: example.to) }
    guard case .opsetUpgrade(let opType, let node, let from, let to, let why)? = error?.reason else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect((opType, node) == (example.opType, "the node"))
    #expect((from, to) == (example.from, example.to))
    #expect(!why.isEmpty)
    #expect(error?.message.contains("opset \(example.to)") == true)
  }
}
