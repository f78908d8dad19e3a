import Foundation
import TestSupport
import Testing

@Suite("whisperq manifest: entries")
struct ManifestCommandTests {
  private static let encoder = "models/whisper_demo_onnx/encoder/whisper_encoder.onnx"
  private static let decoder = "models/whisper_demo_onnx/decoder/whisper_decoder.onnx"

  @Test("An entry is made of what the model says, and of what is given")
  func add() throws {
    let project = try ManifestProject()
    try project.manifest("add", "enc", "--path", Self.encoder)
    try project.manifest(
      "add", "dec", "--path", Self.decoder, "--ep", "CPU", "--quant", "odd", "--version", "7", "--size-mb",
      "1.50",
      "--latency-target-ms", "20", "--description", "größer", "--set", "target=x1", "--set",
      "own:={\"a\": [1]}",
      "--digests")
    let entries = try project.entries()
    let encoder = try #require(entries["enc"])
    #expect(encoder["path"] as? String == Self.encoder && encoder["ep"] as? [String] == ["QNN", "CPU"])
    #expect(encoder["input"] as? String == "audio_16k_mono" && encoder["quant"] as? String == "fp32")
    #expect(encoder["version"] as? String == "1.0" && encoder["scheme"] as? String == "fp32")
    #expect(encoder["layout"] as? String == "optimum" && encoder["latency_target_ms"] == nil)
    #expect((encoder["description"] as? String)?.hasPrefix("Encoder of Whisper") == true)
    let byteCount = try project.folder.read(Self.encoder).count
    #expect(abs(try #require(encoder["size_mb"] as? Double) - Double(byteCount) / 1e6) <= 0.051)
    let decoder = try #require(entries["dec"])
    #expect(decoder["input"] as? String == "tokens" && decoder["quant"] as? String == "odd")
    #expect(decoder["version"] as? String == "7" && decoder["target"] as? String == "x1")
    #expect(decoder["ep"] as? [String] == ["CPU"] && decoder["description"] as? String == "größer")
    #expect(try project.text().contains("\"size_mb\": 1.50,"))
    #expect((decoder["own"] as? [String: [Int]]) == ["a": [1]])
    let digest = try Spawn.run("/usr/bin/sha256sum", [project.folder.path(Self.decoder)])
    #expect(decoder["sha256"] as? String == String(digest.stdout.prefix(64)))
    try project.manifest("check", "enc")
  }

  @Test("Data files are counted, recorded and checked")
  func externalData() throws {
    let project = try ManifestProject()
    for name in ["encoder_model.onnx", "encoder_model.onnx.data"] {
      try project.folder.write(
        Data(contentsOf: URL(filePath: Quantized.layout("dynamo-external/" + name))), to: "models/x/" + name)
    }
    try project.manifest("add", "x", "--path", "models/x/encoder_model.onnx", "--digests")
    let files = try #require(project.entries()["x"]?["files"] as? [[String: Any]])
    let data = try project.folder.read("models/x/encoder_model.onnx.data")
    #expect(files.count == 1 && files[0]["path"] as? String == "encoder_model.onnx.data")
    #expect(files[0]["bytes"] as? Int == data.count)
    try project.manifest("check", "--strict")
    var damaged = data
    damaged[data.count / 2] ^= 1
    try project.folder.write(damaged, to: "models/x/encoder_model.onnx.data")
    let other = try project.run(["manifest", "check"])
    #expect(other.exitCode == 2 && other.stdout.contains("another SHA-256"), "\(other.stdout)")
    try project.folder.write(data.dropLast(), to: "models/x/encoder_model.onnx.data")
    let short = try project.run(["manifest", "check", "--quick"])
    #expect(short.exitCode == 2 && short.stdout.contains("expected \(data.count)"), "\(short.stdout)")
  }

  @Test("A path is written so that it counts from the project's folder, wherever the command runs")
  func paths() throws {
    let project = try ManifestProject()
    let place = project.folder.path("models/manifest.json")
    let result = try WhisperQBinary.run(
      ["manifest", "add", "e", "--path", "whisper_encoder.onnx", "--manifest", place],
      workingFolder: project.folder.path("models/whisper_demo_onnx/encoder"))
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(try project.entries()["e"]?["path"] as? String == Self.encoder)
  }

