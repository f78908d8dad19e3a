/// A file that a source offers.
public struct SourceFile: Sendable {
  /// Where its bytes are.
  enum Place: Sendable {
    /// On this machine, as it is.
    case local(String)
    /// In an archive of this machine.
    case entry(OpenArchive, ZIPEntry)
    case web(WebAddress)
    /// In a listed repository.
    case hub(HuggingFaceRepository, HuggingFaceRepository.Listing, HuggingFaceRepository.File)
  }

  /// Which of the sources, in the order they were given.
  public let sourceIndex: Int
  /// Relative to its source, with slashes; plain, and below the source.
  public let path: String
  /// Nil when the server does not say.
  public let byteCount: Int?
  /// What the source says about the content: `sha256:...`, `git:...`, `crc32:...`, `etag:...`; nil when it
  /// says nothing, as for files of this machine.
  public let fingerprint: String?
  let place: Place

  /// The path of a file that lies on this machine as it is.
  public var localPath: String? { if case .local(let path) = place { path } else { nil } }
}

/// What one source offers.
public struct SourceListing: Sendable {
  public let source: LayoutSource
  /// Sorted by path.
  public let files: [SourceFile]
  /// What tells this state of the whole source from others: the commit of a repository, the entity tag of an
  /// archive; nil where nothing does.
  public let fingerprint: String?
  /// What was passed over and why, each a sentence.
  public let notes: [String]
  /// Set for an archive that was not fetched, so that its files are not known.
  public let unseen: Unseen?

  /// An archive that was not fetched.
  public struct Unseen: Sendable {
    /// Nil when the server does not say.
    public let byteCount: Int?
  }

  init(
    source: LayoutSource, files: [SourceFile], fingerprint: String? = nil, notes: [String] = [],
    unseen: Unseen? = nil
  ) {
    self.source = source
    self.files = files
    self.fingerprint = fingerprint
    self.notes = notes
    self.unseen = unseen
  }
}
