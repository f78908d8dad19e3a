import JSONDocuments

/// Collects the vocabulary, merges and added tokens of a file, with every check on them.
struct TokenizerBuilder {
  /// The file that is being read.
  var source: String
  private(set) var tokens: TokenTable
  private(set) var pairs: PairTable
  private(set) var added: [AddedToken] = []
  private var addedByID: [Int: String] = [:]
  private var mergeCount = 0

  init(source: String, tokenCapacity: Int, mergeCapacity: Int) {
    self.source = source
    tokens = TokenTable(capacity: tokenCapacity)
    pairs = PairTable(capacity: mergeCapacity)
  }

  func malformed(_ place: String, _ found: String, expected: String) -> TextError {
    TextError(.malformed(place: place, found: found, expected: expected), source: source)
  }

  /// Checks that a number can be an id.
  func checkID(_ id: Int?, _ found: String, place: String) throws(TextError) -> Int {
    guard let id, id >= 0, id < TokenTable.idLimit else {
      throw malformed(
        place, found, expected: "a token id, a whole number from 0 to \(TokenTable.idLimit - 1)")
    }
    return id
  }

  /// Adds a token of the vocabulary; `place` names it in errors.
  mutating func addToken(
    _ text: some Collection<UInt8>, id: Int, place: @autoclosure () -> String
  ) throws(TextError) {
    switch tokens.add(text, id: id) {
    case nil: return
    case .id:
      let other = tokens.text(of: id).map { shown($0) } ?? ""
      throw malformed(place(), "\(id)", expected: "an id of its own, for \(other) has this one")
    case .text:
      throw malformed(place(), "the token \(shown(text)) again", expected: "every token once")
    }
  }

  /// Adds the next merge; the earlier, the sooner it is done.
  mutating func addMerge(
    _ left: Span<UInt8>, _ right: Span<UInt8>, place: @autoclosure () -> String
  ) throws(TextError) {
    guard let leftID = tokens.id(of: left, Span()), let rightID = tokens.id(of: right, Span()),
      let token = tokens.id(of: left, right)
    else {
      let (first, second) = (Self.copy(left), Self.copy(right))
      let absent = [first, second, first + second].first { tokens.id(of: $0[...]) == nil } ?? []
      throw malformed(
        place(), "\(shown(first)) and \(shown(second))",
        expected: "tokens of the vocabulary, which has no \(shown(absent))")
    }
    pairs.set(leftID, rightID, PairTable.Merge(rank: mergeCount, token: token))
    mergeCount += 1
  }

  /// Adds a merge that is written as two tokens with one space between them.
  mutating func addMergeLine(_ line: Span<UInt8>, place: @autoclosure () -> String) throws(TextError) {
    var gap = 0
    var spaceCount = 0
    for index in line.indices where line[index] == UInt8(ascii: " ") {
      gap = index
      spaceCount += 1
    }
    guard spaceCount == 1, gap > 0, gap + 1 < line.count else {
      throw malformed(place(), shown(Self.copy(line)), expected: "two tokens with one space between them")
    }
    try addMerge(line.extracting(0..<gap), line.extracting(gap + 1..<line.count), place: place())
  }

  private static func copy(_ text: Span<UInt8>) -> [UInt8] { text.indices.map { text[$0] } }

  /// Adds a token that is looked for in text as a whole.
  mutating func addAdded(_ token: AddedToken, place: @autoclosure () -> String) throws(TextError) {
    if let other = addedByID[token.id], !other.utf8.elementsEqual(token.text.utf8) {
      throw malformed(place(), "\(token.id)", expected: "an id of its own, for '\(other)' has this one")
    }
    let bytes = Array(token.text.utf8)
    if let word = tokens.text(of: token.id), !word.elementsEqual(bytes) {
      throw malformed(place(), "\(token.id)", expected: "an id of its own, for \(shown(word)) has this one")
    }
    if let id = tokens.id(of: bytes[...]), id != token.id {
      throw malformed(
        place(), "\(token.id)", expected: "\(id), which the vocabulary gives to '\(token.text)'")
    }
    addedByID[token.id] = token.text
    added.append(token)
  }

  /// A token for a sentence.
  func shown(_ text: some Collection<UInt8>) -> String { "'" + String(decoding: text, as: UTF8.self) + "'" }
}
