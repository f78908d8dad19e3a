import Foundation
import TestSupport
import Testing

@Suite("whisperq quantize and inspect: models by their keys")
struct ManifestQuantizeTests {
  private static let encoder = "models/whisper_demo_onnx/encoder/whisper_encoder.onnx"
  private static let result = "models/whisper_demo_quantized/whisper_encoder_int8.onnx"

  @Test("A key is quantized as in the guide: the output's place, and the new entry")
  func guide() throws {
    let project = try ManifestProject.demo()
    try project.manifest("set", "whisper_demo_encoder", "version=3.0")
    let before = try project.text()
    let result = try project.run(["quantize", "whisper_demo_encoder"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(result.stdout.contains("manifest: added whisper_demo_encoder_quantized in models/manifest.json"))
    let entry = try #require(project.entries()["whisper_demo_encoder_quantized"])
    #expect(entry["path"] as? String == Self.result && entry["ep"] as? [String] == ["QNN", "CPU"])
    #expect(entry["input"] as? String == "audio_16k_mono" && entry["quant"] as? String == "int8")
    #expect(entry["version"] as? String == "3.0-int8" && entry["latency_target_ms"] as? Int == 100)
    #expect(
      entry["scheme"] as? String == "dynamic-int8" && entry["source"] as? String == "whisper_demo_encoder")
    let size = try #require(entry["size_mb"] as? Double)
    #expect(try abs(size - Double(project.folder.read(Self.result).count) / 1e6) <= 0.051)
    #expect(try project.text().hasPrefix(before.dropLast("\n}\n".count) + ","), "what was there stays")
    try project.manifest("check", "--strict")
    // The same bytes as by paths.
    let byPath = try project.run(["quantize", Self.encoder, "--output", "out.onnx"])
    #expect(byPath.exitCode == 0)
    #expect(try project.folder.read("out.onnx") == project.folder.read(Self.result))
    #expect(try project.entries().count == 3, "a path alone enters nothing")
  }

  @Test("A second run updates the entry, and keeps what people wrote into it")
  func update() throws {
    let project = try ManifestProject.demo()
    #expect(try project.run(["quantize", "whisper_demo_decoder"]).exitCode == 0)
    try project.manifest(
      "set", "whisper_demo_decoder_quantized", "ep=CPU", "description=mine", "latency_target_ms=7",
      "own:=[1]",
      "sha256=\(String(repeating: "0", count: 64))")
    let json = try project.run(["quantize", "whisper_demo_decoder", "--scheme", "weight-int4", "--json"])
    #expect(json.exitCode == 0, "\(json.stderr)")
    let document = try #require(JSONSerialization.jsonObject(with: Data(json.stdoutBytes)) as? [String: Any])
    #expect(
      document["manifest"] as? [[String: String]] == [
        ["change": "updated", "key": "whisper_demo_decoder_quantized", "manifest": "models/manifest.json"]
      ])
    let entry = try #require(project.entries()["whisper_demo_decoder_quantized"])
    #expect(entry["path"] as? String == "models/whisper_demo_quantized/whisper_decoder_int4.onnx")
    #expect(entry["quant"] as? String == "int4" && entry["version"] as? String == "1.0-int4")
    #expect(entry["ep"] as? [String] == ["CPU"] && entry["description"] as? String == "mine")
    #expect(entry["latency_target_ms"] as? Int == 7 && entry["own"] as? [Int] == [1])
    try project.manifest("check", "--strict")
    #expect(FileManager.default.fileExists(atPath: project.folder.path("models/whisper_demo_quantized")))
  }

