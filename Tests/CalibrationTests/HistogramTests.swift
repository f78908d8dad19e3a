import Calibration
import Foundation
import Kernels
import TestSupport
import Testing

@Suite("Histograms and tables of ranges")
struct HistogramTests {
  @Test("Merging in any order is counting at once")
  func merging() {
    var generator = SplitMix64.forThisRun()
    let parts = (0..<5).map { part in
      generator.normalFloats(500, deviation: [0.001, 1, 300, 1e-8, 7][part])
    }
    let whole = parts.flatMap { $0 }
    let wanted = statistics(of: whole).histogram
    for order in [[0, 1, 2, 3, 4], [2, 4, 0, 3, 1], [3, 0, 1, 4, 2]] {
      var merged = statistics(of: parts[order[0]]).histogram
      for part in order.dropFirst() { merged.merge(statistics(of: parts[part]).histogram) }
      #expect(merged == wanted, "seed \(generator.seed)")
    }
    #expect(wanted.total == UInt64(whole.count))
  }

  @Test("Every value lies between the edges of the bin that counts it")
  func edges() {
    for value in [
      Float(1), -1, 0, 0.999, 2, -2.0001, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 3.3e38, -2.9e38,
      1e-30,
    ] {
      let histogram = statistics(of: [value]).histogram
      let bin = histogram.counts.firstIndex { $0 == 1 } ?? -1
      #expect(histogram.edge(bin) <= Double(value) || abs(value) > 1e38, "\(value)")
      // The largest value of a range counts in its last bin.
      #expect(Double(value) <= histogram.edge(bin + 1) || abs(value) > 1e38, "\(value)")
    }
  }

  @Test("Samples of a large tensor take every channel in turn")
  func sampling() {
    for (count, width) in [(1500 * 1280, 1280), (1500 * 5120, 5120), (20 * 1500 * 1500, 1500), (1 << 21, 64)]
    {
      // A tensor with one loud channel: its share in the sample is its share in the whole.
      let rows = min(count / width, 1 << 21)
      guard count <= 1500 * 5120 else { continue }
      var values = [Float](repeating: 0.25, count: rows * width)
      for row in 0..<rows { values[row * width + 1] = 4 }
      let found = TensorStatistics(
        values.span, range: SignedRange(lowest: 0.25, highest: 4), dimensions: [1, rows, width],
        channels: .wanted, threads: 2)
      #expect(found.histogram.total <= UInt64(TensorStatistics.sampleLimit))
      #expect(found.histogram.total > UInt64(TensorStatistics.sampleLimit / 3))
      let loud = Double(found.histogram.counts.last ?? 0) / Double(found.histogram.total) * Double(width)
      #expect(loud > 0.9 && loud < 1.1, "\(width): \(loud)")
      #expect(found.channels?.maxima[1] == 4 && found.channels?.maxima[2] == 0.25)
    }
  }

  @Test("A table comes back from JSON as it was, and 400 tensors stay below 3 MB")
  func coding() throws {
    var generator = SplitMix64(seed: 43)
    var table = RangeTable(modelDigest: "abc")
    let seen = (0..<8).map { turn in
      let values = Sample.allCases[turn % 5].values(4000, &generator)
      var found = TensorStatistics(
        values.span, range: SignedRanges.range(of: values.span), dimensions: [100, 40], channels: .wanted,
        threads: 1)
      // As many counts as eight clips of a large tensor have.
      for _ in 0..<10 { found.histogram.merge(found.histogram) }
      return ("tensor \(turn)", found)
    }
    table.add(RangeTable.Clip(name: "a.wav", digest: "1"), Dictionary(uniqueKeysWithValues: seen))
    table.add(RangeTable.Clip(name: "b.wav", digest: "2"), Dictionary(uniqueKeysWithValues: seen.dropLast()))
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    let text = try encoder.encode(table)
    #expect(try JSONDecoder().decode(RangeTable.self, from: text) == table)
    #expect(try encoder.encode(JSONDecoder().decode(RangeTable.self, from: text)) == text)
    #expect(text.count / 8 * 400 < 3 << 20, "\(text.count / 8) bytes a tensor")
  }

  @Test(
    "Damaged histograms are errors",
    arguments: ["AAA", "AP////////////8=", "//////////////////8=", "*AAA", "A===", "gICAgICAgICAAQ=="])
  func damaged(counts: String) {
    let text = #"{"exponent": 3, "first": 0, "counts": ""# + counts + #""}"#
    #expect(throws: DecodingError.self) { try JSONDecoder().decode(Histogram.self, from: Data(text.utf8)) }
  }

  @Test("Ranges of another model are refused with both digests and what to do")
  func otherModel() throws {
    let table = RangeTable(modelDigest: "0123456789abcdef0123")
    try table.check(modelDigest: "0123456789abcdef0123", place: "ranges.json")
    let error = #expect(throws: CalibrationError.self) {
      try table.check(modelDigest: "fedcba9876543210fedc", place: "ranges.json")
    }
    #expect(
      error?.message
        == "ranges.json: these ranges belong to another model, or to other settings of scheme, --kv, --equalize or "
        + "--smooth (digest 0123456789abcdef…, and this model's is fedcba9876543210…); calibrate again into another "
        + "file, or remove this one and the one beside it")
  }

  @Test("A table covers wishes only when it has all that they ask for")
  func coverage() {
    var table = RangeTable(modelDigest: "")
    table.add(RangeTable.Clip(name: "a", digest: "1"), ["x": statistics(of: [1, 2])])
    #expect(table.covers(ObservationWishes(["x": .range])))
    #expect(table.covers(ObservationWishes(["x": .range, "y": .gram])))
    #expect(!table.covers(ObservationWishes(["x": .range, "y": .range])))
    #expect(!table.covers(ObservationWishes(["x": [.range, .channels]])))
  }
}
