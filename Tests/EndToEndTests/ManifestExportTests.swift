import Foundation
import TestSupport
import Testing

@Suite("whisperq manifest export-config")
struct ManifestExportTests {
  /// Two parts in the guide's form; `extra` goes into the decoder's entry.
  private func project(
    encoder: String = "e.onnx", providers: String = "[\"QNN\", \"CPU\"]"
  ) throws -> ManifestProject {
    let path = try JSONSerialization.data(withJSONObject: encoder, options: .fragmentsAllowed)
    return try ManifestProject(
      manifest: """
        {
          "whisper_large_encoder": {"path": "old", "ep": ["CPU"]},
          "whisper_large_encoder_quantized": {
            "path": \(String(decoding: path, as: UTF8.self)), "ep": ["QNN", "CPU"], "input": "audio_16k_mono"
          },
          "whisper_large_decoder_quantized": {"path": "d.onnx", "ep": \(providers), "input": "tokens"},
          "asr": {"path": "all.onnx", "ep": ["CPU"], "input": "audio_16k_mono"},
          "odd": {"path": "odd.onnx", "ep": ["TPU"]}
        }
        """)
  }

  /// What Python reads from an exported configuration.
  private func read(
    _ text: String, _ format: String, variable: String = "WHISPER_CONFIG"
  ) throws -> [String: Any] {
    let result = try PythonOracle.run(
      script: "read_config.py", arguments: [format, variable], stdin: Array(text.utf8))
    if result.exitCode == 77 { try Test.cancel("needs Python's PyYAML: run scripts/setup-test-venv.sh") }
    try #require(result.exitCode == 0, "\(text)\n\(result.stderr)")
    return try #require(JSONSerialization.jsonObject(with: Data(result.stdoutBytes)) as? [String: Any])
  }

  private func expectGuide(
    _ config: [String: Any], encoder: String, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(config["model_name"] as? String == "whisper_large_quantized", sourceLocation: sourceLocation)
    #expect(config["encoder_path"] as? String == encoder, sourceLocation: sourceLocation)
    #expect(config["decoder_path"] as? String == "d.onnx", sourceLocation: sourceLocation)
    #expect(
      config["providers"] as? [String] == ["QNNExecutionProvider", "CPUExecutionProvider"],
      sourceLocation: sourceLocation)
    let options = config["session_options"] as? [String: Any]
    #expect(options?["enable_cpu_mem_arena"] as? Bool == false, sourceLocation: sourceLocation)
    #expect(options?["enable_mem_pattern"] as? Bool == true, sourceLocation: sourceLocation)
    #expect(options?["execution_mode"] as? String == "ORT_SEQUENTIAL", sourceLocation: sourceLocation)
    #expect(options?.count == 3 && config.count == 5, sourceLocation: sourceLocation)
  }

  @Test(
    "Python reads the guide's configuration from every format, whatever characters a path has",
    arguments: ["python", "json", "yaml", "toml"])
  func formats(format: String) throws {
    for encoder in [
      "models/e.onnx", "C:\\models\\no \"q\": #1 größer 😀 'x' {y}\t.onnx", "true", "1.5", "- x", "é\u{301}",
    ] {
      let project = try project(encoder: encoder)
      let byName = try project.manifest("export-config", "whisper_large_quantized", "--format", format)
      try expectGuide(read(byName, format), encoder: encoder)
      let byKeys = try project.manifest(
        "export-config", "whisper_large_encoder_quantized", "whisper_large_decoder_quantized", "--format",
        format)
      #expect(byKeys == byName)
    }
  }

  @Test("Name and variable can be chosen, --json is a format, one model is a configuration of its own")
  func choices() throws {
    let project = try project()
    let text = try project.manifest(
      "export-config", "whisper_large_quantized", "--model-name", "w", "--variable", "C")
    #expect(text.hasPrefix("C = {\n    \"model_name\": \"w\",\n"))
    #expect(try read(text, "python", variable: "C")["model_name"] as? String == "w")
    let json = try read(project.manifest("export-config", "whisper_large_quantized", "--json"), "json")
    expectGuide(json, encoder: "e.onnx")
    let alone = try read(project.manifest("export-config", "asr", "--json"), "json")
    #expect(alone["encoder_path"] as? String == "all.onnx" && alone["decoder_path"] == nil)
  }

  @Test("Providers are those that all parts name; what cannot be is refused")
  func providers() throws {
    let different = try project(providers: "[\"CUDA\", \"CPU\"]")
    let result = try different.run(["manifest", "export-config", "whisper_large_quantized", "--json"])
    #expect(result.exitCode == 0 && result.stderr.contains("different providers"))
    #expect(try read(result.stdout, "json")["providers"] as? [String] == ["CPUExecutionProvider"])
    let none = try project(providers: "[\"CUDA\"]").run([
      "manifest", "export-config", "whisper_large_quantized",
    ])
    expectFailure(none, exitCode: 2, "no execution provider")
    expectFailure(try different.run(["manifest", "export-config", "odd"]), exitCode: 2, "TPU")
    expectFailure(try different.run(["manifest", "export-config"]), exitCode: 64, "whisper_large_quantized")
    expectFailure(
      try different.run([
        "manifest", "export-config", "whisper_large_encoder", "whisper_large_encoder_quantized",
      ]),
      exitCode: 64, "encoder_path")
  }
}
