import Foundation
import TestSupport
import Testing
import Whisper

@Suite("Error rates")
struct TextErrorRateTests {
  @Test("count insertions, deletions and substitutions of words and characters")
  func counts() {
    let counts = ErrorRate.words(reference: "the cat sat on the mat", hypothesis: "the cat sit on mat today")
    #expect(counts == ErrorCounts(hits: 4, substitutions: 1, deletions: 1, insertions: 1))
    #expect(counts.rate == 0.5)
    #expect(counts.referenceCount == 6)
    #expect(counts.hypothesisCount == 6)
    #expect(
      ErrorRate.characters(reference: " kitten ", hypothesis: "sitting")
        == ErrorCounts(hits: 4, substitutions: 2, deletions: 0, insertions: 1))
  }

  @Test("of empty texts are insertions or deletions only, and without a reference there is no rate")
  func empty() {
    #expect(ErrorRate.words(reference: "", hypothesis: "") == ErrorCounts())
    #expect(ErrorRate.words(reference: "a b", hypothesis: " ").rate == 1)
    let invented = ErrorRate.words(reference: " ", hypothesis: "a b c")
    #expect(invented.insertions == 3)
    #expect(invented.rate == nil)
    #expect((invented + ErrorRate.words(reference: "x", hypothesis: "x")).rate == 3)
  }

  @Test("prefer hits among ways with as few errors, and show each step in order")
  func steps() {
    let alignment = Alignment(reference: ["a", "b"], hypothesis: ["b", "c"])
    #expect(
      alignment.steps == [
        .deletion(reference: 0), .hit(reference: 1, hypothesis: 0), .insertion(hypothesis: 1),
      ])
  }

  @Test("equal those of a plain table in Python, with much memory and with little")
  func table() throws {
    let program = """
      def counts(a, b):
          row = [(j, 0, 0, 0, 0, j) for j in range(len(b) + 1)]
          for i, x in enumerate(a):
              new = [(i + 1, 0, 0, 0, i + 1, 0)]
              for j, y in enumerate(b):
                  e, s, h, u, d, n = row[j]
                  best = (e, s, h + 1, u, d, n) if x == y else (e + 1, s + 1, h, u + 1, d, n)
                  e, s, h, u, d, n = row[j + 1]
                  best = min(best, (e + 1, s, h, u, d + 1, n), key=lambda c: c[:2])
                  e, s, h, u, d, n = new[j]
                  best = min(best, (e + 1, s, h, u, d, n + 1), key=lambda c: c[:2])
                  new.append(best)
              row = new
          return list(row[-1][2:])
      answer = [counts(a, b) for a, b in given]
      """
    var random = SplitMix64.forThisRun()
    func sequence() -> [Int] {
      let kinds = Int.random(in: 1...8, using: &random)
      return (0..<Int.random(in: 0...40, using: &random)).map { _ in Int.random(in: 0..<kinds, using: &random)
      }
    }
    let pairs = (0..<500).map { _ in [sequence(), sequence()] }
    let answer: [[Int]] = try TextOracle.answer(program, pairs)
    for (pair, expected) in zip(pairs, answer) {
      for limit in [1, 60, 1 << 22] {
        let alignment = Alignment(reference: pair[0], hypothesis: pair[1], tableLimit: limit)
        let found = alignment.counts
        #expect(
          [found.hits, found.substitutions, found.deletions, found.insertions] == expected,
          "seed \(random.seed), limit \(limit): \(pair)")
        #expect(isComplete(alignment, pair[0], pair[1]), "seed \(random.seed), limit \(limit): \(pair)")
      }
    }
  }

  /// Whether the steps walk through both sequences once, and hits are hits.
  private func isComplete(_ alignment: Alignment, _ reference: [Int], _ hypothesis: [Int]) -> Bool {
    var (row, column) = (0, 0)
    for step in alignment.steps {
      switch step {
      case .hit(row, column):
        guard reference[row] == hypothesis[column] else { return false }
        (row, column) = (row + 1, column + 1)
      case .substitution(row, column):
        guard reference[row] != hypothesis[column] else { return false }
        (row, column) = (row + 1, column + 1)
      case .deletion(row): row += 1
      case .insertion(column): column += 1
      default: return false
      }
    }
    return row == reference.count && column == hypothesis.count
  }

  @Test("tell the first token that differs")
  func divergence() {
    #expect(ErrorRate.firstDivergence([1, 2, 3], [1, 2, 3]) == nil)
    #expect(ErrorRate.firstDivergence([1, 2, 3], [1, 4, 3]) == 1)
    #expect(ErrorRate.firstDivergence([1, 2], [1, 2, 3]) == 2)
    #expect(ErrorRate.firstDivergence([], [5]) == 0)
  }

  private let corpus = (0..<60).map { index in
    ErrorCounts(hits: 8 + index % 5, substitutions: index % 4 == 0 ? 2 : 0, deletions: index % 7 == 0 ? 1 : 0)
  }

  @Test("have an interval that the seed decides and that a second computation gives, too")
  func interval() throws {
    let bootstrap = Bootstrap(drawCount: 400, seed: 7, confidence: 0.9)
    let interval = try #require(bootstrap.interval(corpus))
    #expect(bootstrap.interval(corpus) == interval)
    #expect(Bootstrap(drawCount: 400, seed: 8, confidence: 0.9).interval(corpus) != interval)
    let total = corpus.reduce(ErrorCounts(), +)
    let rate = try #require(total.rate)
    #expect(interval.lower < rate && rate < interval.upper)

    let program = """
      mask = (1 << 64) - 1
      state = 0xCBF29CE484222325
      for byte in b"bootstrap":
          state = (state ^ byte) * 0x100000001B3 & mask
      state = (state + 7) & mask
      def number():
          global state
          state = (state + 0x9E3779B97F4A7C15) & mask
          mixed = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 & mask
          mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & mask
          return mixed ^ mixed >> 31
      rates = []
      for _ in range(400):
          picks = [given[number() % len(given)] for _ in given]
          rates.append(sum(p[0] for p in picks) / sum(p[1] for p in picks))
      rates.sort()
      def quantile(part):
          place = part * (len(rates) - 1)
          low = int(place)
          return rates[low] + (rates[min(low + 1, len(rates) - 1)] - rates[low]) * (place - low)
      answer = [quantile(0.05), quantile(0.95)]
      """
    let answer: [Double] = try TextOracle.answer(program, corpus.map { [$0.errors, $0.referenceCount] })
    #expect(abs(interval.lower - answer[0]) < 1e-12)
    #expect(abs(interval.upper - answer[1]) < 1e-12)
  }

  @Test("of two systems are compared on the same texts")
  func comparison() throws {
    let better = corpus.map { ErrorCounts(hits: $0.hits + $0.substitutions, deletions: $0.deletions) }
    let comparison = try #require(Bootstrap(seed: 1).comparison(corpus, better))
    #expect(comparison.difference < 0)
    #expect(comparison.interval.upper < 0)
    #expect(comparison.improvementShare > 0.99)
    let same = try #require(Bootstrap(seed: 1).comparison(corpus, corpus))
    #expect(same.difference == 0 && same.interval.lower == 0 && same.interval.upper == 0)
    #expect(same.improvementShare == 0)
    #expect(Bootstrap().comparison(corpus, []) == nil)
    #expect(Bootstrap().interval([]) == nil)
    #expect(Bootstrap().interval([ErrorCounts(insertions: 2)]) == nil)
  }
}

