/// The words that English numbers are made of.
enum NumberWords {
  static let zeros: Set<String> = ["o", "oh", "zero"]

  private static let oneNames = [
    "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
  ]
  private static let tenNames = [
    "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety",
  ]
  /// Each a thousand times the one before, from a thousand on.
  private static let multiplierNames = [
    "thousand", "million", "billion", "trillion", "quadrillion", "quintillion", "sextillion", "septillion",
    "octillion", "nonillion", "decillion",
  ]

  /// One to nineteen.
  static let ones = Dictionary(uniqueKeysWithValues: oneNames.enumerated().map { ($1, $0 + 1) })
  static let tens = Dictionary(uniqueKeysWithValues: tenNames.enumerated().map { ($1, ($0 + 2) * 10) })
  /// Powers of ten by their exponent.
  static let multipliers = Dictionary(
    uniqueKeysWithValues: [("hundred", 2)] + multiplierNames.enumerated().map { ($1, ($0 + 1) * 3) })

  /// A value and what is written behind its digits.
  typealias Suffixed = (value: Int, suffix: String)

  static let suffixedOnes: [String: Suffixed] = {
    var table: [String: Suffixed] = ["zeroth": (0, "th")]
    let irregular: [Int: Suffixed] = [1: (1, "st"), 2: (2, "nd"), 3: (3, "rd")]
    let irregularNames = [1: "first", 2: "second", 3: "third", 5: "fifth", 12: "twelfth"]
    for (name, value) in ones {
      table[name == "six" ? "sixes" : name + "s"] = (value, "s")
      let ordinal = irregularNames[value] ?? name + (name.hasSuffix("t") ? "h" : "th")
      table[ordinal] = irregular[value] ?? (value, "th")
    }
    return table
  }()

  static let suffixedTens: [String: Suffixed] = {
    var table: [String: Suffixed] = [:]
    for (name, value) in tens {
      table[name.dropLast() + "ies"] = (value, "s")
      table[name.dropLast() + "ieth"] = (value, "th")
    }
    return table
  }()

  /// Exponents with a suffix.
  static let suffixedMultipliers: [String: Suffixed] = {
    var table: [String: Suffixed] = [:]
    for (name, exponent) in multipliers {
      table[name + "s"] = (exponent, "s")
      table[name + "th"] = (exponent, "th")
    }
    return table
  }()

  /// Signs for words before a number.
  static let signs: [String: Unicode.Scalar] = ["minus": "-", "negative": "-", "plus": "+", "positive": "+"]
  /// Signs, written before the number, for words after it.
  static let currencies: [String: Unicode.Scalar] = [
    "pound": "£", "pounds": "£", "euro": "€", "euros": "€", "dollar": "$", "dollars": "$", "cent": "¢",
    "cents": "¢",
  ]
  static let percents: Set<String> = ["per", "percent"]
  static let specials: Set<String> = ["and", "double", "triple", "point"]

  /// A word that can stand after a decimal point.
  static func isDecimal(_ word: String) -> Bool {
    ones[word] != nil || tens[word] != nil || zeros.contains(word)
  }

  /// Whether a word plays any part in numbers.
  static func contains(_ word: String) -> Bool {
    isDecimal(word) || suffixedOnes[word] != nil || suffixedTens[word] != nil || multipliers[word] != nil
      || suffixedMultipliers[word] != nil || signs[word] != nil || currencies[word] != nil
      || percents.contains(word) || specials.contains(word)
  }
}
