import Foundation
import TestSupport
import Testing

@Suite("whisperq: help, version and completions")
struct HelpTests {
  private static let commands = [
    [], ["quantize"], ["inspect"], ["manifest"], ["manifest", "add"], ["manifest", "set"],
    ["manifest", "check"],
    ["manifest", "export-config"], ["download-layout"], ["validate"], ["doctor"], ["bench"], ["transcribe"],
    ["evaluate"], ["prepare"], ["compile"],
  ]

  /// The lines under EXAMPLES.
  private static func examples(_ command: [String]) throws -> [String] {
    var environment = TestEnvironment.all
    environment["COLUMNS"] = "80"
    let help = try WhisperQBinary.run(command + ["--help"], environment: environment)
    #expect(help.exitCode == 0 && help.stderr.isEmpty)
    let lines = help.stdout.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex(of: "EXAMPLES"), "\(command): no EXAMPLES")
    return lines[(start + 1)...].prefix { !$0.isEmpty }.map { $0.trimmingCharacters(in: .whitespaces) }
  }

  @Test(
    "Every command has examples, none broken by a terminal of 80 columns, and each of them runs",
    arguments: commands)
  func examples(command: [String]) throws {
    let lines = try Self.examples(command)
    #expect(lines.count >= 3)
    let folder = try TemporaryFolder()
    for (name, source) in [
      ("encoder_model.onnx", "optimum/encoder_model.onnx"),
      ("encoder_int8.onnx", "optimum/encoder_model.onnx"),
      ("encoder.onnx", "optimum/encoder_model.onnx"),
      ("decoder_model_merged.onnx", "optimum/decoder_model_merged.onnx"),
      ("decoder.onnx", "optimum/decoder_model.onnx"), ("model.onnx", "optimum/encoder_model.onnx"),
      ("in.onnx", "optimum/encoder_model.onnx"),
      ("whisper_large_onnx/model.onnx", "optimum/encoder_model.onnx"),
    ] {
      try folder.write(Data(contentsOf: URL(filePath: Quantized.layout(source))), to: name)
    }
    for name in [
      "models/manifest.json", "models/whisper_demo_onnx/encoder/whisper_encoder.onnx",
      "models/whisper_demo_onnx/decoder/whisper_decoder.onnx", "models/whisper_demo_onnx/tokenizer.json",
      "models/whisper_demo_onnx/config.json", "models/whisper_demo_onnx/generation_config.json",
    ] {
      try folder.write(Data(contentsOf: URL(filePath: PackageRoot.path(name))), to: name)
    }
    let clip = try DemoSpeech.clips()[0]
    for name in ["speech.wav", "speech/speech.wav"] {
      try folder.write(Data(contentsOf: URL(filePath: clip.path)), to: name)
    }
    let transcript = "path\tlanguage\ttext\nspeech.wav\t\(clip.language)\t\(clip.text)\n"
    try folder.write(Array(transcript.utf8), to: "speech/transcripts.tsv")
    // Found by its name, as an installed program is.
    try FileManager.default.createDirectory(atPath: folder.path("bin"), withIntermediateDirectories: false)
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("bin/whisperq"), withDestinationPath: WhisperQBinary.path())
    var environment = TestEnvironment.all
    environment["PATH"] = folder.path("bin") + ":" + (environment["PATH"] ?? "/usr/bin:/bin")
    for line in lines {
      #expect(line.hasPrefix("whisperq "), "broken line in the help of \(command): \(line)")
      // A pager or jq may be missing here.
      let text = line.components(separatedBy: " | ")[0]
      // Archives and servers are made by the tests of download-layout itself.
      if text.hasPrefix("whisperq download-layout") { continue }
      // It needs QNN, which its own tests say when it is missing.
      if text.hasPrefix("whisperq compile") { continue }
      let result = try Spawn.run(
        "/bin/sh", ["-c", text], environment: environment, workingFolder: folder.path)
      #expect(result.exitCode == 0, "\(text): \(result.stderr)")
    }
  }

  @Test("Help goes to stdout, as help, --help and -h", arguments: commands)
  func spellings(command: [String]) throws {
    let long = try WhisperQBinary.run(command + ["--help"])
    #expect(long.exitCode == 0 && long.stderr.isEmpty && long.stdout.contains("EXIT CODE"))
    #expect(try WhisperQBinary.run(command + ["-h"]).exitCode == 0)
    #expect(try WhisperQBinary.run(["help"] + command).stdoutBytes == long.stdoutBytes)
  }

  @Test("The version is one line")
  func version() throws {
    let result = try WhisperQBinary.run(["--version"])
    #expect(result.exitCode == 0 && result.stderr.isEmpty)
    #expect(result.stdout.wholeMatch(of: /[0-9]+\.[0-9]+\.[0-9]+\n/) != nil)
  }

  @Test(
    "Completions are made for three shells, and the shells that are here can read them",
    arguments: ["bash", "zsh", "fish"])
  func completions(shell: String) throws {
    let result = try WhisperQBinary.run(["--generate-completion-script", shell])
    #expect(result.exitCode == 0 && result.stderr.isEmpty)
    for word in ["quantize", "inspect", "weight-int4", "dry-run"] { #expect(result.stdout.contains(word)) }
    let program = "/bin/" + shell
    guard FileManager.default.isExecutableFile(atPath: program) else { return }
    let folder = try TemporaryFolder()
    let path = try folder.write(result.stdoutBytes, to: "completion")
    let checked = try Spawn.run(program, ["-n", path])
    #expect(checked.exitCode == 0, "\(checked.stderr)")
  }

  @Test("Nothing at all shows the help")
  func nothing() throws {
    let result = try WhisperQBinary.run([])
    #expect(result.exitCode == 0)
    #expect(result.stdout.contains("SUBCOMMANDS"))
  }
}
