import CPUBackend
import ModelBackend
import ONNXGraph
import Tensors
import TestSupport
import Testing
import Whisper

/// Models run token by token on the embedded engine, each with the decoding loop of its layout.
enum StaticRuns {
  /// A model's files, opened.
  static func speech(_ graphs: [ModelGraph]) throws -> SpeechModel {
    var byName: [String: ModelGraph] = [:]
    let files = graphs.enumerated().map { index, graph in
      let name = "\(index): \(graph.path)"
      byName[name] = graph
      return SpeechFile(
        name: name, description: .recognise(graph),
        outputs: graph[graph.root].outputs.map { graph[$0].name })
    }
    return try SpeechModel(try SpeechPlan(files)) { file in
      SpeechPart(
        name: file.name, description: file.description,
        session: try CPUBackend.session(try #require(byName[file.name])))
    }
  }

  /// Seeded features that look like the logarithm of a mel spectrum.
  static func features(_ melCount: Int, seed: UInt64 = 6) -> TensorContent {
    var random = SplitMix64(seed: seed)
    let values = (0..<(melCount * 3000)).map { _ in
      Float(Double(random.next() >> 11) / Double(1 << 53)) * 1.6 - 0.6
    }
    return .floats(values, shape: [1, melCount, 3000])
  }

  /// Tokens of a seeded text.
  static func tokens(_ count: Int, below limit: Int, seed: UInt64 = 7) -> [Int] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Int(random.next() % UInt64(limit)) }
  }

  /// The logits after each token.
  static func rows(
    _ model: SpeechModel, _ features: TensorContent, _ tokens: [Int]
  ) throws -> [[Float]] {
    try model.decoder.begin(try model.encode(features))
    return try tokens.flatMap { try model.decoder.step([$0]) }
  }

  /// The largest difference, relative to the largest logit of its row.
  static func difference(_ left: [[Float]], _ right: [[Float]]) throws -> Float {
    try #require(left.count == right.count)
    var worst: Float = 0
    for (one, other) in zip(left, right) {
      try #require(one.count == other.count && !one.isEmpty)
      let largest = one.map(abs).max() ?? 1
      let distance = zip(one, other).map { abs($0 - $1) }.max() ?? .infinity
      try #require(one.allSatisfy(\.isFinite) && other.allSatisfy(\.isFinite))
      worst = max(worst, distance / largest)
    }
    return worst
  }
}
