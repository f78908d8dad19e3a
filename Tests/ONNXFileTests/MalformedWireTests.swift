import ByteIO
import Foundation
import ONNXFile
import Tensors
import TestSupport
import Testing

@Suite("Damaged protocol-buffers bytes are refused with a sentence", .serialized)
struct MalformedWireTests {
  private static let remedy = "; get the file again or export it anew"

  /// A model with a node, an attribute, tensors and types, in about 200 bytes.
  static let small: [UInt8] = {
    let attribute = WireBytes.text(1, "axis") + WireBytes.int(3, -1) + WireBytes.int(20, 2)
    let node =
      WireBytes.text(1, "x") + WireBytes.text(1, "") + WireBytes.text(2, "y") + WireBytes.text(4, "Gather")
      + WireBytes.bytes(5, attribute)
    let raw = WireBytes.tensor([2], type: 7, WireBytes.bytes(9, [UInt8](repeating: 1, count: 16)))
    let typed = WireBytes.tensor([3], type: 6, WireBytes.bytes(5, [1, 0x80, 1, 2]))
    let floats = WireBytes.tensor([1, 1], type: 1, WireBytes.bytes(4, [0, 0, 0x80, 0x3F]))
    let shape = WireBytes.bytes(1, WireBytes.int(1, 2)) + WireBytes.bytes(1, WireBytes.text(2, "n"))
    let type = WireBytes.bytes(1, WireBytes.int(1, 1) + WireBytes.bytes(2, shape))
    let graph =
      WireBytes.bytes(1, node) + WireBytes.text(2, "g") + WireBytes.bytes(5, raw) + WireBytes.bytes(5, typed)
      + WireBytes.bytes(5, floats) + WireBytes.bytes(11, WireBytes.text(1, "x") + WireBytes.bytes(2, type))
    return WireBytes.int(1, 8) + WireBytes.text(2, "tests") + WireBytes.bytes(7, graph)
      + WireBytes.bytes(8, WireBytes.int(2, 17)) + WireBytes.int(900, 5)
  }()

