import Foundation
import TestSupport
import Testing

/// The trained demo model, and the clips that it was not trained on.
enum DemoSpeech {
  static let model = PackageRoot.path("models/whisper_demo_onnx")
  static let folder = PackageRoot.path("models/whisper_demo_speech")

  struct Clip: Sendable {
    let path: String
    let language: String
    let text: String
  }

  static func clips() throws -> [Clip] {
    try String(contentsOfFile: folder + "/transcripts.tsv", encoding: .utf8).split(separator: "\n")
      .dropFirst().map {
        let cells = $0.components(separatedBy: "\t")
        return Clip(path: folder + "/" + cells[0], language: cells[1], text: cells[2])
      }
  }
}

@Suite("whisperq transcribe: the command")
struct TranscribeCommandTests {
  private static let embedded = ["--ep", "embedded"]

  @Test("A command is written down, in the language that was heard, and nothing but the text is on stdout")
  func text() throws {
    var equal = 0
    let clips = try DemoSpeech.clips().filter { $0.text.split(separator: " ").count >= 4 }.prefix(4)
    for clip in clips {
      let result = try WhisperQBinary.run(
        ["transcribe", clip.path, "--model", DemoSpeech.model] + Self.embedded)
      #expect(result.exitCode == 0, "\(result.stderr)")
      #expect(result.stdout.hasSuffix("\n") && result.stdout.split(separator: "\n").count == 1)
      #expect(result.stderr.contains("x real time") && result.stderr.contains("on embedded"))
      equal += result.stdout == clip.text + "\n" ? 1 : 0
    }
    #expect(equal >= clips.count - 1, "\(equal) of \(clips.count)")
  }

