import Foundation
import TestSupport
import Testing

@Suite("whisperq inspect: external data")
struct InspectDataTests {
  /// The bytes of the model whose weights are in a second file, and of that file.
  private static func source() throws -> (model: [UInt8], data: [UInt8]) {
    func read(_ name: String) throws -> [UInt8] {
      try [UInt8](Data(contentsOf: URL(filePath: Inspected.resource("dynamo-external/" + name))))
    }
    return (try read("encoder_model.onnx"), try read("encoder_model.onnx.data"))
  }

  @Test("Healthy data is counted to the byte")
  func healthy() throws {
    let (model, exitCode) = try Inspected.one(Inspected.resource("dynamo-external/encoder_model.onnx"))
    #expect(exitCode == 0)
    #expect(model.problems.isEmpty && model.notes.isEmpty)
    let file = try #require(model.dataFiles.first)
    #expect(model.dataFiles.count == 1)
    #expect(file.location == "encoder_model.onnx.data")
    #expect(file.bytes == 142_816)
    #expect(file.usedBytes == 142_816)
    #expect(file.tensors == 16 && file.brokenTensors == 0 && file.trailingBytes == 0)
    #expect(model.totalBytes == model.modelBytes + 142_816)
  }

  @Test("A lost data file is one problem, and everything else is reported")
  func missing() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Self.source().model, to: "encoder_model.onnx")
    let (model, exitCode) = try Inspected.one(path)
    #expect(exitCode == 2)
    #expect(model.problems.count == 1)
    #expect(model.problems.first?.contains("is missing") == true)
    #expect(model.problems.first?.contains("15 other tensors") == true)
    #expect(model.dataFiles.map(\.brokenTensors) == [16])
    #expect(model.dataFiles.first?.bytes == nil)
    #expect(model.identity.part == "encoder")
    let text = try WhisperQBinary.run(["inspect", path])
    #expect(text.exitCode == 2)
    #expect(text.stdout.contains("problems") && text.stdout.contains("largest weights"))
  }

  @Test("A truncated data file is a problem of the tensors behind its end")
  func truncated() throws {
    let folder = try TemporaryFolder()
    let (model, data) = try Self.source()
    let path = try folder.write(model, to: "encoder_model.onnx")
    try folder.write(data.prefix(140_000), to: "encoder_model.onnx.data")
    let (found, exitCode) = try Inspected.one(path)
    #expect(exitCode == 2)
    #expect(found.problems.count == 1)
    #expect(found.problems.first?.contains("140000 bytes") == true)
    #expect(found.dataFiles.map(\.brokenTensors) == [2])
    #expect(found.dataFiles.map(\.trailingBytes) == [0])
    #expect(found.dataFiles.map(\.bytes) == [140_000])
  }

  @Test("Bytes behind the last tensor are a note")
  func trailing() throws {
    let folder = try TemporaryFolder()
    let (model, data) = try Self.source()
    let path = try folder.write(model, to: "encoder_model.onnx")
    try folder.write(data + [UInt8](repeating: 0, count: 100), to: "encoder_model.onnx.data")
    let (found, exitCode) = try Inspected.one(path)
    #expect(exitCode == 0)
    #expect(found.problems.isEmpty)
    #expect(found.notes.count == 1)
    #expect(found.dataFiles.map(\.trailingBytes) == [100])
  }

  @Test("Links are refused unless the user vouches for them", arguments: ["symbolic", "hard"])
  func links(kind: String) throws {
    let folder = try TemporaryFolder()
    let (model, data) = try Self.source()
    let path = try folder.write(model, to: "model/encoder_model.onnx")
    let target = try folder.write(data, to: "elsewhere.data")
    let link = folder.path("model/encoder_model.onnx.data")
    if kind == "symbolic" {
      try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
    } else {
      try FileManager.default.linkItem(atPath: target, toPath: link)
    }
    let (refused, refusedCode) = try Inspected.one(path)
    #expect(refusedCode == 2)
    #expect(refused.problems.first?.contains("--follow-links") == true)
    let (followed, followedCode) = try Inspected.one(path, ["--follow-links"])
    #expect(followedCode == 0)
    #expect(followed.problems.isEmpty)
  }

  struct Damage: Sendable, CustomTestStringConvertible {
    let name: String
    /// Location, offset and length of the second of two tensors of 16 bytes; the file has 64 bytes.
    let entry: (location: String, offset: String, length: String)
    /// What the problem says; nil when there is none.
    let words: String?
    var testDescription: String { name }
  }

  static let damages: [Damage] = [
    Damage(name: "none", entry: ("d.bin", "48", "16"), words: nil),
    Damage(name: "tied to the first", entry: ("d.bin", "0", "16"), words: nil),
    Damage(name: "overlap", entry: ("d.bin", "8", "16"), words: "overlap"),
    Damage(name: "climbs out", entry: ("../d.bin", "0", "16"), words: "climbs out"),
    Damage(name: "absolute", entry: ("/d.bin", "0", "16"), words: "absolute"),
    Damage(name: "no location", entry: ("", "0", "16"), words: "is empty"),
    Damage(name: "offset is no number", entry: ("d.bin", "minus", "16"), words: "'offset' is 'minus'"),
    Damage(name: "negative offset", entry: ("d.bin", "-16", "16"), words: "'offset' is '-16'"),
    Damage(name: "overflow", entry: ("d.bin", "9223372036854775807", "16"), words: "are needed"),
    Damage(name: "length contradicts the shape", entry: ("d.bin", "16", "12"), words: "'length' is 12"),
    Damage(name: "behind the end", entry: ("d.bin", "56", "16"), words: "64 bytes"),
    Damage(name: "folder", entry: (".", "0", "16"), words: "names a folder"),
  ]

  @Test("Each damage of an external entry is told in a sentence", arguments: damages)
  func damage(_ example: Damage) throws {
    let folder = try TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 64), to: "d.bin")
    var model = HandMadeModel()
    model.input("x")
    model.initializer("first", type: 1, [4], byteCount: 0, external: ("d.bin", "0", "16"))
    model.initializer("second", type: 1, [4], byteCount: 0, external: example.entry)
    model.node("Sum", ["x", "first", "second"], ["y"])
    model.output("y")
    let (found, exitCode) = try Inspected.one(folder.write(model.bytes, to: "m.onnx"))
    guard let words = example.words else {
      #expect(found.problems.isEmpty)
      #expect(exitCode == 0)
      return
    }
    #expect(exitCode == 2)
    #expect(found.problems.count == 1)
    #expect(found.problems.first?.contains(words) == true, "\(found.problems)")
  }

  @Test("A tied weight counts once, as do its bytes")
  func tied() throws {
    let folder = try TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 16), to: "d.bin")
    var model = HandMadeModel()
    model.input("x")
    model.initializer("a", type: 1, [4], byteCount: 0, external: ("d.bin", "0", "16"))
    model.initializer("b", type: 1, [4], byteCount: 0, external: ("d.bin", "0", "16"))
    model.node("Sum", ["x", "a", "b"], ["y"])
    model.output("y")
    let (found, _) = try Inspected.one(folder.write(model.bytes, to: "m.onnx"), ["--weights"])
    #expect(found.weights.tensors == 1)
    #expect(found.weights.elements == 4)
    #expect(found.weights.bytes == 16)
    #expect(found.weights.largest.map(\.name) == ["a", "b"])
    #expect(found.dataFiles.map(\.usedBytes) == [16])
  }
}
