import Foundation
import ONNXFile
import ONNXGraph
import QuantPlan
import Quantize
import Tensors
import TestSupport
import Testing

/// A model on its way: source file → plan → rewritten graph → output file.
struct QuantizedModel {
  let sourcePath: String
  let path: String
  let plan: QuantPlan
  let rewritten: RewrittenModel
  let outcomes: [WeightOutcome]
  /// The output file, read again.
  let graph: ModelGraph

  /// How often each operator stands in the output.
  var operators: [String: Int] {
    Dictionary(graph.allNodes.map { (graph[$0].opType, 1) }, uniquingKeysWith: +)
  }

  /// Bytes of an output's constant.
  func bytes(_ name: String, _ sourceLocation: SourceLocation = #_sourceLocation) throws -> [UInt8] {
    try content(name, sourceLocation).bytes.copied()
  }

  func content(_ name: String, _ sourceLocation: SourceLocation = #_sourceLocation) throws -> TensorContent {
    let value = try #require(
      graph.allInitializers.first { graph[$0].name == name }, "no constant \(name)",
      sourceLocation: sourceLocation)
    return try #require(graph[value].initializer?.content, sourceLocation: sourceLocation)
  }

  /// Every constant is taken by a node or given out, and nothing is promised twice.
  func requireTidy(_ sourceLocation: SourceLocation = #_sourceLocation) {
    for value in graph.allInitializers {
      #expect(
        !graph[value].uses.isEmpty || graph[value].graphOutputCount > 0, "\(graph[value].name) is idle",
        sourceLocation: sourceLocation)
    }
    #expect(
      graph.graphIDs.allSatisfy { isSorted($0) }, "nodes are not in order", sourceLocation: sourceLocation)
  }

  private func isSorted(_ id: GraphID) -> Bool {
    var known: Set<ValueID> = []
    for node in graph[id].nodes {
      for case let value? in graph[node].inputs where graph[value].producer.map({ graph[$0].graph }) == id {
        if !known.contains(value) { return false }
      }
      known.formUnion(graph[node].outputs.compactMap { $0 })
    }
    return true
  }
}

/// A model in a file of a folder that lives as long as this.
struct SourceModel: Sendable {
  let folder: TemporaryFolder
  let path: String
  let graph: ModelGraph

  init(_ model: ModelProto) throws {
    folder = try TemporaryFolder()
    path = folder.path("source.onnx")
    try model.write(to: path)
    graph = try ModelGraph.lift(ModelReader.read(path: path), external: ExternalDataFiles(modelPath: path))
  }
}

/// Runs the whole journey of small models in a folder of its own.
final class QuantizeBench {
  let folder: TemporaryFolder
  private var sources: [SourceModel] = []
  private var count = 0

  init() throws { folder = try TemporaryFolder() }

  func quantize(
    _ model: ModelProto, threads: Int = 1, sharedByteCount: Int? = nil,
    _ change: (inout QuantPolicy) -> Void = { _ in }, edit: (inout QuantPlan) -> Void = { _ in }
  ) throws -> QuantizedModel {
    let source = try SourceModel(model)
    sources.append(source)
    return try quantize(source, threads: threads, sharedByteCount: sharedByteCount, change, edit: edit)
  }

  func quantize(
    _ source: SourceModel, threads: Int = 1, sharedByteCount: Int? = nil,
    _ change: (inout QuantPolicy) -> Void = { _ in }, edit: (inout QuantPlan) -> Void = { _ in }
  ) throws -> QuantizedModel {
    var policy = QuantPolicy()
    policy.minimumElementCount = 1
    change(&policy)
    var plan = Planner.plan(source.graph, policy: policy)
    edit(&plan)
    let rewritten = try GraphRewriter.rewrite(source.graph, plan: plan)
    count += 1
    let path = folder.path("quantized-\(count).onnx")
    let output = try ModelOutput(rewritten.graph.lower(), path: path, policy: .never)
    var runner = JobRunner(threadCount: threads) { _ in }
    if let sharedByteCount { runner.sharedByteCount = sharedByteCount }
    let outcomes: [WeightOutcome]
    do {
      outcomes = try runner.run(rewritten.jobs, into: output)
    } catch {
      output.discard()
      throw error
    }
    try output.commit()
    let written = try ModelGraph.lift(
      ModelReader.read(path: path), external: ExternalDataFiles(modelPath: path))
    return QuantizedModel(
      sourcePath: source.path, path: path, plan: plan, rewritten: rewritten, outcomes: outcomes,
      graph: written)
  }
}

