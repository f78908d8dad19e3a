import Foundation
import TestSupport
import Testing

@Suite("Bad input: damaged models")
struct BadModelTests {
  private static func layoutBytes(_ name: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: URL(filePath: Quantized.layout(name))))
  }

  private func refuse(
    _ bytes: [UInt8], _ words: String..., options: [String] = [], exitCode: Int32 = 2,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(bytes, to: "model.onnx")
    let out = try TemporaryFolder()
    let result = try Quantized.run(path, out.path("out.onnx"), options, sourceLocation: sourceLocation)
    expectFailure(result, exitCode: exitCode, sourceLocation: sourceLocation)
    for word in [path] + words {
      #expect(
        result.stderr.contains(word), "'\(word)' is not in: \(result.stderr)", sourceLocation: sourceLocation)
    }
    #expect(try out.names() == [], sourceLocation: sourceLocation)
    #expect(result.elapsed < .seconds(20), sourceLocation: sourceLocation)
    if let peak = result.peakByteCount {
      #expect(peak < 200 << 20, "peak memory \(peak)", sourceLocation: sourceLocation)
    }
  }

  @Test("A truncated model is refused with the byte where it ends", arguments: [1, 2, 3, 5, 7])
  func truncated(eighths: Int) throws {
    let whole = try Self.layoutBytes("optimum/encoder_model.onnx")
    try refuse(Array(whole.prefix(whole.count * eighths / 8)), "byte ", "not a readable ONNX model")
  }

  @Test("A model without its last byte is refused")
  func lastByte() throws {
    try refuse(Array(try Self.layoutBytes("sherpa/small-encoder.onnx").dropLast()), "byte ")
  }

  @Test("Flipped bits end in a model or in one sentence, never in a crash, a hang or leftovers")
  func bitFlips() throws {
    var random = SplitMix64.forThisRun()
    let whole = Quantized.small().bytes
    let folder = try TemporaryFolder()
    for round in 0..<24 {
      var bytes = whole
      // The head of the file holds the structure; the weights are most of the rest.
      for _ in 0..<2 {
        bytes[Int.random(in: 0..<120, using: &random)] ^= 1 << UInt8.random(in: 0..<8, using: &random)
      }
      let path = try folder.write(bytes, to: "model.onnx")
      let out = try TemporaryFolder()
      let result = try Quantized.run(path, out.path("out.onnx"), ["--quiet"])
      let label: Comment = "seed \(random.seed), round \(round): \(result.end) \(result.stderr)"
      if result.exitCode == 0 {
        #expect(try out.names() == ["out.onnx"], label)
      } else {
        #expect([2, 3].contains(result.exitCode), label)
        #expect(result.stderr.hasPrefix("error: "), label)
        #expect(result.stderr.split(separator: "\n").count == 1, label)
        #expect(try out.names() == [], label)
      }
    }
  }

  @Test("A graph with a cycle is refused, and the node and the value are named")
  func cyclic() throws {
    var model = Quantized.small()
    model.node("Add", ["b", "y"], ["a"])
    model.node("Relu", ["a"], ["b"])
    try refuse(model.bytes, "depends on its own result", "'Add(a)'", "'b'")
  }

  @Test("A node that takes its own result is refused")
  func selfLoop() throws {
    var model = Quantized.small()
    model.node("Relu", ["a"], ["a"])
    try refuse(model.bytes, "depends on its own result")
  }

  @Test("Graphs in graphs without end are refused", arguments: [200, 20_000])
  func deeplyNested(depth: Int) throws {
    var graph = HandMadeModel().graph
    for _ in 0..<depth {
      // A node whose attribute is the graph before it.
      let attribute =
        HandMadeModel.text(1, "body") + HandMadeModel.bytes(6, graph) + HandMadeModel.number(20, 5)
      let node = HandMadeModel.text(4, "Loop") + HandMadeModel.bytes(5, attribute)
      graph = HandMadeModel.bytes(1, node)
      if graph.count > 4 << 20 { break }
    }
    try refuse(HandMadeModel.model(graph), "deep")
  }

  @Test("Groups in groups without end are refused")
  func nestedGroups() throws {
    // Field 100, wire type 3: a group begins.
    let begin: [UInt8] = [0xA3, 0x06]
    try refuse(Quantized.small().bytes + (0..<50_000).flatMap { _ in begin }, "deep")
  }

  @Test("Nodes that take values that nothing makes are refused")
  func undefined() throws {
    var model = Quantized.small()
    model.node("Relu", ["nowhere"], ["a"])
    try refuse(model.bytes, "'nowhere'")
  }

  @Test("A name that two nodes make is refused")
  func duplicate() throws {
    var model = Quantized.small()
    model.node("Relu", ["x"], ["y"])
    try refuse(model.bytes, "'y' is defined twice")
  }

  @Test("A weight that is not a tensor of its type is refused")
  func wrongType() throws {
    var model = Quantized.small()
    // INT64 in raw bytes that are too few for it.
    model.initializer("v", type: 7, [8], byteCount: 32)
    model.node("Gather", ["w", "v"], ["z"])
    try refuse(model.bytes, "tensor 'v'", "64 bytes", "32")
  }

  @Test("An element type that does not exist is refused")
  func unknownType() throws {
    var model = Quantized.small()
    model.initializer("v", type: 99, [8], byteCount: 32)
    model.node("Relu", ["v"], ["z"])
    try refuse(model.bytes, "tensor 'v'", "element type 99")
  }

  @Test("A weight whose values are of another type's field is refused")
  func wrongField() throws {
    var model = Quantized.small()
    // FLOAT, four elements, but the values are in int64_data.
    let values = HandMadeModel.bytes(7, [1, 2, 3, 4])
    model.initializer(
      message: HandMadeModel.number(1, 4) + HandMadeModel.number(2, 1) + values + HandMadeModel.text(8, "v"))
    model.node("Relu", ["v"], ["z"])
    try refuse(model.bytes, "tensor 'v'")
  }

  @Test(
    "NaN and infinity in a weight are refused with their place, in every scheme",
    arguments: [Float.nan, .infinity, -.infinity], ["dynamic-int8", "weight-int8", "weight-int4"])
  func notFinite(value: Float, scheme: String) throws {
    var weights = (0..<2048).map { Float($0 % 7) }
    weights[777] = value
    let word = value.isNaN ? "NaN" : "infinity"
    try refuse(
      Quantized.small(weights: weights).bytes, "tensor 'w'", word, "777", options: ["--scheme", scheme])
  }

  @Test("NaN in a table is refused too")
  func notFiniteTable() throws {
    var model = Quantized.small()
    model.input("i")
    model.initializer("table", [64, 32], floats: (0..<2048).map { $0 == 2047 ? .nan : 1 })
    model.node("Gather", ["table", "i"], ["z"])
    model.output("z")
    try refuse(model.bytes, "tensor 'table'", "NaN", "2047")
  }

  @Test(
    "Shapes that lie about the data are refused",
    arguments: [[64, 33], [63, 32], [1 << 31, 1 << 31], [1 << 62, 4], [Int.max, 1]])
  func shapeLies(shape: [Int]) throws {
    var model = HandMadeModel()
    model.input("x")
    model.initializer("w", shape, floats: (0..<2048).map { Float($0) })
    model.node("MatMul", ["x", "w"], ["y"])
    model.output("y")
    try refuse(model.bytes, "tensor 'w'")
  }

  @Test("A negative extent is refused")
  func negativeShape() throws {
    var model = Quantized.small()
    // -1 as a varint of ten bytes.
    let minusOne: [UInt8] = [0x08] + [UInt8](repeating: 0xFF, count: 9) + [0x01]
    model.initializer(message: minusOne + HandMadeModel.number(2, 1) + HandMadeModel.text(8, "v"))
    model.node("Relu", ["v"], ["z"])
    try refuse(model.bytes, "tensor 'v'", "negative")
  }

  @Test("A packed list that claims more values than memory holds is refused")
  func hugeLength() throws {
    // The graph's length is 2^40.
    let claim: [UInt8] = [0x3A, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20]
    try refuse(HandMadeModel.number(1, 8) + claim + [1, 2, 3], "byte ")
  }

  @Test("A million empty nodes take neither long nor much memory")
  func manyNodes() throws {
    let node: [UInt8] = [0x0A, 0x00]
    let graph = (0..<200_000).flatMap { _ in node }
    try refuse(HandMadeModel.model(graph), options: [], exitCode: 3)
  }

  struct Foreign: Sendable, CustomTestStringConvertible {
    let words: String
    let bytes: [UInt8]
    var testDescription: String { words }
  }

  static let foreign: [Foreign] = [
    Foreign(words: "an empty file", bytes: []),
    Foreign(words: "TensorFlow Lite", bytes: [0x1C, 0, 0, 0] + Array("TFL3".utf8) + [0, 0, 0, 0]),
    Foreign(words: "safetensors", bytes: [16, 0, 0, 0, 0, 0, 0, 0] + Array("{\"__metadata__\":{}}".utf8)),
    Foreign(words: "HTML", bytes: Array("<!DOCTYPE html>\n<html><body>404</body></html>".utf8)),
    Foreign(
      words: "Git LFS pointer",
      bytes: Array("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".utf8)),
    Foreign(words: "ZIP", bytes: Array("PK\u{3}\u{4}".utf8) + [20, 0, 0, 0]),
    Foreign(words: "JSON", bytes: Array("{\"model\": 1}".utf8)),
    Foreign(words: "a text file", bytes: Array("This is a plain text and no model.".utf8)),
  ]

  @Test("A file of another kind is refused by its name", arguments: foreign)
  func foreignFile(_ example: Foreign) throws {
    try refuse(example.bytes, example.words)
  }

  @Test("A folder without models, a device and a missing file are told apart")
  func noFile() throws {
    let folder = try TemporaryFolder()
    try expectRefusal(folder.path("none.onnx"), exitCode: 4, "there is no such file")
    try expectRefusal("/dev/null", exitCode: 4, "regular file")
    try expectRefusal(folder.path, exitCode: 2, "no .onnx file")
  }
}