@Suite("Repeated output")
struct TextRepetitionTests {
  private func words(_ text: String) -> [String] { ErrorRate.words(of: text) }

  @Test("is a loop from four copies and eight words on")
  func loops() throws {
    let text = "so " + String(repeating: "thank you very much ", count: 5) + "bye"
    let loop = try #require(Repetition.loop(in: words(text)))
    #expect(loop.phraseLength == 4)
    #expect(loop.copies == 5)
    #expect(loop.range == 1..<21)
    #expect(Repetition.loop(in: words(String(repeating: "no ", count: 7))) == nil)
    #expect(Repetition.loop(in: words(String(repeating: "no ", count: 8)))?.copies == 8)
    #expect(Repetition.loop(in: words(String(repeating: "a b c ", count: 3))) == nil)
    #expect(Repetition.loop(in: [Int]()) == nil)
    #expect(Repetition.loop(in: Array(0..<1000)) == nil)
  }

  @Test("is found as by trying every place and length")
  func bruteForce() {
    var random = SplitMix64.forThisRun()
    for _ in 0..<300 {
      let kinds = Int.random(in: 1...3, using: &random)
      let units = (0..<Int.random(in: 0...60, using: &random)).map { _ in
        Int.random(in: 0..<kinds, using: &random)
      }
      var most = 0
      for length in 1...32 {
        for start in units.indices {
          var copies = 1
          while start + (copies + 1) * length <= units.count,
            units[start..<start + length].elementsEqual(units[(start + copies * length)...].prefix(length))
          {
            copies += 1
          }
          if copies >= 4, copies * length >= 8, start + length <= units.count {
            most = max(most, copies * length)
          }
        }
      }
      #expect(Repetition.loop(in: units)?.range.count ?? 0 == most, "seed \(random.seed): \(units)")
    }
  }

  @Test("has a high compression ratio, that of Python's zlib")
  func compression() throws {
    var samples = TextSamples(random: .forThisRun())
    let texts =
      samples.texts(300).filter { !$0.isEmpty } + [String(repeating: "thank you very much ", count: 50)]
    let program = """
      import zlib
      answer = [len(text.encode()) / len(zlib.compress(text.encode())) for text in given]
      """
    let answer: [Double] = try TextOracle.answer(program, texts)
    for (text, expected) in zip(texts, answer) {
      #expect(
        Repetition.compressionRatio(of: text) == expected,
        "seed \(samples.random.seed): \(text.debugDescription)")
    }
    #expect(Repetition.compressionRatio(of: texts[texts.count - 1]) > 2.4)
    #expect(Repetition.compressionRatio(of: "") == 0)
  }
}
