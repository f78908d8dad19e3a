public import ByteIO

/// Why a model could not be laid out.
public struct LayoutError: Error, Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    case transfer(TransferError)
    case file(ByteIOError)
    /// A word that is no source.
    case badSource(String)
    case archive(ArchiveError)
    /// A record of an earlier run that cannot be read.
    case record(String)
    /// A source file that is no longer what was looked at.
    case changed
  }

  public let reason: Reason
  /// The source or file.
  public let place: String

  public init(_ reason: Reason, place: String) {
    self.reason = reason
    self.place = place
  }

  /// One sentence: what, where, what was expected, what to do.
  public var message: String {
    switch reason {
    case .transfer(let error): error.message
    case .file(let error): error.message
    case .badSource(let why): "\(place): this \(why)"
    case .archive(let error): error.message
    case .record(let why):
      "\(place): the record of an earlier run cannot be used: \(why); remove this file, "
        + "and run again with --force"
    case .changed: "\(place): this file changed while it was being laid out; run again when it is complete"
    }
  }
}
