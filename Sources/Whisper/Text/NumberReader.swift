/// Reads words one after the other and collects those of a number, until it is clear that the number has
/// ended.
///
/// Some turns look arbitrary, and are: they are those of the published program, whose results these must
/// equal.
struct NumberReader {
  typealias Text = [Unicode.Scalar]

  /// The number so far.
  private enum Value {
    /// A whole number, which can grow by addition: `twenty` and `one`.
    case whole(WholeNumber)
    /// Digits as they were said, which grow by what follows: `one oh one`.
    case digits(Text)

    var text: Text {
      switch self {
      case .whole(let number): return number.text
      case .digits(let text): return text
      }
    }
  }

  private var value: Value?
  /// The sign before the number.
  private var sign: Unicode.Scalar?
  private var output: [Text] = []

  /// The words with numbers as digits, a space between all.
  mutating func read(_ words: [Text]) -> Text {
    let names = words.map { String($0) }
    var at = 0
    while at < words.count {
      let context = Context(
        word: words[at], name: names[at], previous: at > 0 ? names[at - 1] : nil,
        next: at + 1 < words.count ? words[at + 1] : nil, nextName: at + 1 < words.count ? names[at + 1] : nil
      )
      at += take(context) ? 2 : 1
    }
    flush()
    return Array(output.joined(separator: [" "]))
  }

  /// A word and its neighbours.
  private struct Context {
    let word: Text
    let name: String
    let previous: String?
    let next: Text?
    let nextName: String?

    var followsOne: Bool { previous.map { NumberWords.ones[$0] != nil } ?? false }
    var followsTen: Bool { previous.map { NumberWords.tens[$0] != nil } ?? false }
    var nextIsNumeral: Bool { next.map { NumberReader.isNumeral($0[...]) } ?? false }
    var nextIsNumberWord: Bool { nextName.map(NumberWords.contains) ?? false }
  }

  // MARK: Output

  private mutating func write(_ text: Text) {
    output.append(sign.map { [$0] + text } ?? text)
    value = nil
    sign = nil
  }

  private mutating func flush() {
    if let value { write(value.text) }
  }

  private mutating func flush(then word: Text) {
    flush()
    write(word)
  }

  // MARK: Words

  /// Takes one word; true when it took the next one with it.
  private mutating func take(_ context: Context) -> Bool {
    let signs: [Unicode.Scalar] = ["-", "+", "$", "£", "€", "¢"]
    let ownSign = context.word.first.flatMap { signs.contains($0) ? $0 : nil }
    let numeral = ownSign == nil ? context.word[...] : context.word.dropFirst()
    let name = context.name
    if Self.isNumeral(numeral) {
      takeNumeral(context.word, Array(numeral), ownSign)
    } else if !NumberWords.contains(name) {
      flush(then: context.word)
    } else if NumberWords.zeros.contains(name) {
      value = .digits(spoken + ["0"])
    } else if let one = NumberWords.ones[name] {
      value = joined(one, context)
    } else if let (one, suffix) = NumberWords.suffixedOnes[name] {
      write(joined(one, context).text + suffix.unicodeScalars)
    } else if let ten = NumberWords.tens[name] {
      value = joined(ten)
    } else if let (ten, suffix) = NumberWords.suffixedTens[name] {
      write(joined(ten).text + suffix.unicodeScalars)
    } else if let exponent = NumberWords.multipliers[name] {
      multiply(exponent)
    } else if let (exponent, suffix) = NumberWords.suffixedMultipliers[name] {
      multiply(exponent, suffix: Array(suffix.unicodeScalars))
    } else {
      return takeOther(context)
    }
    return false
  }

  private mutating func takeNumeral(_ word: Text, _ numeral: Text, _ ownSign: Unicode.Scalar?) {
    if case .digits(let text) = value, text.last == "." {
      // Decimals, or the parts of an address.
      value = .digits(text + word)
      return
    }
    flush()
    sign = ownSign ?? sign
    let (digits, decimals) = Self.decimal(numeral) ?? ([], [])
    value = decimals.allSatisfy { $0 == 0 } ? .whole(WholeNumber(digits)) : .digits(numeral)
  }

  /// Signs, currencies, per cent and the words with rules of their own; true when the next word was taken
  /// too.
  private mutating func takeOther(_ context: Context) -> Bool {
    let (word, name) = (context.word, context.name)
    if let named = NumberWords.signs[name] {
      flush()
      if context.nextIsNumberWord || context.nextIsNumeral { sign = named } else { write(word) }
    } else if let currency = NumberWords.currencies[name] {
      if value != nil { sign = currency }
      if value != nil { flush() } else { write(word) }
    } else if NumberWords.percents.contains(name) {
      return takePercent(context)
    } else if !context.nextIsNumberWord, !context.nextIsNumeral {
      flush(then: word)
    } else if name == "and" {
      // Within a number it is no word: two hundred and five.
      if context.previous.map({ NumberWords.multipliers[$0] == nil }) ?? true { flush(then: word) }
    } else if name == "point" {
      if context.nextIsNumeral || context.nextName.map(NumberWords.isDecimal) ?? false {
        value = .digits(spoken + ["."])
      }
    } else {
      return takeRepetition(context)
    }
    return false
  }

  private mutating func takePercent(_ context: Context) -> Bool {
    guard let value else {
      write(context.word)
      return false
    }
    if context.name == "percent" {
      write(value.text + ["%"])
    } else if context.nextName == "cent" {
      write(value.text + ["%"])
      return true
    } else {
      flush(then: context.word)
    }
    return false
  }

