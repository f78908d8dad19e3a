/// What Whisper does with speech.
public enum SpeechTask: String, Sendable, CaseIterable {
  /// Writes it in its own language.
  case transcribe
  /// Writes it in English.
  case translate
}

/// Whether the model is asked for times.
public enum TimestampMode: Sendable {
  case none
  case segments
}

/// The tokens that steer a Whisper model, found in its tokenizer and its settings.
public struct SpecialTokens: Sendable {
  /// The file of the tokenizer, for sentences.
  public let source: String
  public let startOfTranscript: Int
  public let endOfText: Int
  public let transcribe: Int?
  public let translate: Int?
  /// The token that is likely where nobody speaks.
  public let noSpeech: Int?
  public let noTimestamps: Int?
  /// The token of 0.00 s; the one for each further 0.02 s is one more.
  public let timestampBegin: Int?
  /// How many timestamps there are.
  public let timestampCount: Int
  /// The token before the text of what was said earlier.
  public let startOfPrevious: Int?
  public let startOfLanguageModel: Int?
  /// Language tokens by the language's code.
  public let languages: [String: Int]
  /// Whether prompts name a language and a task.
  public let isMultilingual: Bool
  /// Tokens that are never given; without settings, those that OpenAI's decoder leaves out.
  public let suppressed: [Int]
  /// Tokens that are not given first.
  public let beginSuppressed: [Int]

  /// Collects the tokens.
  ///
  /// - Throws: `TextError` when the tokenizer lacks the start of transcript or the end of text, or when
  ///   tokenizer and settings contradict each other, as those of different models do.
  public init(_ tokenizer: Tokenizer, _ settings: GenerationSettings) throws(TextError) {
    let search = Search(tokenizer: tokenizer)
    source = tokenizer.source
    startOfTranscript = try search.required("<|startoftranscript|>", settings.decoderStartToken)
    endOfText = try search.required("<|endoftext|>", settings.endTokens.first)
    transcribe = try search.optional(["<|transcribe|>"], settings.taskTokens["transcribe"])
    translate = try search.optional(["<|translate|>"], settings.taskTokens["translate"])
    noSpeech = try search.optional(["<|nospeech|>", "<|nocaptions|>"], nil)
    noTimestamps = try search.optional(["<|notimestamps|>"], settings.noTimestampsToken)
    startOfPrevious = try search.optional(["<|startofprev|>"], settings.previousTextToken)
    startOfLanguageModel = try search.optional(["<|startoflm|>"], nil)
    languages = try search.languages(settings)
    isMultilingual = search.isMultilingual(settings, endOfText, hasTask: transcribe != nil, languages)
    (timestampBegin, timestampCount) = search.timestamps(settings, after: noTimestamps)
    let steering = [
      startOfTranscript, transcribe, translate, startOfPrevious, startOfLanguageModel, noSpeech,
    ]
    // A file without lists means that nothing is suppressed, as transformers reads it.
    suppressed =
      settings.isFromFile
      ? settings.suppressedTokens
      : Set(NonSpeechTokens.ids(tokenizer) + steering.compactMap { $0 }).sorted()
    let first = tokenizer.encode(" ").prefix(1) + [endOfText]
    beginSuppressed = settings.isFromFile ? settings.beginSuppressedTokens : Array(first)
  }

  /// The language that a code or a name means, if the model has it.
  public func language(_ text: String) throws(TextError) -> Language {
    if languages[text] != nil, Language(text) == nil { return Language(code: text, name: text) }
    guard let language = Language(text) else { throw TextError(.unknownLanguage(text), source: source) }
    if !isMultilingual, language != .english {
      throw TextError(.englishOnly(asked: "transcribe \(language.name)"), source: source)
    }
    if isMultilingual, languages[language.code] == nil {
      throw TextError(.absentLanguage(language.name), source: source)
    }
    return language
  }

  /// What the decoder is fed first: start of transcript, then language and task unless the model knows
  /// English only, then the token for no timestamps when none are wanted.
  ///
  /// - Throws: `TextError` for a language or task that the model does not have.
  public func prompt(
    language: Language, task: SpeechTask, timestamps: TimestampMode
  ) throws(TextError) -> [Int] {
    var prompt = [startOfTranscript]
    if isMultilingual {
      guard let token = languages[language.code] else {
        throw TextError(.absentLanguage(language.name), source: source)
      }
      guard let taskToken = task == .transcribe ? transcribe : translate else {
        throw TextError(.absentTask(task.rawValue), source: source)
      }
      prompt += [token, taskToken]
    } else if language != .english {
      throw TextError(.englishOnly(asked: "transcribe \(language.name)"), source: source)
    } else if task == .translate {
      throw TextError(.englishOnly(asked: "translate"), source: source)
    }
    if timestamps == .none, let noTimestamps { prompt.append(noTimestamps) }
    return prompt
  }