/// What the oracle is asked about one weight.
struct WeightQuestion: Encodable {
  /// How the scale was chosen, which says what can be demanded of it and of the integers.
  enum Range: String, Encodable {
    /// max / levels.
    case maximum
    /// Any scale; integers are QuantizeLinear's.
    case free
    /// Any scale; integers are QuantizeLinear's, but not below -127.
    case clipped
  }

  var name: String
  var source: String
  var axis: Int?
  var block: Int
  var range: Range?
  var bits: Int?
  var transposed: Bool?

  /// Integers in the weight's shape.
  static func linear(_ name: String, axis: Int, block: Int = 0, _ range: Range = .maximum) -> WeightQuestion {
    WeightQuestion(name: name, source: "", axis: axis, block: block, range: range)
  }

  /// MatMulNBits; `transposed` says that the source has [N, K].
  static func blocks(
    _ name: String, bits: Int, _ block: Int, transposed: Bool = false, _ range: Range = .free
  )
    -> WeightQuestion
  {
    WeightQuestion(name: name, source: "", block: block, range: range, bits: bits, transposed: transposed)
  }
}

/// What the oracle says about one model.
struct Verdict: Decodable {
  let problems: [String]
  /// Nil when all outputs are equal.
  let sqnr: Double?
  let types: [String]
  let scales: [String: [Double]]
}

/// Asks `check_quantized.py` about several models at once.
struct Oracle {
  private struct Job: Encodable {
    let reference: String
    let candidate: String
    let weights: [WeightQuestion]
  }

  private var jobs: [Job] = []
  private var labels: [String] = []
  private var limits: [Double] = []

  /// `reference` is the source unless that cannot be run; outputs must agree to `sqnr` dB.
  mutating func ask(
    _ label: String, _ model: QuantizedModel, sqnr: Double, reference: String? = nil,
    _ weights: [WeightQuestion] = []
  ) {
    let questions = weights.map { question in
      var question = question
      question.source = model.sourcePath
      return question
    }
    jobs.append(Job(reference: reference ?? model.sourcePath, candidate: model.path, weights: questions))
    labels.append(label)
    limits.append(sqnr)
  }

  @discardableResult
  func answers(_ sourceLocation: SourceLocation = #_sourceLocation) throws -> [Verdict] {
    let text = try PythonOracle.output(
      script: "check_quantized.py", stdin: [UInt8](JSONEncoder().encode(jobs)), sourceLocation: sourceLocation
    )
    // Python writes -Infinity for an output that is zero where the source's is not.
    let verdicts = try JSONDecoder().decode([Verdict].self, from: Data(text.utf8))
    try #require(verdicts.count == jobs.count, sourceLocation: sourceLocation)
    for ((label, limit), verdict) in zip(zip(labels, limits), verdicts) {
      #expect(verdict.problems.isEmpty, "\(label): \(verdict.problems)", sourceLocation: sourceLocation)
      let sqnr = verdict.sqnr ?? .infinity
      #expect(sqnr >= limit, "\(label): \(sqnr) dB, expected \(limit)", sourceLocation: sourceLocation)
    }
    return verdicts
  }
}

/// Seeded weights, evenly spread over -0.35 … 0.35, and a few larger ones.
func weights(_ count: Int, seed: UInt64 = 1) -> [Float] {
  var random = SplitMix64(seed: seed)
  return (0..<count).map { place in
    let uniform = Float(Int32(truncatingIfNeeded: random.next() >> 32)) * 0x1p-31
    return uniform * (place % 61 == 7 ? 0.9 : 0.35)
  }
}
