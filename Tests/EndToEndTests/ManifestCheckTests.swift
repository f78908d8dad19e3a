import Foundation
import TestSupport
import Testing

@Suite("whisperq manifest check")
struct ManifestCheckTests {
  private static let encoder = "models/whisper_demo_onnx/encoder/whisper_encoder.onnx"
  private static let schema = PackageRoot.path("docs/manifest.schema.json")

  /// A whole entry with one field changed, removed (nil) or added.
  private static func entry(_ field: String = "quant", _ value: String? = "\"fp32\"") -> String {
    var fields = [
      ("path", "\"\(encoder)\""), ("ep", "[\"QNN\", \"CPU\"]"), ("input", "\"audio_16k_mono\""),
      ("quant", "\"fp32\""), ("description", "\"d\""), ("version", "\"1.0\""), ("size_mb", "2.7"),
      ("latency_target_ms", "100"),
    ]
    let place = fields.firstIndex { $0.0 == field }
    if let place { fields.remove(at: place) }
    if let value { fields.insert((field, value), at: place ?? fields.count) }
    return "{" + fields.map { "\"\($0.0)\": \($0.1)" }.joined(separator: ", ") + "}"
  }

  private struct Report: Decodable {
    struct Finding: Decodable {
      let severity: String
      let key: String?
      let field: String?
      let line: Int?
      let message: String
    }
    let keys: [String]
    let errors: Int
    let warnings: Int
    let findings: [Finding]
  }

  private func check(_ manifest: String, _ options: [String] = []) throws -> (Report, Int32?) {
    let project = try ManifestProject(manifest: manifest)
    let result = try project.run(["manifest", "check", "--json"] + options)
    let report = try JSONDecoder().decode(Report.self, from: Data(result.stdoutBytes))
    #expect(report.errors == report.findings.filter { $0.severity == "error" }.count)
    #expect(report.errors + report.warnings == report.findings.count)
    return (report, result.exitCode)
  }

  @Test("The repository's own manifest is well, and so is the guide's form of an entry")
  func well() throws {
    let project = try ManifestProject.demo()
    #expect(try project.manifest("check", "--strict") == "2 entries checked: all is well\n")
    let (report, code) = try check("{\"e\": \(Self.entry())}", ["--strict"])
    #expect(code == 0 && report.findings.isEmpty && report.keys == ["e"], "\(report)")
  }

