import ONNXFile
import ONNXGraph
import QuantPlan
import TestSupport
import Testing

@Suite("Patterns mean what a shell's patterns mean")
struct PatternTests {
  /// A model with one weight under `weight`, taken by a MatMul named `node`.
  private func entry(_ pattern: String, weight: String, node: String = "some node") throws -> PlanEntry {
    var model = ModelProto.sketch()
    model.input("input", [1, 64])
    model.floats(weight, [Float](repeating: 1, count: 64 * 32), [64, 32])
    model.node("MatMul", ["input", weight], ["output"], name: node)
    model.output("output", [1, 32])
    var policy = QuantPolicy()
    policy.exclude = [pattern]
    return try #require(Planner.plan(model.lifted(), policy: policy).entries.first)
  }

  private func isExcluded(_ pattern: String, weight: String, node: String = "some node") throws -> Bool {
    let entry = try entry(pattern, weight: weight, node: node)
    if entry.treatment == nil { #expect(entry.reason == "excluded by '\(pattern)'") }
    return entry.treatment == nil
  }

  @Test(
    "globs",
    arguments: [
      ("w", "w", true), ("w", "ww", false), ("ww", "w", false), ("*", "anything", true), ("a*", "abc", true),
      ("*c", "abc", true), ("*b*", "abc", true), ("a*c", "abc", true), ("a*c", "acb", false),
      ("a?c", "abc", true),
      ("a?c", "ac", false), ("???", "abc", true), ("??", "abc", false),
      ("*.fc1.*", "layers.0.fc1.weight", true),
      ("*.fc1", "layers.0.fc1.weight", false), ("a**b", "ab", true), ("a**b", "a/x/b", true),
      ("[ab]", "a", false),
      ("[ab]", "[ab]", true), ("a.c", "abc", false), ("A", "a", false), ("é*", "écran", true),
      ("*?", "", false),
      ("onnx::MatMul_*", "onnx::MatMul_123", true), ("*ab", "aab", true), ("*a*b*c", "xaxbxcxc", true),
    ] as [(String, String, Bool)])
  func globs(pattern: String, name: String, isMatch: Bool) throws {
    guard !name.isEmpty else { return }
    #expect(try isExcluded(pattern, weight: name) == isMatch)
  }

  @Test("a pattern is compared with weights, nodes and operators, or with the one that is named")
  func kinds() throws {
    #expect(try isExcluded("/fc1/*", weight: "w", node: "/fc1/MatMul"))
    #expect(try isExcluded("MatMul", weight: "w"))
    #expect(try isExcluded("weight:w*", weight: "w1"))
    #expect(try !isExcluded("weight:/fc1/*", weight: "w", node: "/fc1/MatMul"))
    #expect(try isExcluded("node:/fc1/*", weight: "w", node: "/fc1/MatMul"))
    #expect(try !isExcluded("node:w", weight: "w"))
    #expect(try isExcluded("op:Mat*", weight: "w"))
    #expect(try !isExcluded("op:w", weight: "w"))
    #expect(try isExcluded("weight:onnx::MatMul_1", weight: "onnx::MatMul_1"))
    // Another word before a colon is a part of the pattern.
    #expect(try !isExcluded("wieght:w", weight: "w"))
    #expect(try isExcluded("wieght:w", weight: "wieght:w"))
  }

  @Test("random patterns agree with a matcher by recursion")
  func againstRecursion() throws {
    var random = SplitMix64.forThisRun()
    func matches(_ pattern: ArraySlice<Character>, _ name: ArraySlice<Character>) -> Bool {
      guard let first = pattern.first else { return name.isEmpty }
      if first == "*" {
        return matches(pattern.dropFirst(), name) || (!name.isEmpty && matches(pattern, name.dropFirst()))
      }
      guard let letter = name.first, first == "?" || first == letter else { return false }
      return matches(pattern.dropFirst(), name.dropFirst())
    }
    var hitCount = 0
    for _ in 0..<400 {
      let name = String(
        (0..<Int.random(in: 1...7, using: &random)).map { _ in "ab".randomElement(using: &random)! })
      let glob = String(
        (0..<Int.random(in: 1...6, using: &random)).map { _ in "ab*?".randomElement(using: &random)! })
      let expected = matches(Array(glob)[...], Array(name)[...])
      hitCount += expected ? 1 : 0
      #expect(
        try isExcluded("weight:" + glob, weight: name) == expected, "'\(glob)' '\(name)', seed \(random.seed)"
      )
    }
    #expect(hitCount > 20)
  }

  @Test("a pattern with many stars is no trap")
  func pathological() throws {
    let name = String(repeating: "a", count: 2000)
    let start = ContinuousClock.now
    #expect(try !isExcluded("weight:*a*a*a*a*a*a*a*a*a*a*b", weight: name))
    #expect(try isExcluded("weight:*a*a*a*a*a*a*a*a*a*a*", weight: name))
    #expect(try !isExcluded("weight:" + String(repeating: "a*", count: 100) + "b", weight: name))
    #expect(ContinuousClock.now - start < .seconds(5))
  }
}