  @Test("Options say whether, where and under which key the result is entered")
  func options() throws {
    let project = try ManifestProject.demo()
    let before = try project.text()
    func quantize(_ words: String...) throws {
      let result = try project.run(["quantize"] + words)
      try #require(result.exitCode == 0, "\(words): \(result.stderr)")
    }
    try quantize("whisper_demo_encoder", "--no-update-manifest", "--output", "a.onnx")
    try quantize("whisper_demo_encoder", "--dry-run")
    #expect(try project.text() == before)
    try quantize("whisper_demo_encoder", "--manifest-key", "tiny8", "--output", "b.onnx")
    try quantize(Self.encoder, "--update-manifest", "--output", "c.onnx")
    try quantize(Self.encoder, "--output", "d.onnx", "--update-manifest", "--manifest", "other.json")
    let entries = try project.entries()
    #expect(entries["tiny8"]?["path"] as? String == "b.onnx")
    #expect(entries["whisper_demo_encoder_quantized"]?["path"] as? String == "c.onnx", "found by its path")
    #expect(entries.count == 4)
    let other = String(decoding: try project.folder.read("other.json"), as: UTF8.self)
    #expect(other.hasPrefix("{\n  \"d\": {\n    \"path\": \"d.onnx\","), "\(other)")
    try quantize("models/whisper_demo_onnx", "--output", "models/whole", "--update-manifest")
    let decoder = try #require(project.entries()["whisper_demo_decoder_quantized"])
    #expect(decoder["path"] as? String == "models/whole/decoder/whisper_decoder.onnx")
    try project.manifest("check", "--strict")
  }

  private static let static8 = [
    "--scheme", "w8a16", "--rounding", "nearest", "--calibration", Static.speech + "/pt-m5-01.wav",
  ]

