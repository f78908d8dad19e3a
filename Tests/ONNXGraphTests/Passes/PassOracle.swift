import CPUBackend
import ModelBackend
import ONNXFile
import ONNXGraph
import Tensors
import TestSupport
import Testing

/// What passes are judged by: the embedded engine runs the model before and after on the same seeded feeds.
enum PassOracle {
  static let context = PassContext(evaluator: EngineEvaluator(threadCount: 1))

  /// Runs passes over a sketch and expects the same outputs, to `tolerance` of the largest value.
  @discardableResult
  static func run(
    _ sketch: ModelProto, _ passes: [any GraphPass], tolerance: Double = 1e-6, seed: UInt64 = 11,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> (graph: ModelGraph, reports: [PassReport]) {
    let before = try sketch.lifted()
    var after = before
    let reports = try PassSequence(passes).run(&after, context)
    let again = try after.lower().lifted()
    let feeds = feeds(after, seed: seed)
    let names = before[before.root].outputs.map { before[$0].name }
    #expect(after[after.root].outputs.map { after[$0].name } == names, sourceLocation: sourceLocation)
    let wanted = try CPUBackend.session(before).run(feeds, outputs: names)
    let found = try CPUBackend.session(again).run(feeds, outputs: names)
    for name in names {
      let difference = try difference(#require(wanted[name]), #require(found[name]))
      #expect(difference <= tolerance, "\(name), seed \(seed): \(difference)", sourceLocation: sourceLocation)
    }
    return (after, reports)
  }

  /// Normally distributed floats and small integers for every input; its shape must be fixed.
  static func feeds(_ model: ModelGraph, seed: UInt64) -> [String: TensorContent] {
    var random = SplitMix64(seed: seed)
    var result: [String: TensorContent] = [:]
    for value in model.requiredInputs {
      let shape = Shape((model.declaredShape(of: value) ?? []).compactMap(\.extent))!
      if model[value].declaredElementType == .int64 {
        let numbers = (0..<shape.elementCount).map { _ in Int64(random.next() % 3) }
        result[model[value].name] = .int64s(numbers, shape: shape.dimensions)
      } else {
        // Four uniform numbers make something like a bell.
        let numbers = (0..<shape.elementCount).map { _ in
          (0..<4).reduce(Float(0)) { sum, _ in sum + Float(random.next() >> 40) / Float(1 << 24) - 0.5 }
        }
        result[model[value].name] = TensorContent(floats: numbers, shape: shape)
      }
    }
    return result
  }

  /// The largest difference relative to the largest value; infinite when shapes differ or one is not finite.
  static func difference(_ wanted: TensorContent, _ found: TensorContent) -> Double {
    guard wanted.shape == found.shape, let a = wanted.numbers, let b = found.numbers else { return .infinity }
    let largest = a.reduce(0) { max($0, $1.magnitude) }
    let worst = zip(a, b).reduce(0) { $1.0 == $1.1 ? $0 : max($0, ($1.0 - $1.1).magnitude) }
    return worst.isFinite ? worst / max(largest, 1e-30) : .infinity
  }

  /// Seeded weights between −1 and 1.
  static func weights(_ count: Int, seed: UInt64) -> [Float] {
    var random = SplitMix64(seed: seed)
    return (0..<count).map { _ in Float(random.next() >> 40) / Float(1 << 23) - 1 }
  }
}

extension ModelGraph {
  /// How often each operator occurs.
  var operators: [String: Int] {
    allNodes.reduce(into: [:]) { $0[self[$1].opType, default: 0] += 1 }
  }
}
