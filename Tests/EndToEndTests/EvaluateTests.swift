import Foundation
import TestSupport
import Testing

/// The report of `evaluate --json`, with the keys that the help documents.
private struct EvaluatedDocument: Decodable {
  struct Counts: Decodable, Equatable {
    let hits: Int
    let substitutions: Int
    let insertions: Int
    let deletions: Int
  }
  struct Agreement: Decodable {
    let equal: Int
    let total: Int
  }
  struct Utterance: Decodable {
    let id: String
    let reference: String
    let text: String
    let words: Counts
    let tokens: [Int]
    let agreement: Agreement?
    let firstDivergence: Int?
  }
  struct Comparison: Decodable {
    let werDifference: Double?
    let interval: [Double]?
    let tokenAgreement: Double?
    let diverged: Int?
  }
  struct Model: Decodable {
    struct Failure: Decodable { let id: String }
    let name: String
    let wer: Double?
    let cer: Double?
    let werInterval: [Double]?
    let words: Counts
    let empty: Int
    let repeated: Int
    let failures: [Failure]
    let againstFirst: Comparison?
    let utterances: [Utterance]
  }
  let exitCode: Int
  let passes: Bool
  let recordings: Int
  let models: [Model]

  init(_ result: SpawnResult) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Self.self, from: Data(result.stdoutBytes))
  }
}

@Suite("whisperq evaluate")
struct EvaluateTests {
  private static let embedded = ["--ep", "embedded"]

  private func evaluate(_ arguments: [String], exitCode: Int32 = 0) throws -> EvaluatedDocument {
    let result = try WhisperQBinary.run(
      ["evaluate"] + arguments + ["--json"] + Self.embedded, timeLimit: .seconds(300))
    try #require(result.exitCode == exitCode, "\(result.stderr)\(result.stdout.prefix(400))")
    return try EvaluatedDocument(result)
  }

  @Test("The demo model understands clips of voices that it was not trained on, in float and in INT8")
  func demo() throws {
    let folder = try TemporaryFolder()
    let quantized = try WhisperQBinary.run(["quantize", DemoSpeech.model, "--output", folder.path("int8")])
    try #require(quantized.exitCode == 0, "\(quantized.stderr)")
    let report = folder.path("report.html")
    let found = try evaluate([
      DemoSpeech.folder, "--model", DemoSpeech.model, "--model", folder.path("int8"), "--max-wer", "7",
      "--max-wer-increase", "3", "--max-empty", "0", "--max-repetition", "0", "--min-token-agreement", "95",
      "--report", report,
    ])
    let clipCount = try DemoSpeech.clips().count
    #expect(found.passes && found.recordings == clipCount)
    let first = found.models[0]
    #expect(try #require(first.wer) <= 0.05, "\(String(describing: first.wer))")
    #expect(first.againstFirst == nil && first.utterances.allSatisfy { $0.agreement == nil })
    let interval = try #require(first.werInterval)
    #expect(interval[0] <= (first.wer ?? 0) && (first.wer ?? 0) <= interval[1])
    let second = try #require(found.models[1].againstFirst)
    #expect(second.werDifference == (found.models[1].wer ?? 0) - (first.wer ?? 0))
    #expect(
      found.models[1].utterances.allSatisfy { $0.agreement?.total == first.tokens(of: $0.id).count + 1 })
    let page = try String(contentsOfFile: report, encoding: .utf8)
    #expect(page.contains("<svg") && !page.contains("<script") && !page.contains("http://"))
    for clip in first.utterances { #expect(page.contains(clip.id)) }
  }

