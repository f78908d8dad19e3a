import Foundation
import TestSupport
import Testing

/// What transformers' greedy search writes with the small models: `Tests/Resources/layouts/generation.json`.
private struct Generation {
  struct Case: Decodable {
    let language: String
    let task: String
    let returnTimestamps: Bool
    let tokens: [Int]
  }

  let newTokens: Int
  let settings: Data
  let cases: [Int: [Case]]

  init() throws {
    let data = try Data(contentsOf: URL(filePath: Quantized.layout("generation.json")))
    let root = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    newTokens = try #require(root["new_tokens"] as? Int)
    settings = try JSONSerialization.data(withJSONObject: try #require(root["generation_config"]))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    var cases: [Int: [Case]] = [:]
    for width in [16, 32] {
      let list = try JSONSerialization.data(withJSONObject: try #require(root["d_model \(width)"]))
      cases[width] = try decoder.decode([Case].self, from: list)
    }
    self.cases = cases
  }
}

/// The report of `transcribe --json`, with the keys that the help documents.
struct TranscribedDocument: Decodable {
  struct Segment: Decodable {
    let start: Double
    let end: Double
    let text: String
    let tokens: [Int]
  }
  struct File: Decodable {
    let path: String
    let error: String?
    let language: String?
    let text: String?
    let tokens: [Int]?
    let windows: Int?
    let truncated: Bool?
    let segments: [Segment]?
  }
  struct Part: Decodable {
    struct Engine: Decodable { let provider: String }
    let path: String
    let part: String
    let engine: Engine
  }
  let exitCode: Int
  let model: [Part]
  let files: [File]

  init(_ result: SpawnResult) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Self.self, from: Data(result.stdoutBytes))
  }
}

/// Folders with small models, and recordings for them.
struct SpeechFixture {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  /// Puts files of the layouts into one folder, with the tokenizer and settings that all of them share.
  func model(_ files: [String], name: String = "model") throws -> String {
    for file in files {
      let source = Quantized.layout(file)
      let target = "\(name)/\(URL(filePath: file).lastPathComponent)"
      try folder.write(Data(contentsOf: URL(filePath: source)), to: target)
    }
    let tokenizer = Quantized.layout("optimum/tokenizer.json")
    try folder.write(Data(contentsOf: URL(filePath: tokenizer)), to: "\(name)/tokenizer.json")
    try folder.write(Generation().settings, to: "\(name)/generation_config.json")
    return folder.path(name)
  }

  /// The recording of `generation.json`: a rising triangle wave with pauses, which integers compute.
  func tone(seconds: Int = 3, name: String = "tone.wav") throws -> String {
    var samples: [Int16] = []
    for n in 0..<(16_000 * seconds) {
      let phase: Int = n * (300 + n / 40) % 32768
      let isPause: Bool = n / 4000 % 3 == 2
      samples.append(isPause ? 0 : Int16(abs(phase - 16384) - 8192))
    }
    return try wav(samples, name: name)
  }

  /// 16 bits, mono, 16,000 samples per second.
  func wav(_ samples: [Int16], name: String) throws -> String {
    var bytes: [UInt8] = []
    func append(_ value: Int, _ count: Int) {
      for index in 0..<count { bytes.append(UInt8(truncatingIfNeeded: value >> (8 * index))) }
    }
    bytes += Array("RIFF".utf8)
    append(36 + samples.count * 2, 4)
    bytes += Array("WAVEfmt ".utf8)
    for (value, count) in [(16, 4), (1, 2), (1, 2), (16_000, 4), (32_000, 4), (2, 2), (16, 2)] {
      append(value, count)
    }
    bytes += Array("data".utf8)
    append(samples.count * 2, 4)
    for sample in samples { append(Int(sample), 2) }
    return try folder.write(bytes, to: name)
  }
}

@Suite("whisperq transcribe: what transformers writes, over every layout")
struct TranscribeLayoutTests {
  struct Layout: Sendable, CustomTestStringConvertible {
    let name: String
    let width: Int
    let files: [String]
    /// Which of the three cases besides the first.
    let second: Int
    var testDescription: String { name }
  }

