import Foundation
import TestSupport
import Testing

@Suite("Bad input: external data")
struct BadDataTests {
  typealias Entry = (location: String, offset: String, length: String)

  /// Two weights of [64, 32] floats, 8,192 bytes each, in other files.
  private func model(_ first: Entry, _ second: Entry) -> [UInt8] {
    var model = HandMadeModel()
    model.input("x", [4, 64])
    model.initializer("v", type: 1, [64, 32], byteCount: 0, external: first)
    model.initializer("w", type: 1, [64, 32], byteCount: 0, external: second)
    model.node("MatMul", ["x", "v"], ["y"])
    model.node("MatMul", ["x", "w"], ["z"])
    model.output("y", [4, 32])
    model.output("z", [4, 32])
    return model.bytes
  }

  /// A folder with such a model and a data file of `byteCount` bytes.
  private func folder(_ location: String = "w.bin", byteCount: Int? = 16_384) throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    try folder.write(model((location, "0", "8192"), (location, "8192", "8192")), to: "model.onnx")
    if let byteCount { try folder.write([UInt8](repeating: 0, count: byteCount), to: "w.bin") }
    return folder
  }

  @Test("Whole data is quantized, and the result is one file")
  func healthy() throws {
    let folder = try folder()
    let out = try TemporaryFolder()
    let result = try Quantized.run(folder.path("model.onnx"), out.path("out.onnx"))
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(try out.names() == ["out.onnx"])
  }

  @Test("A missing data file")
  func missing() throws {
    let folder = try folder(byteCount: nil)
    try expectRefusal(folder.path("model.onnx"), exitCode: 2, "tensor 'v'", "is missing", "w.bin")
  }

  @Test("A data file that is too short")
  func short() throws {
    let folder = try folder(byteCount: 16_383)
    try expectRefusal(folder.path("model.onnx"), exitCode: 2, "tensor 'w'", "16383 bytes")
  }

  @Test("An absolute location")
  func absolute() throws {
    let data = try TemporaryFolder()
    let path = try data.write([UInt8](repeating: 0, count: 16_384), to: "w.bin")
    let folder = try folder(path)
    try expectRefusal(folder.path("model.onnx"), exitCode: 2, "absolute")
    try expectRefusal(folder.path("model.onnx"), ["--follow-links"], exitCode: 2, "absolute")
  }

  @Test("A location outside of the folder", arguments: ["../w.bin", "a/../../w.bin", "..\\w.bin"])
  func outside(location: String) throws {
    let folder = try TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 16_384), to: "w.bin")
    try folder.write(model((location, "0", "8192"), (location, "8192", "8192")), to: "a/model.onnx")
    try expectRefusal(folder.path("a/model.onnx"), exitCode: 2, "climbs out")
    try expectRefusal(folder.path("a/model.onnx"), ["--follow-links"], exitCode: 2, "climbs out")
  }

  @Test("A folder in place of the data file")
  func isFolder() throws {
    let folder = try folder(byteCount: nil)
    try FileManager.default.createDirectory(atPath: folder.path("w.bin"), withIntermediateDirectories: false)
    try expectRefusal(folder.path("model.onnx"), exitCode: 2, "w.bin")
  }

  @Test("A pipe in place of the data file does not make the program wait")
  func pipe() throws {
    let folder = try folder(byteCount: nil)
    #expect(try Spawn.run("/usr/bin/mkfifo", [folder.path("w.bin")]).exitCode == 0)
    try expectRefusal(folder.path("model.onnx"), exitCode: 2, "w.bin")
  }

  @Test(
    "Links are refused, and accepted from a user who vouches for them",
    arguments: ["symbolic", "hard", "symbolic folder"])
  func links(kind: String) throws {
    let files = FileManager.default
    let elsewhere = try TemporaryFolder()
    let target = try elsewhere.write([UInt8](repeating: 0, count: 16_384), to: "d/w.bin")
    let folder = try folder(kind == "symbolic folder" ? "d/w.bin" : "w.bin", byteCount: nil)
    switch kind {
    case "symbolic": try files.createSymbolicLink(atPath: folder.path("w.bin"), withDestinationPath: target)
    case "hard": try files.linkItem(atPath: target, toPath: folder.path("w.bin"))
    default:
      try files.createSymbolicLink(atPath: folder.path("d"), withDestinationPath: elsewhere.path("d"))
    }
    try expectRefusal(folder.path("model.onnx"), exitCode: 2, "--follow-links")
    let out = try TemporaryFolder()
    let result = try Quantized.run(folder.path("model.onnx"), out.path("out.onnx"), ["--follow-links"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(try out.names() == ["out.onnx"])
  }

  @Test(
    "Weights that overlap are refused, the same bytes twice are a tied weight",
    arguments: [("4096", false), ("8188", false), ("0", true), ("8192", true)])
  func overlap(offset: String, isFine: Bool) throws {
    let folder = try TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 16_384), to: "w.bin")
    let path = try folder.write(model(("w.bin", "0", "8192"), ("w.bin", offset, "8192")), to: "model.onnx")
    if isFine {
      let out = try TemporaryFolder()
      #expect(try Quantized.run(path, out.path("out.onnx")).exitCode == 0)
    } else {
      try expectRefusal(path, exitCode: 2, "tensor 'w'", "inside the data of tensor 'v'")
    }
  }

  @Test("Weights that overlap under two names of one file are refused")
  func overlapByTwoNames() throws {
    let folder = try TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 16_384), to: "w.bin")
    let path = try folder.write(model(("w.bin", "0", "8192"), ("./w.bin", "4096", "8192")), to: "model.onnx")
    try expectRefusal(path, exitCode: 2, "inside the data of tensor 'v'")
  }

  struct Lie: Sendable, CustomTestStringConvertible {
    let entry: Entry
    let words: String
    var testDescription: String { "\(entry)" }
  }

  static let lies: [Lie] = [
    Lie(entry: ("", "0", "8192"), words: "is empty"),
    Lie(entry: ("w.bin", "-1", "8192"), words: "'offset' is '-1'"),
    Lie(entry: ("w.bin", "1e3", "8192"), words: "'offset' is '1e3'"),
    Lie(entry: ("w.bin", "9223372036854775807", "8192"), words: "are needed"),
    Lie(entry: ("w.bin", "99999999999999999999", "8192"), words: "'offset'"),
    Lie(entry: ("w.bin", "0", "8191"), words: "'length' is 8191"),
    Lie(entry: ("w.bin", "0", "0"), words: "'length' is 0"),
    Lie(entry: ("w.bin\u{0}.txt", "0", "8192"), words: "NUL"),
    Lie(entry: (".", "0", "8192"), words: "names a folder"),
  ]

  @Test("An entry that lies is refused with what it says", arguments: lies)
  func entry(_ lie: Lie) throws {
    let folder = try TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 16_384), to: "w.bin")
    let path = try folder.write(model(("w.bin", "8192", "8192"), lie.entry), to: "model.onnx")
    try expectRefusal(path, exitCode: 2, "tensor 'w'", lie.words)
  }

  @Test("A shape that needs more than the data file has is refused before memory is taken")
  func shapeLies() throws {
    let folder = try TemporaryFolder()
    try folder.write([UInt8](repeating: 0, count: 64), to: "w.bin")
    var model = HandMadeModel()
    model.input("x")
    model.initializer(
      "w", type: 1, [1 << 20, 1 << 20], byteCount: 0, external: ("w.bin", "0", "4398046511104"))
    model.node("MatMul", ["x", "w"], ["y"])
    model.output("y")
    try expectRefusal(folder.write(model.bytes, to: "m.onnx"), exitCode: 2, "tensor 'w'", "64 bytes")
  }
}
