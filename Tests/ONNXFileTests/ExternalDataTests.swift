import ByteIO
import Foundation
import ONNXFile
import Tensors
import TestSupport
import Testing

@Suite("External data is read from the model's folder only, and must fit")
struct ExternalDataTests {
  let folder: TemporaryFolder
  let modelPath: String

  init() throws {
    folder = try TemporaryFolder()
    try FileManager.default.createDirectory(
      at: folder.url.appending(path: "model"), withIntermediateDirectories: false)
    modelPath = folder.path("model/model.onnx")
    try folder.write([UInt8](repeating: 7, count: 64), to: "model/data.bin")
  }

  /// An int8 tensor of 16 elements with these external-data entries.
  private func tensor(_ entries: [(String, String)], name: String = "w") -> [UInt8] {
    WireBytes.int(1, 16) + WireBytes.int(2, 3) + WireBytes.text(8, name) + WireBytes.int(14, 1)
      + entries.flatMap { WireBytes.bytes(13, WireBytes.text(1, $0.0) + WireBytes.text(2, $0.1)) }
  }

  /// What follows the fixed beginning of the sentence.
  private func sentence(
    _ entries: [(String, String)], links: LinkPolicy = .refuse,
    _ sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let text = try tensorRefusal(
      tensor(entries), modelPath: modelPath, links: links, sourceLocation: sourceLocation)
    let start = modelPath + ": external data of tensor 'w'"
    #expect(text.hasPrefix(start), sourceLocation: sourceLocation)
    return String(text.dropFirst(start.count)).replacing(folder.path, with: "TMP")
  }

  private func sentence(at location: String, links: LinkPolicy = .refuse) throws -> String {
    try sentence([("location", location)], links: links)
  }

  private func content(_ entries: [(String, String)], links: LinkPolicy = .refuse) throws -> [UInt8] {
    let model = try read(WireBytes.model(tensor: tensor(entries)), name: modelPath)
    let files = ExternalDataFiles(modelPath: modelPath, links: links)
    return try TensorContent(#require(model.graph?.initializer.first), external: files).bytes.copied()
  }

  @Test("data with and without offset and length is read; unknown keys are ignored")
  func good() throws {
    try folder.write(Array(0..<64), to: "model/sub/data.bin")
    let location = ("location", "sub/data.bin")
    #expect(try content([location]) == Array(0..<16))
    #expect(try content([location, ("offset", "48"), ("length", "16")]) == Array(48..<64))
    #expect(try content([("checksum", "00"), ("offset", "1"), location]) == Array(1..<17))
    #expect(try content([("location", "./sub/.//data.bin")]) == Array(0..<16))
  }

  @Test("no location")
  func noLocation() throws {
    #expect(try sentence([("offset", "0")]) == ": it has no 'location'; export the model again")
  }

  @Test("a missing file")
  func missing() throws {
    #expect(
      try sentence(at: "other.bin")
        == " is missing: TMP/model/other.bin; put the data file beside the model under this very name")
  }