  static let layouts = [
    Layout(
      name: "Optimum's pair", width: 32,
      files: [
        "optimum/encoder_model.onnx", "optimum/decoder_model.onnx", "optimum/decoder_with_past_model.onnx",
      ],
      second: 2),
    Layout(
      name: "merged", width: 32, files: ["optimum/encoder_model.onnx", "optimum/decoder_model_merged.onnx"],
      second: 1),
    Layout(
      name: "without caches", width: 32, files: ["optimum/encoder_model.onnx", "optimum/decoder_model.onnx"],
      second: 2),
    Layout(
      name: "dynamo", width: 32,
      files: [
        "dynamo/encoder_model.onnx", "dynamo/decoder_model.onnx", "dynamo/decoder_with_past_model.onnx",
      ],
      second: 1),
    Layout(
      name: "TorchScript", width: 16,
      files: [
        "torchscript/encoder_model.onnx", "torchscript/decoder_model.onnx",
        "torchscript/decoder_with_past_model.onnx",
      ], second: 2),
    Layout(
      name: "encoder with external data", width: 16,
      files: [
        "dynamo-external/encoder_model.onnx", "dynamo-external/encoder_model.onnx.data",
        "torchscript/decoder_model.onnx", "torchscript/decoder_with_past_model.onnx",
      ], second: 1),
    Layout(
      name: "AI Hub", width: 32, files: ["aihub/HfWhisperEncoder.onnx", "aihub/HfWhisperDecoder.onnx"],
      second: 1),
    Layout(
      name: "ONNX Runtime", width: 32,
      files: ["genai/whisper-small-form_encoder.onnx", "genai/whisper-small-form_decoder.onnx"], second: 2),
    Layout(
      name: "ONNX Runtime, fused", width: 16,
      files: [
        "genai-fused/whisper-small-form_encoder_fp32.onnx",
        "genai-fused/whisper-small-form_decoder_fp32.onnx",
      ], second: 1),
    Layout(
      name: "sherpa-onnx", width: 16, files: ["sherpa/small-encoder.onnx", "sherpa/small-decoder.onnx"],
      second: 2),
    Layout(
      name: "half-precision weights in the encoder", width: 32,
      files: ["fp16/encoder_model_fp16.onnx", "optimum/decoder_model_merged.onnx"], second: 0),
  ]

  @Test("The embedded engine gives the tokens of transformers' greedy search", arguments: layouts)
  func embedded(layout: Layout) throws {
    try compare(layout, cases: Set([0, layout.second]), ["--ep", "embedded"], provider: ["embedded"])
  }

  @Test("ONNX Runtime does, too", arguments: [0, 1, 6, 7, 9])
  func runtime(index: Int) throws {
    let layout = Self.layouts[index]
    try compare(layout, cases: [0], ["--ep", "cpu"] + FetchedRuntime.options(), provider: ["cpu"])
  }

  @Test("Encoder and decoder may run on different providers")
  func mixed() throws {
    try compare(
      Self.layouts[0], cases: [0],
      ["--encoder-ep", "cpu", "--decoder-ep", "embedded"] + FetchedRuntime.options(),
      provider: ["cpu", "embedded"])
  }

  private func compare(
    _ layout: Layout, cases: Set<Int>, _ options: [String], provider: [String]
  ) throws {
    let fixture = try SpeechFixture()
    let model = try fixture.model(layout.files)
    let audio = try fixture.tone()
    let generation = try Generation()
    for index in cases.sorted() {
      let wanted = try #require(generation.cases[layout.width])[index]
      let result = try WhisperQBinary.run(
        [
          "transcribe", audio, "--model", model, "--language", wanted.language, "--task", wanted.task,
          "--json",
          "--max-tokens", "\(generation.newTokens)",
        ] + (wanted.returnTimestamps ? ["--timestamps"] : []) + options)
      try #require(result.exitCode == 0, "\(layout.name): \(result.stderr)")
      let document = try TranscribedDocument(result)
      #expect(Set(document.model.map(\.engine.provider)) == Set(provider))
      let found = try #require(document.files[0].tokens)
      if wanted.returnTimestamps {
        // transformers decodes one window here; after a pair of timestamps the next window begins at its time.
        let times = wanted.tokens.map { $0 >= 266 }
        let pair = times.indices.dropFirst().last { times[$0 - 1] && times[$0] }
        #expect(
          found.starts(with: wanted.tokens.prefix(pair ?? wanted.tokens.count)), "\(layout.name): \(found)")
        #expect(pair != nil || found.count == wanted.tokens.count)
      } else {
        #expect(found == wanted.tokens, "\(layout.name)")
      }
      #expect(document.files[0].language == wanted.language && document.files[0].error == nil)
    }
  }
}
