#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Chooses tokens one by one until a text ends: the likeliest at temperature 0, else a random one by its
/// probability.
struct GreedySearch {
  let decoder: any TokenDecoder
  let special: SpecialTokens
  let rules: TokenRules
  /// Tokens that fit, prompt included.
  let lengthLimit: Int
  let tokenLimit: Int?

  /// What a window gave.
  struct Result {
    var tokens: [Int] = []
    /// Sum of natural logarithms, the end of text included.
    var logProbability = 0.0
    var noSpeechProbability: Double?
    /// Whether the text ended by itself, and not for want of room.
    var isFinished = false

    /// As the program published with Whisper defines it: the end of text counts as a token.
    var averageLogProbability: Double { logProbability / Double(tokens.count + 1) }
  }

  /// Decodes one window.
  ///
  /// - Parameter onToken: sees every token as soon as it is chosen.
  func run(
    _ audio: EncodedAudio, prompt: [Int], temperature: Float, random: inout SeededNumbers,
    onToken: (Int) -> Void
  ) throws(DecodingError) -> Result {
    var result = Result()
    try decoder.begin(audio)
    guard prompt.count < lengthLimit else {
      throw DecodingError(
        .request,
        "the prompt has \(prompt.count) tokens, and the decoder has room for \(lengthLimit); shorten it")
    }
    var rows = try decoder.step(prompt)
    result.noSpeechProbability = noSpeech(rows, prompt)
    let room = min(lengthLimit - prompt.count, tokenLimit ?? Int.max)
    while result.tokens.count < room {
      guard var logits = rows.last else { break }
      rules.apply(to: &logits, after: result.tokens[...])
      let (token, logProbability) = choose(logits, temperature, &random)
      result.logProbability += logProbability
      if token == special.endOfText {
        result.isFinished = true
        break
      }
      result.tokens.append(token)
      onToken(token)
      if result.tokens.count < room { rows = try decoder.step([token]) }
    }
    return result
  }

  private func choose(
    _ logits: [Float], _ temperature: Float, _ random: inout SeededNumbers
  ) -> (token: Int, logProbability: Double) {
    let best = logits.likeliestToken
    let highest = logits[best]
    guard highest > -.infinity else { return (special.endOfText, 0) }
    let total = logits.exponentialSum(below: highest)
    func logProbability(_ token: Int) -> Double {
      Double(logits[token]) - Double(highest) - log(total)
    }
    guard temperature > 0 else { return (best, logProbability(best)) }
    let weights = logits.map { exp(($0 - highest) / temperature) }
    var rest = Double(random.uniform()) * weights.reduce(0.0) { $0 + Double($1) }
    for (token, weight) in weights.enumerated() where weight > 0 {
      rest -= Double(weight)
      if rest < 0 { return (token, logProbability(token)) }
    }
    return (best, logProbability(best))
  }

  /// The probability of the token for silence right after the start of transcript.
  private func noSpeech(_ rows: [[Float]], _ prompt: [Int]) -> Double? {
    guard let token = special.noSpeech, rows.count == prompt.count,
      let position = prompt.lastIndex(of: special.startOfTranscript), rows[position].indices.contains(token),
      let highest = rows[position].max()
    else { return nil }
    let total = rows[position].exponentialSum(below: highest)
    return Double(exp(rows[position][token] - highest)) / total
  }
}
