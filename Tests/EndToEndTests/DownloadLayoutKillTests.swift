import Foundation
import TestSupport
import Testing

/// Kills the program at random moments. WHISPERQ_TEST_KILLS sets how often.
@Suite("whisperq download-layout: kills")
struct DownloadLayoutKillTests {
  enum Source: String, CaseIterable, CustomTestStringConvertible {
    case folder, moved, archive, web, repository
    var testDescription: String { rawValue }
  }

  private static let killCount = TestEnvironment["WHISPERQ_TEST_KILLS"].flatMap { Int($0) } ?? 360

  @Test(
    "A killed run leaves no layout or a complete one, and the next run completes it",
    arguments: Source.allCases)
  func killed(source: Source) throws {
    var random = SplitMix64.forThisRun()
    let seed = random.seed
    var killCount = 0
    var sawNone = 0
    var sawComplete = 0
    var longest: Duration = .milliseconds(400)
    let wanted = max(1, Self.killCount / Source.allCases.count)
    while killCount < wanted {
      let runs = try LayoutRuns()
      let server = source == .web || source == .repository ? try LayoutServer.start(runs.folder.path) : nil
      let (word, options) = try prepare(source, runs, server)
      // Several kills in a row on one folder, then a run to the end.
      for _ in 0..<Int.random(in: 1...6, using: &random) {
        let delay = longest * Double.random(in: 0...1.1, using: &random)
        let result = try runs.run([word], options, signal: SpawnSignal(SIGKILL, after: delay))
        let context = "seed \(seed), \(source), kill \(killCount) after \(delay)"
        if result.end == .signaled(SIGKILL) {
          killCount += 1
        } else {
          #expect(result.exitCode == 0, "\(context): \(result.stderr)")
          longest = result.elapsed
        }
        if try isComplete(runs, context) { sawComplete += 1 } else { sawNone += 1 }
      }
      let last = try runs.run([word], options)
      let context = "seed \(seed), \(source), after \(killCount) kills"
      #expect(last.exitCode == 0, "\(context): \(last.stderr)")
      #expect(try isComplete(runs, context), "\(context)")
      #expect(
        runs.files().allSatisfy { $0.hasPrefix("w_onnx/") || $0 == "manifest.json" },
        "\(context): \(runs.files())")
      let check = try WhisperQBinary.run(["manifest", "check"], workingFolder: runs.folder.path)
      #expect(check.exitCode == 0, "\(context): \(check.stdout)\(check.stderr)")
      if source == .moved {
        let left = (try? FileManager.default.contentsOfDirectory(atPath: runs.folder.path("mine"))) ?? []
        #expect(!left.contains { $0.hasSuffix(".onnx") || $0.hasSuffix(".data") }, "\(context): \(left)")
      }
    }
    // Kills that all come too early or too late would prove nothing.
    if wanted >= 20 {
      #expect(sawNone > 0 && sawComplete > 0, "seed \(seed): \(sawNone) without, \(sawComplete) with")
    }
  }

  @Test("A killed replacement never shows a model beside data that is not its own")
  func killedReplacement() throws {
    var random = SplitMix64.forThisRun()
    let seed = random.seed
    let runs = try LayoutRuns()
    var pairs: Set<[String]> = []
    for (index, name) in ["a", "b"].enumerated() {
      try runs.copy("dynamo-external", to: name)
      // Another model and other data: an unknown field behind the one, another last byte in the other.
      try runs.folder.write(
        runs.folder.read(name + "/encoder_model.onnx") + [0x98, 0x06, UInt8(index)],
        to: name + "/encoder_model.onnx")
      var data = try runs.folder.read(name + "/encoder_model.onnx.data")
      data[data.count - 1] = UInt8(index)
      try runs.folder.write(data, to: name + "/encoder_model.onnx.data")
      #expect(try runs.run([name], ["--name", "w", "--force", "--copy"]).exitCode == 0)
      pairs.insert(
        try ["onnx", "bin"].map { try runs.sha256("models/w_onnx/encoder/whisper_encoder." + $0) })
    }
    #expect(pairs.count == 2)
    var killCount = 0
    var longest: Duration = .milliseconds(300)
    while killCount < max(1, Self.killCount / 6) {
      let name = Bool.random(using: &random) ? "a" : "b"
      let delay = longest * Double.random(in: 0...1.1, using: &random)
      let result = try runs.run(
        [name], ["--name", "w", "--force", "--copy"], signal: SpawnSignal(SIGKILL, after: delay))
      let context = "seed \(seed), kill \(killCount) after \(delay)"
      if result.end == .signaled(SIGKILL) {
        killCount += 1
      } else {
        #expect(result.exitCode == 0, "\(context): \(result.stderr)")
        longest = result.elapsed
      }
      let files = ["onnx", "bin"].map { "models/w_onnx/encoder/whisper_encoder." + $0 }
      if runs.exists(files[0]) {
        #expect(pairs.contains(try files.map { try runs.sha256($0) }), "\(context)")
      }
    }
    let last = try runs.run(["a"], ["--name", "w", "--force", "--copy"])
    #expect(last.exitCode == 0, "seed \(seed): \(last.stderr)")
    #expect(try runs.wrongDigests(of: "w_onnx") == nil, "seed \(seed)")
    #expect(runs.files().allSatisfy { $0.hasPrefix("w_onnx/") || $0 == "manifest.json" }, "\(runs.files())")
  }

  /// A model in one file, one with its data beside it, and texts.
  private func prepare(
    _ source: Source, _ runs: LayoutRuns, _ server: LayoutServer?
  ) throws -> (word: String, options: [String]) {
    let name = source == .repository ? "hub/some/whisper" : "mine"
    try runs.copy("dynamo-external", to: name)
    try runs.copy("torchscript/decoder_model.onnx", to: name + "/decoder_model.onnx")
    try runs.copy("optimum/tokenizer.json", to: name + "/tokenizer.json")
    var options = ["--name", "w"]
    switch source {
    case .folder: return ("mine", options + ["--copy"])
    case .moved: return ("mine", options + ["--move"])
    case .archive: return (try runs.zip(runs.folder.path("mine"), to: "a.zip"), options)
    case .web:
      _ = try runs.zip(runs.folder.path("mine"), to: "a.zip")
      return ((server?.address ?? "") + "/slow-60000/a.zip", options)
    case .repository:
      options += ["--endpoint", server?.address ?? ""]
      return ("hf:some/whisper", options)
    }
  }

  /// Whether the layout is there; when it is, every file must be as its README says.
  private func isComplete(_ runs: LayoutRuns, _ context: String) throws -> Bool {
    let visible = ((try? FileManager.default.contentsOfDirectory(atPath: runs.folder.path("models"))) ?? [])
      .filter { !$0.hasPrefix(".") }
    #expect(Set(visible).isSubset(of: ["w_onnx", "w_quantized", "manifest.json"]), "\(context): \(visible)")
    guard visible.contains("w_onnx") else { return false }
    #expect(try runs.wrongDigests(of: "w_onnx") == nil, "\(context)")
    for name in [
      "encoder/whisper_encoder.onnx", "encoder/whisper_encoder.bin", "decoder/whisper_decoder.onnx",
      "tokenizer.json",
      ".whisperq-layout.json",
    ] {
      #expect(runs.exists("models/w_onnx/" + name), "\(context): \(name)")
    }
    return true
  }
}
