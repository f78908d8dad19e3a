import Foundation
import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

/// A float model on its way to static Q/DQ: source file → plan → rewritten graph → output file.
final class StaticBench {
  let folder: TemporaryFolder
  private var sources: [SourceModel] = []
  private var questions: [Question] = []
  private var labels: [String] = []

  private struct Question: Encodable {
    let source: String
    let candidate: String
    let plan: StaticPlan
  }

  /// What `check_static.py` says.
  struct Answer: Decodable {
    let problems: [String]
    let checked: Int
    let unequal: Double
    let sqnr: Double
  }

  init() throws { folder = try TemporaryFolder() }

  /// Ranges are −4...4 unless they are named; weights are rounded to nearest.
  static func plan(
    _ graph: ModelGraph, _ scheme: Scheme = .w8a16, ranges: [String: ClosedRange<Float>] = [:],
    _ change: (inout StaticPolicy) -> Void = { _ in }
  ) throws -> StaticPlan {
    var policy = StaticPolicy(scheme: scheme, target: .snapdragonXElite)
    (policy.rounding, policy.weightRange) = (.nearest, .maximum)
    change(&policy)
    return try StaticPlanner.plan(graph, policy: policy) { name, _ in ranges[name] ?? -4...4 }
  }

  /// Quantizes a model and asks the oracle about it later.
  @discardableResult
  func quantize(
    _ label: String, _ model: ModelProto, _ scheme: Scheme = .w8a16, threads: Int = 1,
    ranges: [String: ClosedRange<Float>] = [:], _ change: (inout StaticPolicy) -> Void = { _ in },
    edit: (inout StaticPlan) -> Void = { _ in }
  ) throws -> ModelGraph {
    let source = try SourceModel(model)
    sources.append(source)
    var plan = try Self.plan(source.graph, scheme, ranges: ranges, change)
    edit(&plan)
    let path = folder.path("\(questions.count).onnx")
    try write(source.graph, plan, to: path, threads: threads)
    questions.append(Question(source: source.path, candidate: path, plan: plan))
    labels.append(label)
    return try ModelGraph.lift(ModelReader.read(path: path), external: ExternalDataFiles(modelPath: path))
  }

  func write(_ graph: ModelGraph, _ plan: StaticPlan, to path: String, threads: Int = 1) throws {
    let rewritten = try GraphRewriter.rewrite(graph, plan: plan)
    let output = try ModelOutput(rewritten.graph.lower(), path: path, policy: .never)
    do {
      let outcomes = try JobRunner(threadCount: threads) { _ in }.run(rewritten.jobs, into: output)
      #expect(outcomes.count == rewritten.jobs.count)
    } catch {
      output.discard()
      throw error
    }
    try output.commit()
  }

  /// Expects of every model so far that it is what its plan says, and close to its source.
  func answers(sqnr limit: Double, _ sourceLocation: SourceLocation = #_sourceLocation) throws {
    let text = try PythonOracle.output(
      script: "check_static.py", stdin: [UInt8](JSONEncoder().encode(questions)),
      sourceLocation: sourceLocation)
    let answers = try JSONDecoder().decode([Answer].self, from: Data(text.utf8))
    try #require(answers.count == questions.count, sourceLocation: sourceLocation)
    for (label, answer) in zip(labels, answers) {
      #expect(answer.problems.isEmpty, "\(label): \(answer.problems)", sourceLocation: sourceLocation)
      #expect(answer.checked > 0, "\(label)", sourceLocation: sourceLocation)
      #expect(answer.unequal <= 0.02, "\(label): \(answer.unequal)", sourceLocation: sourceLocation)
      #expect(answer.sqnr >= limit, "\(label): \(answer.sqnr) dB", sourceLocation: sourceLocation)
    }
  }
}

extension ModelProto {
  mutating func weights(_ name: String, _ shape: [Int]) {
    floats(
      name, QuantizeTests.weights(shape.reduce(1, *), seed: UInt64(name.utf8.reduce(0) { $0 + Int($1) })),
      shape)
  }

  mutating func int64(_ name: String, _ values: [Int64]) {
    let bytes = values.flatMap { value in (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) } }
    constant(name, TensorContent(elementType: .int64, shape: Shape([values.count])!, bytes: .owned(bytes)))
  }
}
