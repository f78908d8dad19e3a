import Foundation
import TestSupport
import Testing

@Suite("whisperq download-layout: archives and servers")
struct DownloadLayoutRemoteTests {
  private static let encoder = "encoder/whisper_encoder.onnx"

  /// A folder that a server serves: the layout `optimum` as an archive and as a repository with a second
  /// precision, and a model with its data beside it.
  private func served(_ runs: LayoutRuns) throws -> LayoutServer {
    _ = try runs.zip(LayoutRuns.source("optimum"), to: "set.zip")
    let names = try FileManager.default.contentsOfDirectory(atPath: LayoutRuns.source("optimum"))
    for name in names {
      let isModel = name.hasSuffix(".onnx")
      try runs.copy("optimum/" + name, to: "hub/some/whisper/" + (isModel ? "onnx/" : "") + name)
    }
    try runs.copy("fp16/encoder_model_fp16.onnx", to: "hub/some/whisper/onnx/encoder_model_fp16.onnx")
    try runs.folder.write(
      Array("---\ntags: [asr]\nlicense: apache-2.0\n---\n# Card\n".utf8), to: "hub/some/whisper/README.md")
    try runs.copy("dynamo-external", to: "hub/some/external/onnx")
    return try LayoutServer.start(runs.folder.path)
  }

  @Test(
    "An archive is laid out, stored or deflated, and nothing of the unpacking stays",
    arguments: [false, true])
  func archive(isStored: Bool) throws {
    let runs = try LayoutRuns()
    let source = try runs.zip(LayoutRuns.source("dynamo-external"), to: "a.zip", isStored: isStored)
    let report = try runs.report([source], ["--name", "w"])
    #expect(report.origins["encoder/whisper_encoder.bin"] == "model/encoder_model.onnx.data")
    #expect(runs.files().allSatisfy { $0.hasPrefix("w_onnx/") || $0 == "manifest.json" })
    #expect(try runs.wrongDigests(of: "w_onnx") == nil)
    let again = try runs.report([source], ["--name", "w"])
    #expect(again.actions == ["kept"])
    let wrong = try runs.run([source], ["--name", "w", "--sha256", String(repeating: "0", count: 64)])
    #expect(wrong.exitCode == 2)
    let right = try runs.sha256("a.zip")
    #expect(try runs.run([source], ["--name", "w", "--sha256", right]).exitCode == 0)
    #expect(try runs.run([source], ["--max-size", "1", "--name", "v"]).exitCode == 0)
  }

  @Test("A hostile or damaged archive places nothing")
  func hostile() throws {
    let runs = try LayoutRuns()
    let whole = try runs.zip(LayoutRuns.source("dynamo-external"), to: "a.zip", isStored: true)
    var bytes = try runs.folder.read("a.zip")
    bytes[bytes.count / 2] ^= 1
    try runs.folder.write(bytes, to: "damaged.zip")
    let damaged = try runs.run(["damaged.zip"])
    #expect(damaged.exitCode == 2)
    #expect(damaged.stderr.contains("CRC-32"), "\(damaged.stderr)")
    try runs.folder.write(bytes.dropLast(400), to: "short.zip")
    #expect(try runs.run(["short.zip"]).exitCode == 2)
    let script = """
      import sys, zipfile
      with zipfile.ZipFile(sys.argv[1], "a") as archive: archive.writestr("../climbs.onnx", "x")
      """
    _ = try Spawn.run("/usr/bin/env", ["python3", "-c", script, whole])
    let climbing = try runs.run([whole])
    #expect(climbing.exitCode == 2)
    #expect(climbing.stderr.contains("climbs.onnx"), "\(climbing.stderr)")
    #expect(runs.files().isEmpty)
  }

