/// A setting that is one of a few words; a file with another word is refused with the list of them.
public protocol NamedChoice: RawRepresentable, Codable, CaseIterable where RawValue == String {}

extension NamedChoice {
  public init(from decoder: any Decoder) throws {
    let word = try decoder.singleValueContainer().decode(String.self)
    guard let choice = Self(rawValue: word) else {
      let words = Self.allCases.map(\.rawValue).joined(separator: ", ")
      throw DecodingError.dataCorrupted(
        DecodingError.Context(
          codingPath: decoder.codingPath, debugDescription: "'\(word)' is unknown; choose one of \(words)"))
    }
    self = choice
  }
}
