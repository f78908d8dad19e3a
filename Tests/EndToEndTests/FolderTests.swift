import Foundation
import TestSupport
import Testing

@Suite("whisperq quantize: folders")
struct FolderTests {
  private let files = FileManager.default

  /// A set with two models, one of them with a data file, and other files.
  private func set() throws -> TemporaryFolder {
    let folder = try TemporaryFolder()
    func copy(_ source: String, _ name: String) throws {
      try folder.write(Data(contentsOf: URL(filePath: Quantized.layout(source))), to: "set/" + name)
    }
    try copy("optimum/decoder_model_merged.onnx", "decoder/decoder_model_merged.onnx")
    try copy("dynamo-external/encoder_model.onnx", "encoder_model.onnx")
    try copy("dynamo-external/encoder_model.onnx.data", "encoder_model.onnx.data")
    try copy("optimum/config.json", "config.json")
    try copy("optimum/tokenizer.json", "tokenizer/tokenizer.json")
    try folder.write([], to: "set/empty.txt")
    try folder.write([1], to: "set/.hidden")
    return folder
  }

  private func contents(_ path: String) throws -> [String] {
    try files.subpathsOfDirectory(atPath: path).sorted().filter {
      try files.attributesOfItem(atPath: path + "/" + $0)[.type] as? FileAttributeType == .typeRegular
    }
  }