  @Test("a file in a missing folder")
  func missingFolder() throws {
    #expect(
      try sentence(at: "no/data.bin")
        == " is missing: TMP/model/no/data.bin; put the data file beside the model under this very name")
  }

  @Test("a file that is too short")
  func short() throws {
    #expect(
      try sentence([("location", "data.bin"), ("offset", "49")])
        == ": TMP/model/data.bin has 64 bytes, but 16 at offset 49 are needed; the file is truncated or belongs to "
        + "another model")
  }

  @Test("an empty file")
  func empty() throws {
    try folder.write([], to: "model/empty.bin")
    #expect(
      try sentence(at: "empty.bin")
        == ": TMP/model/empty.bin has 0 bytes, but 16 at offset 0 are needed; the file is truncated or belongs to "
        + "another model")
  }

  private let containment = "external data must lie in the model's folder or below it, but this location "

  @Test("an absolute path")
  func absolute() throws {
    #expect(try sentence(at: "/etc/passwd") == ": TMP/model//etc/passwd: \(containment)is an absolute path")
  }

  @Test("an absolute path whose slash has an accent")
  func absoluteWithAccent() throws {
    let text = try sentence(at: "/\u{301}etc/passwd")
    #expect(text.hasSuffix(": \(containment)is an absolute path"))
  }

  @Test(
    "a path that climbs out", arguments: ["../data.bin", "a/../../data.bin", "a/..", "..", "..\\data.bin"])
  func climbing(location: String) throws {
    try folder.write([UInt8](repeating: 0, count: 16), to: "data.bin")
    #expect(try sentence(at: location) == ": TMP/model/\(location): \(containment)climbs out of it with '..'")
    #expect(
      try sentence(at: location, links: .follow)
        == ": TMP/model/\(location): \(containment)climbs out of it with '..'")
  }

  @Test("a path that climbs out to a file whose name begins with an accent")
  func climbingWithAccent() throws {
    try folder.write([UInt8](repeating: 0, count: 16), to: "\u{301}data.bin")
    let text = try sentence(at: "../\u{301}data.bin")
    #expect(text.hasSuffix(": \(containment)climbs out of it with '..'"))
  }

  @Test("a drive, a folder, nothing, and a NUL byte")
  func otherLocations() throws {
    #expect(try sentence(at: "C:data.bin").hasSuffix("this location names a drive"))
    #expect(try sentence(at: "sub/").hasSuffix("this location names a folder"))
    #expect(try sentence(at: ".").hasSuffix("this location names a folder"))
    #expect(try sentence(at: "").hasSuffix("this location is empty"))
    #expect(try sentence(at: "data.bin\u{0}.txt").hasSuffix("this location contains a NUL byte"))
  }

  @Test("a folder")
  func folderAsData() throws {
    try FileManager.default.createDirectory(
      atPath: folder.path("model/sub"), withIntermediateDirectories: false)
    #expect(
      try sentence(at: "sub") == ": TMP/model/sub: this is a folder, expected a regular file")
  }

  @Test("a symbolic link")
  func symbolicLink() throws {
    try folder.write([UInt8](repeating: 9, count: 16), to: "outside.bin")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("model/link.bin"), withDestinationPath: "../outside.bin")
    #expect(
      try sentence(at: "link.bin")
        == ": TMP/model/link.bin: 'link.bin' is a symbolic link, which may point anywhere; copy the file in its "
        + "place, or pass --follow-links if you trust it")
    #expect(try content([("location", "link.bin")], links: .follow) == [UInt8](repeating: 9, count: 16))
  }

  @Test("a symbolic link on the way")
  func symbolicFolder() throws {
    try folder.write([UInt8](repeating: 9, count: 16), to: "outside/data.bin")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("model/sub"), withDestinationPath: folder.path("outside"))
    #expect(
      try sentence(at: "sub/data.bin")
        == ": TMP/model/sub/data.bin: 'sub' is a symbolic link, which may point anywhere; copy the file in its "
        + "place, or pass --follow-links if you trust it")
    #expect(try content([("location", "sub/data.bin")], links: .follow) == [UInt8](repeating: 9, count: 16))
  }

  @Test("a file with two names")
  func hardLink() throws {
    try FileManager.default.linkItem(
      atPath: folder.path("model/data.bin"), toPath: folder.path("model/second.bin"))
    #expect(
      try sentence(at: "data.bin")
        == ": TMP/model/data.bin: the file has 2 names (hard links), so another program may share it; copy the file "
        + "in its place, or pass --follow-links if you trust it")
    #expect(try content([("location", "data.bin")], links: .follow) == [UInt8](repeating: 7, count: 16))
  }

  @Test("a length that is not the shape's", arguments: ["15", "17", "0"])
  func lengthMismatch(length: String) throws {
    #expect(
      try sentence([("location", "data.bin"), ("length", length)])
        == ": 'length' is \(length), but its shape and type need 16 bytes")
  }

  @Test(
    "an offset that is no number of bytes",
    arguments: ["-1", "x", "", "1.0", "0x10", " 1", "9223372036854775808"])
  func oddOffset(offset: String) throws {
    #expect(
      try sentence([("location", "data.bin"), ("offset", offset)])
        == ": 'offset' is '\(offset)', expected a number of bytes")
  }

  @Test("a length that is no number of bytes", arguments: ["-16", "sixteen"])
  func oddLength(length: String) throws {
    #expect(
      try sentence([("location", "data.bin"), ("length", length)])
        == ": 'length' is '\(length)', expected a number of bytes")
  }

  @Test("an offset so large that its end overflows")
  func offsetOverflow() throws {
    #expect(
      try sentence([("location", "data.bin"), ("offset", "9223372036854775807")])
        == ": TMP/model/data.bin has 64 bytes, but 16 at offset 9223372036854775807 are needed; the file is truncated "
        + "or belongs to another model")
  }

  // MARK: Overlaps

  private func overlap(_ first: (String, Int), _ second: (String, Int), inSubgraph: Bool = false) throws {
    let tensors = [("a", first), ("b", second)].map {
      tensor([("location", $0.1.0), ("offset", String($0.1.1))], name: $0.0)
    }
    // The second one stands in a graph inside a node, or beside the first.
    let inner = WireBytes.bytes(1, WireBytes.bytes(5, WireBytes.bytes(6, WireBytes.bytes(5, tensors[1]))))
    let graph = WireBytes.bytes(5, tensors[0]) + (inSubgraph ? inner : WireBytes.bytes(5, tensors[1]))
    let model = try read(WireBytes.model(graph: graph), name: modelPath)
    let files = ExternalDataFiles(modelPath: modelPath)
    try model.forEachTensor { _ = try TensorContent($0, external: files) }
    try files.checkOverlaps()
  }

  @Test("two tensors that share a part of their data", arguments: [false, true])
  func partialOverlap(inSubgraph: Bool) throws {
    #expect {
      try overlap(("data.bin", 32), ("./data.bin", 24), inSubgraph: inSubgraph)
    } throws: { error in
      (error as? ONNXFileError)?.message.replacing(folder.path, with: "TMP")
        == "TMP/model/model.onnx: external data of tensor 'a': it begins at byte 32, inside the data of tensor "
        + "'b' (bytes 24 to 40); the model is damaged, export it again"
    }
  }

  @Test("two tensors with the same data, or with neighboring data, are fine", arguments: [false, true])
  func noOverlap(inSubgraph: Bool) throws {
    try overlap(("data.bin", 16), ("data.bin", 16), inSubgraph: inSubgraph)
    try overlap(("data.bin", 16), ("data.bin", 32), inSubgraph: inSubgraph)
    try folder.write([UInt8](repeating: 7, count: 64), to: "model/other.bin")
    try overlap(("data.bin", 16), ("other.bin", 20), inSubgraph: inSubgraph)
  }
}
