import CPUBackend
import ModelBackend
import ONNXFile
import Tensors
import Testing

@Suite("Sessions of the embedded engine")
struct SessionTests {
  private func refusal(_ body: () throws -> Void) -> BackendError? {
    do {
      try body()
      return nil
    } catch {
      return error as? BackendError
    }
  }

  @Test("An operator that the engine lacks is named with its node, all of them at once")
  func unknownOperators() throws {
    var model = ModelText()
    model.inputs = [ModelText.input("x", .float32, [2])]
    model.nodes = [
      ModelText.node("LSTM", ["x"], ["a"], name: "first"),
      ModelText.node("Fancy", ["a"], ["y"], domain: "own.domain"),
    ]
    model.outputs = ["y"]
    let error = try #require(refusal { _ = try model.session() })
    #expect(error.reason == .unsupported)
    #expect(error.message.contains("LSTM (node 'first')"))
    #expect(error.message.contains("own.domain.Fancy (node 'Fancy(y)')"))
  }

  @Test("A version of the operator set that the engine does not know is named")
  func unknownVersion() throws {
    var model = ModelText(opset: 999)
    model.inputs = [ModelText.input("x", .float32, [2])]
    model.nodes = [ModelText.node("Add", ["x", "x"], ["y"])]
    model.outputs = ["y"]
    let error = try #require(refusal { _ = try model.session() })
    #expect(error.message.contains("version 999 of operator Add"))
  }

  private func addition() -> ModelText {
    var model = ModelText()
    model.inputs = [ModelText.input("x", .float32, [2, -1]), ModelText.input("y", .float32, nil)]
    model.nodes = [
      ModelText.node("Add", ["x", "y"], ["sum"]), ModelText.node("Mul", ["sum", "sum"], ["square"]),
    ]
    model.outputs = ["square"]
    return model
  }

  @Test("An inner value can be asked for, and what it does not need does not run")
  func innerOutput() throws {
    let session = try addition().session()
    let feeds = ["x": floats([1, 2, 3, 4], [2, 2]), "y": floats([10], [])]
    let results = try session.run(feeds, outputs: ["sum"])
    #expect(results["sum"]?.floats == [11, 12, 13, 14])
    #expect(results["square"] == nil)
    var operators: [String] = []
    session.timing = { operators.append($0.operatorName) }
    _ = try session.run(feeds, outputs: ["sum"])
    #expect(operators == ["Add"])
  }

  @Test("A run that shows everything names every tensor once, in the order of computation")
  func observation() throws {
    let session = try addition().session()
    var names: [String] = []
    let feeds = ["x": floats([1, 2, 3, 4], [2, 2]), "y": floats([10], [])]
    _ = try session.run(feeds, outputs: ["square"]) { (name, content) throws(BackendError) in
      names.append(name)
    }
    #expect(Set(names.prefix(2)) == ["x", "y"])
    #expect(Array(names.dropFirst(2)) == ["sum", "square"])
    #expect(session.innerValues == ["sum", "square"])
  }

  @Test("An observer's error ends the run")
  func observerError() throws {
    let session = try addition().session()
    let feeds = ["x": floats([1, 2, 3, 4], [2, 2]), "y": floats([10], [])]
    let error = refusal {
      _ = try session.run(feeds, outputs: ["square"]) { (name, _) throws(BackendError) in
        throw BackendError(.failed, "enough of \(name)")
      }
    }
    #expect(error?.message.hasPrefix("enough of") == true)
  }

  @Test("Feeds that do not fit are refused with what was expected")
  func badFeeds() throws {
    let session = try addition().session()
    let x = floats([1, 2, 3, 4], [2, 2])
    let y = floats([10], [])
    let cases: [([String: TensorContent], [String], String)] = [
      (["x": x], ["square"], "'y' was not fed"),
      (["x": x, "y": y, "z": y], ["square"], "no input 'z'"),
      (["x": x, "y": int64s([1], [])], ["square"], "is float, but int64 was fed"),
      (["x": floats([1, 2, 3], [3, 1]), "y": y], ["square"], "has shape [2, ?], but [3, 1] was fed"),
      (["x": floats([1, 2], [2]), "y": y], ["square"], "has shape [2, ?], but [2] was fed"),
      (["x": x, "y": y], ["other"], "no value of this name"),
      (["x": x, "y": floats([1, 2, 3], [3])], ["square"], "do not broadcast"),
      (
        ["x": TensorContent(elementType: .float32, shape: Shape([2, 2])!, bytes: .owned([0])), "y": y],
        ["square"],
        "has 1 bytes"
      ),
    ]
    for (feeds, outputs, text) in cases {
      let error = try #require(refusal { _ = try session.run(feeds, outputs: outputs) }, "\(text)")
      #expect(error.message.contains(text), "\(error.message)")
    }
  }

