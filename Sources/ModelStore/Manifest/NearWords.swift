/// Words that someone may have meant.
public enum NearWords {
  /// Up to three words that differ little from one that is unknown, the nearest first.
  public static func of(_ word: String, among words: [String]) -> [String] {
    let wanted = bytes(word)
    let limit = max(2, wanted.count / 4)
    var ranked: [(distance: Int, word: String)] = []
    for candidate in words {
      let distance = likeness(wanted, bytes(candidate))
      if distance <= limit { ranked.append((distance, candidate)) }
    }
    ranked.sort { ($0.distance, $0.word) < ($1.distance, $1.word) }
    let nearest = ranked.first?.distance ?? 0
    return ranked.filter { $0.distance <= nearest + 1 }.prefix(3).map { $0.word }
  }

  private static func bytes(_ word: String) -> [UInt8] { Array(word.lowercased().utf8.prefix(200)) }

  /// How far a word is from another, from its beginning, or from a part of it.
  private static func likeness(_ wanted: [UInt8], _ other: [UInt8]) -> Int {
    let whole = distance(wanted, other)
    if wanted.count < 4 { return whole }
    if contains(other, wanted) { return min(1, whole) }
    let beginnings = [wanted.count, wanted.count + 1].map { distance(wanted, Array(other.prefix($0))) + 1 }
    return min(whole, beginnings[0], beginnings[1])
  }

  private static func contains(_ whole: [UInt8], _ part: [UInt8]) -> Bool {
    whole.count >= part.count
      && (0...whole.count - part.count).contains { whole[$0...].starts(with: part) }
  }

  /// Letters to insert, remove or exchange (Levenshtein).
  private static func distance(_ left: [UInt8], _ right: [UInt8]) -> Int {
    var row = Array(0...right.count)
    for (i, a) in left.enumerated() {
      var diagonal = row[0]
      row[0] = i + 1
      for (j, b) in right.enumerated() {
        let above = row[j + 1]
        row[j + 1] = min(above + 1, row[j] + 1, diagonal + (a == b ? 0 : 1))
        diagonal = above
      }
    }
    return row[right.count]
  }
}