  @Test("Names of the manifest stand for both parts, and several recordings are headed by their names")
  func names() throws {
    let clips = try DemoSpeech.clips().prefix(2)
    let result = try WhisperQBinary.run(
      ["transcribe"] + clips.map(\.path) + ["--model", "whisper_demo", "--quiet"] + Self.embedded,
      workingFolder: PackageRoot.path("."))
    #expect(result.exitCode == 0 && result.stderr.isEmpty, "\(result.stderr)")
    for clip in clips { #expect(result.stdout.contains(clip.path + ":\n")) }
    let parts = try WhisperQBinary.run(
      ["transcribe", clips[0].path, "--model", "whisper_demo_encoder+whisper_demo_decoder", "-q"]
        + Self.embedded,
      workingFolder: PackageRoot.path("."))
    #expect(parts.exitCode == 0 && result.stdout.contains(parts.stdout), "\(parts.stderr)")
  }

  @Test("Subtitles: SRT and WebVTT with times in order, to files of a folder for several recordings")
  func subtitles() throws {
    let fixture = try SpeechFixture()
    let model = try fixture.model([
      "optimum/encoder_model.onnx", "optimum/decoder_model.onnx", "optimum/decoder_with_past_model.onnx",
    ])
    let tones = [try fixture.tone(name: "a.wav"), try fixture.tone(seconds: 2, name: "b.wav")]
    let options = ["--model", model, "--language", "pt", "--max-tokens", "30"] + Self.embedded
    let srt = try WhisperQBinary.run(["transcribe", tones[0], "--format", "srt"] + options)
    #expect(srt.exitCode == 0, "\(srt.stderr)")
    let cues = srt.stdout.matches(
      of: /(\d+)\n(\d\d):(\d\d):(\d\d),(\d{3}) --> (\d\d):(\d\d):(\d\d),(\d{3})\n/)
    #expect(!cues.isEmpty && cues[0].1 == "1", "\(srt.stdout)")
    #expect(try WhisperQBinary.run(["transcribe"] + tones + ["--format", "vtt"] + options).exitCode == 64)
    let output = fixture.folder.path("out")
    try FileManager.default.createDirectory(atPath: output, withIntermediateDirectories: false)
    let vtt = try WhisperQBinary.run(
      ["transcribe"] + tones + ["--format", "vtt", "--output", output] + options)
    #expect(vtt.exitCode == 0 && vtt.stdout.isEmpty, "\(vtt.stderr)")
    for name in ["a.vtt", "b.vtt"] {
      let text = try String(contentsOfFile: output + "/" + name, encoding: .utf8)
      #expect(text.hasPrefix("WEBVTT\n\n"))
    }
    let timed = try WhisperQBinary.run(["transcribe", tones[0], "--timestamps"] + options)
    #expect(timed.stdout.hasPrefix("[00:00:0"), "\(timed.stdout)")
  }

  @Test("Long audio is cut into windows, and a seed makes temperatures repeatable")
  func longAudio() throws {
    let fixture = try SpeechFixture()
    let model = try fixture.model(["optimum/encoder_model.onnx", "optimum/decoder_model_merged.onnx"])
    let tone = try fixture.tone(seconds: 40)
    let options = ["--model", model, "--language", "en", "--max-tokens", "12", "--json"] + Self.embedded
    let first = try WhisperQBinary.run(["transcribe", tone] + options)
    let file = try TranscribedDocument(first).files[0]
    #expect(try #require(file.windows) >= 2)
    let segments = try #require(file.segments)
    #expect(zip(segments, segments.dropFirst()).allSatisfy { $0.start <= $1.start && $0.end <= 41 })
    let random = options + ["--temperature", "0.7", "--seed", "5"]
    let short = try fixture.tone(name: "short.wav")
    let texts = try (0..<2).map { _ in
      try TranscribedDocument(WhisperQBinary.run(["transcribe", short] + random)).files[0].tokens
    }
    let other = try TranscribedDocument(
      WhisperQBinary.run(["transcribe", short] + options + ["--temperature", "0.7", "--seed", "6"]))
    #expect(texts[0] == texts[1] && texts[0] != other.files[0].tokens)
  }

  @Test("What is missing or does not fit is said in one sentence, with what to do")
  func mistakes() throws {
    let fixture = try SpeechFixture()
    let tone = try fixture.tone()
    let encoder = try fixture.model(["optimum/encoder_model.onnx"], name: "encoder")
    let both = try fixture.model(
      ["optimum/encoder_model.onnx", "optimum/decoder_model_merged.onnx"], name: "both")
    let narrow = try fixture.model(
      ["optimum/encoder_model.onnx", "torchscript/decoder_model.onnx"], name: "narrow")
    let past = try fixture.model(
      ["optimum/encoder_model.onnx", "optimum/decoder_with_past_model.onnx"], name: "past")
    let search = try fixture.model(["beamsearch/whisper-small-form_beamsearch.onnx"], name: "search")
    func fails(_ arguments: [String], _ exitCode: Int32, _ words: String...) throws {
      let result = try WhisperQBinary.run(["transcribe"] + arguments + Self.embedded)
      #expect(result.exitCode == exitCode, "\(arguments): \(result.stderr)")
      #expect(result.stdout.isEmpty)
      for word in words { #expect(result.stderr.contains(word), "'\(word)' is not in: \(result.stderr)") }
    }
    try fails([tone, "--model", encoder], 64, "no decoder")
    try fails([tone, "--model", narrow], 2, "hidden size is 16", "different models")
    try fails([tone, "--model", past], 64, "decoder_model.onnx")
    try fails([tone, "--model", search], 3, "beam search")
    try fails([tone, "--model", both, "--language", "klingon"], 64, "klingon")
    try fails([tone, "--model", both, "--language", "german"], 64, "erman")
    try fails([fixture.folder.path("none.wav"), "--model", both], 4, "none.wav")
    try fails([fixture.folder.path, "--model", both], 64, "no file")
    let junk = try fixture.folder.write(Array("no audio at all, but text".utf8), to: "junk.wav")
    try fails([junk, "--model", both], 2, "junk.wav")
    let before = try fixture.folder.read("tone.wav")
    try fails([tone, "--model", both, "--output", tone], 4, "tone.wav", "name another")
    #expect(try fixture.folder.read("tone.wav") == before)
    try fails([tone, "--model", both, "--threads", "100000"], 64, "--threads")
    try fails([tone, "--model", both + "/encoder_model.onnx", both, "--variant", "int8"], 64, "--variant")
    // The demo's decoder rates many more tokens than this tokenizer has.
    try fails([tone, "--model", DemoSpeech.model, "--tokenizer", both], 2, "320", "different models")
    try FileManager.default.removeItem(atPath: both + "/tokenizer.json")
    try fails([tone, "--model", both], 4, "no tokenizer", "--tokenizer")
  }

  @Test("A recording that cannot be read is told, and the others are written down")
  func oneOfSeveral() throws {
    let fixture = try SpeechFixture()
    let model = try fixture.model(["optimum/encoder_model.onnx", "optimum/decoder_model_merged.onnx"])
    let junk = try fixture.folder.write(Array("RIFFjunk".utf8), to: "junk.wav")
    let result = try WhisperQBinary.run(
      ["transcribe", junk, fixture.tone(), "--model", model, "--max-tokens", "3", "--json"] + Self.embedded)
    #expect(result.exitCode == 2)
    let document = try TranscribedDocument(result)
    #expect(document.exitCode == 2 && document.files.count == 2)
    #expect(document.files[0].error?.contains("junk.wav") == true && document.files[1].error == nil)
  }

  @Test("A text that is cut for want of room is told once, with where and with the remedy")
  func truncated() throws {
    let fixture = try SpeechFixture()
    let clip = try #require(DemoSpeech.clips().first { $0.text.split(separator: " ").count >= 5 })
    func run(_ audio: String, _ model: String, _ options: [String]) throws -> (Bool?, stderr: String) {
      let result = try WhisperQBinary.run(
        ["transcribe", audio, "--model", model, "--json", "--language", "en"] + options + Self.embedded)
      #expect(result.exitCode == 0, "\(result.stderr)")
      return (try TranscribedDocument(result).files[0].truncated, result.stderr)
    }
    let option = try run(clip.path, DemoSpeech.model, ["--max-tokens", "2"])
    #expect(option.0 == true)
    #expect(
      option.stderr.contains(
        "\(clip.path): the text from 00:00:00.000 on is cut after 2 tokens; give more with --max-tokens"),
      "\(option.stderr)")
    let prepared = try WhisperQBinary.run([
      "prepare", DemoSpeech.model, "--output", fixture.folder.path("npu"), "--max-tokens", "8", "--quiet",
    ])
    #expect(prepared.exitCode == 0, "\(prepared.stderr)")
    let caches = try run(clip.path, fixture.folder.path("npu"), [])
    #expect(caches.0 == true)
    #expect(
      caches.stderr.contains("is cut, for the decoder's caches hold 8 tokens, prompt and text"),
      "\(caches.stderr)")
    #expect(caches.stderr.contains("with more --max-tokens"))

    // One warning for all windows of a recording.
    let model = try fixture.model(["optimum/encoder_model.onnx", "optimum/decoder_model_merged.onnx"])
    let long = try run(try fixture.tone(seconds: 65), model, ["--max-tokens", "1"])
    #expect(long.0 == true && long.stderr.contains("and of 2 more windows is cut"), "\(long.stderr)")
    #expect(long.stderr.components(separatedBy: "warning: ").count == 2, "\(long.stderr)")

    // A text that ends by itself is whole, and Whisper's own limit is none of the user's.
    let whole = try run(clip.path, DemoSpeech.model, ["--max-tokens", "100"])
    #expect(whole.0 == false && !whole.stderr.contains("is cut"), "\(whole.stderr)")
    let settings = #"{"max_length": 12}"#
    try fixture.folder.write(Array(settings.utf8), to: "model/generation_config.json")
    let own = try run(try fixture.tone(), model, [])
    #expect(own.0 == false && !own.stderr.contains("is cut"), "\(own.stderr)")
  }

