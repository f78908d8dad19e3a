/// Byte-pair encoding: the characters of a word, then again and again the pair of neighbours with the lowest
/// rank (the leftmost of several) becomes one token.
///
/// Source: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units", 2016.
struct BytePairMerger: Sendable {
  /// Where ranks come from.
  enum Ranks: Sendable {
    /// A list of pairs, as in `merges.txt`.
    case pairs(PairTable)
    /// A pair is ranked by the id of its text, as in tiktoken's files.
    case ids
  }

  /// What becomes of characters that are in no vocabulary.
  struct Unknown: Sendable {
    let token: Int
    /// Whether several of them in a row are one token.
    let isFused: Bool
  }

  let tokens: TokenTable
  let ranks: Ranks
  /// Nil: they are left out.
  var unknown: Unknown?
  /// Whether a word that is a token as it stands is that token, whatever its pairs say.
  var prefersWholeWords = false

  /// Appends the tokens of a word in the byte alphabet.
  func append(_ word: ArraySlice<UInt8>, to ids: inout [Int]) {
    if prefersWholeWords, let id = tokens.id(of: word) {
      ids.append(id)
      return
    }
    var merging = Merging(word: word, symbols: symbols(of: word), owner: self)
    merging.run()
    ids += merging.tokens
  }

  private struct Symbol {
    var token: Int
    /// The part of the word; only meaningful with ranks from ids.
    var start: Int
    var end: Int
  }

  private func symbols(of word: ArraySlice<UInt8>) -> [Symbol] {
    var symbols: [Symbol] = []
    symbols.reserveCapacity(word.count)
    var lastIsUnknown = false
    var at = word.startIndex
    while at < word.endIndex {
      let start = at
      at += word[at] < 0x80 ? 1 : 2
      if let token = tokens.id(of: word[start..<min(at, word.endIndex)]) {
        symbols.append(Symbol(token: token, start: start, end: at))
        lastIsUnknown = false
      } else if let unknown {
        if !(unknown.isFused && lastIsUnknown) {
          symbols.append(Symbol(token: unknown.token, start: start, end: at))
        }
        lastIsUnknown = true
      }
    }
    return symbols
  }

  /// The merging of one word: symbols in a list, pairs in a heap, so that a word of n characters takes n log
  /// n steps.
  private struct Merging {
    let word: ArraySlice<UInt8>
    var symbols: [Symbol]
    let owner: BytePairMerger
    /// The symbols beside each one that is left; `symbols.count` and -1 are the ends.
    private var next: [Int]
    private var previous: [Int]
    /// The merge that waits for each symbol and the one after it.
    private var waiting: [PairTable.Merge?]
    /// Rank and place in one word, the lowest first.
    private var heap: [UInt64] = []

    init(word: ArraySlice<UInt8>, symbols: [Symbol], owner: BytePairMerger) {
      self.word = word
      self.symbols = symbols
      self.owner = owner
      next = symbols.indices.map { $0 + 1 }
      previous = symbols.indices.map { $0 - 1 }
      waiting = [PairTable.Merge?](repeating: nil, count: symbols.count)
    }

    var tokens: [Int] {
      var tokens: [Int] = []
      var at = 0
      while at < symbols.count {
        tokens.append(symbols[at].token)
        at = next[at]
      }
      return tokens
    }

    mutating func run() {
      for at in symbols.indices { examine(at) }
      while let top = pop() {
        let at = Int(top & 0xFFFF_FFFF)
        // A pair that has changed since it was put into the heap waits for something else now.
        guard let merge = waiting[at], merge.rank == Int(top >> 32) else { continue }
        let right = next[at]
        symbols[at].token = merge.token
        symbols[at].end = symbols[right].end
        next[at] = next[right]
        if next[at] < symbols.count { previous[next[at]] = at }
        waiting[right] = nil
        examine(at)
        if previous[at] >= 0 { examine(previous[at]) }
      }
    }

    private mutating func examine(_ at: Int) {
      let right = next[at]
      waiting[at] = right < symbols.count ? merge(symbols[at], symbols[right]) : nil
      if let merge = waiting[at] { push(UInt64(merge.rank) << 32 | UInt64(at)) }
    }

    private func merge(_ left: Symbol, _ right: Symbol) -> PairTable.Merge? {
      switch owner.ranks {
      case .pairs(let table): return table.merge(left.token, right.token)
      case .ids:
        // Unknown characters in between were left out, so that these two are no neighbours in the word.
        guard left.end == right.start, let id = owner.tokens.id(of: word[left.start..<right.end]) else {
          return nil
        }
        return PairTable.Merge(rank: id, token: id)
      }
    }

    private mutating func push(_ item: UInt64) {
      heap.append(item)
      var at = heap.count - 1
      while at > 0, heap[(at - 1) / 2] > heap[at] {
        heap.swapAt(at, (at - 1) / 2)
        at = (at - 1) / 2
      }
    }

    private mutating func pop() -> UInt64? {
      guard let top = heap.first else { return nil }
      let last = heap.removeLast()
      if heap.isEmpty { return top }
      heap[0] = last
      var at = 0
      while true {
        var child = 2 * at + 1
        if child >= heap.count { return top }
        if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
        if heap[at] <= heap[child] { return top }
        heap.swapAt(at, child)
        at = child
      }
    }
  }
}