  @Test("Errors are counted as they are, whatever form the transcript has")
  func transcripts() throws {
    let clips = try DemoSpeech.clips().filter { $0.language == "en" }.prefix(2)
    let folder = try TemporaryFolder()
    for (index, clip) in clips.enumerated() {
      try folder.write(Data(contentsOf: URL(filePath: clip.path)), to: "\(index).wav")
    }
    let texts = try clips.map { clip in
      try WhisperQBinary.run(
        ["transcribe", clip.path, "--model", DemoSpeech.model, "--language", "en", "-q"] + Self.embedded
      ).stdout.split(separator: "\n").first.map(String.init) ?? ""
    }
    // What was written counts as said, with one word more in the first and another in the second.
    let wrong = [texts[0] + " indeed", "never" + texts[1].drop { $0 != " " }]
    let total = wrong[0].split(separator: " ").count + wrong[1].split(separator: " ").count
    let forms = [
      "t.tsv": "path\ttext\tlanguage\n0.wav\t\(wrong[0])\ten\n1.wav\t\(wrong[1])\ten\n",
      "t.csv": "sentence,PATH,locale\r\n\"\(wrong[0])\",0.wav,en_us\r\n\"\(wrong[1])\",1.wav,en-GB\r\n",
      "t.json": "[{\"file\": \"0.wav\", \"text\": \"\(wrong[0])\", \"language\": \"en\"}, "
        + "{\"audio\": \"1.wav\", \"transcript\": \"\(wrong[1])\", \"lang\": \"english\"}]",
      "lines.jsonl": "{\"audio_filepath\": \"0.wav\", \"text\": \"\(wrong[0])\"}\n"
        + "{\"audio_filepath\": \"1.wav\", \"text\": \"\(wrong[1])\"}\n",
      "0.trans.txt": "0 \(wrong[0])\n1 \(wrong[1])\n",
      "object.json": "{\"0.wav\": \"\(wrong[0])\", \"1.wav\": \"\(wrong[1])\"}",
    ]
    for (name, content) in forms.sorted(by: { $0.key < $1.key }) {
      let path = try folder.write(Array(content.utf8), to: name)
      let found = try evaluate(
        [path, "--model", DemoSpeech.model, "--normalize", "basic", "--language", "en"])
      let words = found.models[0].words
      #expect(words.deletions == 1 && words.substitutions == 1 && words.insertions == 0, "\(name)")
      #expect(found.models[0].wer == 2 / Double(total), "\(name)")
      try FileManager.default.removeItem(atPath: path)
    }
    for (index, text) in wrong.enumerated() { try folder.write(Array(text.utf8), to: "\(index).txt") }
    let beside = try evaluate(
      [folder.path, "--model", DemoSpeech.model, "--normalize", "basic", "--language", "en"])
    #expect(beside.models[0].wer == 2 / Double(total))
  }

  @Test("A limit that is missed is exit code 1, with a sentence for each")
  func limits() throws {
    let clip = try DemoSpeech.clips()[0]
    let folder = try TemporaryFolder()
    try folder.write(Data(contentsOf: URL(filePath: clip.path)), to: "a.wav")
    let path = try folder.write(Array("path\ttext\na.wav\tsomething else was said here\n".utf8), to: "t.tsv")
    let result = try WhisperQBinary.run(
      [
        "evaluate", path, "--model", DemoSpeech.model, "--model", DemoSpeech.model + "/", "--max-wer", "50",
        "--min-token-agreement", "100",
      ] + Self.embedded)
    #expect(result.exitCode == 1, "\(result.stderr)")
    #expect(result.stdout.contains("the word error rate is") && result.stdout.contains("at most 50 %"))
    #expect(result.stdout.contains("token agreement 100.00 %, every token the same"))
  }

  @Test("Models of different vocabularies are compared by words alone, and nothing that is read is written")
  func strangers() throws {
    let fixture = try SpeechFixture()
    let other = try fixture.model(["optimum/encoder_model.onnx", "optimum/decoder_model_merged.onnx"])
    let clip = try DemoSpeech.clips()[0]
    try fixture.folder.write(Data(contentsOf: URL(filePath: clip.path)), to: "set/a.wav")
    let transcript = try fixture.folder.write(
      Array("path\ttext\na.wav\t\(clip.text)\n".utf8), to: "set/t.tsv")
    let found = try evaluate([transcript, "--model", DemoSpeech.model, "--model", other, "--max-tokens", "8"])
    let second = try #require(found.models[1].againstFirst)
    #expect(second.diverged == nil && second.tokenAgreement == nil && found.models[1].wer != nil)
    let result = try WhisperQBinary.run(
      ["evaluate", fixture.folder.path("set"), "--model", DemoSpeech.model, "--report", transcript]
        + Self.embedded)
    #expect(result.exitCode == 4 && result.stderr.contains("name another"), "\(result.stderr)")
    #expect(try String(contentsOfFile: transcript, encoding: .utf8).hasPrefix("path\ttext"))
  }

