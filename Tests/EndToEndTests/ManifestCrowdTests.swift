import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

@Suite("whisperq manifest: many programs, and killed ones")
struct ManifestCrowdTests {
  private static let encoder = "models/whisper_demo_onnx/encoder/whisper_encoder.onnx"

  @Test("Two hundred programs that add at the same time end with two hundred entries")
  func crowd() throws {
    let project = try ManifestProject()
    let script = """
      i=0
      while [ $i -lt 200 ]; do
        "$0" manifest add "key_$i" --path "$1" --description "number $i" >/dev/null || echo "failed $i" &
        i=$((i+1))
      done
      wait
      """
    let result = try Spawn.run(
      "/bin/sh", ["-c", script, WhisperQBinary.path(), Self.encoder], workingFolder: project.folder.path,
      timeLimit: .seconds(300))
    #expect(result.exitCode == 0 && result.stdout.isEmpty && result.stderr.isEmpty, "\(result.stderr)")
    let entries = try project.entries()
    #expect(entries.count == 200)
    for number in 0..<200 {
      #expect(entries["key_\(number)"]?["description"] as? String == "number \(number)")
    }
    let names = try FileManager.default.contentsOfDirectory(atPath: project.folder.path("models"))
    #expect(names.sorted() == ["manifest.json", "whisper_demo_onnx"], "nothing is left behind")
    let lines = try project.text().split(separator: "\n")
    #expect(lines.count == 2 + 200 * 11 && lines[1].hasPrefix("  \"key_"))
  }

  @Test("Edits of all kinds at the same time all take place")
  func mixedCrowd() throws {
    let entry = "{\"path\": \"x\", \"ep\": [\"CPU\"]}"
    let keys = (0..<60).map { "\"k\($0)\": \(entry)" }.joined(separator: ",\n")
    let project = try ManifestProject(manifest: "{\n\(keys)\n}\n")
    let script = """
      i=0
      while [ $i -lt 20 ]; do
        "$0" manifest remove "k$i" >/dev/null || echo "failed" &
        "$0" manifest rename "k$((i+20))" "new$i" >/dev/null || echo "failed" &
        "$0" manifest set "k$((i+40))" quant=int8 >/dev/null || echo "failed" &
        "$0" manifest add "added$i" --path y --no-inspect >/dev/null || echo "failed" &
        i=$((i+1))
      done
      wait
      """
    let result = try Spawn.run(
      "/bin/sh", ["-c", script, WhisperQBinary.path()], workingFolder: project.folder.path,
      timeLimit: .seconds(300))
    #expect(result.exitCode == 0 && result.stdout.isEmpty && result.stderr.isEmpty, "\(result.stderr)")
    let entries = try project.entries()
    let expected = (0..<20).flatMap { ["new\($0)", "k\($0 + 40)", "added\($0)"] }
    #expect(Set(entries.keys) == Set(expected))
    #expect((40..<60).allSatisfy { entries["k\($0)"]?["quant"] as? String == "int8" })
  }

  @Test("A program that is killed at any moment leaves the old file or the new one, and no one waits for it")
  func kills() throws {
    var random = SplitMix64.forThisRun()
    let project = try ManifestProject.demo()
    let twin = try ManifestProject.demo()
    for number in 0..<40 {
      for each in [project, twin] {
        try each.manifest("add", "base\(number)", "--path", Self.encoder, "--no-inspect")
      }
    }
    var typical = Duration.milliseconds(10)
    var killed = 0
    var kept = 0
    var changed = 0
    for turn in 0..<400 {
      let key = "base\(Int.random(in: 0..<40, using: &random))"
      let edit: [String]
      switch turn % 4 {
      case 0: edit = ["set", key, "latency_target_ms=\(turn)"]
      case 1: edit = ["add", "turn\(turn)", "--path", Self.encoder, "--no-inspect"]
      case 2: edit = ["rename", key, "\(key)_\(turn)"]
      default: edit = ["set", key, "--unset", "ep", "own:=[\(turn)]"]
      }
      let old = try project.text()
      let whole = try twin.run(["manifest"] + edit)
      try #require(whole.exitCode == 0, "seed \(random.seed): \(edit) \(whole.stderr)")
      typical = (typical * 3 + whole.elapsed) / 4
      let new = try twin.text()
      let share = Double.random(in: 0...1.1, using: &random)
      let result = try WhisperQBinary.run(
        ["manifest"] + edit, workingFolder: project.folder.path,
        signal: SpawnSignal(SIGKILL, after: typical * share))
      let text = try project.text()
      #expect(text == old || text == new, "turn \(turn), seed \(random.seed): neither old nor new")
      if result.end == .signaled(SIGKILL) { killed += 1 }
      if text == old { kept += 1 } else { changed += 1 }
      if case .exited(let code) = result.end { #expect(code == 0 && text == new, "\(result.stderr)") }
      let names = try FileManager.default.contentsOfDirectory(atPath: project.folder.path("models")).sorted()
      #expect(
        names.allSatisfy { ["manifest.json", ".manifest.json.partial", "whisper_demo_onnx"].contains($0) },
        "turn \(turn), seed \(random.seed): \(names)")
      // Renamed keys would not be found again.
      if turn % 4 == 2 { try twin.manifest("rename", "\(key)_\(turn)", key) }
      if turn % 4 == 2, text == new { try project.manifest("rename", "\(key)_\(turn)", key) }
      if text == old { try Data(old.utf8).write(to: URL(filePath: twin.folder.path("models/manifest.json"))) }
    }
    #expect(killed > 100 && kept > 20 && changed > 20, "\(killed) killed, \(kept) old, \(changed) new")
    try project.manifest("set", "base0", "quant=fp32")
    let names = try FileManager.default.contentsOfDirectory(atPath: project.folder.path("models")).sorted()
    #expect(names == ["manifest.json", "whisper_demo_onnx"], "the next edit tidies up")
  }
}
