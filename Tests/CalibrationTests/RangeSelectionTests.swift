import Calibration
import Foundation
import Kernels
import TestSupport
import Testing

func statistics(of values: [Float], threads: Int = 1) -> TensorStatistics {
  TensorStatistics(
    values.span, range: SignedRanges.range(of: values.span), dimensions: [values.count], channels: .none,
    threads: threads)
}

/// Values as activations have them.
enum Sample: String, CaseIterable {
  case normal, heavyTail, oneSided, gelu, outliers

  func values(_ count: Int, _ generator: inout SplitMix64) -> [Float] {
    let normal = generator.normalFloats(count)
    switch self {
    case .normal: return normal.map { $0 * 3 + 0.5 }
    case .heavyTail: return normal.map { $0 * $0 * $0 }
    case .oneSided: return normal.map { Float.exp2($0) / 10 }
    case .gelu: return normal.map { $0 > 0 ? $0 : $0 / 20 }
    case .outliers: return normal.enumerated().map { $0 % 5000 == 77 ? $1 * 40 : $1 }
    }
  }
}

extension Float {
  fileprivate static func exp2(_ x: Float) -> Float { Float(Foundation.exp2(Double(x))) }
}

@Suite("Choosing ranges")
struct RangeSelectionTests {
  private struct Answer: Decodable {
    let count: Int
    let min: Float
    let max: Float
    /// Both ends, each between the neighbours of its rank.
    let percentile: [[Double]]
    let counts: [UInt64]
    let magnitude: Double
    let error: Double
    let symmetricError: Double
    let foundError: Double
    let foundSymmetricError: Double
    let entropy: Double
  }

  @Test("numpy chooses the same ranges from the values as the histogram does", arguments: Sample.allCases)
  func againstNumpy(sample: Sample) throws {
    var generator = SplitMix64(seed: 41)
    let values = sample.values(30_000, &generator)
    let found = statistics(of: values)
    func range(_ method: RangeMethod, symmetric: Bool = false) -> ClosedRange<Float> {
      found.range(method: method, percentile: 99.9, levels: 256, symmetric: symmetric)
    }
    let (mse, symmetricMSE) = (range(.leastSquares), range(.leastSquares, symmetric: true))
    let request: [String: Any] = [
      "bits": values.map { NSNumber(value: $0.bitPattern) }, "percentile": 99.9, "levels": 256,
      "found": [Double(mse.lowerBound), Double(mse.upperBound)],
      "found_symmetric": [Double(symmetricMSE.lowerBound), Double(symmetricMSE.upperBound)],
    ]
    let output = try PythonOracle.output(
      script: "calibration_ranges.py", stdin: [UInt8](JSONSerialization.data(withJSONObject: request)))
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    let answer = try decoder.decode(Answer.self, from: Data(output.utf8))

    #expect(found.histogram.counts == answer.counts)
    #expect(found.count == answer.count && found.minimum == answer.min && found.maximum == answer.max)
    #expect(range(.minMax) == min(answer.min, 0)...max(answer.max, 0))
    // A quantile lies within the bin that holds it, or in a gap between values.
    let bin = found.histogram.binWidth
    let percentile = range(.percentile)
    let (low, high) = (Double(percentile.lowerBound), Double(percentile.upperBound))
    #expect(low >= min(answer.percentile[0][0], 0) - bin && low <= min(answer.percentile[0][1], 0) + bin)
    #expect(high >= max(answer.percentile[1][0], 0) - bin && high <= max(answer.percentile[1][1], 0) + bin)
    let magnitude = range(.percentile, symmetric: true)
    #expect(abs(Double(magnitude.upperBound) - answer.magnitude) <= 2 * bin)
    #expect(magnitude.lowerBound == -magnitude.upperBound)
    // The range from the histogram costs hardly more than the best one from the values.
    #expect(answer.foundError <= answer.error * 1.03, "\(mse)")
    #expect(answer.foundSymmetricError <= answer.symmetricError * 1.03, "\(symmetricMSE)")
    let entropy = range(.entropy)
    let threshold = Double(max(-entropy.lowerBound, entropy.upperBound))
    #expect(
      abs(threshold - min(answer.entropy, Double(max(-answer.min, answer.max)))) <= 2 * bin, "\(entropy)")
  }

  @Test("Least squares cut a lone outlier off at 8 bits and keep it at 16")
  func outlier() {
    var generator = SplitMix64(seed: 42)
    let values = generator.normalFloats(100_000, deviation: 0.1) + [8]
    let found = statistics(of: values)
    let eight = found.range(method: .leastSquares, percentile: 100, levels: 256, symmetric: false)
    let sixteen = found.range(method: .leastSquares, percentile: 100, levels: 65_536, symmetric: false)
    #expect(eight.upperBound < 7.5)
    #expect(sixteen.upperBound > 7.8)
    #expect(found.range(method: .entropy, percentile: 100, levels: 65_536, symmetric: false).upperBound == 8)
  }

  @Test("Every method includes zero, keeps symmetry and does not go beyond what was seen")
  func properties() {
    var generator = SplitMix64.forThisRun()
    for sample in Sample.allCases {
      for shift in [Float(-20), 0, 20] {
        let values = sample.values(3000, &generator).map { $0 + shift }
        let found = statistics(of: values)
        for method in RangeMethod.allCases {
          for levels in [256, 65_536] {
            let open = found.range(method: method, percentile: 99, levels: levels, symmetric: false)
            #expect(open.contains(0), "\(sample) \(shift) \(method), seed \(generator.seed)")
            #expect(open.lowerBound >= min(found.minimum, 0) && open.upperBound <= max(found.maximum, 0))
            let even = found.range(method: method, percentile: 99, levels: levels, symmetric: true)
            #expect(
              even.lowerBound == -even.upperBound, "\(sample) \(shift) \(method), seed \(generator.seed)")
          }
        }
      }
    }
  }

  @Test("Averages are those of the runs, and nothing but zeros gives a lone zero")
  func movingAndZeros() {
    var found = statistics(of: [-1, 2])
    found.merge(statistics(of: [-3, 10]))
    #expect(found.range(method: .moving, percentile: 100, levels: 256, symmetric: false) == -2...6)
    #expect(found.range(method: .moving, percentile: 100, levels: 256, symmetric: true) == -6...6)
    #expect(found.range(method: .minMax, percentile: 100, levels: 256, symmetric: false) == -3...10)
    let zeros = statistics(of: [0, 0, -0.0])
    for method in RangeMethod.allCases {
      #expect(zeros.range(method: method, percentile: 99, levels: 256, symmetric: false) == 0...0)
    }
  }
}