  @Test("Each model is quantized, sidecars come along, data files and hidden files do not")
  func everything() throws {
    let folder = try set()
    let result = try Quantized.run(
      folder.path("set"), folder.path("out"), ["--json", "--minimum-elements", "0"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    let document = try QuantizeDocument(result)
    #expect(document.models.map(\.status) == ["quantized", "quantized"])
    #expect(document.carriedFiles == ["config.json", "empty.txt", "tokenizer/tokenizer.json"])
    #expect(
      try contents(folder.path("out")) == [
        "config.json", "decoder/decoder_model_merged.onnx", "empty.txt", "encoder_model.onnx",
        "tokenizer/tokenizer.json",
      ])
    #expect(try folder.read("out/config.json") == folder.read("set/config.json"))
    let found = try ModelComparison.run(
      ["decoder/decoder_model_merged.onnx", "encoder_model.onnx"].map {
        (folder.path("set/" + $0), folder.path("out/" + $0))
      })
    for comparison in found { #expect(comparison.error == nil, "\(comparison.error ?? "")") }
    // Text names every model, too.
    let text = try Quantized.run(folder.path("set"), folder.path("out"), ["--minimum-elements", "0"])
    #expect(text.exitCode == 0)
    #expect(text.stdout.contains("carried along: config.json, empty.txt, tokenizer/tokenizer.json"))
    #expect(text.stdout.contains("2 of 2 models quantized ("), "\(text.stdout)")
  }

  @Test("An output folder inside of the input is no part of the input, a second time as well")
  func inside() throws {
    let folder = try set()
    for _ in 0..<2 {
      let result = try Quantized.run(
        folder.path("set"), folder.path("set/quantized"), ["--json", "--minimum-elements", "0"])
      #expect(result.exitCode == 0, "\(result.stderr)")
      #expect(try QuantizeDocument(result).models.count == 2)
    }
    #expect(!files.fileExists(atPath: folder.path("set/quantized/quantized")))
  }

  @Test("A leftover beside a model does not overwrite the result's data file")
  func leftover() throws {
    let folder = try TemporaryFolder()
    try folder.write(Quantized.small().bytes, to: "set/model.onnx")
    try folder.write([9, 9, 9], to: "set/model.onnx.data")
    let result = try Quantized.run(folder.path("set"), folder.path("out"), ["--external-data", "always"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(try folder.read("out/model.onnx.data") != [9, 9, 9])
    let (inspected, code) = try Inspected.one(folder.path("out/model.onnx"))
    #expect(code == 0 && inspected.problems.isEmpty)
  }

  @Test("A model that cannot be quantized comes along as it is, and the report says why")
  func carried() throws {
    let folder = try TemporaryFolder()
    try folder.write(Quantized.small().bytes, to: "set/good.onnx")
    var model = HandMadeModel()
    model.input("x", [4])
    model.node("Relu", ["x"], ["y"])
    model.output("y", [4])
    try folder.write(model.bytes, to: "set/plain.onnx")
    let result = try Quantized.run(folder.path("set"), folder.path("out"), ["--json", "--quiet"])
    #expect(result.exitCode == 0)
    let models = try QuantizeDocument(result).models
    #expect(models.map(\.status) == ["quantized", "carried"])
    #expect(models.last?.reason?.contains("no float weights") == true)
    #expect(try folder.read("out/plain.onnx") == model.bytes)
    // None at all is unsupported.
    try files.removeItem(atPath: folder.path("set/good.onnx"))
    let none = try Quantized.run(folder.path("set"), folder.path("out2"), ["--quiet"])
    #expect(none.exitCode == 3)
    #expect(none.stderr.contains("no model in this folder could be quantized"))
  }

  @Test("A damaged model fails, the others are done, and the exit code tells")
  func failed() throws {
    let folder = try TemporaryFolder()
    let bytes = Quantized.small().bytes
    try folder.write(bytes, to: "set/good.onnx")
    try folder.write(bytes.dropLast(100), to: "set/bad.onnx")
    let result = try Quantized.run(folder.path("set"), folder.path("out"), ["--json", "--quiet"])
    #expect(result.exitCode == 2)
    #expect(result.stderr.hasPrefix("error: ") && result.stderr.split(separator: "\n").count == 1)
    #expect(try QuantizeDocument(result).models.map(\.status) == ["failed", "quantized"])
    #expect(try contents(folder.path("out")) == ["good.onnx"])
  }

  @Test("--dry-run of a folder is one document, and writes nothing")
  func dryRun() throws {
    let folder = try set()
    let json = try Quantized.run(folder.path("set"), folder.path("out"), ["--dry-run", "--json"])
    #expect(json.exitCode == 0)
    struct Document: Decodable {
      struct Model: Decodable {
        let input: String
        let plan: Plan
      }
      let models: [Model]
    }
    let models = try JSONDecoder().decode(Document.self, from: Data(json.stdoutBytes)).models
    #expect(
      models.map(\.input) == [
        folder.path("set/decoder/decoder_model_merged.onnx"), folder.path("set/encoder_model.onnx"),
      ])
    #expect(models.allSatisfy { !$0.plan.entries.isEmpty })
    let text = try Quantized.run(folder.path("set"), folder.path("out"), ["--dry-run"])
    #expect(text.exitCode == 0)
    #expect(text.stdout.components(separatedBy: "plan for ").count == 3)
    #expect(!files.fileExists(atPath: folder.path("out")))
  }

  @Test("A plan is for one model")
  func plan() throws {
    let folder = try set()
    let plan = try folder.write(Array("{}".utf8), to: "plan.json")
    expectFailure(
      try Quantized.run(folder.path("set"), folder.path("out"), ["--plan", plan]), exitCode: 64, "one model")
  }

  @Test("A file goes into a folder that is there under its own name")
  func intoFolder() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Quantized.small().bytes, to: "model.onnx")
    #expect(try Quantized.run(path, folder.path("new/")).exitCode == 0)
    #expect(try Quantized.run(path, folder.path("new")).exitCode == 0)
    #expect(try contents(folder.path("new")) == ["model.onnx"])
  }

  @Test("Links in a folder that lead in circles end")
  func circle() throws {
    let folder = try TemporaryFolder()
    try folder.write(Quantized.small().bytes, to: "set/model.onnx")
    try files.createSymbolicLink(atPath: folder.path("set/again"), withDestinationPath: ".")
    let result = try Quantized.run(folder.path("set"), folder.path("out"), ["--quiet"])
    #expect(result.exitCode == 0, "\(result.stderr)")
    #expect(try contents(folder.path("out")) == ["model.onnx"])
  }
}
