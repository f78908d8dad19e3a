import Foundation
import QuantPlan
import TestSupport
import Testing

@Suite("Static plans as JSON")
struct StaticPlanTextTests {
  private func plan() throws -> StaticPlan {
    try StaticSketch.attention().plan(.w4a16) { ($0.exclude, $0.blockSize) = (["node:q_proj"], 16) }
  }

  private func sentence(_ error: any Error) -> String {
    guard case .dataCorrupted(let context)? = error as? DecodingError else { return "\(error)" }
    return context.debugDescription
  }

  @Test("a plan is the same after writing and reading")
  func roundTrip() throws {
    let plan = try plan()
    #expect(plan.floatNodes.count == 1 && plan.conversions.count >= 2 && plan.weights.count == 6)
    let text = try JSONEncoder().encode(plan)
    #expect(try JSONDecoder().decode(StaticPlan.self, from: text) == plan)
    let object = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    #expect(
      Set(object.keys) == [
        "version", "scheme", "target", "activations", "conversions", "weights", "float_nodes",
        "equalized_attention", "equalized_outputs",
      ])
  }

  /// The plan as JSON with a change at one place: keys, then what becomes of the object there.
  private func changed(_ path: [String], _ key: String, _ value: Any) throws -> Data {
    var root = try #require(
      try JSONSerialization.jsonObject(with: JSONEncoder().encode(plan())) as? [String: Any])
    func change(_ object: [String: Any], _ path: ArraySlice<String>) -> [String: Any] {
      var object = object
      guard let first = path.first else {
        object[key] = value
        return object
      }
      if var list = object[first] as? [[String: Any]] {
        list[0] = change(list[0], path.dropFirst())
        object[first] = list
      } else if let inner = object[first] as? [String: Any] {
        object[first] = change(inner, path.dropFirst())
      }
      return object
    }
    root = change(root, path[...])
    return try JSONSerialization.data(withJSONObject: root)
  }

  @Test(
    "a key that does not exist is refused wherever it stands",
    arguments: [
      [], ["activations"], ["activations", "parameters"], ["conversions"], ["conversions", "parameters"],
      ["weights"], ["float_nodes"],
    ] as [[String]])
  func unknownKeys(_ path: [String]) throws {
    let text = try changed(path, "blocksize", 16)
    let error = try #require(throws: (any Error).self) {
      try JSONDecoder().decode(StaticPlan.self, from: text)
    }
    #expect(sentence(error).contains("unknown key 'blocksize'"), "\(error)")
  }

  @Test("another version and unknown words are refused with what is known")
  func words() throws {
    let cases: [([String], String, Any, String)] = [
      ([], "version", 2, "plan version 2 is unknown, expected 1"),
      ([], "scheme", "w2a2", "'w2a2' is unknown"),
      (["activations"], "type", "f8", "'f8' is unknown; choose one of s4, s8, u8, s16, u16, s32"),
      (["weights"], "role", "king", "'king' is unknown"),
      (["weights"], "rounding", "up", "'up' is unknown; choose one of nearest, error-aware"),
    ]
    for (path, key, value, words) in cases {
      let text = try changed(path, key, value)
      let error = try #require(throws: (any Error).self) {
        try JSONDecoder().decode(StaticPlan.self, from: text)
      }
      #expect(sentence(error).contains(words), "\(error)")
    }
  }

  @Test("a target is the same after writing and reading, and an unknown key in it is refused")
  func target() throws {
    let text = try JSONEncoder().encode(Target.snapdragonXElite)
    #expect(try JSONDecoder().decode(Target.self, from: text) == .snapdragonXElite)
    var object = try #require(try JSONSerialization.jsonObject(with: text) as? [String: Any])
    object["soc_modell"] = 60
    let odd = try JSONSerialization.data(withJSONObject: object)
    let error = try #require(throws: (any Error).self) { try JSONDecoder().decode(Target.self, from: odd) }
    #expect(sentence(error).contains("unknown key 'soc_modell'"), "\(error)")
  }
}

