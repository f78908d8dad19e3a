/// The tokens `<|0.00|>`, `<|0.02|>`, ... with which Whisper says when something was said.
public enum Timestamp {
  /// From one token to the next, in seconds.
  public static let secondsPerStep = 0.02
  /// The tokens of a published model: 0 to 30 s.
  static let publishedCount = 1501

  /// The text of the token with this number: `<|12.34|>`.
  static func text(_ index: Int) -> String {
    let hundredths = index * 2
    let fraction = hundredths % 100
    return "<|\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)|>"
  }

  /// The time that a token's text says; nil when it is no timestamp.
  static func seconds(of text: String) -> Double? {
    guard text.hasPrefix("<|"), text.hasSuffix("|>") else { return nil }
    let number = text.utf8.dropFirst(2).dropLast(2)
    let point = UInt8(ascii: ".")
    guard number.count(where: { $0 == point }) == 1, let first = number.first, first != point,
      number.allSatisfy({ $0 == point || $0 >= UInt8(ascii: "0") && $0 <= UInt8(ascii: "9") })
    else { return nil }
    return Double(String(decoding: number, as: UTF8.self))
  }
}
