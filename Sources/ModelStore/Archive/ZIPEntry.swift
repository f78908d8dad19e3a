/// A file or folder in a ZIP archive. Its name and its place have been checked when the archive was opened.
public struct ZIPEntry: Sendable, Equatable {
  public enum Kind: Sendable { case file, folder }
  public enum Method: Sendable { case stored, deflated }

  /// A plain relative path with slashes and without `.` and `..`; a folder's without a slash at its end.
  public let path: String
  public let kind: Kind
  public let method: Method
  /// The length of the content.
  public let byteCount: Int
  /// Where the stored or compressed bytes lie in the archive file.
  public let storedRange: Range<Int>
  public let crc32: UInt32
}

/// How large archives may be.
public struct ArchiveLimits: Sendable {
  /// Of all contents together.
  public var byteCount = 64 << 30
  public var entryCount = 100_000
  /// Content by compressed bytes of one entry, where it has more than `ratioFreeByteCount`; weights of models hardly
  /// shrink at all.
  public var ratio = 250
  public var ratioFreeByteCount = 64 << 20

  public init() {}
}