  @Test("a model that is cut off anywhere is refused, or complete up to there")
  func truncatedAnywhere() throws {
    // Where the outermost fields end; the model has its graph from the third on.
    let ends = [2, 9, Self.small.count - 7, Self.small.count - 3, Self.small.count]
    for count in 0..<Self.small.count {
      let part = Array(Self.small.prefix(count))
      if ends.dropFirst(2).contains(count) {
        _ = try ModelReader.read(MappedFile(copying: part, name: "model.onnx"))
      } else if count == 0 {
        #expect(
          refusal(part) == "model.onnx: this is no ONNX model but an empty file; download or export it again")
      } else if ends.contains(count) {
        #expect(refusal(part) == "model.onnx: not a usable ONNX model: it has no graph; export it again")
      } else {
        let sentence = refusal(part)
        #expect(sentence.contains(": the bytes end too early: "), "\(count) bytes: \(sentence)")
        #expect(sentence.hasSuffix(Self.remedy), "\(count) bytes: \(sentence)")
      }
    }
  }

  @Test("a model with any one bit flipped is refused with a sentence, or is another model")
  func flippedBits() throws {
    let files = ExternalDataFiles(modelPath: "no-such-folder/model.onnx")
    var refused = 0
    for bit in 0..<(Self.small.count * 8) {
      var bytes = Self.small
      bytes[bit / 8] ^= 1 << (bit % 8)
      do {
        let model = try ModelReader.read(MappedFile(copying: bytes, name: "model.onnx"))
        model.forEachTensor { _ = try? TensorContent($0, external: files) }
        let written = model.serialized()
        let again = try ModelReader.read(MappedFile(copying: written, name: "model.onnx"))
        #expect(again.serialized() == written, "bit \(bit)")
      } catch {
        refused += 1
        #expect(error.message.hasPrefix("model.onnx: "), "bit \(bit)")
      }
    }
    #expect(refused > Self.small.count, "most flips of tags and lengths are noticed")
  }

  @Test("a variable-length integer of eleven bytes")
  func overlongVarint() {
    let bytes = WireBytes.tag(1, 0) + [UInt8](repeating: 0xFF, count: 10) + [1]
    #expect(
      refusal(bytes)
        == "model.onnx: not a readable ONNX model: byte 1: a variable-length integer does not end within ten bytes"
        + Self.remedy)
  }

  @Test("wire types 6 and 7", arguments: [6, 7] as [UInt64])
  func invalidWireType(type: UInt64) {
    #expect(
      refusal(WireBytes.int(1, 8) + WireBytes.tag(3, type))
        == "model.onnx: not a readable ONNX model: byte 2: wire type \(type) does not exist (0 to 5 do)"
        + Self.remedy)
  }

  @Test("field number 0")
  func fieldZero() {
    #expect(
      refusal(WireBytes.int(1, 8) + [0x00, 0x00])
        == "model.onnx: not a readable ONNX model: byte 2: 0 is no field tag (field numbers are 1 to 536870911)"
        + Self.remedy)
  }

  @Test("a field number of more than 29 bits")
  func fieldNumberTooLarge() {
    #expect(
      refusal(WireBytes.int(1, 8) + WireBytes.varint(1 << 32) + [0])
        == "model.onnx: not a readable ONNX model: byte 2: 4294967296 is no field tag "
        + "(field numbers are 1 to 536870911)" + Self.remedy)
  }

  @Test("a group that ends without a beginning")
  func strayEndGroup() {
    #expect(
      refusal(WireBytes.int(1, 8) + WireBytes.tag(50, 4))
        == "model.onnx: not a readable ONNX model: byte 2: a group of field 50 ends that never began"
        + Self.remedy)
  }

  @Test("a group that ends as another one")
  func mismatchedEndGroup() {
    #expect(
      refusal(WireBytes.int(1, 8) + WireBytes.tag(50, 3) + WireBytes.tag(51, 4))
        == "model.onnx: not a readable ONNX model: byte 4: a group of field 51 ends that never began"
        + Self.remedy)
  }

  @Test("a group that never ends")
  func openGroup() {
    #expect(
      refusal(WireBytes.int(1, 8) + WireBytes.tag(50, 3))
        == "model.onnx: not a readable ONNX model: byte 4: the bytes end too early: 1 more needed, 0 left"
        + Self.remedy)
  }

  @Test("a length of almost 2^64 bytes")
  func lengthOverflow() {
    #expect(
      refusal(WireBytes.tag(7, 2) + WireBytes.varint(.max))
        == "model.onnx: not a readable ONNX model: byte 1 in graph: a length of 18446744073709551615 bytes is "
        + "larger than any file" + Self.remedy)
  }

  @Test("a length one byte beyond the message around it")
  func lengthBeyondParent() {
    let graph = WireBytes.tag(2, 2) + [3] + Array("ab".utf8)
    #expect(
      refusal(WireBytes.bytes(7, graph) + WireBytes.text(6, "doc"))
        == "model.onnx: not a readable ONNX model: byte 4 in graph: the bytes end too early: 3 more needed, 2 left"
        + Self.remedy)
  }

  @Test("packed floats of a ragged length")
  func raggedFloats() {
    let tensor = WireBytes.tensor([1], type: 1, WireBytes.bytes(4, [1, 2, 3, 4, 5]))
    #expect(
      refusal(WireBytes.model(tensor: tensor))
        == "model.onnx: not a readable ONNX model: byte 15 in graph.initializer[0]: a packed field of 5 bytes is no "
        + "multiple of its 4-byte elements" + Self.remedy)
  }

  @Test("packed attribute floats that end inside a number")
  func raggedAttributeFloats() {
    let node = WireBytes.bytes(5, WireBytes.bytes(7, [0, 0, 0, 0, 9]))
    #expect(
      refusal(WireBytes.model(graph: WireBytes.bytes(1, node)))
        == "model.onnx: not a readable ONNX model: byte 14 in graph.node[0].attribute[0]: the bytes end too early: "
        + "4 more needed, 1 left" + Self.remedy)
  }

  @Test("packed integers that end inside a number")
  func raggedIntegers() {
    let tensor = WireBytes.tensor([1], type: 7, WireBytes.bytes(7, [1, 0x80]))
    #expect(
      refusal(WireBytes.model(tensor: tensor))
        == "model.onnx: not a readable ONNX model: byte 16 in graph.initializer[0]: the bytes end too early: "
        + "1 more needed, 0 left" + Self.remedy)
  }

  @Test("a name that is not UTF-8")
  func invalidUTF8() {
    #expect(
      refusal(WireBytes.model(graph: WireBytes.bytes(2, [0x61, 0xC3, 0x28])))
        == "model.onnx: not a readable ONNX model: byte 6 in graph: a text field is not valid UTF-8"
        + Self.remedy)
  }

  // MARK: Depth

  /// graph, node, attribute, g, node, attribute, ...: so many levels.
  private func graphs(levels: Int) -> [UInt8] {
    WireBytes.int(1, 8) + WireBytes.nested((0..<levels).map { $0 == 0 ? 7 : [6, 1, 5][$0 % 3] })
  }

  /// graph, input, type, sequence_type, elem_type, sequence_type, ...: so many levels.
  private func types(levels: Int) -> [UInt8] {
    WireBytes.int(1, 8) + WireBytes.nested([7, 11, 2] + (3..<levels).map { $0 % 2 == 1 ? 4 : 1 })
  }

  @Test("graphs inside attributes, 101 messages deep")
  func deepGraphs() throws {
    _ = try ModelReader.read(MappedFile(copying: graphs(levels: 100), name: "model.onnx"))
    let sentence = refusal(graphs(levels: 101))
    #expect(sentence.hasSuffix(": messages are nested more than 100 deep" + Self.remedy))
    #expect(sentence.contains(" in graph.node[0].attribute[0].g.node[0].attribute[0].g."))
  }

  @Test("types inside types, 101 messages deep")
  func deepTypes() throws {
    _ = try ModelReader.read(MappedFile(copying: types(levels: 100), name: "model.onnx"))
    let sentence = refusal(types(levels: 101))
    #expect(sentence.hasSuffix(": messages are nested more than 100 deep" + Self.remedy))
    #expect(sentence.contains(" in graph.input[0].type.sequence_type.elem_type."))
  }

  @Test("unknown groups, 101 deep")
  func deepGroups() throws {
    func groups(_ levels: Int) -> [UInt8] {
      let starts = (0..<levels).flatMap { _ in WireBytes.tag(50, 3) }
      return WireBytes.model(graph: []) + starts + (0..<levels).flatMap { _ in WireBytes.tag(50, 4) }
    }
    _ = try ModelReader.read(MappedFile(copying: groups(100), name: "model.onnx"))
    #expect(refusal(groups(101)).hasSuffix(": messages are nested more than 100 deep" + Self.remedy))
  }

  @Test("the deepest model that is read is the deepest that Python's onnx reads")
  func depthLikePython() throws {
    let folder = try TemporaryFolder()
    let paths = try [
      folder.write(graphs(levels: 100), to: "graphs-100.onnx"),
      folder.write(graphs(levels: 101), to: "graphs-101.onnx"),
      folder.write(types(levels: 100), to: "types-100.onnx"),
      folder.write(types(levels: 101), to: "types-101.onnx"),
    ]
    for (path, answer) in zip(paths, try DecoderOracle.parsable(paths)) {
      let isRead = (try? ModelReader.read(path: path)) != nil
      #expect(isRead == (answer != .no), "\(path)")
    }
  }

  // MARK: Memory

  /// Two bytes that stand for hundreds in memory, and where they stand.
  enum Swarm: String, CaseIterable, CustomTestStringConvertible {
    case nodes, sparseInitializers, attributes, trainingGraphs

    var testDescription: String { rawValue }

    func model(doublings: Int) -> [UInt8] {
      let field =
        switch self {
        case .nodes: 1
        case .sparseInitializers: 15
        case .attributes: 5
        case .trainingGraphs: 20
        }
      var swarm = WireBytes.bytes(field, [])
      for _ in 0..<doublings { swarm += swarm }
      return switch self {
      case .nodes, .sparseInitializers: WireBytes.model(graph: swarm)
      case .attributes: WireBytes.model(graph: WireBytes.bytes(1, swarm))
      case .trainingGraphs: WireBytes.model(graph: []) + swarm
      }
    }
  }

  /// A number of KiB that Linux keeps about this process; 0 elsewhere.
  private func processMemory(_ key: String) -> Int {
    let status = (try? String(contentsOfFile: "/proc/self/status", encoding: .utf8)) ?? ""
    let line = status.split(separator: "\n").first { $0.hasPrefix(key + ":") } ?? ""
    return line.split(separator: " ").compactMap { Int($0) }.first ?? 0
  }

  @Test("millions of empty messages are refused before they fill the memory", arguments: Swarm.allCases)
  func swarm(kind: Swarm) throws {
    let bytes = kind.model(doublings: 22)
    // Resets the peak, so that it is the peak of what comes now (of other tests, too).
    try? "5".write(toFile: "/proc/self/clear_refs", atomically: false, encoding: .utf8)
    let before = processMemory("VmRSS")
    let sentence = refusal(bytes)
    let growth = processMemory("VmHWM") - before
    #expect(
      sentence.hasSuffix(": the messages up to here would take more than 512 MiB of memory" + Self.remedy))
    print("\(kind.rawValue): refused after \(growth / 1024) MiB")
    #expect(growth < 1_500_000)
  }

  @Test("a field that is merged 262,144 times takes linear time")
  func manyMerges() throws {
    // Each piece adds one dimension to the one tensor of an attribute; copying the tensor each time would move
    // 275 GB.
    var attribute = WireBytes.bytes(5, WireBytes.int(1, 1))
    for _ in 0..<18 { attribute += attribute }
    let bytes = WireBytes.model(graph: WireBytes.bytes(1, WireBytes.bytes(5, attribute)))
    let start = ContinuousClock.now
    let model = try ModelReader.read(MappedFile(copying: bytes, name: "model.onnx"))
    #expect(model.graph?.node[0].attribute[0].t?.value.dims.count == 1 << 18)
    #expect(ContinuousClock.now - start < .seconds(20))
  }
}
