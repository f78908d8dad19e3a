import Foundation
import TestSupport
import Testing

@Suite("Bad output")
struct BadOutputTests {
  private let files = FileManager.default

  /// A model whose weights are in `model.onnx.data`.
  private func externalModel() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    var model = HandMadeModel()
    model.input("x", [4, 64])
    model.initializer(
      "w", type: 1, [64, 32], byteCount: 0, external: ("out.onnx.data", "0", "8192"))
    model.node("MatMul", ["x", "w"], ["y"])
    model.output("y", [4, 32])
    try folder.write(model.bytes, to: "model.onnx")
    try folder.write([UInt8](repeating: 0, count: 8192), to: "out.onnx.data")
    return folder
  }

  @Test(
    "The output may not be the input, whatever it is called",
    arguments: [
      "model.onnx", "./model.onnx", "sub/../model.onnx", "symbolic.onnx", "hard.onnx", "sub/model.onnx",
    ])
  func sameFile(name: String) throws {
    let folder = try TemporaryFolder()
    let bytes = Quantized.small().bytes
    let path = try folder.write(bytes, to: "model.onnx")
    try files.createDirectory(atPath: folder.path("sub"), withIntermediateDirectories: false)
    try files.createSymbolicLink(atPath: folder.path("symbolic.onnx"), withDestinationPath: "model.onnx")
    try files.createSymbolicLink(atPath: folder.path("sub/model.onnx"), withDestinationPath: "../model.onnx")
    try files.linkItem(atPath: path, toPath: folder.path("hard.onnx"))
    let before = try folder.names()
    expectFailure(try Quantized.run(path, folder.path(name)), exitCode: 4, "the output is the input")
    #expect(try folder.read("model.onnx") == bytes)
    #expect(try folder.names() == before)
  }

  @Test("The output's data file may not be the input's", arguments: ["always", "auto"])
  func sameData(policy: String) throws {
    let folder = try externalModel()
    let before = try folder.names()
    let data = try folder.read("out.onnx.data")
    let result = try Quantized.run(
      folder.path("model.onnx"), folder.path("out.onnx"), ["--external-data", policy])
    expectFailure(result, exitCode: 4, "out.onnx.data")
    #expect(try folder.read("out.onnx.data") == data)
    #expect(try folder.names() == before)
  }

  @Test("The output may not be the input's data file")
  func outputIsData() throws {
    let folder = try externalModel()
    let data = try folder.read("out.onnx.data")
    let result = try Quantized.run(folder.path("model.onnx"), folder.path("out.onnx.data"))
    expectFailure(result, exitCode: 4, "out.onnx.data")
    #expect(try folder.read("out.onnx.data") == data)
  }

  @Test("A folder may not be quantized into itself, and a file is no folder")
  func sameFolder() throws {
    let folder = try TemporaryFolder()
    let bytes = Quantized.small().bytes
    try folder.write(bytes, to: "set/model.onnx")
    let file = try folder.write([1], to: "file")
    expectFailure(
      try Quantized.run(folder.path("set"), folder.path("set/../set/")), exitCode: 4,
      "the output is the input")
    expectFailure(try Quantized.run(folder.path("set"), file), exitCode: 64, "give a folder")
    #expect(try folder.read("set/model.onnx") == bytes)
    #expect(try folder.read("file") == [1])
  }

  @Test("An output below a file cannot be written")
  func belowFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Quantized.small().bytes, to: "model.onnx")
    let before = try folder.names()
    expectFailure(try Quantized.run(path, path + "/out.onnx"), exitCode: 4, "no folder")
    #expect(try folder.names() == before)
  }

  @Test("An output that is a device is refused")
  func device() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Quantized.small().bytes, to: "model.onnx")
    expectFailure(try Quantized.run(path, "/dev/null"), exitCode: 4, "/dev/null")
  }

  @Test("A name that is longer than the system allows is an input/output error")
  func longName() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Quantized.small().bytes, to: "model.onnx")
    let name = String(repeating: "n", count: 300) + ".onnx"
    expectFailure(try Quantized.run(path, folder.path(name)), exitCode: 4)
    #expect(try folder.names() == ["model.onnx"])
  }

  @Test("A folder without the right to write keeps what it has")
  func readOnly() throws {
    if geteuid() == 0 { try Test.cancel("root may write everywhere") }
    let folder = try TemporaryFolder()
    let path = try folder.write(Quantized.small().bytes, to: "model.onnx")
    try folder.write([7], to: "out/out.onnx")
    try files.setAttributes([.posixPermissions: 0o555], ofItemAtPath: folder.path("out"))
    defer { try? files.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path("out")) }
    expectFailure(try Quantized.run(path, folder.path("out/out.onnx")), exitCode: 4, "ermission")
    #expect(try folder.read("out/out.onnx") == [7])
  }

  @Test("A full disk is told before anything is written, and the old result stays")
  func fullDisk() throws {
    if geteuid() != 0 { try Test.cancel("only root can mount a small disk") }
    let folder = try TemporaryFolder()
    try files.createDirectory(atPath: folder.path("disk"), withIntermediateDirectories: false)
    let mount = try Spawn.run(
      "/bin/sh", ["-c", "mount -t tmpfs -o size=128k tmpfs \"$0\"", folder.path("disk")])
    if mount.exitCode != 0 { try Test.cancel("this system mounts no small disk: \(mount.stderr)") }
    defer { _ = try? Spawn.run("/bin/sh", ["-c", "umount \"$0\"", folder.path("disk")]) }
    try folder.write([7], to: "disk/out.onnx")
    let input = Quantized.layout("optimum/encoder_model.onnx")
    for options in [[], ["--external-data", "always"]] {
      let result = try Quantized.run(input, folder.path("disk/out.onnx"), options)
      expectFailure(result, exitCode: 4, "free")
      #expect(try folder.read("disk/out.onnx") == [7])
      #expect(try files.contentsOfDirectory(atPath: folder.path("disk")) == ["out.onnx"])
    }
  }

  @Test("A limit on the size of files is an error, not a death, and the old result stays")
  func fileSizeLimit() throws {
    let folder = try TemporaryFolder()
    try folder.write([7], to: "out.onnx")
    let input = Quantized.layout("optimum/encoder_model.onnx")
    // 16 blocks: 8 or 16 KiB, as the shell counts them.
    let result = try Spawn.run(
      "/bin/sh",
      [
        "-c", "ulimit -f 16; exec \"$@\"", "sh", WhisperQBinary.path(), "quantize", input, "--output",
        folder.path("out.onnx"),
      ])
    expectFailure(result, exitCode: 4, "out.onnx")
    #expect(try folder.read("out.onnx") == [7])
    #expect(try folder.names() == ["out.onnx"])
  }

  @Test(
    "A run that fails late keeps the old result, with one file and with two", arguments: ["never", "always"])
  func oldResult(policy: String) throws {
    let folder = try TemporaryFolder()
    var weights = [Float](repeating: 1, count: 2048)
    let good = try folder.write(Quantized.small(weights: weights).bytes, to: "good.onnx")
    weights[2047] = .nan
    let bad = try folder.write(Quantized.small(weights: weights).bytes, to: "bad.onnx")
    let out = try TemporaryFolder()
    let options = ["--external-data", policy]
    #expect(try Quantized.run(good, out.path("out.onnx"), options).exitCode == 0)
    let names = try out.names()
    let before = try names.map { try out.read($0) }
    expectFailure(try Quantized.run(bad, out.path("out.onnx"), options), exitCode: 2, "NaN")
    #expect(try out.names() == names)
    #expect(try names.map { try out.read($0) } == before)
  }

  @Test("A result replaces the old one, and missing folders on the way are made")
  func replaces() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Quantized.small().bytes, to: "model.onnx")
    #expect(try Quantized.run(path, folder.path("a/b/out.onnx")).exitCode == 0)
    let first = try folder.read("a/b/out.onnx")
    try folder.write([7], to: "a/b/out.onnx")
    #expect(try Quantized.run(path, folder.path("a/b/out.onnx")).exitCode == 0)
    #expect(try folder.read("a/b/out.onnx") == first)
    // A link gives way to the result; what it led to stays.
    try folder.write([7], to: "kept")
    try files.createSymbolicLink(
      atPath: folder.path("a/b/link.onnx"), withDestinationPath: folder.path("kept"))
    #expect(try Quantized.run(path, folder.path("a/b/link.onnx")).exitCode == 0)
    #expect(try folder.read("kept") == [7])
    #expect(try folder.read("a/b/link.onnx") == first)
  }

  @Test("A result that nobody reads ends the run, after the model is in place")
  func closedOutput() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Quantized.small().bytes, to: "model.onnx")
    let result = try Spawn.run(
      "/bin/sh",
      [
        "-c", "\"$@\" >/dev/full", "sh", WhisperQBinary.path(), "quantize", path, "--output",
        folder.path("out/out.onnx"), "--quiet",
      ])
    expectFailure(result, exitCode: 4)
    #expect(try files.contentsOfDirectory(atPath: folder.path("out")) == ["out.onnx"])
  }
}
