/// How much a run says on standard error.
///
/// Errors are always said; the result on standard output does not depend on it.
public enum Verbosity: Int, Sendable, Comparable, CaseIterable {
  /// Errors only: no progress, no notes.
  case quiet
  /// Progress, notes and warnings.
  case normal
  /// Everything, details included.
  case verbose

  public static func < (left: Verbosity, right: Verbosity) -> Bool {
    left.rawValue < right.rawValue
  }
}