@Suite("Scale and zero point of a range")
struct ScaleAndZeroPointTests {
  private static let huge = Float.greatestFiniteMagnitude
  private static let tiny = Float.leastNonzeroMagnitude
  private static let subnormal = Float(bitPattern: 71_362)

  private static let ranges: [ClosedRange<Float>] = [
    0...0, -0.0...0, 5...5, -5 ... -5, 1...3, -3 ... -1, -1...1, 0...1, -1...0, 0...tiny, -tiny...0,
    -tiny...tiny, 0...subnormal, -subnormal...tiny, -1e-38...1e-38, 0...Float.leastNormalMagnitude,
    -huge...huge, 0...huge,
    -huge...0, huge...huge, -1e-30...huge, -huge...1e-30, -3.4e38...0, -100...0.001, -0.001...65504,
  ]

  /// What holds for every range: finite parameters, a zero point among the levels, and 0 exact.
  private func check(_ range: ClosedRange<Float>, _ type: IntegerType, _ label: String) {
    let found = ScaleAndZeroPoint(holding: range, as: type)
    #expect(found.scale.isNormal && found.scale > 0, "\(label): \(found)")
    #expect(type.levels.contains(found.zeroPoint), "\(label): \(found)")
    #expect(!type.isSymmetric || found.zeroPoint == 0, "\(label): \(found)")
    #expect(found.level(of: 0, as: type) == found.zeroPoint, "\(label): \(found)")
    // What is in the range is off by a step at most, half a step for rounding and the rest for the zero point's.
    guard type != .s32, found.scale > 2 * Float.leastNormalMagnitude else { return }
    for value in [range.lowerBound, range.upperBound] {
      let level = found.level(of: value, as: type)
      let back = Double(found.scale) * Double(level - found.zeroPoint)
      #expect(abs(back - Double(value)) <= 1.01 * Double(found.scale), "\(label): \(value) became \(back)")
    }
  }

  @Test("edges: empty, one-sided, denormal and huge ranges", arguments: IntegerType.allCases)
  func edges(_ type: IntegerType) {
    for range in Self.ranges { check(range, type, "\(range) as \(type)") }
  }

  @Test("seeded ranges of all magnitudes")
  func seeded() {
    let seed: UInt64 = 20_261
    var random = SplitMix64(seed: seed)
    func number() -> Float {
      while true {
        let value = Float(bitPattern: UInt32(truncatingIfNeeded: random.next() >> 32))
        if value.isFinite { return value }
      }
    }
    for turn in 0..<2000 {
      let (a, b) = (number(), number())
      for type in IntegerType.allCases {
        check(
          min(a, b)...max(a, b), type, "seed \(seed), turn \(turn), \(min(a, b))...\(max(a, b)) as \(type)")
      }
    }
  }

  @Test("the usual numbers")
  func usual() {
    #expect(ScaleAndZeroPoint(holding: -1...1, as: .s8) == ScaleAndZeroPoint(scale: 1 / 127, zeroPoint: 0))
    #expect(ScaleAndZeroPoint(holding: 0...255, as: .u8) == ScaleAndZeroPoint(scale: 1, zeroPoint: 0))
    #expect(ScaleAndZeroPoint(holding: -255 ... -5, as: .u8) == ScaleAndZeroPoint(scale: 1, zeroPoint: 255))
    #expect(ScaleAndZeroPoint(holding: -100...155, as: .u8) == ScaleAndZeroPoint(scale: 1, zeroPoint: 100))
    #expect(ScaleAndZeroPoint(holding: 0...0, as: .u16) == ScaleAndZeroPoint(scale: 1 / 65535, zeroPoint: 0))
    let half = ScaleAndZeroPoint(scale: 1, zeroPoint: 10)
    // Ties go to even, and what does not fit is the nearest level.
    #expect([0.5, 1.5, 2.5, -0.5, -1.5].map { half.level(of: $0, as: .u8) } == [10, 12, 12, 10, 8])
    #expect(half.level(of: 1e30, as: .u8) == 255 && half.level(of: -.infinity, as: .u8) == 0)
  }
}
