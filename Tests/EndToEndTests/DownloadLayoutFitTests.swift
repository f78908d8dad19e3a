import Foundation
import TestSupport
import Testing

@Suite("whisperq download-layout: what does not fit")
struct DownloadLayoutFitTests {
  /// Changes a text file in a copy of the layout `optimum`.
  private func edited(_ runs: LayoutRuns, _ name: String, _ old: String, _ new: String) throws -> String {
    let source = try runs.copy("optimum", to: "mine")
    let text = try String(decoding: runs.folder.read("mine/" + name), as: UTF8.self)
    #expect(text.contains(old))
    try runs.folder.write(Array(text.replacing(old, with: new, maxReplacements: 1).utf8), to: "mine/" + name)
    return source
  }

  @Test(
    "A number that contradicts the models is said with file and both numbers, and nothing is placed",
    arguments: [
      ("config.json", "\"num_mel_bins\": 80", "\"num_mel_bins\": 128", "num_mel_bins is 128"),
      ("config.json", "\"d_model\": 32", "\"d_model\": 384", "d_model is 384"),
      ("config.json", "\"encoder_layers\": 2", "\"encoder_layers\": 4", "encoder_layers is 4"),
      ("config.json", "\"decoder_layers\": 2", "\"decoder_layers\": 3", "decoder_layers is 3"),
      ("config.json", "\"encoder_attention_heads\": 2", "\"encoder_attention_heads\": 6", "heads is 6"),
      ("config.json", "\"decoder_attention_heads\": 2", "\"decoder_attention_heads\": 6", "heads is 6"),
      ("config.json", "\"vocab_size\": 320", "\"vocab_size\": 51865", "vocab_size is 51865"),
      ("config.json", "\"whisper\"", "\"bert\"", "model_type is \"bert\""),
      ("config.json", "{", "[", "config.json: line "),
      ("preprocessor_config.json", "\"feature_size\": 80", "\"feature_size\": 128", "feature_size is 128"),
      ("vocab.json", "319", "320", "it has 321 tokens"),
      ("tokenizer.json", ": 319", ": 400", "it has 401 tokens"),
      ("tokenizer.json", "{", "", "tokenizer.json: line "),
    ])
  func numbers(name: String, old: String, new: String, expected: String) throws {
    let runs = try LayoutRuns()
    let result = try runs.run([edited(runs, name, old, new)])
    #expect(result.exitCode == 2)
    #expect(result.stderr.contains(expected) && result.stderr.contains(name), "\(result.stderr)")
    #expect(!runs.exists("models/whisper_custom_onnx") && runs.files().isEmpty)
  }

  @Test(
    "A tokenizer has all tokens of its model, or all but the time stamps at the end",
    arguments: [(51_865, true), (50_364, true), (51_864, false), (50_363, false), (51_866, false)])
  func tokenizer(lastToken: Int, fits: Bool) throws {
    let runs = try LayoutRuns()
    var decoder = HandMadeModel()
    let caches = [("k_cache_self_0", [20, 1, 64, 199]), ("v_cache_self_0", [20, 1, 199, 64])]
    decoder.input("input_ids", [1, 1])
    for (name, extents) in caches { decoder.input(name + "_in", extents) }
    decoder.output("logits", [1, 51_866, 1, 1])
    for (name, extents) in caches { decoder.output(name + "_out", extents) }
    decoder.node(
      "EPContext", ["input_ids"], ["logits"] + caches.map { $0.0 + "_out" }, domain: "com.microsoft",
      integers: [("embed_mode", 1)],
      texts: [("ep_cache_context", "")])
    try runs.folder.write(decoder.bytes, to: "mine/decoder.onnx")
    let tokenizer =
      "{\"model\": {\"vocab\": {\"a\": 0}}, "
      + "\"added_tokens\": [{\"id\": \(lastToken), \"content\": \"<|x|>\"}]}"
    try runs.folder.write(Array(tokenizer.utf8), to: "mine/tokenizer.json")
    let result = try runs.run(["mine"])
    #expect(result.exitCode == (fits ? 0 : 2), "\(result.stderr)")
    if !fits {
      #expect(result.stderr.contains("it has \(lastToken + 1) tokens") && result.stderr.contains("51866"))
    }
  }