  /// The time of a timestamp token in seconds; nil for other tokens.
  public func seconds(of token: Int) -> Double? {
    guard let timestampBegin, token >= timestampBegin, token < timestampBegin + timestampCount else {
      return nil
    }
    // Hundredths are whole, so that 0.06 is 0.06.
    return Double((token - timestampBegin) * 2) / 100
  }

  /// The timestamp token that is nearest to a time; nil when the model has none there.
  public func timestamp(seconds: Double) -> Int? {
    guard let timestampBegin, seconds.isFinite, seconds >= 0 else { return nil }
    let step = (seconds / Timestamp.secondsPerStep).rounded()
    return step < Double(timestampCount) ? timestampBegin + Int(step) : nil
  }
}

/// Looks for tokens in a tokenizer and compares them with what the settings say.
private struct Search {
  let tokenizer: Tokenizer

  func required(_ text: String, _ stated: Int?) throws(TextError) -> Int {
    guard let id = try optional([text], stated) else {
      throw TextError(.missingToken(text), source: tokenizer.source)
    }
    return id
  }

  /// The id that the tokenizer gives to the first of these texts that it has, else the stated one.
  func optional(_ texts: [String], _ stated: Int?) throws(TextError) -> Int? {
    guard let text = texts.first(where: { tokenizer.id(of: $0) != nil }), let id = tokenizer.id(of: text)
    else {
      return stated
    }
    if let stated, stated != id {
      throw TextError(
        .malformed(
          place: "the id of \(text)", found: "\(id)",
          expected: "\(stated), as generation_config.json or config.json says"), source: tokenizer.source)
    }
    return id
  }

  func languages(_ settings: GenerationSettings) throws(TextError) -> [String: Int] {
    var found: [String: Int] = [:]
    for (text, id) in settings.languageTokens {
      let code = text.hasPrefix("<|") && text.hasSuffix("|>") ? String(text.dropFirst(2).dropLast(2)) : text
      found[code] = try optional(["<|\(code)|>"], id)
    }
    // A list in the settings is the model's own; else every known language with a token counts.
    if !found.isEmpty { return found }
    for language in Language.all { found[language.code] = tokenizer.id(of: "<|\(language.code)|>") }
    return found
  }

  /// Tokenizers of English-only models have all language tokens too, so they do not tell; the settings do, or
  /// the end of text, which is one less where the vocabulary is GPT-2's.
  func isMultilingual(
    _ settings: GenerationSettings, _ endOfText: Int, hasTask: Bool, _ languages: [String: Int]
  ) -> Bool {
    if let stated = settings.isMultilingual { return stated }
    if endOfText == 50256 || settings.vocabularySize == 51864 { return false }
    return hasTask && !languages.isEmpty
  }

  /// The first timestamp and their number: as tokens of the tokenizer, or as what the model scores beyond
  /// them.
  func timestamps(_ settings: GenerationSettings, after noTimestamps: Int?) -> (begin: Int?, count: Int) {
    if let begin = tokenizer.id(of: Timestamp.text(0)) {
      var count = 1
      while tokenizer.id(of: Timestamp.text(count)) == begin + count { count += 1 }
      return (begin, count)
    }
    guard let noTimestamps, let size = settings.vocabularySize, size > noTimestamps + 1 else {
      return (nil, 0)
    }
    return (noTimestamps + 1, min(size - noTimestamps - 1, Timestamp.publishedCount))
  }
}

/// Tokens that write what nobody says: speaker tags, brackets, notes.
///
/// Source: the decoder published with Whisper, which leaves out the same tokens unless it is told otherwise.
enum NonSpeechTokens {
  private static let symbols =
    "\" # ( ) * + / : ; < = > @ [ \\ ] ^ _ ` { | } ~ 「 」 『 』 << >> <<< >>> -- --- -( -[ (' (\" (( )) ((( ))) "
    + "[[ ]] {{ }} ♪♪ ♪♪♪"
  /// Notes are several tokens each, of which the first says enough.
  private static let notes = ["♩", "♪", "♫", "♬", "♭", "♮", "♯"]

  /// The ids, in order; hyphens and quotes within words stay allowed.
  static func ids(_ tokenizer: Tokenizer) -> [Int] {
    var ids: Set<Int> = []
    ids.formUnion(tokenizer.encode(" -").prefix(1))
    ids.formUnion(tokenizer.encode(" '").prefix(1))
    for symbol in symbols.split(separator: " ").map(String.init) + notes {
      for tokens in [tokenizer.encode(symbol), tokenizer.encode(" " + symbol)]
      where tokens.count == 1 || notes.contains(symbol) {
        ids.formUnion(tokens.prefix(1))
      }
    }
    return ids.sorted()
  }
}