  @Test("Of a folder the float model is taken, then what runs everywhere, then static and compiled ones")
  func variants() throws {
    let fixture = try SpeechFixture()
    let tone = try fixture.tone()
    let model = try fixture.model(["optimum/encoder_model.onnx", "optimum/decoder_model_merged.onnx"])
    let float = try fixture.folder.read("model/encoder_model.onnx")
    try FileManager.default.removeItem(atPath: model + "/encoder_model.onnx")
    try fixture.folder.write(float, to: "model/float/encoder_long_name.onnx")
    try fixture.folder.write(
      Data(contentsOf: URL(filePath: StaticModel.path())), to: "model/npu/encoder.onnx")
    var compiled = HandMadeModel()
    compiled.input("input_features", [1, 80, 3000])
    compiled.node(
      "EPContext", ["input_features"], ["last_hidden_state"], domain: "com.microsoft",
      integers: [("embed_mode", 1)])
    compiled.output("last_hidden_state", [1, 1500, 32])
    try fixture.folder.write(compiled.bytes, to: "model/encoder.onnx")
    func run(_ variant: String?) throws -> SpawnResult {
      try WhisperQBinary.run(
        ["transcribe", tone, "--model", model, "--language", "en", "--max-tokens", "3"]
          + (variant.map { ["--variant", $0] } ?? []) + Self.embedded)
    }
    let usual = try run(nil)
    // Both others have the same name, so their folders are told.
    #expect(
      usual.stderr.contains(
        "encoder_long_name.onnx is taken, not \(model)/npu/encoder.onnx, \(model)/encoder.onnx; --variant"),
      "\(usual.stderr)")
    #expect(usual.exitCode == 0)
    let quantized = try run("w8a16")
    #expect(quantized.exitCode == 0)
    #expect(quantized.stderr.contains("npu/encoder.onnx on embedded"), "\(quantized.stderr)")
    for word in ["ctx", "compiled"] {
      let result = try run(word)
      #expect(result.exitCode == 3 && result.stderr.contains("model was compiled"), "\(result.stderr)")
    }
    expectFailure(
      try run("int8"), exitCode: 64, "no encoder of variant 'int8'", "there are fp32, w8a16, compiled")
    try FileManager.default.removeItem(atPath: model + "/float")
    let rest = try run(nil)
    #expect(rest.stderr.contains("npu/encoder.onnx is taken, not \(model)/encoder.onnx"), "\(rest.stderr)")
  }
}