  @Test("A key is quantized for an NPU in the same way, and the JSON names the entry")
  func npu() throws {
    let project = try ManifestProject.demo()
    let before = try project.text()
    let words = ["quantize", "whisper_demo_encoder"] + Self.static8
    #expect(try project.run(words + ["--dry-run"]).exitCode == 0)
    #expect(try project.run(words + ["--no-update-manifest", "--output", "a.onnx"]).exitCode == 0)
    #expect(try project.run(["quantize", Self.encoder, "--output", "a.onnx"] + Self.static8).exitCode == 0)
    #expect(try project.text() == before, "nothing was entered")
    let text = try project.run(words)
    #expect(text.exitCode == 0, "\(text.stderr)")
    #expect(
      text.stdout.contains("\nmanifest: added whisper_demo_encoder_quantized in models/manifest.json\n"))
    let entry = try #require(project.entries()["whisper_demo_encoder_quantized"])
    #expect(entry["path"] as? String == "models/whisper_demo_quantized/whisper_encoder_w8a16.onnx")
    #expect(entry["quant"] as? String == "w8a16" && entry["version"] as? String == "1.0-w8a16")
    #expect(entry["scheme"] as? String == "w8a16" && entry["source"] as? String == "whisper_demo_encoder")
    #expect(entry["input"] as? String == "audio_16k_mono" && entry["latency_target_ms"] as? Int == 100)
    // The fields are those that the other schemes write.
    #expect(try project.run(["quantize", "whisper_demo_encoder", "--manifest-key", "int8"]).exitCode == 0)
    #expect(try Set(entry.keys) == Set(#require(project.entries()["int8"]).keys))
    let json = try project.run(words + ["--manifest-key", "npu", "--json", "--quiet"])
    #expect(json.exitCode == 0, "\(json.stderr)")
    let document = try #require(JSONSerialization.jsonObject(with: Data(json.stdoutBytes)) as? [String: Any])
    #expect(
      document["manifest"] as? [[String: String]] == [
        ["change": "added", "key": "npu", "manifest": "models/manifest.json"]
      ])
    try project.manifest("check", "--strict")
    // A manifest that cannot be used is said before any work.
    try project.folder.write(Array("{".utf8), to: "models/manifest.json")
    let broken = try project.run(
      ["quantize", Self.encoder, "-o", "b.onnx", "--update-manifest", "--quiet"] + Self.static8)
    expectFailure(broken, exitCode: 2, "ends inside of an object")
    #expect(try !project.folder.names().contains("b.onnx"))
  }

  @Test("Both models of a folder that is quantized for an NPU are entered")
  func npuFolder() throws {
    let project = try ManifestProject.demo()
    for name in ["tokenizer.json", "config.json", "generation_config.json"] {
      let bytes = try Data(contentsOf: URL(filePath: DemoSpeech.model + "/" + name))
      try project.folder.write(bytes, to: "models/whisper_demo_onnx/" + name)
    }
    let words = ["quantize", "models/whisper_demo_onnx", "--output", "models/npu", "--json", "--quiet"]
    let one = try project.run(words + Self.static8 + ["--manifest-key", "npu"])
    expectFailure(one, exitCode: 64, "--manifest-key is for one model, but 'models/whisper_demo_onnx'")
    let result = try project.run(words + Self.static8 + ["--update-manifest"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    let document = try #require(
      JSONSerialization.jsonObject(with: Data(result.stdoutBytes)) as? [String: Any])
    let keys = ["whisper_demo_encoder_quantized", "whisper_demo_decoder_quantized"]
    #expect((document["manifest"] as? [[String: String]])?.map { $0["key"] } == keys)
    for (key, part) in zip(keys, ["encoder", "decoder"]) {
      let entry = try #require(project.entries()[key])
      #expect(entry["path"] as? String == "models/npu/\(part)/whisper_\(part).onnx")
      #expect(entry["quant"] as? String == "w8a16" && entry["source"] as? String == "whisper_demo_\(part)")
    }
    try project.manifest("check", "--strict")
    // Without entries of their own, the keys are made of the folder and the names in it.
    let other = try project.run(
      words + Self.static8 + ["--update-manifest", "--manifest", "models/other.json"])
    #expect(other.exitCode == 0, "\(other.stderr)")
    let text = String(decoding: try project.folder.read("models/other.json"), as: UTF8.self)
    #expect(
      text.contains("\"npu_encoder_whisper_encoder\": {\n    \"path\": \"models/npu/encoder/"), "\(text)")
  }

  @Test("A key that is not there, or leads nowhere, is said with what is near, before any work")
  func misses() throws {
    let project = try ManifestProject.demo()
    try project.manifest("set", "whisper_demo_decoder", "path=models/none.onnx")
    for command in [["quantize", "--output", "o.onnx"], ["inspect"]] {
      let near = try project.run(command + ["whisper_demo_encodr"])
      expectFailure(near, exitCode: 4, "did you mean 'whisper_demo_encoder'?")
      let nowhere = try project.run(command + ["whisper_demo_decoder"])
      expectFailure(
        nowhere, exitCode: 4, "models/none.onnx", "whisperq manifest set whisper_demo_decoder path=")
      expectFailure(try project.run(command + ["none.onnx"]), exitCode: 4, "no such file")
      let noManifest = try project.run(command + ["some_key", "--manifest", "none.json"])
      expectFailure(noManifest, exitCode: 4, "none.json")
    }
    try project.folder.write(Array("{".utf8), to: "models/manifest.json")
    let broken = try project.run(["quantize", Self.encoder, "-o", "o.onnx", "--update-manifest"])
    expectFailure(broken, exitCode: 2, "ends inside of an object")
    #expect(try project.folder.names() == ["models"], "nothing was quantized")
  }

  @Test("inspect takes keys beside paths; a path that exists wins over a key")
  func inspect() throws {
    let project = try ManifestProject.demo()
    let result = try project.run(["inspect", "--json", "whisper_demo_encoder", Self.encoder])
    #expect(result.exitCode == 0, "\(result.stderr)")
    let document = try #require(
      JSONSerialization.jsonObject(with: Data(result.stdoutBytes)) as? [String: Any])
    let paths = try #require(document["models"] as? [[String: Any]]).map { $0["path"] as? String }
    #expect(paths == [Self.encoder, Self.encoder])
    try project.folder.write(project.folder.read(Self.encoder), to: "whisper_demo_decoder")
    let own = try project.run(["inspect", "whisper_demo_decoder"])
    #expect(own.stdout.contains("encoder"), "\(own.stdout)")
    let elsewhere = try WhisperQBinary.run([
      "inspect", "whisper_demo_encoder", "--manifest", project.folder.path("models/manifest.json"),
    ])
    #expect(elsewhere.exitCode == 0, "\(elsewhere.stderr)")
  }
}
