import Foundation
import Tensors
import TestSupport
import Testing
import Validation

@Suite("Differences of tensors")
struct TensorDifferenceTests {
  private static func compare(_ reference: [Float], _ candidate: [Float]) throws -> TensorDifference {
    try #require(TensorDifference(reference: .of(reference), candidate: .of(candidate)))
  }

  @Test("Equal tensors have an infinite SQNR, a cosine of 1 and no error")
  func equal() throws {
    let found = try Self.compare([1, -2, 3], [1, -2, 3])
    #expect(found.sqnr == .infinity && abs(found.cosine - 1) < 1e-12)
    #expect(found.largestError == 0 && found.meanError == 0)
    #expect(found.errorCounts.reduce(0, +) == 3 && found.errorCounts[0] == 3)
  }

  @Test("A tenth of the signal as error is 20 dB, and the place of the largest error is found")
  func twentyDecibels() throws {
    let found = try Self.compare([1, 1, 1, 1], [1.1, 0.9, 1.1, 0.9])
    #expect(abs(found.sqnr - 20) < 1e-5)
    #expect(try Self.compare([0, 5, 0], [0, 5, 2]).worstPlace == 2)
  }

  @Test("Of a cache that grew only the new positions count; a spoilt old one is still found")
  func grownCache() throws {
    // [1, 1, 3, 2]: two positions were fed, the third is new.
    let fed = TensorContent.of([1, 2, 3, 4], [1, 1, 2, 2])
    let reference = TensorContent.of([1, 2, 3, 4, 10, 10], [1, 1, 3, 2])
    func compare(_ values: [Float]) throws -> TensorDifference {
      let found = CacheDifference(
        reference: reference, candidate: .of(values, [1, 1, 3, 2]), fed: fed, axis: 2, newCount: 1)
      return try #require(found.flatMap(\.difference))
    }
    #expect(abs(try compare([1, 2, 3, 4, 11, 9]).sqnr - 20) < 1e-5)
    #expect(try compare([1, 2, 3, 4, 10, 10]).sqnr == .infinity)
    #expect(try compare([9, 2, 3, 4, 10, 10]).sqnr < 0)
  }

