import JSONDocuments

/// The form in which English texts are compared: as `BasicTextNormalizer`, and contractions, titles, numbers,
/// currencies and spellings in one way of writing.
///
/// Source: Radford et al., "Robust speech recognition via large-scale weak supervision", 2022, appendix C.
/// The results equal those of the published program.
public struct EnglishTextNormalizer: Sendable {
  /// British spellings and the American ones.
  private let spelling: [String: String]

  /// A normalizer with a table of spellings; an empty one leaves them as they are.
  public init(spelling: [String: String] = [:]) {
    self.spelling = spelling
  }

  /// A normalizer with the spellings in `normalizer.json` of a model's folder, none when there is no such
  /// file.
  ///
  /// - Throws: `TextError` when the file is there and is no object of strings.
  public init(folder: String) throws(TextError) {
    let path = TokenizerFolder.path(folder, "normalizer.json")
    var spelling: [String: String] = [:]
    if let root = try TextFile.json(ifPresent: path) {
      guard root.isObject else {
        throw TextError(
          .malformed(
            place: "the file", found: TokenizerBuilder.found(root), expected: "an object of spellings"),
          source: path)
      }
      for member in root.members {
        guard let text = member.value.value.string else {
          throw TextError(
            .malformed(
              place: "\"\(member.key)\"", found: TokenizerBuilder.found(member.value), expected: "a spelling"),
            source: path)
        }
        spelling[member.key] = text
      }
    }
    self.spelling = spelling
  }

  /// The normal form of a text.
  public func normalize(_ text: String) -> String {
    var scalars = ScalarText.removingBrackets(ScalarText.lowercased(Array(text.unicodeScalars)))
    for filler in Self.fillers { scalars = filler.apply(to: scalars) }
    scalars = Self.joiningApostrophes(scalars)
    for replacement in Self.replacements { scalars = replacement.apply(to: scalars) }
    scalars = Self.removingCommasAndPeriods(scalars)
    scalars = ScalarText.removingDiacritics(scalars, keeping: [".", "%", "$", "¢", "€", "£"])
    scalars = EnglishNumbers.standardize(scalars)
    if !spelling.isEmpty {
      let words = ScalarText.words(scalars).map { String($0) }
      scalars = Array(words.map { spelling[$0] ?? $0 }.joined(separator: " ").unicodeScalars)
    } else {
      scalars = Array(ScalarText.words(scalars).joined(separator: [" "]))
    }
    return String(ScalarText.joiningBlanks(Self.removingLoneSigns(scalars)))
  }

  // MARK: Steps

  /// Blanks before an apostrophe go.
  private static func joiningApostrophes(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var at = 0
    while at < text.count {
      let end = ScalarText.blanksEnd(text, at)
      if end > at, end < text.count, text[end] == "'" {
        at = end
        continue
      }
      result.append(text[at])
      at += 1
    }
    return result
  }

  /// Commas between digits go (the digit after one that went does not count for the next); a full stop that
  /// no digit follows becomes a space.
  private static func removingCommasAndPeriods(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var digits: [Unicode.Scalar] = []
    var at = 0
    while at < text.count {
      digits.append(text[at])
      if ScalarText.digit(text[at]) != nil, at + 2 < text.count, text[at + 1] == ",",
        ScalarText.digit(text[at + 2]) != nil
      {
        digits.append(text[at + 2])
        at += 3
      } else {
        at += 1
      }
    }
    return spacing(digits, signs: ["."])
  }

  /// A space for each of these signs unless an ASCII digit follows; what follows is taken with it, so that of
  /// two signs the second one stays.
  private static func spacing(
    _ text: [Unicode.Scalar], signs: [Unicode.Scalar], atEnd: Bool = true
  ) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var at = 0
    while at < text.count {
      let hasNext = at + 1 < text.count
      if signs.contains(text[at]), hasNext ? !ScalarText.isASCIIDigit(text[at + 1]) : atEnd {
        result.append(" ")
        if hasNext { result.append(text[at + 1]) }
        at += 2
      } else {
        result.append(text[at])
        at += 1
      }
    }
    return result
  }

  /// Signs of currencies without a number behind them go, and per cent without one before it.
  private static func removingLoneSigns(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    let spaced = spacing(text, signs: [".", "$", "¢", "€", "£"], atEnd: false)
    var result: [Unicode.Scalar] = []
    var at = 0
    while at < spaced.count {
      result.append(spaced[at])
      if !ScalarText.isASCIIDigit(spaced[at]), at + 1 < spaced.count, spaced[at + 1] == "%" {
        result.append(" ")
        at += 1
      }
      at += 1
    }
    return result
  }

  // MARK: Words

  /// A text that is replaced where it is a whole word, or the end of one.
  struct Replacement: Sendable {
    private let text: [Unicode.Scalar]
    private let replacement: [Unicode.Scalar]
    /// Whether it may follow a letter, as the endings of contractions do.
    private let isEnding: Bool

    init(_ text: String, _ replacement: String) {
      self.text = Array(text.unicodeScalars)
      self.replacement = Array(replacement.unicodeScalars)
      isEnding = text.hasPrefix("'") || text == "n't"
    }

    func apply(to source: [Unicode.Scalar]) -> [Unicode.Scalar] {
      guard let first = text.first, source.contains(first) else { return source }
      var result: [Unicode.Scalar] = []
      result.reserveCapacity(source.count)
      var at = 0
      while at < source.count {
        if source[at] == first, source[at...].starts(with: text), isWhole(source, at) {
          result += replacement
          at += text.count
        } else {
          result.append(source[at])
          at += 1
        }
      }
      return result
    }

    private func isWhole(_ source: [Unicode.Scalar], _ at: Int) -> Bool {
      (isEnding || ScalarText.isBoundary(source, at)) && ScalarText.isBoundary(source, at + text.count)
    }
  }

  private static let fillers = ["hmm", "mm", "mhm", "mmm", "uh", "um"].map { Replacement($0, "") }

  /// In this order: the special before the general.
  private static let replacements: [Replacement] = [
    ("won't", "will not"), ("can't", "can not"), ("let's", "let us"), ("ain't", "aint"), ("y'all", "you all"),
    ("wanna", "want to"), ("gotta", "got to"), ("gonna", "going to"), ("i'ma", "i am going to"),
    ("imma", "i am going to"), ("woulda", "would have"), ("coulda", "could have"), ("shoulda", "should have"),
    ("ma'am", "madam"),
    // Titles.
    ("mr", "mister "), ("mrs", "missus "), ("st", "saint "), ("dr", "doctor "), ("prof", "professor "),
    ("capt", "captain "), ("gov", "governor "), ("ald", "alderman "), ("gen", "general "),
    ("sen", "senator "),
    ("rep", "representative "), ("pres", "president "), ("rev", "reverend "), ("hon", "honorable "),
    ("asst", "assistant "), ("assoc", "associate "), ("lt", "lieutenant "), ("col", "colonel "),
    ("jr", "junior "), ("sr", "senior "), ("esq", "esquire "),
    // Perfect tenses.
    ("'d been", " had been"), ("'s been", " has been"), ("'d gone", " had gone"), ("'s gone", " has gone"),
    ("'d done", " had done"), ("'s got", " has got"),
    // Contractions.
    ("n't", " not"), ("'re", " are"), ("'s", " is"), ("'d", " would"), ("'ll", " will"), ("'t", " not"),
    ("'ve", " have"), ("'m", " am"),
  ].map { Replacement($0, $1) }
}
