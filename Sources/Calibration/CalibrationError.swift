public import ModelBackend

/// Why ranges cannot be had: one sentence with the remedy.
public struct CalibrationError: Error, Sendable {
  public enum Reason: Sendable {
    /// A tensor holds what cannot be quantized.
    case values
    /// A tensor that was asked for was not shown, or is none of numbers.
    case missing
    /// The ranges belong to another model.
    case otherModel
    /// A factorization or search has no answer.
    case numbers
    /// The model could not be run.
    case backend(BackendError.Reason)
  }

  public let reason: Reason
  public let message: String

  public init(_ reason: Reason, _ message: String) {
    self.reason = reason
    self.message = message
  }

  init(_ error: BackendError) { self.init(.backend(error.reason), error.message) }
}