  @Test(
    "Each thing that is wrong is found, with its field and severity",
    arguments: [
      ("path", "\"models/none.onnx\"", "error", "there is no file"), ("path", nil, "error", "missing"),
      ("path", "\"models\"", "error", "is no file"), ("path", "3", "error", "a number"),
      ("path", "\"models/manifest.json\"", "error", "ONNX"),
      ("ep", "[\"GPU\"]", "error", "no execution provider"),
      ("ep", "[\"CPU\", \"cpu\"]", "warning", "twice"), ("ep", "\"CPU\"", "error", "a list"),
      ("ep", nil, "warning", "missing"), ("quant", "\"int8\"", "warning", "the model's is \"fp32\""),
      ("input", "\"tokens\"", "warning", "audio_16k_mono"), ("size_mb", "1500", "warning", "2.7 MB"),
      ("size_mb", "\"3\"", "error", "a number"), ("layout", "\"sherpa-onnx\"", "warning", "optimum"),
      ("scheme", "\"dynamic-int8\"", "warning", "fp32"), ("version", "3", "error", "a string"),
      ("sha256", "\"" + String(repeating: "0", count: 64) + "\"", "error", "another SHA-256"),
      ("files", "[{\"path\": \"none.data\"}]", "error", "none.data"),
      ("files", "[{\"path\": \"../x\"}]", "error", "climbs"),
      ("latency_target_ms", "-1", "error", "0 or more"),
    ])
  func finding(field: String, value: String?, severity: String, words: String) throws {
    let (report, code) = try check("{\n\"e\": \(Self.entry(field, value))\n}")
    let found = report.findings.filter { $0.severity == severity && $0.message.contains(words) }
    #expect(found.count == 1, "\(report.findings.map(\.message))")
    #expect(found.first?.key == "e" && found.first?.line == 2)
    if value != nil { #expect(found.first?.field == field) }
    #expect(code == (severity == "error" ? 2 : 0))
    #expect(try check("{\n\"e\": \(Self.entry(field, value))\n}", ["--strict"]).1 == 2)
  }

  @Test("A model that is damaged, or not one, is found by opening it; --quick looks at paths and sizes only")
  func models() throws {
    let project = try ManifestProject.demo()
    let bytes = try project.folder.read(Self.encoder)
    try project.folder.write(bytes.prefix(bytes.count / 2), to: Self.encoder)
    let full = try project.run(["manifest", "check"])
    #expect(full.exitCode == 2 && full.stdout.contains("models/manifest.json:3: error: whisper_demo_encoder"))
    #expect(try project.run(["manifest", "check", "whisper_demo_decoder"]).exitCode == 0)
    #expect(try project.run(["manifest", "check", "--quick"]).exitCode == 0)
    #expect(full.stdout.hasSuffix("2 entries checked: 1 error, 0 warnings\n"), "\(full.stdout)")
  }

  @Test("A compiled model is quantized as its source is, whatever its program is called")
  func compiled() throws {
    var model = HandMadeModel()
    model.input("x", [1])
    model.node(
      "EPContext", ["x"], ["y"], domain: "com.microsoft", integers: [("embed_mode", 1)],
      texts: [("ep_cache_context", "program")])
    model.output("y", [1])
    func check(quant: String) throws -> SpawnResult {
      let entry = """
        {"path": "models/ctx.onnx", "ep": ["QNN"], "input": "tensor", "quant": "\(quant)", "version": "1.0",
         "size_mb": 0.1, "scheme": "compiled", "source": "e", "soc": "snapdragon-x-elite", "qairt": "2.51"}
        """
      let project = try ManifestProject(manifest: "{\"e\": \(Self.entry()),\n\"e_compiled\": \(entry)}")
      try project.folder.write(model.bytes, to: "models/ctx.onnx")
      return try project.run(["manifest", "check", "--strict"])
    }
    let well = try check(quant: "fp32")
    #expect(well.exitCode == 0, "\(well.stdout)")
    let other = try check(quant: "w8a16")
    #expect(other.exitCode == 2 && other.stdout.contains("its source e is \"fp32\""), "\(other.stdout)")
  }

  @Test("Plain values between entries are pointed out, marked ones are not")
  func strangers() throws {
    let (report, code) = try check("{\"$schema\": \"x\", \"_n\": 1, \"n\": 1, \"e\": \(Self.entry())}")
    #expect(report.findings.map(\.severity) == ["warning"] && code == 0)
    #expect(report.findings[0].message.contains("\"n\" is a number"))
  }

  @Test("The JSON Schema and the check agree on what an entry may look like")
  func schema() throws {
    let fields: [(String, String?)] = [
      ("path", "3"), ("path", "\"\""), ("ep", "\"CPU\""), ("ep", "[]"), ("ep", "[1]"), ("ep", "[\"\"]"),
      ("size_mb", "\"3\""), ("size_mb", "-1"), ("size_mb", "1e3"), ("version", "3"), ("quant", "\"\""),
      ("sha256", "\"12\""), ("sha256", "\"" + String(repeating: "aB", count: 32) + "\""), ("files", "[]"),
      ("files", "[{\"path\": \"a\", \"bytes\": 3}]"), ("files", "[{\"bytes\": 3}]"), ("files", "{}"),
      ("files", "[{\"path\": \"a\", \"bytes\": -3}]"), ("files", "[{\"path\": \"a\", \"sha256\": \"x\"}]"),
      ("own", "{\"a\": [null]}"), ("description", "\"\""), ("latency_target_ms", "null"), ("target", "[]"),
      ("soc", "3"), ("soc", "\"sa8255\""), ("qairt", "\"\""), ("qairt", "\"2.51.0\""),
      ("layout", "\"optimum\""), ("source", "\"hf:a/b\""), ("input", "{}"), ("quant", "\"fp32\""),
    ]
    var documents = fields.map { "{\"e\": \(Self.entry($0.0, $0.1))}" }
    documents += ["path", "ep", "input", "quant", "version", "size_mb"].map {
      "{\"e\": \(Self.entry($0, nil))}"
    }
    documents += ["{}", "[]", "{\"$schema\": \"x\", \"_note\": 3, \"e\": \(Self.entry())}"]
    documents += [try String(contentsOfFile: PackageRoot.path("models/manifest.json"), encoding: .utf8)]
    let oracle = try PythonOracle.run(
      script: "check_schema.py", arguments: [Self.schema],
      stdin: Array("[\(documents.joined(separator: ","))]".utf8))
    if oracle.exitCode == 77 { try Test.cancel("needs Python's jsonschema: run scripts/setup-test-venv.sh") }
    try #require(oracle.exitCode == 0, "\(oracle.stderr)")
    let verdicts = try JSONDecoder().decode([String?].self, from: Data(oracle.stdoutBytes))
    try #require(verdicts.count == documents.count)
    for (document, verdict) in zip(documents, verdicts) {
      let project = try ManifestProject(manifest: document)
      let result = try project.run(["manifest", "check", "--quick", "--json"])
      // What is missing is a warning; that there is no such file or digest is not the schema's business.
      let report = try? JSONDecoder().decode(Report.self, from: Data(result.stdoutBytes))
      let isWell = report.map { report in
        report.findings.allSatisfy {
          !$0.message.contains("; expected ") && !$0.message.hasSuffix("is missing")
        }
      }
      #expect((isWell ?? false) == (verdict == nil), "\(document): \(verdict ?? "valid") / \(result.stdout)")
    }
    #expect(verdicts.contains(nil) && verdicts.contains { $0 != nil })
  }
}
