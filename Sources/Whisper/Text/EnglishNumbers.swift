/// Numbers in English text as digits: `two hundred and five` is `205`, `twenty million dollars` is
/// `$20000000`, `one oh one` is `101`, `sixty-first` is `61st`.
enum EnglishNumbers {
  typealias Text = [Unicode.Scalar]

  /// The text with its numbers as digits.
  static func standardize(_ text: Text) -> Text {
    var reader = NumberReader()
    let words = ScalarText.words(spaced(withHalves(text)))
    return combiningCents(reader.read(words))
  }

  // MARK: Before

  /// `two and a half` is `two point five`.
  private static func withHalves(_ text: Text) -> Text {
    var segments: [Text] = []
    var start = 0
    var at = 0
    while at < text.count {
      if let end = halfEnd(text, at) {
        segments.append(Array(text[start..<at]))
        start = end
        at = end
      } else {
        at += 1
      }
    }
    segments.append(Array(text[start...]))
    var results: [Text] = []
    for (index, segment) in segments.enumerated() {
      guard let last = ScalarText.words(segment).last else { continue }
      results.append(segment)
      if index == segments.count - 1 { continue }
      let word = String(last)
      let isNumber = NumberWords.isDecimal(word) || NumberWords.multipliers[word] != nil
      results.append(Array((isNumber ? "point five" : "and a half").unicodeScalars))
    }
    return Array(results.joined(separator: [" "]))
  }

  /// The end of `and a half`, whole words, at a place; nil when something else stands there.
  private static func halfEnd(_ text: Text, _ start: Int) -> Int? {
    guard text[start] == "a", ScalarText.isBoundary(text, start) else { return nil }
    var at = start
    for (index, word) in ["and", "a", "half"].enumerated() {
      if index > 0 {
        let end = ScalarText.blanksEnd(text, at)
        if end == at { return nil }
        at = end
      }
      guard text[at...].starts(with: word.unicodeScalars) else { return nil }
      at += word.unicodeScalars.count
    }
    return ScalarText.isBoundary(text, at) ? at : nil
  }

  /// A space where letters and digits meet, but none before `st`, `nd`, `rd`, `th` and `s` after a digit.
  private static func spaced(_ text: Text) -> Text {
    var split: Text = []
    for scalar in text {
      if let last = split.last,
        ScalarText.isSmallASCIILetter(last) && ScalarText.isASCIIDigit(scalar)
          || ScalarText.isASCIIDigit(last) && ScalarText.isSmallASCIILetter(scalar)
      {
        split.append(" ")
      }
      split.append(scalar)
    }
    var result: Text = []
    var at = 0
    while at < split.count {
      result.append(split[at])
      let end = ScalarText.blanksEnd(split, at + 1)
      if ScalarText.isASCIIDigit(split[at]), end > at + 1, let suffix = suffix(split, end) {
        result += suffix
        at = end + suffix.count
      } else {
        at += 1
      }
    }
    return result
  }

  private static func suffix(_ text: Text, _ at: Int) -> Text? {
    ["st", "nd", "rd", "th", "s"].map { Array($0.unicodeScalars) }.first {
      text[at...].starts(with: $0) && ScalarText.isBoundary(text, at + $0.count)
    }
  }

  // MARK: After

  /// `$2 and ¢7` is `$2.07`, `$0.05` is `¢5`; a lone `1` is `one` again, which reads better.
  private static func combiningCents(_ text: Text) -> Text {
    oneAsWord(rewrite(rewrite(text, dollarsAndCents), centsOnly))
  }

  /// Replaces what `rule` finds at a place: the end of it and what stands there instead.
  private static func rewrite(_ text: Text, _ rule: (Text, Int) -> (end: Int, text: Text)?) -> Text {
    var result: Text = []
    var at = 0
    while at < text.count {
      if let (end, replacement) = rule(text, at) {
        result += replacement
        at = end
      } else {
        result.append(text[at])
        at += 1
      }
    }
    return result
  }

  private static func isCurrency(_ scalar: Unicode.Scalar) -> Bool {
    scalar == "€" || scalar == "£" || scalar == "$"
  }

  /// One or two digits and no word behind them: their value and end.
  private static func cents(_ text: Text, _ at: Int) -> (value: Int, end: Int)? {
    for count in [2, 1] where at + count <= text.count {
      let digits = text[at..<at + count]
      if digits.allSatisfy(ScalarText.isASCIIDigit), ScalarText.isBoundary(text, at + count) {
        return (digits.reduce(0) { $0 * 10 + Int($1.value) - 0x30 }, at + count)
      }
    }
    return nil
  }

  private static func dollarsAndCents(_ text: Text, _ start: Int) -> (end: Int, text: Text)? {
    guard isCurrency(text[start]) else { return nil }
    var at = start + 1
    while at < text.count, ScalarText.isASCIIDigit(text[at]) { at += 1 }
    guard at > start + 1 else { return nil }
    let amount = text[start..<at]
    for gap in [" and ¢", " ¢"] where text[at...].starts(with: gap.unicodeScalars) {
      guard let (value, end) = cents(text, at + gap.unicodeScalars.count) else { return nil }
      return (end, amount + Array(".\(value < 10 ? "0" : "")\(value)".unicodeScalars))
    }
    return nil
  }

  private static func centsOnly(_ text: Text, _ start: Int) -> (end: Int, text: Text)? {
    guard isCurrency(text[start]), start + 2 < text.count, text[start + 1] == "0", text[start + 2] != "\n",
      let (value, end) = cents(text, start + 3)
    else { return nil }
    return (end, Array("¢\(value)".unicodeScalars))
  }

  private static func oneAsWord(_ text: Text) -> Text {
    rewrite(text) { text, start in
      guard text[start] == "1", ScalarText.isBoundary(text, start) else { return nil }
      if start + 1 < text.count, text[start + 1] == "s", ScalarText.isBoundary(text, start + 2) {
        return (start + 2, ["o", "n", "e", "s"])
      }
      return ScalarText.isBoundary(text, start + 1) ? (start + 1, ["o", "n", "e"]) : nil
    }
  }
}
