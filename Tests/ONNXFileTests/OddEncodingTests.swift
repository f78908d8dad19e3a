import ByteIO
import ONNXFile
import Tensors
import TestSupport
import Testing

/// Encodings that are legal and that the usual writers do not produce; what they mean is for Google's own
/// decoder to say (libprotobuf-c does not join the pieces of a message in a oneof).
@Suite("Unusual encodings mean what the specification says")
struct OddEncodingTests {
  private static func unpacked(_ field: Int, width: Int, _ values: [UInt8]) -> [UInt8] {
    values.flatMap {
      WireBytes.tag(field, width == 4 ? 5 : 1) + [UInt8](repeating: 0, count: width - 1) + [$0]
    }
  }

  private static func attribute(_ content: [UInt8]) -> [UInt8] {
    WireBytes.model(graph: WireBytes.bytes(1, WireBytes.bytes(5, content)))
  }

  private static func type(_ content: [UInt8]) -> [UInt8] {
    WireBytes.model(graph: WireBytes.bytes(11, WireBytes.bytes(2, content)))
  }

  static let models: [String: [UInt8]] = [
    "typed data one by one": WireBytes.model(
      tensor: unpacked(4, width: 4, [1, 2, 3]) + unpacked(10, width: 8, [4, 5]) + WireBytes.int(5, -1)
        + WireBytes.int(5, 7) + WireBytes.int(7, -1) + WireBytes.int(7, 300) + WireBytes.int(11, -1)
        + WireBytes.int(11, 0)),
    "typed data in several packs": WireBytes.model(
      tensor: WireBytes.bytes(4, [0, 0, 0, 1]) + WireBytes.bytes(4, []) + WireBytes.bytes(4, [0, 0, 0, 2])
        + WireBytes.bytes(7, [1, 2]) + WireBytes.text(8, "between") + WireBytes.bytes(7, [0xAC, 2])
        + WireBytes.bytes(10, [UInt8](repeating: 3, count: 8))
        + WireBytes.bytes(10, [UInt8](repeating: 4, count: 16))
        + WireBytes.bytes(11, [9]) + WireBytes.bytes(11, [8])),
    "typed data packed and one by one": WireBytes.model(
      tensor: WireBytes.bytes(5, [1, 2]) + WireBytes.int(5, 3) + WireBytes.bytes(5, [4])
        + unpacked(4, width: 4, [1]) + WireBytes.bytes(4, [0, 0, 0, 2]) + unpacked(10, width: 8, [4])
        + WireBytes.bytes(10, [UInt8](repeating: 3, count: 8))),
    "negative numbers of five bytes": WireBytes.model(
      tensor: WireBytes.bytes(5, [0xFF, 0xFF, 0xFF, 0xFF, 0x0F, 0x80, 0x80, 0x00])
        + WireBytes.tag(2, 0) + [0xFF, 0xFF, 0xFF, 0xFF, 0x0F]),
    "packed dimensions": WireBytes.model(tensor: WireBytes.bytes(1, [1, 2, 0xAC, 2]) + WireBytes.int(1, 5)),
    "packed attribute lists": attribute(
      WireBytes.bytes(7, [0, 0, 0x80, 0x3F, 0, 0, 0, 0x80]) + unpacked(7, width: 4, [0x40])
        + WireBytes.bytes(8, [1, 2])
        + WireBytes.int(8, -1)),
    "scalars twice": attribute(
      WireBytes.text(1, "first") + WireBytes.int(3, 1) + WireBytes.text(1, "last") + WireBytes.int(3, 2)
        + WireBytes.text(4, "bytes") + WireBytes.text(4, "")),
    "messages in pieces": WireBytes.bytes(
      7, WireBytes.text(2, "g") + WireBytes.bytes(1, WireBytes.text(4, "A")))
      + WireBytes.int(1, 8)
      + WireBytes.bytes(7, WireBytes.bytes(1, WireBytes.text(4, "B")) + WireBytes.text(2, "h")),
    "an attribute's tensor in pieces": attribute(
      WireBytes.bytes(5, WireBytes.int(1, 1) + WireBytes.text(8, "a")) + WireBytes.text(1, "value")
        + WireBytes.bytes(5, WireBytes.int(1, 2) + WireBytes.bytes(9, [1]))),
    "an attribute's graph in pieces": attribute(
      WireBytes.bytes(6, WireBytes.bytes(1, WireBytes.text(4, "A")))
        + WireBytes.bytes(6, WireBytes.bytes(1, WireBytes.text(4, "B")))),
    "a tensor type in pieces": type(
      WireBytes.bytes(1, WireBytes.int(1, 1))
        + WireBytes.bytes(1, WireBytes.nested([2, 1], WireBytes.int(1, 7)))
        + WireBytes.bytes(1, WireBytes.nested([2, 1], WireBytes.text(2, "n")))),
    "a sequence type in pieces": type(
      WireBytes.nested([4, 1, 1], WireBytes.int(1, 1)) + WireBytes.nested([4, 1], WireBytes.text(6, "d"))),
    "a map type in pieces": type(
      WireBytes.bytes(5, WireBytes.int(1, 7)) + WireBytes.nested([5, 2, 1], WireBytes.int(1, 1))),
    "one kind of type after another": type(
      WireBytes.bytes(1, WireBytes.int(1, 1)) + WireBytes.nested([4, 1, 1], WireBytes.int(1, 2))),
    "a dimension's number after its name": type(
      WireBytes.nested([1, 2, 1], WireBytes.text(2, "n") + WireBytes.int(1, 4))),
    "fields in descending order": WireBytes.bytes(8, WireBytes.int(2, 17) + WireBytes.text(1, ""))
      + WireBytes.bytes(7, WireBytes.text(2, "g") + WireBytes.bytes(1, [])) + WireBytes.int(1, 8),
    "unknown fields between known ones": WireBytes.int(900, 1) + WireBytes.int(1, 8)
      + WireBytes.text(901, "x")
      + WireBytes.bytes(7, WireBytes.int(900, 2) + WireBytes.text(2, "g") + WireBytes.int(902, 3))
      + WireBytes.int(900, 4),
  ]

