/// What an alignment of two sequences counts.
public struct ErrorCounts: Sendable, Equatable {
  public var hits: Int
  public var substitutions: Int
  public var deletions: Int
  public var insertions: Int

  public init(hits: Int = 0, substitutions: Int = 0, deletions: Int = 0, insertions: Int = 0) {
    self.hits = hits
    self.substitutions = substitutions
    self.deletions = deletions
    self.insertions = insertions
  }

  public var errors: Int { substitutions + deletions + insertions }
  /// The length of what was said.
  public var referenceCount: Int { hits + substitutions + deletions }
  /// The length of what was written.
  public var hypothesisCount: Int { hits + substitutions + insertions }

  /// Errors per unit of the reference; above 1 where more was added than said, nil when nothing was said.
  public var rate: Double? { referenceCount == 0 ? nil : Double(errors) / Double(referenceCount) }

  public static func + (left: ErrorCounts, right: ErrorCounts) -> ErrorCounts {
    ErrorCounts(
      hits: left.hits + right.hits, substitutions: left.substitutions + right.substitutions,
      deletions: left.deletions + right.deletions, insertions: left.insertions + right.insertions)
  }

  public static func += (left: inout ErrorCounts, right: ErrorCounts) { left = left + right }
}

/// Word and character error rates of texts that are in their normal form already.
public enum ErrorRate {
  /// The words between blanks.
  public static func words(of text: String) -> [String] {
    ScalarText.words(Array(text.unicodeScalars)).map { String($0) }
  }

  /// The characters (Unicode scalars) with one space between words and none at the ends.
  public static func characters(of text: String) -> [Unicode.Scalar] {
    Array(ScalarText.words(Array(text.unicodeScalars)).joined(separator: [" "]))
  }

  /// The errors of a text in words: WER is the `rate` of the sum over all texts.
  public static func words(reference: String, hypothesis: String) -> ErrorCounts {
    Alignment(reference: words(of: reference), hypothesis: words(of: hypothesis)).counts
  }

  /// The errors of a text in characters: CER is the `rate` of the sum over all texts.
  public static func characters(reference: String, hypothesis: String) -> ErrorCounts {
    Alignment(reference: characters(of: reference), hypothesis: characters(of: hypothesis)).counts
  }

  /// The first place at which two token lists differ, which is the length of the shorter one when it is the
  /// beginning of the other; nil when they are the same.
  public static func firstDivergence(_ left: [Int], _ right: [Int]) -> Int? {
    for (at, (first, second)) in zip(left, right).enumerated() where first != second { return at }
    return left.count == right.count ? nil : min(left.count, right.count)
  }
}