  @Test("Of a cache of fixed length the positions that were handed on are left out, moved ones too")
  func fixedCache() throws {
    let fed = TensorContent.of([1, 2, 3, 4], [1, 4, 1])
    // Written in place, and moved by one with the new one at the end.
    for (reference, candidate) in [([1, 2, 10, 4], [1, 2, 11, 4]), ([2, 3, 4, 10], [2, 3, 4, 9])]
      as [([Float], [Float])]
    {
      let found = try #require(
        CacheDifference(
          reference: .of(reference, [1, 4, 1]), candidate: .of(candidate, [1, 4, 1]), fed: fed, axis: 1,
          newCount: 1))
      let difference = try #require(found.difference)
      #expect(abs(difference.sqnr - 20) < 1e-5 && difference.elementCount == 1)
    }
    let same = try #require(
      CacheDifference(reference: fed, candidate: fed, fed: fed, axis: 1, newCount: 1))
    #expect(same.difference == nil)
    #expect(
      CacheDifference(reference: fed, candidate: fed, fed: .of([1, 2], [2]), axis: 1, newCount: 1) == nil)
  }

  @Test("What has no level says so")
  func comparable() throws {
    #expect(try Self.compare([1, 2], [1, 2]).isComparable && Self.compare([1, 2], [1, 3]).isComparable)
    #expect(
      try !Self.compare([1, .nan], [1, 3]).isComparable && !Self.compare([0, 0], [1, 0]).isComparable)
  }

  @Test("A reference of zeros has no signal")
  func zeros() throws {
    #expect(try Self.compare([0, 0], [0, 0]).sqnr == .infinity)
    #expect(try Self.compare([0, 0], [0, 0]).cosine == 1)
    #expect(try Self.compare([0, 0], [1, 0]).sqnr == -.infinity)
    #expect(try Self.compare([0, 0], [1, 0]).cosine == 0)
    #expect(try Self.compare([1, 0], [0, 0]).cosine == 0)
    #expect(try Self.compare([1, 0], [0, 0]).sqnr == 0)
  }

  @Test("NaN anywhere makes the SQNR NaN and is the largest error, and no limit is reached by it")
  func notANumber() throws {
    for (reference, candidate) in [([1, .nan, 3], [1, 2, 3]), ([1, 2, 3], [1, .nan, 3])]
      as [([Float], [Float])]
    {
      let found = try Self.compare(reference, candidate)
      #expect(found.sqnr.isNaN && found.largestError.isNaN && found.worstPlace == 1)
      #expect(found.errorCounts.reduce(0, +) == 3)
      var limits = ValidationLimits()
      limits.minimumSQNR = -1000
      limits.minimumCosine = -1
      let verdict = Verdict(
        [OutputFinding(name: "y", health: nil, difference: found)], latency: nil, limits: limits)
      // Of a reference that is no number nothing can be said either.
      let isReferenceLost = reference.contains(where: \.isNaN)
      #expect(found.lostCount == (isReferenceLost ? 1 : 0))
      #expect(verdict.objections.count == (isReferenceLost ? 3 : 2))
    }
  }

  @Test("An infinite value is an infinite error")
  func infinite() throws {
    let found = try Self.compare([1, 2], [1, .infinity])
    #expect(found.largestError == .infinity && found.sqnr == -.infinity)
    // Masks of both hold the same infinities.
    let mask = try Self.compare([-.infinity, 1, 1], [-.infinity, 1.1, 0.9])
    #expect(abs(mask.sqnr - 17) < 4 && mask.largestError < 0.2 && mask.errorCounts.reduce(0, +) == 3)
    #expect(try Self.compare([-.infinity, 1], [-.infinity, 1]).sqnr == .infinity)
    #expect(try !Self.compare([-.infinity, 1], [.infinity, 1]).isComparable)
  }

  @Test("Shapes that differ and types without numbers are not compared; no elements are equal")
  func notComparable() throws {
    #expect(TensorDifference(reference: .of([1, 2]), candidate: .of([1, 2], [2, 1])) == nil)
    let text = TensorContent(elementType: .string, shape: try #require(Shape([0])), bytes: .owned([]))
    #expect(TensorDifference(reference: text, candidate: text) == nil)
    let nothing = try #require(TensorDifference(reference: .of([]), candidate: .of([])))
    #expect(nothing.elementCount == 0 && nothing.sqnr == .infinity)
  }

  @Test(
    "Every type of number is read: halves, doubles and integers give what floats give",
    arguments: [
      ElementType.float16, .bfloat16, .float64, .int8, .uint8, .int16, .uint16, .int32, .uint32, .int64,
      .uint64,
    ])
  func types(_ type: ElementType) throws {
    let reference = TensorContent.of([1, 2, 3, 100])
    let candidate = TensorContent.of([1, 2, 4, 98])
    let expected = try #require(TensorDifference(reference: reference, candidate: candidate))
    let (first, second) = (reference.converted(to: type), candidate.converted(to: type))
    let found = try #require(
      first.flatMap { first in second.flatMap { TensorDifference(reference: first, candidate: $0) } })
    #expect(found == expected)
  }

  @Test("Tensors longer than one piece are compared to the end")
  func long() throws {
    var candidate = [Float](repeating: 1, count: 200_003)
    candidate[200_002] = 3
    let found = try Self.compare([Float](repeating: 1, count: 200_003), candidate)
    #expect(found.worstPlace == 200_002 && found.largestError == 2 && found.elementCount == 200_003)
  }

  @Test("Random tensors give what numpy gives, in double precision")
  func numpy() throws {
    var generator = SplitMix64.forThisRun()
    let seed = generator.seed
    var pairs: [([Float], [Float])] = [
      ([0, 0], [0, 1]), ([1e-30, -1e-30], [1e-30, 0]), ([1e30, 1], [1e30, 2]),
    ]
    for _ in 0..<60 {
      let count = Int(generator.next() % 3000) + 1
      let scale = Float(sign: .plus, exponent: Int(generator.next() % 60) - 30, significand: 1)
      let reference = generator.normalFloats(count, deviation: scale)
      let noise = generator.normalFloats(count, deviation: scale * Float(generator.next() % 1000) / 1000)
      pairs.append((reference, zip(reference, noise).map { $0 + $1 }))
    }
    let lines = pairs.map { pair in
      func list(_ values: [Float]) -> String { values.map { "\($0.bitPattern)" }.joined(separator: ",") }
      return "{\"reference\":[\(list(pair.0))],\"candidate\":[\(list(pair.1))]}\n"
    }
    let output = try PythonOracle.output(script: "compare_tensors.py", stdin: Array(lines.joined().utf8))
    let answers = output.split(separator: "\n")
    try #require(answers.count == pairs.count)
    for (pair, line) in zip(pairs, answers) {
      let answer = try JSONDecoder().decode([String: String].self, from: Data(line.utf8)).mapValues {
        Double($0)
      }
      let found = try Self.compare(pair.0, pair.1)
      let values = [
        "sqnr_db": found.sqnr, "cosine": found.cosine, "largest_error": found.largestError,
        "mean_error": found.meanError,
      ]
      for (key, value) in values {
        let expected = try #require(answer[key] ?? nil)
        let isNear = value == expected || abs(value - expected) <= 1e-9 * max(1e-12, abs(expected))
        let isUndefined = expected.isNaN && key == "cosine"
        #expect(isNear || isUndefined, "\(key): \(value), numpy \(expected), seed \(seed)")
      }
    }
  }

  @Test("Adding the same error to more elements never raises the SQNR, and scaling both changes nothing")
  func properties() throws {
    var generator = SplitMix64.forThisRun()
    for _ in 0..<40 {
      let reference = generator.normalFloats(64)
      var candidate = reference
      var last = Double.infinity
      for index in reference.indices {
        candidate[index] += 0.25
        let found = try Self.compare(reference, candidate).sqnr
        #expect(found <= last, "seed \(generator.seed)")
        last = found
      }
      let scaled = try Self.compare(reference.map { $0 * 1024 }, candidate.map { $0 * 1024 })
      #expect(abs(scaled.sqnr - last) < 1e-9, "seed \(generator.seed)")
      #expect(scaled.errorCounts.reduce(0, +) == 64)
    }
  }
}

