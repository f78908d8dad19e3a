#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Which tokens may come next: suppressed ones, and the order of timestamps.
///
/// Source: the decoder published with Whisper (timestamps stand in pairs, do not go back, and come when all of
/// them together are likelier than any single word).
struct TokenRules {
  /// The first timestamp token, and the latest that a text may begin with.
  struct Timestamps {
    let begin: Int
    let latestFirst: Int?
    let noTimestamps: Int?
  }

  let endOfText: Int
  let suppressed: [Int]
  let beginSuppressed: [Int]
  let timestamps: Timestamps?

  /// Sets the logits of tokens that may not follow `generated` to minus infinity.
  func apply(to logits: inout [Float], after generated: ArraySlice<Int>) {
    forbid(suppressed, in: &logits)
    if generated.isEmpty { forbid(beginSuppressed, in: &logits) }
    guard let timestamps, timestamps.begin < logits.count else { return }
    if let token = timestamps.noTimestamps { forbid([token], in: &logits) }
    keepPairs(timestamps, &logits, generated)
    preferTimestamps(timestamps, &logits)
  }

  private func forbid(_ tokens: some Sequence<Int>, in logits: inout [Float]) {
    for token in tokens where logits.indices.contains(token) { logits[token] = -.infinity }
  }

  private func keepPairs(_ timestamps: Timestamps, _ logits: inout [Float], _ generated: ArraySlice<Int>) {
    let begin = timestamps.begin
    func isTimestamp(_ token: Int) -> Bool { token >= begin }
    let lastIsTimestamp = generated.last.map(isTimestamp) ?? false
    let isPairOpen = lastIsTimestamp && !(generated.dropLast().last.map(isTimestamp) ?? true)
    if lastIsTimestamp {
      // After a pair comes text; after one at the end of text, its partner or the end.
      if isPairOpen { forbid(0..<endOfText, in: &logits) } else { forbid(begin..<logits.count, in: &logits) }
    }
    if let latest = generated.last(where: isTimestamp) {
      let earliest = isPairOpen ? latest : latest + 1
      forbid(begin..<max(begin, earliest), in: &logits)
    }
    if generated.isEmpty {
      forbid(0..<begin, in: &logits)
      if let latest = timestamps.latestFirst, begin + latest + 1 < logits.count {
        forbid((begin + latest + 1)..<logits.count, in: &logits)
      }
    }
  }

  /// Leaves timestamps only where their sum is likelier than any word.
  private func preferTimestamps(_ timestamps: Timestamps, _ logits: inout [Float]) {
    let times = logits[timestamps.begin...]
    guard let highest = times.max(), highest > -.infinity else { return }
    let sum = times.reduce(Float(0)) { $0 + exp($1 - highest) }
    let word = logits[..<timestamps.begin].max() ?? -.infinity
    if highest + log(sum) > word { forbid(0..<timestamps.begin, in: &logits) }
  }
}