  @Test("An entry is there once: a second addition is refused, or updates it and keeps what it does not know")
  func addTwice() throws {
    let project = try ManifestProject.demo()
    try project.manifest("set", "whisper_demo_encoder", "team:={\"owner\": \"speech\"}")
    let before = try project.text()
    let words = ["manifest", "add", "whisper_demo_encoder", "--path", Self.decoder]
    let refused = try project.run(words)
    expectFailure(refused, exitCode: 64, "line 2, column 3", "already")
    #expect(try project.text() == before)
    #expect(try project.run(words + ["--replace"]).exitCode == 0)
    let entry = try #require(project.entries()["whisper_demo_encoder"])
    #expect(entry["path"] as? String == Self.decoder && entry["input"] as? String == "tokens")
    #expect(
      entry["latency_target_ms"] as? Int == 100 && entry["team"] as? [String: String] == ["owner": "speech"])
  }

  @Test("An edit changes the lines it must, in a file of any style")
  func handEdited() throws {
    for (newline, unit) in [("\n", "\t"), ("\r\n", "    "), ("\n", " ")] {
      let lines = [
        "{", "\(unit)\"$schema\" : \"x.json\",", "", "\(unit)\"a\" : {",
        "\(unit)\(unit)\"path\" : \"\(Self.encoder)\",",
        "\(unit)\(unit)\"ep\" : [ \"QNN\",\"CPU\" ],", "\(unit)\(unit)\"size_mb\" : 2.70e0,",
        "\(unit)\(unit)\"mine\" : [1,  2]", "\(unit)}", "}",
      ]
      let project = try ManifestProject(manifest: lines.joined(separator: newline))
      try project.manifest("set", "a", "quant=fp32", "size_mb=2.7")
      var expected = lines
      expected[7] += ","
      expected.insert("\(unit)\(unit)\"quant\" : \"fp32\"", at: 8)
      #expect(try project.text() == expected.joined(separator: newline))
      try project.manifest("set", "a", "ep=CPU,QNN")
      expected[5] = "\(unit)\(unit)\"ep\" : [ \"CPU\",\"QNN\" ],"
      #expect(try project.text() == expected.joined(separator: newline))
      try project.manifest("rename", "a", "b")
      expected[3] = "\(unit)\"b\" : {"
      #expect(try project.text() == expected.joined(separator: newline))
      try project.manifest("set", "b", "--unset", "quant", "--unset", "mine")
      expected.removeSubrange(7...8)
      expected[6].removeLast()
      #expect(try project.text() == expected.joined(separator: newline))
      try project.manifest("add", "c", "--path", Self.decoder, "--no-inspect")
      let text = try project.text()
      #expect(text.hasPrefix(expected.dropLast(2).joined(separator: newline)))
      #expect(text.contains("\(newline)\(newline)\(unit)\"c\" : {\(newline)\(unit)\(unit)\"path\" : "))
      try project.manifest("remove", "c")
      #expect(try project.text() == expected.joined(separator: newline))
    }
  }

  @Test("Values are checked, and a slip of the pen is no new field")
  func badAssignments() throws {
    let project = try ManifestProject.demo()
    let before = try project.text()
    for (assignment, words) in [
      ("size_mb=big", "a number"), ("latncy=3", "latency_target_ms"), ("ep=", "provider names"),
      ("ep=QNN,GPU", "execution providers of ONNX Runtime"),
      ("x", "field=value"),
      ("size_mb:=\"3\"", "a number"), ("own:={", "ends inside"), ("sha256=12", "64 hexadecimal"),
      ("latency_target_ms=-1", "0 or more"),
    ] {
      let result = try project.run(["manifest", "set", "whisper_demo_encoder", assignment])
      #expect(result.exitCode == 64 || result.exitCode == 2)
      #expect(result.stderr.contains(words) && result.stdout.isEmpty, "\(assignment): \(result.stderr)")
    }
    for words in [
      ["set", "whisper_demo_encoder"], ["set", "whisper_demo_encoder", "--unset", "path"], ["set"],
      ["add", "k"],
      ["add", "--path", Self.encoder], ["remove"], ["rename", "a"], ["set", "nope", "quant=int8"],
      ["rename", "nope", "x"], ["rename", "whisper_demo_encoder", "whisper_demo_decoder"],
      ["rename", "whisper_demo_encoder", "a/b"], ["remove", "whisper_demo_encoder", "nope"],
      ["show", "nope"],
      ["check", "nope"], ["export-config", "nope"], ["export-config", "--format", "xml"],
      ["export-config", "--variable", "1x"], ["export-config", "--json", "--format", "yaml"],
      ["add", "k", "--path", Self.encoder, "--digests", "--no-inspect"],
    ] {
      let result = try project.run(["manifest"] + words)
      #expect(result.exitCode == 64 && result.stdout.isEmpty, "\(words): \(result.end) \(result.stderr)")
      #expect(result.stderr.lowercased().hasPrefix("error: "))
    }
    #expect(try project.text() == before)
  }

  @Test("list and show have all fields, as text and as JSON")
  func reading() throws {
    let project = try ManifestProject.demo()
    try project.manifest("add", "gone", "--path", "models/gone.onnx", "--no-inspect")
    let table = try project.manifest("list")
    #expect(table.contains("whisper_demo_encoder") && table.contains("models/gone.onnx (missing)"))
    let list = try #require(
      JSONSerialization.jsonObject(with: Data(project.manifest("list", "--json").utf8)) as? [String: Any])
    let entries = try #require(list["entries"] as? [[String: Any]])
    #expect(entries.map { $0["key"] as? String } == ["whisper_demo_encoder", "whisper_demo_decoder", "gone"])
    #expect(entries.map { $0["exists"] as? Bool } == [true, true, false])
    #expect((entries[0]["entry"] as? [String: Any])?.count == 8)
    let shown = try project.manifest("show", "whisper_demo_decoder")
    for word in ["tokens", "latency_target_ms: 20", "ep: [\"QNN\",\"CPU\"]", "file: "] {
      #expect(shown.contains(word), "\(shown)")
    }
    try project.manifest("remove", "gone")
    #expect(
      try project.text() == String(contentsOfFile: PackageRoot.path("models/manifest.json"), encoding: .utf8))
  }

  @Test("A manifest that is no JSON is bad input, with line, column and what was expected")
  func brokenManifest() throws {
    for (text, words) in [
      ("{\"a\": {\"path\": \"x\"},}", "line 1, column 20"), ("{'a': 1}", "double quote"), ("", "empty"),
      ("{\n  // models\n}", "line 2, column 3: found a comment"), ("\u{FEFF}{}", "byte order mark"),
      ("{\"a\": {}, \"a\": {}}", "stands twice"), ("[]", "an object of entries"),
      ("{\"a\": {\"size_mb\": NaN}}", "NaN"),
    ] {
      let project = try ManifestProject(manifest: text)
      for command in [
        ["list"], ["show", "a"], ["set", "a", "quant=x"], ["check"], ["remove", "a"],
        ["add", "a", "--path", Self.encoder], ["export-config", "a"],
      ] {
        let result = try project.run(["manifest"] + command)
        expectFailure(result, exitCode: 2, words, "models/manifest.json")
      }
      #expect(try project.text() == text)
    }
    let missing = try ManifestProject()
    for command in [["list"], ["show", "a"], ["set", "a", "quant=x"], ["check"], ["remove", "a"]] {
      expectFailure(
        try missing.run(["manifest"] + command), exitCode: 4, "models/manifest.json", "no such file")
    }
    expectFailure(
      try missing.run(["manifest", "add", "k", "--path", "none.onnx"]), exitCode: 4, "none.onnx",
      "no such file")
    #expect(!FileManager.default.fileExists(atPath: missing.folder.path("models/manifest.json")))
  }

  @Test("Another manifest is named with --manifest, and links to it are followed")
  func otherManifest() throws {
    let project = try ManifestProject()
    try FileManager.default.createSymbolicLink(
      atPath: project.folder.path("models/manifest.json"), withDestinationPath: "../real.json")
    try project.manifest("add", "enc", "--path", Self.encoder)
    #expect(try project.folder.names() == ["models", "real.json"])
    #expect(try project.manifest("list", "--manifest", "real.json").contains("enc"))
  }
}