  @Test("A run that was ended goes on from its results, and other options do not use them")
  func resume() throws {
    let folder = try TemporaryFolder()
    let state = folder.path("state.json")
    let base = [DemoSpeech.folder, "--model", DemoSpeech.model, "--resume", state]
    let first = try evaluate(base + ["--limit", "2"])
    // Results are believed as they are, so a changed one shows that it was used.
    let text = try String(contentsOfFile: state, encoding: .utf8)
    let said = first.models[0].utterances[0].text
    try text.replacingOccurrences(of: "\"\(said)\"", with: "\"kept from before\"")
      .write(toFile: state, atomically: true, encoding: .utf8)
    let second = try evaluate(base + ["--limit", "2"])
    #expect(second.models[0].utterances[0].text == "kept from before")
    let other = try evaluate(base + ["--limit", "2", "--max-tokens", "40"])
    #expect(other.models[0].utterances[0].text == said)
    try folder.write(Array("{\"format\": 99}".utf8), to: "bad.json")
    let bad = try WhisperQBinary.run(
      ["evaluate", DemoSpeech.folder, "--model", DemoSpeech.model, "--resume", folder.path("bad.json")]
        + Self.embedded)
    #expect(bad.exitCode == 2 && bad.stderr.contains("--resume"))
  }

  @Test("Results of another tokenizer, other settings or without token agreement are not used again")
  func resumeElsewhere() throws {
    let folder = try TemporaryFolder()
    let model = folder.path("model")
    try FileManager.default.copyItem(atPath: DemoSpeech.model, toPath: model)
    let state = folder.path("state.json")
    let base = [DemoSpeech.folder, "--model", model, "--limit", "1", "--resume", state]
    let said = try evaluate(base).models[0].utterances[0].text
    // Results are believed as they are, so a changed one shows that it was used.
    let kept = try String(contentsOfFile: state, encoding: .utf8)
      .replacingOccurrences(of: "\"\(said)\"", with: "\"kept from before\"")
    try kept.write(toFile: state, atomically: true, encoding: .utf8)
    #expect(try evaluate(base).models[0].utterances[0].text == "kept from before")
    for name in ["tokenizer.json", "generation_config.json", "config.json"] {
      try kept.write(toFile: state, atomically: true, encoding: .utf8)
      let path = model + "/" + name
      try FileManager.default.setAttributes([.modificationDate: Date()], ofItemAtPath: path)
      let again = try evaluate(base)
      #expect(again.models[0].utterances[0].text == said, "\(name)")
      try kept.write(toFile: state, atomically: true, encoding: .utf8)
    }
    let pair = [
      DemoSpeech.folder, "--model", DemoSpeech.model, "--model", model, "--limit", "1", "--resume",
      folder.path("pair.json"),
    ]
    let without = try evaluate(pair + ["--no-agreement"])
    #expect(without.models[1].utterances[0].agreement == nil)
    #expect(try evaluate(pair).models[1].utterances[0].agreement != nil)
    #expect(try evaluate(pair + ["--no-agreement"]).models[1].utterances[0].agreement == nil)
  }