  @Test("An archive of a server that breaks off twice arrives, and a second run fetches nothing")
  func brokenOff() throws {
    let runs = try LayoutRuns()
    let server = try served(runs)
    let address = server.address + "/drop-2-100000/set.zip"
    let report = try runs.report([address])
    #expect(report.origins[Self.encoder] == "model/encoder_model.onnx")
    #expect(try runs.wrongDigests(of: "whisper_custom_onnx") == nil)
    let before = try server.log().count
    let again = try runs.report([address])
    #expect(again.actions == ["kept"])
    #expect(try server.log().count == before + 2)
    let digest = try runs.sha256("set.zip")
    #expect(
      try runs.run([server.address + "/files/set.zip"], ["--name", "a", "--sha256", digest]).exitCode == 0)
    let wrong = try runs.run(
      [server.address + "/files/set.zip?x"], ["--name", "b", "--sha256", String(repeating: "0", count: 64)])
    #expect(wrong.exitCode == 2, "\(wrong.stderr)")
    #expect(!runs.exists("models/b_onnx"))
  }

  @Test("A changed archive on the server asks for --force")
  func changedArchive() throws {
    let runs = try LayoutRuns()
    let server = try served(runs)
    let address = server.address + "/files/set.zip"
    _ = try runs.report([address], ["--name", "w"])
    _ = try runs.zip(LayoutRuns.source("dynamo"), to: "set.zip")
    let refused = try runs.run([address], ["--name", "w"])
    #expect(refused.exitCode != 0)
    #expect(refused.stderr.contains("--force"), "\(refused.stderr)")
    let forced = try runs.report([address], ["--name", "w", "--force"])
    #expect(forced.files.first { $0.path == Self.encoder }?.action == "replaced")
    #expect(try runs.wrongDigests(of: "w_onnx") == nil)
    #expect(runs.files().allSatisfy { $0.hasPrefix("w_onnx/") || $0 == "manifest.json" })
  }

  @Test("A single model of a server brings the data that it names")
  func singleFile() throws {
    let runs = try LayoutRuns()
    let server = try served(runs)
    let report = try runs.report([server.address + "/files/hub/some/external/onnx/encoder_model.onnx"])
    #expect(report.origins["encoder/whisper_encoder.bin"] == "encoder_model.onnx.data")
    #expect(try runs.run([server.address + "/files/none.onnx"]).exitCode == 4)
    let page = try runs.run([server.address + "/files/hub/some/whisper/vocab"])
    #expect(page.exitCode == 4)
  }

  @Test("A repository is fetched: full precision, with texts and licence; a second run fetches no file")
  func repository() throws {
    let runs = try LayoutRuns()
    let server = try served(runs)
    let options = ["--endpoint", server.address]
    let looked = try runs.report(["hf:some/whisper"], options + ["--dry-run"])
    #expect(looked.origins[Self.encoder] == "onnx/encoder_model.onnx")
    #expect(looked.fetchBytes > 1_000_000 && !runs.exists("models"))
    let report = try runs.report(["hf:some/whisper"], options + ["--strict"])
    #expect(report.origins[Self.encoder] == "onnx/encoder_model.onnx")
    #expect(report.left.map(\.path) == ["onnx/encoder_model_fp16.onnx"])
    let log = try server.log()
    #expect(!log.contains { $0.contains("fp16") })
    let readme = try String(decoding: runs.folder.read("models/whisper_custom_onnx/README.md"), as: UTF8.self)
    #expect(readme.contains("Licence: `apache-2.0`") && readme.contains("`hf:some/whisper` at commit `"))
    let again = try runs.report(["hf:some/whisper"], options)
    #expect(again.actions == ["kept"])
    #expect(try !server.log().dropFirst(log.count).contains { $0.contains("/resolve/") })
    try FileManager.default.removeItem(
      atPath: runs.folder.path("models/whisper_custom_onnx/decoder/whisper_decoder_merged.onnx"))
    let count = try server.log().count
    let filled = try runs.report(["hf:some/whisper"], options)
    #expect(
      filled.files.filter { $0.action != "kept" }.map(\.path) == ["decoder/whisper_decoder_merged.onnx"])
    let fetched = try server.log().dropFirst(count).filter {
      $0.contains("/resolve/") && $0.contains(".onnx")
    }
    #expect(fetched.allSatisfy { $0.hasSuffix("decoder_model_merged.onnx") } && !fetched.isEmpty)
  }

  @Test("A subfolder, a variant, a second repository for the texts")
  func choices() throws {
    let runs = try LayoutRuns()
    let server = try served(runs)
    let options = ["--endpoint", server.address]
    let half = try runs.report(["hf:some/whisper/onnx"], options + ["--variant", "fp16", "--name", "half"])
    #expect(half.origins[Self.encoder] == "onnx/encoder_model_fp16.onnx")
    let external = try runs.report(["hf:some/external"], options + ["--name", "e"])
    #expect(external.origins["encoder/whisper_encoder.bin"] == "onnx/encoder_model.onnx.data")
    let misfit = try runs.run(
      ["hf:some/external", "hf:some/whisper/tokenizer.json"], options + ["--name", "x"])
    #expect(misfit.exitCode != 0)
    #expect(!runs.exists("models/x_onnx"))
    #expect(try runs.run(["hf:some/none"], options).exitCode == 4)
  }

  @Test("What was fetched before a run failed is not fetched again")
  func keptDownloads() throws {
    let runs = try LayoutRuns()
    let server = try served(runs)
    let options = ["--endpoint", server.address, "--name", "w"]
    let path = runs.folder.path("hub/some/whisper/config.json")
    let good = try String(contentsOfFile: path, encoding: .utf8)
    try good.replacing("\"d_model\": 32", with: "\"d_model\": 33").write(
      toFile: path, atomically: true, encoding: .utf8)
    let failed = try runs.run(["hf:some/whisper"], options)
    #expect(failed.exitCode == 2)
    #expect(failed.stderr.contains("what was fetched stays for the next run"))
    try good.write(toFile: path, atomically: true, encoding: .utf8)
    let count = try server.log().count
    _ = try runs.report(["hf:some/whisper"], options)
    let fetched = try server.log().dropFirst(count).filter { $0.contains("/resolve/") }
    #expect(!fetched.contains { $0.contains(".onnx") })
    #expect(runs.files().allSatisfy { $0.hasPrefix("w_onnx/") || $0 == "manifest.json" })
  }

  @Test(
    "A ZIP over HTTP, interrupted twice, becomes a layout, entries, a quantized model by key, a configuration"
  )
  func wholeJourney() throws {
    let runs = try LayoutRuns()
    let server = try served(runs)
    let address = server.address + "/slow-5000/set.zip"
    for _ in 0..<2 {
      let killed = try runs.run(
        [address], ["--name", "whisper_tiny"], signal: SpawnSignal(SIGKILL, after: .milliseconds(350)))
      #expect(killed.end == .signaled(SIGKILL))
      #expect(!runs.exists("models/whisper_tiny_onnx"))
    }
    let report = try runs.report([address], ["--name", "whisper_tiny"])
    #expect(report.manifest.map(\.key) == ["whisper_tiny_encoder", "whisper_tiny_decoder"])
    #expect(try runs.wrongDigests(of: "whisper_tiny_onnx") == nil)
    func run(_ arguments: String...) throws -> SpawnResult {
      let result = try WhisperQBinary.run(arguments, workingFolder: runs.folder.path)
      try #require(result.exitCode == 0, "\(arguments): \(result.stdout)\(result.stderr)")
      return result
    }
    for part in ["encoder", "decoder"] {
      _ = try run("quantize", "whisper_tiny_" + part, "--minimum-elements", "0")
    }
    #expect(runs.exists("models/whisper_tiny_quantized/whisper_encoder_int8.onnx"))
    _ = try run("manifest", "check")
    let configuration = try run("manifest", "export-config", "whisper_tiny_quantized", "--format", "python")
    let script = """
      import ast, os, sys
      names = {}
      exec(compile(ast.parse(sys.stdin.read()), "config", "exec"), names)
      config = names["WHISPER_CONFIG"]
      assert config["model_name"] == "whisper_tiny_quantized", config
      assert config["providers"] == ["QNNExecutionProvider", "CPUExecutionProvider"], config
      assert os.path.getsize(config["encoder_path"]) > 0 and os.path.getsize(config["decoder_path"]) > 0
      """
    let parsed = try Spawn.run(
      "/usr/bin/env", ["python3", "-c", script], stdin: configuration.stdoutBytes,
      workingFolder: runs.folder.path)
    #expect(parsed.exitCode == 0, "\(parsed.stderr)")
  }
}
