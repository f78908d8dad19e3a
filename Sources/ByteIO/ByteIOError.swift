/// A file that could not be opened, read, mapped or written, and what to do about it.
public struct ByteIOError: Error, Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    /// There is no such file.
    case notFound
    /// The path is a folder, a device or a pipe.
    case notARegularFile(found: String)
    /// The system refused; the code is an `errno`.
    case system(operation: String, code: Int32)
    /// A range that the file does not have.
    case outOfRange(Range<Int>, byteCount: Int)
    /// Less space is left than the file needs.
    case noSpace(needed: Int, available: Int)
    /// An external-data location that is no plain path below the model's folder.
    case unsafeLocation(String)
    /// A part of the path is a symbolic link.
    case symbolicLink(String)
    /// The file has more than one name.
    case hardLink(count: Int)
    /// The output is the same file as an input.
    case sameFile(as: String)
    /// A file has this name already.
    case alreadyExists
    /// Another program holds the lock and does not let go.
    case locked(seconds: Int)
    /// The user may not write to it.
    case readOnly
  }

  public let reason: Reason
  public let path: String

  public init(_ reason: Reason, path: String) {
    self.reason = reason
    self.path = path
  }

  /// One sentence: what, where, what was expected, what to do.
  public var message: String {
    switch reason {
    case .notFound:
      return "\(path): there is no such file; check the path"
    case .notARegularFile(let found):
      return "\(path): this is \(found), expected a regular file"
    case .system(let operation, let code):
      return "\(path): cannot \(operation): \(systemMessage(code))"
    case .outOfRange(let range, let byteCount):
      return "\(path): bytes \(range.lowerBound) to \(range.upperBound) are asked for, "
        + "but the file has \(byteCount) bytes; it is truncated or belongs to another model"
    case .noSpace(let needed, let available):
      return "\(path): the result needs \(needed) bytes and \(available) are free; "
        + "free some space or choose another output folder"
    case .unsafeLocation(let why):
      return "\(path): external data must lie in the model's folder or below it, but this location \(why)"
    case .symbolicLink(let part):
      return "\(path): '\(part)' is a symbolic link, which may point anywhere; "
        + "copy the file in its place, or pass --follow-links if you trust it"
    case .hardLink(let count):
      return "\(path): the file has \(count) names (hard links), so another program may share it; "
        + "copy the file in its place, or pass --follow-links if you trust it"
    case .sameFile(let other):
      return "\(path): the output is the input '\(other)' itself; choose another output"
    case .alreadyExists:
      return "\(path): a file of this name exists already"
    case .locked(let seconds):
      return "\(path): another program has held its lock for \(seconds) s; wait for that program or end it"
    case .readOnly:
      return "\(path): this file is read-only; allow writing to it, or choose another one"
    }
  }
}