  @Test("A data file that is too short, or missing, is said with the bytes that the model needs")
  func data() throws {
    let runs = try LayoutRuns()
    let source = try runs.copy("dynamo-external", to: "mine")
    let data = try runs.folder.read("mine/encoder_model.onnx.data")
    try runs.folder.write(data.dropLast(1000), to: "mine/encoder_model.onnx.data")
    let short = try runs.run([source])
    #expect(short.exitCode == 2)
    #expect(short.stderr.contains("has \(data.count - 1000) bytes"), "\(short.stderr)")
    try FileManager.default.removeItem(atPath: runs.folder.path("mine/encoder_model.onnx.data"))
    let missing = try runs.run([source])
    #expect(missing.exitCode == 2)
    #expect(missing.stderr.contains("mine/encoder_model.onnx.data"), "\(missing.stderr)")
    let archive = try runs.zip(runs.folder.path("mine"), to: "a.zip")
    let zipped = try runs.run([archive])
    #expect(zipped.exitCode == 2)
    #expect(zipped.stderr.contains("model/encoder_model.onnx"), "\(zipped.stderr)")
    #expect(runs.files().isEmpty)
  }

  @Test("A model whose data lies elsewhere on the machine is refused")
  func escape() throws {
    let runs = try LayoutRuns()
    try runs.folder.write([UInt8](repeating: 0, count: 16), to: "secret")
    var model = HandMadeModel()
    model.input("input_features", [1, 80, 3000])
    model.output("last_hidden_state", [1, 1500, 4])
    model.initializer("w", type: 1, [4], byteCount: 16, external: ("../secret", "0", "16"))
    try runs.folder.write(model.bytes, to: "mine/encoder_model.onnx")
    let result = try runs.run(["mine"])
    #expect(result.exitCode == 2, "\(result.stderr)")
    #expect(runs.files().isEmpty)
  }

  @Test("What is missing is a warning with its remedy, and an error with --strict")
  func missing() throws {
    let runs = try LayoutRuns()
    let strict = try runs.run([LayoutRuns.source("aihub")], ["--strict"])
    #expect(strict.exitCode == 2)
    #expect(
      strict.stderr.contains("no tokenizer.json was found")
        && strict.stderr.contains("no config.json was found"))
    #expect(!runs.exists("models/whisper_custom_onnx"))
    let lenient = try runs.run([LayoutRuns.source("aihub")])
    #expect(lenient.exitCode == 0)
    #expect(lenient.stderr.contains("warning: no tokenizer.json was found"))
  }

  @Test("Sources without models say what is there instead")
  func nothing() throws {
    let runs = try LayoutRuns()
    try runs.folder.write([1], to: "empty/readme.txt")
    #expect(try runs.run(["empty"]).stderr.contains("there is no .onnx file in it"))
    try runs.folder.write([1], to: "torch/model.safetensors")
    #expect(try runs.run(["torch"]).stderr.contains("PyTorch weights"))
    try runs.folder.write(Array("version https://git-lfs.github.com/spec/v1\n".utf8), to: "lfs/model.onnx")
    let pointer = try runs.run(["lfs"])
    #expect(pointer.exitCode == 2)
    #expect(pointer.stderr.contains("git lfs pull"))
    var other = HandMadeModel()
    other.input("x")
    other.output("y")
    other.node("Relu", ["x"], ["y"])
    try runs.folder.write(other.bytes, to: "other/model.onnx")
    let stranger = try runs.run(["other"])
    #expect(stranger.exitCode == 2)
    #expect(stranger.stderr.contains("no part of Whisper was recognised"))
    #expect(try runs.run(["no/such"]).exitCode == 4)
    #expect(runs.files().isEmpty)
  }
}