@Suite("Health of tensors")
struct TensorHealthTests {
  private static func faults(_ values: [Float], _ type: ElementType = .float32) throws -> [TensorHealth.Fault]
  {
    try #require(TensorContent.of(values).converted(to: type).flatMap { TensorHealth($0) }).faults
  }

  @Test("NaN, infinity, zeros and constants are faults, each by its name")
  func faults() throws {
    #expect(try Self.faults([1, 2, 3]) == [])
    #expect(try Self.faults([1, .nan]) == [.notANumber])
    #expect(try Self.faults([1, -.infinity]) == [.infinite])
    #expect(try Self.faults([.nan, .infinity]) == [.notANumber, .infinite])
    #expect(try Self.faults([0, -0.0, 0]) == [.zero])
    #expect(try Self.faults([7, 7]) == [.constant])
    #expect(try Self.faults([1, .nan], .float16) == [.notANumber])
    #expect(try Self.faults([70000, 1], .float16) == [.infinite])
  }

  @Test("One element, no element and integers that are all the same are healthy")
  func healthy() throws {
    #expect(try Self.faults([0]) == [])
    #expect(try Self.faults([]) == [])
    #expect(try Self.faults([0, 0, 0], .int64) == [])
  }

  @Test("Range, mean and deviation are of the finite values")
  func numbers() throws {
    let health = try #require(TensorHealth(.of([1, 3, .nan, .infinity])))
    #expect(health.minimum == 1 && health.maximum == 3 && health.mean == 2 && health.standardDeviation == 1)
    #expect(health.elementCount == 4 && health.notANumberCount == 1 && health.infiniteCount == 1)
  }
}

@Suite("Verdicts")
struct VerdictTests {
  private static func finding(_ reference: [Float], _ candidate: [Float]) -> OutputFinding {
    OutputFinding(
      name: "logits", health: TensorHealth(.of(candidate)),
      difference: TensorDifference(reference: .of(reference), candidate: .of(candidate)))
  }

  @Test("Without limits only faults and mismatches fail")
  func faults() {
    let good = Self.finding([1, 2], [1.5, 2])
    #expect(Verdict([good], latency: 100, limits: ValidationLimits()).passes)
    let bad = Verdict([Self.finding([1, 2], [.nan, 2])], latency: nil, limits: ValidationLimits())
    #expect(bad.objections == ["output 'logits' has values that are no numbers (NaN)"])
    let other = OutputFinding(name: "y", health: nil, difference: nil, mismatch: "its shape is [1]")
    #expect(!Verdict([other], latency: nil, limits: ValidationLimits()).passes)
  }

  @Test("Each limit that is missed is one sentence with both numbers; a limit that is just reached passes")
  func limits() throws {
    let finding = Self.finding([1, 1, 1, 1], [1.1, 0.9, 1.1, 0.9])
    let level = try #require(finding.difference).sqnr
    var limits = ValidationLimits()
    limits.minimumSQNR = level
    limits.maximumLatency = 0.25
    #expect(Verdict([finding], latency: 0.25, limits: limits).passes)
    limits.minimumSQNR = 25
    limits.minimumCosine = 0.9999
    let verdict = Verdict([finding], latency: 0.5, limits: limits)
    #expect(verdict.objections.count == 3)
    #expect(verdict.objections[0] == "output 'logits' has an SQNR of 20 dB, at least 25 dB are asked for")
    #expect(verdict.objections[2] == "a run takes 500 ms, at most 250 ms are asked for")
    #expect(Verdict([finding], latency: .nan, limits: limits).objections.count == 3)
  }

  @Test("Medians, quantiles and spreads are those of the sorted values")
  func statistics() {
    #expect(Statistics.median([]).isNaN)
    #expect(Statistics.median([3]) == 3)
    #expect(Statistics.median([4, 1, 3]) == 3)
    #expect(Statistics.median([4, 1, 3, 2]) == 2.5)
    #expect(Statistics.quantile([0, 10], 0.25) == 2.5)
    #expect(Statistics.quantile([5, 1, 3], 1) == 5)
    #expect(Statistics.spread([10, 10, 10]) == 0)
    #expect(Statistics.spread([9, 10, 11]) == 0.05)
  }
}
