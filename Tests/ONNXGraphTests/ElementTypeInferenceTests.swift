import Foundation
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing

@Suite("Element types are those that ONNX infers")
struct ElementTypeInferenceTests {
  /// Compares with the oracle's answer, `graph number, tab, value, tab, type` a line, for a model with and without
  /// its own declarations.
  private func compare(_ path: String, _ answer: Substring) throws -> (known: Int, compared: Int) {
    let model = try ModelReader.read(path: path)
    let graph = try ModelGraph.lift(model, external: ExternalDataFiles(modelPath: path))
    let types = ElementTypeInference(graph)
    var found: [String: ElementType?] = [:]
    for (number, id) in graph.graphIDs.enumerated() {
      for value in graph[id].nodes.flatMap({ graph[$0].outputs.compactMap { $0 } }) {
        found["\(number)\t\(graph[value].name)"] = types[value]
      }
    }
    var compared = 0
    for line in answer.split(separator: "\n") {
      let parts = line.split(separator: "\t")
      let key = "\(parts[0])\t\(parts[1])"
      guard let type = found[key] else {
        Issue.record("\(path): no value \(key)")
        continue
      }
      compared += 1
      #expect(type?.rawValue == Int32(parts[2]), "\(path): \(key)")
    }
    return (found.values.count { $0 != nil }, compared)
  }

  @Test("in every layout, with the declarations of inputs and outputs alone")
  func layouts() throws {
    let root = PackageRoot.path("Tests/Resources/layouts")
    let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    let folder = try TemporaryFolder()
    var paths: [String] = []
    for (number, name) in names.filter({ $0.hasSuffix(".onnx") }).sorted().enumerated() {
      // What the file says of inner values would answer for the rules.
      let source = root + "/" + name
      var lowered = try ModelGraph.lift(
        ModelReader.read(path: source), external: ExternalDataFiles(modelPath: source)
      ).lower()
      lowered.graph?.forgetInnerValues()
      paths.append(folder.path("\(number).onnx"))
      try lowered.write(to: paths[number])
    }
    let answers = try PythonOracle.output(script: "element_types.py", arguments: paths)
      .split(separator: "=\n", omittingEmptySubsequences: false)
    try #require(answers.count == paths.count)
    var total = (known: 0, compared: 0)
    for (path, answer) in zip(paths, answers) {
      let counts = try compare(path, answer)
      total.known += counts.known
      total.compared += counts.compared
    }
    print(
      "element types: \(total.known) of values known, \(total.compared) compared with onnx.shape_inference")
    #expect(total.compared > 1000)
  }

  @Test(
    "every operator that changes the type",
    arguments: [
      ("Cast", [ElementType.float32], [AttributeProto.int("to", 7)], [ElementType.int64]),
      ("CastLike", [.float32, .float16], [], [.float16]),
      ("Shape", [.float32], [], [.int64]),
      ("Size", [.float32], [], [.int64]),
      ("NonZero", [.float32], [], [.int64]),
      ("ArgMax", [.float32], [], [.int64]),
      ("Equal", [.int64, .int64], [], [.bool]),
      ("IsNaN", [.float16], [], [.bool]),
      ("Where", [.bool, .float16, .float16], [], [.float16]),
      ("OneHot", [.int64, .int64, .float16], [], [.float16]),
      ("TopK", [.float16, .int64], [], [.float16, .int64]),
      ("Unique", [.float32], [], [.float32, .int64, .int64, .int64]),
      ("Dropout", [.float16], [], [.float16, .bool]),
      ("MaxPool", [.float32], [], [.float32, .int64]),
      ("DynamicQuantizeLinear", [.float32], [], [.uint8, .float32, .uint8]),
      ("QuantizeLinear", [.float32, .float32], [], [.uint8]),
      ("QuantizeLinear", [.float32, .float32, .int8], [], [.int8]),
      ("DequantizeLinear", [.int8, .float16], [], [.float16]),
      ("MatMulInteger", [.uint8, .int8], [], [.int32]),
      ("Gather", [.float16, .int64], [], [.float16]),
      ("ConstantOfShape", [.int64], [], [.float32]),
      ("EyeLike", [.int32], [.int("dtype", 10)], [.float16]),
      ("EyeLike", [.int32], [], [.int32]),
    ] as [(String, [ElementType], [AttributeProto], [ElementType])])
  func rules(
    _ opType: String, _ inputs: [ElementType], _ attributes: [AttributeProto], _ outputs: [ElementType]
  ) throws {
    var model = ModelProto.sketch()
    for (index, type) in inputs.enumerated() { model.input("x\(index)", type, [2]) }
    let names = outputs.indices.map { "y\($0)" }
    model.node(opType, inputs.indices.map { "x\($0)" }, names, attributes)
    let graph = try model.lifted()
    let types = ElementTypeInference(graph)
    #expect(try names.map { types[try #require(graph.value($0))] } == outputs)
  }

  @Test("bodies of If, Loop and Scan hand their types out, and get those of their inputs")
  func bodies() throws {
    var model = CarriedPartsTests.nested()
    model.graph?.output = []
    let attributes = try #require(model.graph?.node[0].attribute)
    model.graph?.node[0].attribute = try attributes.map { attribute in
      var inner = try #require(attribute.g?.value)
      inner.forgetInnerValues(andOutputs: true)
      return .graph(attribute.name ?? "", inner)
    }
    let graph = try model.lifted()
    let types = ElementTypeInference(graph)
    for name in ["y", "looped", "scanned", "state_out", "state", "carried"] {
      #expect(types[try #require(graph.value(name))] == .float32, "\(name)")
    }
  }

  @Test("an operator of an unknown domain tells nothing")
  func unknown() throws {
    var model = ModelProto.sketch()
    model.input("x", [2])
    model.node("Mystery", ["x"], ["y"], domain: "custom")
    let graph = try model.lifted()
    #expect(ElementTypeInference(graph)[try #require(graph.value("y"))] == nil)
  }
}

extension GraphProto {
  /// Drops the descriptions of inner values, and of body inputs and outputs too when asked.
  fileprivate mutating func forgetInnerValues(andOutputs: Bool = false) {
    valueInfo = []
    if andOutputs {
      for place in output.indices { output[place].type = nil }
      for place in input.indices { input[place].type = nil }
    }
    for place in node.indices {
      node[place].attribute = node[place].attribute.map { attribute in
        guard var inner = attribute.g?.value else { return attribute }
        inner.forgetInnerValues(andOutputs: andOutputs)
        var changed = attribute
        changed.g = Boxed(inner)
        return changed
      }
    }
  }
}
