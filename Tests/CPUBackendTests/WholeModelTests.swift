import ByteIO
import CPUBackend
import Foundation
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing

/// Whole models whose outputs ONNX Runtime computed.
struct WholeModelCase: Decodable, CustomStringConvertible {
  struct List: Decodable { let cases: [WholeModelCase] }

  let name: String
  let model: String
  let note: String
  let inputs: [NodeCases.Value]
  let outputs: [NodeCases.Value]

  var description: String { model.split(separator: "/").suffix(2).joined(separator: "/") + " " + note }

  func contents(_ value: NodeCases.Value, in folder: String) throws -> TensorContent {
    let file = try #require(value.files?.first)
    let path = "\(folder)/\(name)/\(file)"
    let tensor: TensorProto = try ModelReader.message(in: try MappedFile(path: path))
    return try TensorContent(tensor, external: ExternalDataFiles(modelPath: path))
  }
}

/// Relative to the largest value of an output.
let wholeModelTolerance = 1e-4
/// Integer results may round to a neighbour.
let integerSteps: Int64 = 1
/// The same for models whose tensors are float16 or bfloat16 throughout.
let halfModelTolerance = 2e-2

@Suite("Whole models against ONNX Runtime")
struct WholeModelTests {
  @Test("Every small layout gives what ONNX Runtime gives, every inner tensor shown or not")
  func smallLayouts() throws {
    let root = PackageRoot.path("Tests/Resources/layouts")
    let names = try FileManager.default.subpathsOfDirectory(atPath: root)
    // The beam search form is one operator that holds both graphs; it is recognised, not run.
    let models = names.filter { $0.hasSuffix(".onnx") && !$0.contains("beamsearch") }.sorted()
    try compare(models.map { root + "/" + $0 }, showsAll: true)
  }

  @Test("The real tiny encoder gives what ONNX Runtime gives")
  func tinyEncoder() throws {
    try compare([try SharedData.path("whisper-tiny.en/encoder.onnx")], showsAll: false)
  }

  @Test("com.microsoft operators give what ONNX Runtime gives")
  func contribOperators() throws {
    let folder = try TemporaryFolder()
    _ = try PythonOracle.output(script: "run_contrib_models.py", arguments: [folder.path])
    let operators = try compare(casesIn: folder, showsAll: false)
    let claimed = Set(CPUBackend.operators.filter { $0.domain == "com.microsoft" }.map(\.name))
    #expect(claimed.subtracting(operators).isEmpty)
  }

  @Test("Exports named by WHISPERQ_TEST_EXPORTS give what ONNX Runtime gives")
  func exports() throws {
    guard let folder = TestEnvironment["WHISPERQ_TEST_EXPORTS"] else {
      try Test.cancel("set WHISPERQ_TEST_EXPORTS to a folder with exported models")
    }
    let names = try FileManager.default.subpathsOfDirectory(atPath: folder)
    try compare(names.filter { $0.hasSuffix(".onnx") }.sorted().map { folder + "/" + $0 }, showsAll: false)
  }

  private func compare(_ models: [String], showsAll: Bool) throws {
    let folder = try TemporaryFolder()
    _ = try PythonOracle.output(script: "run_whisper_models.py", arguments: [folder.path] + models)
    let run = try compare(casesIn: folder, showsAll: showsAll)
    #expect(run.isEmpty == models.isEmpty)
  }

  /// Compares every case in a folder and returns their notes.
  private func compare(casesIn folder: TemporaryFolder, showsAll: Bool) throws -> Set<String> {
    let list = try JSONDecoder().decode(WholeModelCase.List.self, from: Data(folder.read("index.json")))
    for item in list.cases {
      let model = try ModelGraph.lift(
        try ModelReader.read(path: item.model), external: ExternalDataFiles(modelPath: item.model))
      let session = try CPUBackend.session(model, options: CPUBackend.Options(threadCount: 2))
      var feeds: [String: TensorContent] = [:]
      for value in item.inputs { feeds[value.name] = try item.contents(value, in: folder.path) }
      let names = item.outputs.map(\.name)
      let results = try session.run(feeds, outputs: names)
      for value in item.outputs {
        let wanted = try item.contents(value, in: folder.path)
        let found = try #require(results[value.name])
        let tolerance = Self.isHalf(item.model) ? halfModelTolerance : wholeModelTolerance
        let error = try #require(Self.relativeError(found, wanted), "\(item), \(value.name): \(found.shape)")
        #expect(error <= tolerance, "\(item), \(value.name)")
      }
      if showsAll { try expectSameWhenShown(session, feeds, results, item) }
    }
    return Set(list.cases.map(\.note))
  }

  /// A run that shows everything computes the same outputs and shows each named value once.
  private func expectSameWhenShown(
    _ session: CPUSession, _ feeds: [String: TensorContent], _ results: [String: TensorContent],
    _ item: WholeModelCase
  ) throws {
    var shown: Set<String> = []
    var repeated: Set<String> = []
    let all = try session.run(feeds, outputs: Array(results.keys)) { (name, content) throws(BackendError) in
      if !shown.insert(name).inserted { repeated.insert(name) }
    }
    // A branch may call its outputs as the node that holds it calls its own.
    #expect(repeated.subtracting(results.keys).isEmpty, "\(item)")
    #expect(shown.count > session.innerValues.count / 3, "\(item)")
    for (name, content) in results {
      let again = try #require(all[name])
      let error = try #require(Self.relativeError(again, content))
      #expect(
        error <= (Self.isHalf(item.model) ? halfModelTolerance : wholeModelTolerance), "\(item), \(name)")
    }
  }

  private static func isHalf(_ path: String) -> Bool { path.contains("fp16") || path.contains("bf16") }

  /// The largest difference over the largest value; nil when the tensors do not compare.
  static func relativeError(_ found: TensorContent, _ wanted: TensorContent) -> Double? {
    guard found.elementType == wanted.elementType, found.shape == wanted.shape else { return nil }
    if let a = found.integers, let b = wanted.integers {
      return zip(a, b).allSatisfy { abs($0 - $1) <= integerSteps } ? 0 : .infinity
    }
    guard
      let a = TensorComparison.numbers(found), let b = TensorComparison.numbers(wanted)
    else { return nil }
    var (largest, difference) = (1e-30, 0.0)
    for (x, y) in zip(a, b) {
      if x.isNaN || y.isNaN { return x.isNaN && y.isNaN ? nil : .infinity }
      largest = max(largest, abs(y))
      difference = max(difference, abs(x - y))
    }
    return difference / largest
  }
}