  @Test("A library that is missing is one sentence, and without it the NPU of the manifest is no emulation")
  func noLibrary() throws {
    let machine = try BareMachine()
    let missing = try machine.run([
      "evaluate", DemoSpeech.folder, "--model", DemoSpeech.model, "--ep", "qnn,cpu",
    ])
    expectFailure(
      missing, exitCode: 3, "no provider of qnn,cpu can run the model; qnn: ", "It was looked for in ")
    #expect(!missing.stderr.contains("\\u{"), "\(missing.stderr)")
    let entries = ["encoder", "decoder"].map { part in
      let path = "\(DemoSpeech.model)/\(part)/whisper_\(part).onnx"
      return "\"demo_\(part)\": {\"path\": \"\(path)\", \"ep\": [\"QNN\", \"CPU\"]}"
    }
    let manifest = try machine.folder.write(
      Array("{\(entries.joined(separator: ", "))}".utf8), to: "manifest.json")
    let found = try machine.run([
      "evaluate", DemoSpeech.folder, "--model", "demo", "--manifest", manifest, "--limit", "1",
    ])
    #expect(found.exitCode == 0, "\(found.stderr)")
    #expect(found.stderr.contains("not on qnn: ") && !found.stderr.contains("emulated"), "\(found.stderr)")
    // The name that a compiled pair's keys have in common.
    let compiled = try machine.folder.write(
      Array(
        "{\(entries.joined(separator: ", "))}".replacing("coder\":", with: "coder_quantized_compiled\":").utf8
      ),
      to: "compiled.json")
    let pair = try machine.run([
      "transcribe", Static.clips[0], "--model", "demo_quantized_compiled", "--manifest", compiled,
    ])
    #expect(pair.exitCode == 0, "\(pair.stderr)")
  }

  @Test("Transcripts that cannot be used are refused with file and place")
  func mistakes() throws {
    let folder = try TemporaryFolder()
    func fails(_ name: String, _ content: String, _ exitCode: Int32, _ words: String...) throws {
      let path = try folder.write(Array(content.utf8), to: name)
      let result = try WhisperQBinary.run(["evaluate", path, "--model", DemoSpeech.model] + Self.embedded)
      #expect(result.exitCode == exitCode && result.stdout.isEmpty, "\(name): \(result.stderr)")
      for word in words { #expect(result.stderr.contains(word), "'\(word)' is not in: \(result.stderr)") }
      try FileManager.default.removeItem(atPath: path)
    }
    try fails("a.tsv", "name\twords\nx.wav\tx\n", 2, "line 1", "path and text")
    try fails("b.tsv", "path\ttext\nlost.wav\tx\n", 4, "lost.wav")
    try fails("c.json", "[{\"path\": \"x.wav\"}]", 2, "entry 1")
    try fails("d.json", "[1", 2, "d.json")
    try fails("e.txt", "x", 64, "TSV")
    try fails("f.tsv", "path\ttext\n", 2, "no recording")
    let empty = try WhisperQBinary.run(
      ["evaluate", folder.path, "--model", DemoSpeech.model] + Self.embedded)
    #expect(empty.exitCode == 2 && empty.stderr.contains("no transcript"))
    let provider = try WhisperQBinary.run([
      "evaluate", DemoSpeech.folder, "--model", "\(DemoSpeech.model)@banana",
    ])
    expectFailure(provider, exitCode: 64, "@banana", "embedded")
  }

  @Test("The digits model understands real voices as well as its description says, in float and in INT8")
  func digits() throws {
    let model = try SharedData.path("digits/onnx")
    let audio = try SharedData.path("digits/audio")
    let folder = try TemporaryFolder()
    let quantized = try WhisperQBinary.run(["quantize", model, "--output", folder.path("int8")])
    try #require(quantized.exitCode == 0, "\(quantized.stderr)")
    let found = try evaluate([
      audio, "--model", model, "--model", folder.path("int8"), "--normalize", "basic", "--limit", "10",
      "--max-wer", "5",
    ])
    #expect(found.models.allSatisfy { $0.words.hits > 20 })
    #expect(try #require(found.models[1].againstFirst?.tokenAgreement) > 0.97)
  }
}

extension EvaluatedDocument.Model {
  fileprivate func tokens(of id: String) -> [Int] { utterances.first { $0.id == id }?.tokens ?? [] }
}
