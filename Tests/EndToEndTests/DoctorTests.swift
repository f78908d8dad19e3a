import Foundation
import TestSupport
import Testing

@Suite("whisperq doctor")
struct DoctorTests {
  private struct Document: Decodable {
    struct Check: Decodable {
      struct Fact: Decodable {
        let name: String
        let value: String
      }
      let name: String
      let state: String
      let message: String
      let remedy: String?
      let facts: [Fact]
    }
    struct Target: Decodable {
      let name: String
      let number: Int
    }
    let exitCode: Int
    let checks: [Check]
    let targets: [Target]

    func check(_ name: String) throws -> Check { try #require(checks.first { $0.name == name }) }
  }

  private static func run(
    _ arguments: [String], exitCode: Int32 = 0, workingFolder: String
  ) throws -> Document {
    var environment = TestEnvironment.all
    environment["WHISPERQ_ORT_LIBRARY"] = nil
    environment["WHISPERQ_QNN_LIBRARY"] = nil
    let result = try WhisperQBinary.run(
      ["doctor", "--json"] + arguments, environment: environment, workingFolder: workingFolder)
    #expect(result.exitCode == exitCode, "\(result.stderr)\(result.stdout)")
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let document = try decoder.decode(Document.self, from: Data(result.stdoutBytes))
    #expect(document.exitCode == Int(exitCode))
    return document
  }

  @Test(
    "A machine without anything is in order: the embedded engine is there, the rest are notes with remedies")
  func plain() throws {
    let folder = try TemporaryFolder()
    let found = try Self.run([], workingFolder: folder.path)
    for name in ["platform", "processor", "embedded", "memory", "disk"] {
      #expect(["good", "warning"].contains(try found.check(name).state), "\(name)")
    }
    #expect(try found.check("manifest").state == "note")
    #expect(found.targets.first { $0.name == "snapdragon-x-elite" }?.number == 60)
    let text = try WhisperQBinary.run(["doctor", "--verbose"], workingFolder: folder.path)
    #expect(text.stdout.contains("kernels:") && text.stdout.contains("snapdragon-x-elite"))
  }

  @Test(
    "A runtime that was asked for and is missing is a problem with the places and the remedy, exit code 3")
  func missing() throws {
    let folder = try TemporaryFolder()
    let none = ["--ort-library", folder.path("none.so"), "--qnn-library", folder.path("none.so")]
    let found = try Self.run(none, exitCode: 3, workingFolder: folder.path)
    for name in ["onnx-runtime", "qnn-plugin"] {
      let check = try found.check(name)
      #expect(check.state == "problem" && check.message.contains("none.so") && check.remedy != nil)
      #expect(!check.facts.isEmpty)
    }
    for name in ["qnn-backend", "npu"] {
      let check = try found.check(name)
      #expect(check.state == "note" && check.message.hasPrefix("not checked: "))
    }
    let library = try folder.write(Array("no library".utf8), to: "libonnxruntime.so")
    let junk = try Self.run(["--ort-library", library], exitCode: 3, workingFolder: folder.path)
    #expect(try junk.check("onnx-runtime").state == "problem")
  }

  @Test("What the manifest asks for and is not there is a warning; what --ep asks for is not called replaced")
  func wishes() throws {
    let machine = try BareMachine()
    let plain = try machine.run(["doctor"])
    #expect(plain.exitCode == 0 && plain.stdout.contains("Nothing is wrong."))
    try machine.folder.write(Quantized.small().bytes, to: "models/a.onnx")
    try machine.folder.write(
      Array("{\"a\": {\"path\": \"models/a.onnx\", \"ep\": [\"QNN\", \"CPU\"]}}".utf8),
      to: "models/manifest.json")
    let listed = try machine.run(["doctor"])
    #expect(listed.exitCode == 0 && !listed.stdout.contains("Nothing is wrong."), "\(listed.stdout)")
    #expect(
      listed.stdout.contains("warning onnx-runtime: ") && listed.stdout.contains("warning qnn-plugin: "))
    let wanted = try machine.run(["doctor", "--ep", "cpu"])
    #expect(wanted.exitCode == 3)
    #expect(
      wanted.stdout.contains("PROBLEM onnx-runtime: ")
        && !wanted.stdout.contains("run on the embedded engine"))
  }

  @Test("Models are looked at against memory and disk; a damaged one is exit code 2")
  func models() throws {
    let folder = try TemporaryFolder()
    let path = Quantized.layout("optimum/encoder_model.onnx")
    let found = try Self.run([path], workingFolder: folder.path)
    #expect(try found.check("model").message.contains("Whisper custom encoder"))
    let broken = try folder.write([1, 2, 3], to: "broken.onnx")
    #expect(try Self.run([broken], exitCode: 2, workingFolder: folder.path).check("model").state == "problem")
    let missing = try Self.run(["none.onnx"], exitCode: 4, workingFolder: folder.path)
    #expect(try missing.check("model").state == "problem")
  }

  @Test("The manifest's errors are problems, and its absence is only when it was named")
  func manifest() throws {
    let folder = try TemporaryFolder()
    try folder.write(
      Array("{\"a\": {\"path\": \"none.onnx\", \"ep\": [\"CPU\"]}}".utf8), to: "models/manifest.json")
    #expect(try Self.run([], exitCode: 2, workingFolder: folder.path).check("manifest").state == "problem")
    _ = try Self.run(["--manifest", "other.json"], exitCode: 4, workingFolder: folder.path)
  }

  @Test("With the QNN plugin a model of one node runs, and the emulation is named")
  func npu() throws {
    let folder = try TemporaryFolder()
    let runtime = try FetchedRuntime.options(needsQNN: true)
    let found = try Self.run(runtime + ["--ep", "qnn"], workingFolder: folder.path)
    let check = try found.check("npu")
    #expect(check.state == "good", "\(check.message)")
    #expect(check.facts.first { $0.name == "qairt" }?.value.hasPrefix("v2.") ?? false)
    #if arch(x86_64)
      #expect(check.message.contains("emulated"))
    #endif
  }
}