  @Test("A result larger than the run may use is an error, not an allocation")
  func memoryLimit() throws {
    var model = ModelText()
    model.inputs = [ModelText.input("shape", .int64, [3])]
    model.nodes = [ModelText.node("ConstantOfShape", ["shape"], ["y"], name: "fill")]
    model.outputs = ["y"]
    let session = try model.session(memoryLimit: 1 << 20)
    #expect(try session.run(["shape": int64s([4, 4, 4], [3])], outputs: ["y"])["y"]?.floats?.count == 64)
    for extents: [Int64] in [[1 << 20, 4, 4], [1 << 40, 1 << 40, 1 << 40], [-1, 2, 2], [.max, 2, 1]] {
      let error = try #require(
        refusal { _ = try session.run(["shape": int64s(extents, [3])], outputs: ["y"]) })
      #expect(error.message.contains("fill"))
    }
  }

  @Test("Memory goes back to the pool between nodes and runs")
  func memoryIsReused() throws {
    var model = ModelText()
    model.inputs = [ModelText.input("x", .float32, [256, 256])]
    var last = "x"
    for index in 0..<40 {
      model.nodes.append(ModelText.node("Exp", [last], ["v\(index)"]))
      last = "v\(index)"
    }
    model.outputs = [last]
    let session = try model.session()
    let feeds = ["x": floats([Float](repeating: -1, count: 65536), [256, 256])]
    for _ in 0..<3 { _ = try session.run(feeds, outputs: [last]) }
    #expect(session.peakRunByteCount <= 4 * 65536 * 4)
  }

  @Test(
    "Extents and positions from a model are checked",
    arguments: [
      ("Reshape", [Int64.max, 2]), ("Reshape", [-1, -1]), ("Reshape", [0, 0, 0]),
      ("Expand", [1 << 40, 1 << 40]),
      ("Expand", [3, 3]), ("Tile", [.max, .max]), ("Tile", [-1, 1]), ("Gather", [5, 0]),
      ("Gather", [.min, .min]),
      ("Unsqueeze", [7, 8]), ("Unsqueeze", [0, 0]), ("Squeeze", [.min, 0]),
      ("Pad", [.max, .max, .max, .max]),
      ("Pad", [1 << 30, 0, 1 << 30, 0]), ("Slice", [1, 1]),
    ] as [(String, [Int64])])
  func hostileNumbers(_ name: String, _ numbers: [Int64]) throws {
    var model = ModelText()
    model.inputs = [ModelText.input("x", .float32, [2, 2]), ModelText.input("n", .int64, nil)]
    model.nodes = [ModelText.node(name, name == "Slice" ? ["x", "n", "n", "n", "n"] : ["x", "n"], ["y"])]
    model.outputs = ["y"]
    let session = try model.session(memoryLimit: 64 << 20)
    let feeds = ["x": floats([1, 2, 3, 4], [2, 2]), "n": int64s(numbers, [numbers.count])]
    if name == "Slice" {
      // The same axis twice with starts beyond their ends: an empty result.
      #expect(try session.run(feeds, outputs: ["y"])["y"]?.shape.elementCount == 0)
    } else {
      #expect(refusal { _ = try session.run(feeds, outputs: ["y"]) } != nil)
    }
  }

  @Test("Integer division by zero is an error that names the node")
  func divisionByZero() throws {
    for name in ["Div", "Mod"] {
      var model = ModelText()
      model.inputs = [ModelText.input("x", .int64, [1]), ModelText.input("y", .int64, [1])]
      model.nodes = [ModelText.node(name, ["x", "y"], ["z"], name: "ratio")]
      model.outputs = ["z"]
      let session = try model.session()
      let error = refusal {
        _ = try session.run(["x": int64s([1], [1]), "y": int64s([0], [1])], outputs: ["z"])
      }
      #expect(error?.message.contains("ratio") == true)
      let least = try session.run(["x": int64s([.min], [1]), "y": int64s([-1], [1])], outputs: ["z"])
      #expect(least["z"]?.integers == [name == "Div" ? .min : 0])
    }
  }

  @Test("A model's own functions are replaced by their nodes, attributes and all")
  func functions() throws {
    var function = FunctionProto()
    function.name = "Twice"
    function.domain = "own"
    function.input = ["a"]
    function.output = ["b"]
    function.attribute = ["axis"]
    var axis = ModelText.attribute("axis", 0)
    axis.i = nil
    axis.refAttrName = "axis"
    function.node = [
      ModelText.node("Concat", ["a", "a"], ["inner"], [axis]), ModelText.node("Neg", ["inner"], ["b"]),
    ]
    var entry = OperatorSetIdProto()
    entry.version = 18
    function.opsetImport = [entry]
    var model = ModelText()
    model.functions = [function]
    model.inputs = [ModelText.input("x", .float32, [1, 2])]
    model.nodes = [
      ModelText.node("Twice", ["x"], ["m"], domain: "own", name: "one", [ModelText.attribute("axis", 0)]),
      ModelText.node("Twice", ["m"], ["y"], domain: "own", name: "two", [ModelText.attribute("axis", 1)]),
    ]
    model.outputs = ["y"]
    let session = try model.session()
    let results = try session.run(["x": floats([1, 2], [1, 2])], outputs: ["y"])
    #expect(results["y"]?.shape.dimensions == [2, 4])
    #expect(results["y"]?.floats == [1, 2, 1, 2, 1, 2, 1, 2])
    #expect(session.placement.shares[0].operators == ["Concat": 2, "Neg": 2])
  }

  @Test("A function that calls itself is refused")
  func endlessFunction() throws {
    var function = FunctionProto()
    function.name = "Again"
    function.domain = "own"
    function.input = ["a"]
    function.output = ["b"]
    function.node = [
      ModelText.node("Again", ["a"], ["c"], domain: "own"),
      ModelText.node("Again", ["c"], ["b"], domain: "own"),
    ]
    var model = ModelText()
    model.functions = [function]
    model.inputs = [ModelText.input("x", .float32, [1])]
    model.nodes = [ModelText.node("Again", ["x"], ["y"], domain: "own")]
    model.outputs = ["y"]
    #expect(refusal { _ = try model.session() }?.reason == .badModel)
  }
}