  @Test("as Python's protobuf reads them, and written they mean the same")
  func likePython() throws {
    let folder = try TemporaryFolder()
    let names = Self.models.keys.sorted()
    let paths = try names.map { try folder.write(Self.models[$0] ?? [], to: $0) }
    let trees = try DecoderOracle.pythonTrees(of: paths)
    let written = try zip(names, paths).map { name, path in
      try folder.write(ModelReader.read(path: path).serialized(), to: "written " + name)
    }
    let writtenTrees = try DecoderOracle.pythonTrees(of: written)
    for (index, name) in names.enumerated() {
      let tree = try #require(trees[index], "\(name): Python cannot read it")
      let ours = ModelTree.text(of: try ModelReader.read(path: paths[index]))
      let difference = firstDifference(ours, tree)
      #expect(difference == nil, "\(name): \(difference ?? "")")
      #expect(writtenTrees[index] == tree, "\(name), written")
    }
  }

  @Test("what is written of them is canonical: Python's onnx writes the same bytes")
  func canonical() throws {
    let folder = try TemporaryFolder()
    // Typed integers keep their encoding, which need not be the shortest.
    let names = Self.models.keys.sorted().filter { $0 != "negative numbers of five bytes" }
    let paths = try names.map { name in
      try folder.write(read(Self.models[name] ?? [], name: name).serialized(), to: name)
    }
    for (name, answer) in zip(names, try DecoderOracle.parsable(paths)) {
      #expect(answer == .same, "\(name)")
    }
  }
}

@Suite("Small tensors are read as numbers")
struct TensorNumberTests {
  private func content(_ type: Int64, _ dimensions: [Int64], _ data: [UInt8]) throws -> TensorContent {
    let bytes = WireBytes.model(tensor: WireBytes.tensor(dimensions, type: type, data))
    return try TensorContent(
      #require(try read(bytes).graph?.initializer.first), external: ExternalDataFiles(modelPath: "model.onnx")
    )
  }

  private func raw(_ bytes: [UInt8]) -> [UInt8] { WireBytes.bytes(9, bytes) }

  @Test("integers of every width, with and without a sign")
  func integers() throws {
    #expect(try content(3, [2], raw([0xFF, 0x7F])).integers == [-1, 127])
    #expect(try content(2, [2], raw([0xFF, 0x7F])).integers == [255, 127])
    #expect(try content(5, [1], raw([0xFE, 0xFF])).integers == [-2])
    #expect(try content(4, [1], raw([0xFE, 0xFF])).integers == [65534])
    #expect(try content(6, [1], raw([0, 0, 0, 0x80])).integers == [-2_147_483_648])
    #expect(try content(12, [1], raw([0, 0, 0, 0x80])).integers == [2_147_483_648])
    #expect(try content(7, [], raw([0xFD, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF])).integers == [-3])
    #expect(try content(9, [2], raw([1, 0])).integers == [1, 0])
    #expect(try content(7, [3], WireBytes.bytes(7, [1, 0xAC, 2, 0])).integers == [1, 300, 0])
    #expect(try content(7, [0], raw([])).integers == [])
    #expect(try content(1, [1], raw([0, 0, 0, 0])).integers == nil)
    #expect(try content(22, [2], raw([0])).integers == nil)
  }

  @Test("floats keep their bits")
  func floats() throws {
    #expect(
      try content(1, [2], raw([0, 0, 0x80, 0x3F, 0, 0, 0, 0x80])).floats?.map(\.bitPattern) == [
        0x3F80_0000, 0x8000_0000,
      ])
    #expect(try content(1, [1], WireBytes.bytes(4, [0, 0, 0, 0x40])).floats == [2])
    #expect(try content(10, [1], raw([0, 0])).floats == nil)
  }

  @Test("texts are counted, and have no bytes")
  func texts() throws {
    let found = try content(8, [2], WireBytes.text(6, "a") + WireBytes.text(6, ""))
    #expect(found.elementType == .string && found.shape.elementCount == 2 && found.bytes.byteCount == 0)
  }
}
