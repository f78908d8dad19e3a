/// The form in which texts of any language are compared: small letters without brackets' content, symbols and
/// repeated blanks.
///
/// Source: Radford et al., "Robust speech recognition via large-scale weak supervision", 2022, appendix C.
/// The results equal those of the published program, blanks at the ends included.
public struct BasicTextNormalizer: Sendable {
  public enum Diacritics: Sendable {
    case keep
    /// Accents are left out.
    case remove
  }

  public enum Splitting: Sendable {
    case words
    /// A space between all characters, for languages that write none between words.
    case letters
  }

  public let diacritics: Diacritics
  public let splitting: Splitting

  public init(diacritics: Diacritics = .keep, splitting: Splitting = .words) {
    self.diacritics = diacritics
    self.splitting = splitting
  }

  /// The normal form of a text.
  public func normalize(_ text: String) -> String {
    var scalars = ScalarText.removingBrackets(ScalarText.lowercased(Array(text.unicodeScalars)))
    switch diacritics {
    case .keep: scalars = ScalarText.removingSymbols(scalars)
    case .remove: scalars = ScalarText.removingDiacritics(scalars, keeping: [])
    }
    scalars = ScalarText.lowercased(scalars)
    if splitting == .letters {
      scalars = Array(String(scalars).map { String($0) }.joined(separator: " ").unicodeScalars)
    }
    return String(ScalarText.joiningBlanks(scalars))
  }
}