  /// `double seven`, `triple oh`.
  private mutating func takeRepetition(_ context: Context) -> Bool {
    guard let next = context.nextName, NumberWords.ones[next] != nil || NumberWords.zeros.contains(next)
    else {
      flush(then: context.word)
      return false
    }
    let digits = Text(String(NumberWords.ones[next] ?? 0).unicodeScalars)
    value = .digits(spoken + digits + digits + (context.name == "triple" ? digits : []))
    return true
  }

  // MARK: Values

  /// What was said so far, for digits to follow; a zero that was written as a numeral is lost.
  private var spoken: Text {
    if case .whole(let number) = value, number.isZero { return [] }
    return value?.text ?? []
  }

  /// The number with one to nineteen after it.
  private func joined(_ one: Int, _ context: Context) -> Value {
    let text = Text(String(one).unicodeScalars)
    guard let value else { return .whole(WholeNumber(one)) }
    if case .whole(let number) = value, !context.followsOne {
      return number.endsInZeros(one < 10 ? 1 : 2) ? .whole(number.adding(one)) : .digits(value.text + text)
    }
    // The zero of "twenty" gives way: nineteen twenty one.
    if context.followsTen, one < 10 { return .digits(value.text.dropLast() + text) }
    return .digits(value.text + text)
  }

  /// The number with twenty to ninety after it.
  private func joined(_ ten: Int) -> Value {
    guard let value else { return .whole(WholeNumber(ten)) }
    if case .whole(let number) = value, number.endsInZeros(2) { return .whole(number.adding(ten)) }
    return .digits(value.text + String(ten).unicodeScalars)
  }

  /// The number with hundred, thousand and so on after it, each a power of ten; written at once with a
  /// suffix.
  private mutating func multiply(_ exponent: Int, suffix: Text? = nil) {
    let result: WholeNumber
    switch value {
    case nil: result = WholeNumber(1).scaled(exponent)
    case .whole(let number): result = number.isZero ? number : number.multiplyingLastThousand(exponent)
    case .digits(let text):
      if let product = Self.product(text, exponent) {
        result = product
      } else {
        flush()
        result = WholeNumber(1).scaled(exponent)
      }
    }
    if let suffix { write(result.text + suffix) } else { value = .whole(result) }
  }

  /// Digits with a point or without, times a power of ten; nil when that is not whole, or the text is no
  /// number.
  private static func product(_ text: Text, _ exponent: Int) -> WholeNumber? {
    guard let (digits, decimals) = decimal(text) else { return nil }
    guard decimals.dropFirst(exponent).allSatisfy({ $0 == 0 }) else { return nil }
    let moved = decimals.prefix(exponent)
    return WholeNumber(digits + moved + [UInt8](repeating: 0, count: exponent - moved.count))
  }

  /// Digits with one point in between or none: `12`, `12.5`.
  private static func isNumeral(_ text: ArraySlice<Unicode.Scalar>) -> Bool {
    guard text.first != ".", text.last != ".", !text.isEmpty else { return false }
    return text.count { $0 == "." } <= 1 && text.allSatisfy { $0 == "." || ScalarText.digit($0) != nil }
  }

  /// The digits before and after the point, of which one side may be empty; nil when the text is no number.
  private static func decimal(_ text: Text) -> (digits: [UInt8], decimals: [UInt8])? {
    let parts = text.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count <= 2, text != ["."], !text.isEmpty else { return nil }
    var sides: [[UInt8]] = []
    for part in parts {
      let digits = part.compactMap { ScalarText.digit($0).map { UInt8($0) } }
      guard digits.count == part.count else { return nil }
      sides.append(digits)
    }
    return (sides[0], sides.count > 1 ? sides[1] : [])
  }
}

/// A whole number of any length by its decimal digits; ten decillion is a word, too.
struct WholeNumber {
  /// Without zeros at the front, but one for zero itself.
  private let digits: [UInt8]

  init(_ digits: [UInt8]) {
    let significant = digits.drop { $0 == 0 }
    self.digits = significant.isEmpty ? [0] : Array(significant)
  }

  init(_ value: Int) { self.init(String(value).utf8.map { $0 - 0x30 }) }

  var isZero: Bool { digits == [0] }

  var text: [Unicode.Scalar] { digits.map { Unicode.Scalar($0 + 0x30) } }

  /// Whether it is a multiple of this power of ten.
  func endsInZeros(_ count: Int) -> Bool {
    isZero || digits.count >= count && digits.suffix(count).allSatisfy { $0 == 0 }
  }

  func adding(_ value: Int) -> WholeNumber { adding(WholeNumber(value)) }

  private func adding(_ other: WholeNumber) -> WholeNumber {
    var sum: [UInt8] = []
    var carry: UInt8 = 0
    let count = max(digits.count, other.digits.count)
    for place in 1...count {
      let left = place <= digits.count ? digits[digits.count - place] : 0
      let right = place <= other.digits.count ? other.digits[other.digits.count - place] : 0
      sum.append((left + right + carry) % 10)
      carry = (left + right + carry) / 10
    }
    sum.append(carry)
    return WholeNumber(sum.reversed())
  }

  /// Times a power of ten.
  func scaled(_ exponent: Int) -> WholeNumber { WholeNumber(digits + [UInt8](repeating: 0, count: exponent)) }

  /// The part below a thousand times a power of ten, the rest as it is: `2,005 hundred` is 2,500.
  func multiplyingLastThousand(_ exponent: Int) -> WholeNumber {
    let rest = WholeNumber(digits.dropLast(3) + [0, 0, 0])
    return rest.adding(WholeNumber(Array(digits.suffix(3))).scaled(exponent))
  }
}
