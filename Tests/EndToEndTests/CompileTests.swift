import Foundation
import TestSupport
import Testing

/// A small static model that the program itself made, one for all tests of the process.
enum StaticModel {
  private static let made = Result { () throws -> (folder: TemporaryFolder, path: String) in
    let folder = try TemporaryFolder()
    let path = folder.path("encoder_w8a16.onnx")
    let result = try Quantized.run(
      Quantized.layout("optimum/encoder_model.onnx"), path,
      ["--scheme", "w8a16", "--synthetic", "1", "--rounding", "nearest"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    return (folder, path)
  }

  static func path() throws -> String { try made.get().path }

  /// The model copied into a folder of a test.
  static func copied(to folder: TemporaryFolder) throws -> String {
    let bytes = try Data(contentsOf: URL(filePath: path()))
    try folder.write(bytes, to: "encoder_w8a16.onnx")
    return folder.path("encoder_w8a16.onnx")
  }
}

/// Suites that compile for the emulated NPU: one at a time, for each takes a processor and its memory.
@Suite("The emulated NPU", .serialized)
enum EmulatedNPU {}

extension EmulatedNPU {
  @Suite("whisperq compile")
  struct CompileTests {
    private struct Document: Decodable {
      struct Reload: Decodable {
        let equal: Bool
        let sqnrDb: Double?
      }
      struct Entry: Decodable {
        let change: String
        let key: String
      }
      let output: String
      let binary: String?
      let bytesAfter: Int
      let target: String
      let socModel: Int
      let npuVersion: Int
      let qairt: String
      let optimization: Int
      let nodes: Int
      let reload: Reload?
      let manifest: Entry?
    }

    private static func compile(_ arguments: [String], workingFolder: String? = nil) throws -> SpawnResult {
      try WhisperQBinary.run(
        ["compile"] + arguments + FetchedRuntime.options(needsQNN: true), workingFolder: workingFolder,
        timeLimit: .seconds(300))
    }

    private static func document(_ result: SpawnResult) throws -> Document {
      #expect(result.exitCode == 0, "\(result.stderr)")
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      return try decoder.decode(Document.self, from: Data(result.stdoutBytes))
    }

    @Test("The context lies beside the model, opens again and gives the same bits")
    func besides() throws {
      let folder = try TemporaryFolder()
      let model = try StaticModel.copied(to: folder)
      let found = try Self.document(
        Self.compile([model, "--json", "--optimization", "1", "--target", "snapdragon-x-elite"]))
      let binary = try #require(found.binary)
      #expect(found.output == folder.path("encoder_w8a16_ctx.onnx"))
      #expect(Set(try folder.names()) == ["encoder_w8a16.onnx", "encoder_w8a16_ctx.onnx", name(binary)])
      #expect(found.target == "snapdragon-x-elite" && found.socModel == 60 && found.npuVersion == 73)
      #expect(found.qairt.hasPrefix("2.") && found.optimization == 1 && found.nodes > 100)
      #expect(found.reload?.equal == true && found.reload?.sqnrDb == nil)
      let sizes = try [found.output, binary].map { try Data(contentsOf: URL(filePath: $0)).count }
      #expect(found.bytesAfter == sizes[0] + sizes[1] && sizes[0] < 10_000 && sizes[1] > 100_000)

      // It opens at once, so nobody is told to wait for a compiler.
      let shown = try WhisperQBinary.run(
        ["validate", found.output, "--ep", "qnn", "--no-reference"] + FetchedRuntime.options(needsQNN: true),
        timeLimit: .seconds(300))
      #expect(shown.exitCode == 0 && !shown.stderr.contains("compiling for"), "\(shown.stderr)")
      let source = try WhisperQBinary.run(
        ["validate", model, "--ep", "qnn", "--no-reference"] + FetchedRuntime.options(needsQNN: true),
        timeLimit: .seconds(300))
      #expect(source.exitCode == 0 && source.stderr.contains("compiling for"), "\(source.stderr)")

      // The same again finds its own files in the way and replaces them.
      let again = try Self.compile([model, "--optimization", "1", "--no-verify"])
      #expect(again.exitCode == 0 && again.stdout.contains("all on the NPU"), "\(again.stderr)")
      #expect(!again.stdout.contains("reloaded"))
      #expect(try folder.names().count == 3)
    }

    @Test("--embed puts the context into the model, and the manifest names chip and QAIRT")
    func embedded() throws {
      let folder = try TemporaryFolder()
      let model = try StaticModel.copied(to: folder)
      try folder.write(
        Array("{\"enc\": {\"path\": \"\(model)\", \"quant\": \"w8a16\"}}".utf8), to: "manifest.json")
      let result = try Self.compile([
        "enc", "--manifest", folder.path("manifest.json"), "--embed", "--optimization", "1", "--json",
        "--output", folder.path("one.onnx"),
      ])
      let found = try Self.document(result)
      #expect(found.binary == nil && found.reload?.equal == true)
      #expect(Set(try folder.names()) == ["encoder_w8a16.onnx", "manifest.json", "one.onnx"])
      #expect(found.manifest?.change == "added" && found.manifest?.key == "enc_compiled")
      let manifest = try JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(filePath: folder.path("manifest.json"))))
      let entries = try #require(manifest as? [String: [String: Any]])
      let entry = try #require(entries["enc_compiled"])
      #expect(entry["soc"] as? String == "snapdragon-x-elite" && entry["qairt"] as? String == found.qairt)
      #expect(entry["source"] as? String == "enc" && entry["quant"] as? String == "w8a16")
      #expect(entry["ep"] as? [String] == ["QNN"])
      let check = try WhisperQBinary.run([
        "manifest", "check", "enc_compiled", "--strict", "--manifest", folder.path("manifest.json"),
      ])
      #expect(check.exitCode == 0, "\(check.stdout)")
    }

    @Test("What cannot be compiled is refused before it starts, and nothing is left behind")
    func refusals() throws {
      let folder = try TemporaryFolder()
      let out = folder.path("out.onnx")
      let model = try StaticModel.copied(to: folder)
      var compiled = HandMadeModel()
      compiled.input("x", [1])
      compiled.node("EPContext", ["x"], ["y"], domain: "com.microsoft", integers: [("embed_mode", 1)])
      compiled.output("y", [1])
      try folder.write(compiled.bytes, to: "compiled.onnx")
      var float = HandMadeModel()
      float.input("x", [4, 64])
      float.node("Relu", ["x"], ["y"])
      float.output("y", [4, 64])
      try folder.write(float.bytes, to: "float.onnx")
      let before = Set(try folder.names())
      expectFailure(
        try Self.compile([folder.path("float.onnx"), "--output", out]), exitCode: 3,
        "no static Q/DQ model (it is float)", "--scheme w8a16")
      expectFailure(
        try Self.compile([Quantized.layout("optimum/encoder_model.onnx"), "--output", out]), exitCode: 3,
        "no static Q/DQ model", "--scheme w8a16")
      expectFailure(
        try Self.compile([folder.path("compiled.onnx"), "--output", out]), exitCode: 3, "compiled already")
      expectFailure(
        try WhisperQBinary.run(["compile", model, "--output", out, "--qnn-library", folder.path("none")]),
        exitCode: 3, folder.path("none"))
      expectFailure(
        try Self.compile([folder.path("missing.onnx"), "--output", out]), exitCode: 4, "missing.onnx")
      for (arguments, words) in [
        (["--optimization", "9"], "--optimization takes 1, 2 or 3"), (["--target", "toaster"], "'toaster'"),
      ] {
        let result = try WhisperQBinary.run(["compile", model, "--output", out] + arguments)
        #expect(result.exitCode == 64 && result.stderr.contains(words), "\(result.stderr)")
      }
      #expect(Set(try folder.names()) == before)
    }

    @Test("In a folder the source of a compiled model stands for it where no NPU is asked for")
    func folder() throws {
      let folder = try TemporaryFolder()
      let model = try StaticModel.copied(to: folder)
      let float = try Data(contentsOf: URL(filePath: Quantized.layout("optimum/encoder_model.onnx")))
      try folder.write(float, to: "encoder.onnx")
      let compiled = try Self.compile([model, "--optimization", "1", "--no-verify"])
      try #require(compiled.exitCode == 0, "\(compiled.stderr)")
      let options = try FetchedRuntime.options(needsQNN: true) + ["--runs", "1"]
      let cpu = try Validated.run([folder.path, "--ep", "cpu"] + options)
      let passed = try #require(cpu.models.first { $0.path.hasSuffix("_ctx.onnx") })
      #expect(passed.run == nil && passed.notes.contains { $0.contains("passed over") }, "\(passed.notes)")
      let qnn = try Validated.run([folder.path("encoder_w8a16_ctx.onnx"), "--ep", "qnn"] + options)
      #expect(qnn.models[0].run?.reference?.path == model)
    }

    @Test("A model of which the NPU refuses a node is named with the node, and nothing is left behind")
    func refusedNode() throws {
      let folder = try TemporaryFolder()
      var model = HandMadeModel()
      model.input("x", [4, 64])
      model.initializer("s", [], floats: [0.1])
      model.initializer("z", type: 2, [], byteCount: 1)
      model.node("QuantizeLinear", ["x", "s", "z"], ["q"])
      model.node("DequantizeLinear", ["q", "s", "z"], ["d"])
      model.node("Erf", ["d"], ["e"])
      model.node("Relu", ["e"], ["y"])
      model.output("y", [4, 64])
      try folder.write(model.bytes, to: "erf.onnx")
      let result = try Self.compile([folder.path("erf.onnx")])
      #expect(result.exitCode == 3 && result.stdout.isEmpty)
      #expect(result.stderr.contains("Erf alone is not taken"), "\(result.stderr)")
      #expect(try folder.names() == ["erf.onnx"])
    }

    @Test("A context of another QAIRT is told with both versions and the remedy")
    func otherVersion() throws {
      let folder = try TemporaryFolder()
      let model = try StaticModel.copied(to: folder)
      let found = try Self.document(Self.compile([model, "--json", "--optimization", "1", "--no-verify"]))
      let path = found.output
      var bytes = [UInt8](try Data(contentsOf: URL(filePath: path)))
      let place = try #require(bytes.firstRange(of: Array(found.qairt.utf8)))
      let other = "2.01" + found.qairt.dropFirst(4)
      bytes.replaceSubrange(place, with: Array(other.utf8))
      try folder.write(bytes, to: "encoder_w8a16_ctx.onnx")
      let options = try FetchedRuntime.options(needsQNN: true) + ["--no-reference"]

      // No provider of the processor runs it, whoever made it.
      let cpu = try Validated.run([path, "--ep", "cpu"] + options, exitCode: 3)
      #expect(cpu.models[0].objections[0].message.contains("take --ep qnn, or the Q/DQ model"))

      // A damaged one does not open, and its version may be the reason.
      let binary = try #require(found.binary)
      let context = try Data(contentsOf: URL(filePath: binary))
      try folder.write(Array(context.prefix(1000)), to: name(binary))
      let broken = try Validated.run([path, "--ep", "qnn"] + options, exitCode: 2)
      let words = try #require(broken.models[0].objections.first?.message)
      #expect(words.contains("compiled with QAIRT \(other)"), "\(words)")
      #expect(words.contains("compile the Q/DQ model that it was made from again"))

      // The runtime does not look at the version, so one that opens is noted.
      try folder.write(Array(context), to: name(binary))
      let opened = try Validated.run([path, "--ep", "qnn"] + options)
      let note = try #require(opened.models[0].notes.first { $0.contains("QAIRT \(other)") })
      #expect(note.contains("QAIRT \(found.qairt) has opened it"), "\(note)")
      #expect(note.contains("whisperq compile"))
    }

    private func name(_ path: String) -> String { URL(filePath: path).lastPathComponent }
  }
}
