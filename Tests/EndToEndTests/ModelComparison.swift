import Foundation
import TestSupport
import Testing

/// What ONNX's checker and ONNX Runtime say about a quantized model beside its source.
struct ModelComparison: Decodable {
  /// What was wrong; nil when the checker accepts the model and ONNX Runtime loads and runs it.
  let error: String?
  /// The lowest signal-to-quantization-noise ratio of all outputs in dB; nil when all are equal.
  let worst: Double?
  /// Nodes by operator, those of graphs inside nodes too.
  let operators: [String: Int]?

  /// Compares pairs of source and candidate in one Python process.
  static func run(
    _ pairs: [(source: String, candidate: String)], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [ModelComparison] {
    let request = try JSONEncoder().encode(pairs.map { [$0.source, $0.candidate] })
    let answer = try PythonOracle.output(
      script: "compare_models.py", arguments: ["--batch"], stdin: [UInt8](request),
      sourceLocation: sourceLocation)
    let result = try JSONDecoder().decode([ModelComparison].self, from: Data(answer.utf8))
    try #require(result.count == pairs.count, sourceLocation: sourceLocation)
    return result
  }

  static func run(
    _ source: String, _ candidate: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws
    -> ModelComparison
  {
    try run([(source, candidate)], sourceLocation: sourceLocation)[0]
  }
}

/// What the oracle for integers found: how each weight was compared.
struct IntegerComparison: Decodable {
  let error: String?
  let compared: [String: String]?

  /// Recomputes the integers of quantized models from their sources.
  static func run(
    _ pairs: [(source: String, candidate: String)], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [IntegerComparison] {
    let request = try JSONEncoder().encode(pairs.map { [$0.source, $0.candidate] })
    let answer = try PythonOracle.output(
      script: "check_integers.py", stdin: [UInt8](request), sourceLocation: sourceLocation)
    return try JSONDecoder().decode([IntegerComparison].self, from: Data(answer.utf8))
  }
}
