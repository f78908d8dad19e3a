import ByteIO
public import ModelStore

/// What `download-layout` is asked for.
public struct LayoutRequest: Sendable {
  public enum Strictness: Sendable {
    /// What is missing is a warning.
    case lenient
    /// What is missing is an error.
    case strict
  }

  public enum Existing: Sendable {
    /// Files that are there stay; a different one is an error.
    case kept
    case replaced
  }

  public enum ManifestWish: Sendable { case written, omitted }

  public enum Run: Sendable {
    /// Says what would go where.
    case look
    case place
  }

  public var sources: [LayoutSource]
  public var modelsFolder = "models"
  /// Nil for a name that follows from the size of the model.
  public var name: String?
  /// Nil for the full-precision one.
  public var variant: String?
  /// How files of this machine come to their place.
  public var way = PlacingWay.clone
  public var strictness = Strictness.lenient
  public var existing = Existing.kept
  public var manifest = ManifestWish.written
  public var run = Run.place
  public var followsLinks = false
  public var collecting = CollectorSettings()

  public init(sources: [LayoutSource]) { self.sources = sources }
}

/// What a layout holds after a run, and what was decided on the way.
public struct LayoutReport: Sendable {
  public enum Action: String, Sendable {
    /// It is there as it should be.
    case kept
    /// It was put there.
    case placed
    /// It was put in the place of another one.
    case replaced
    /// It would be put there.
    case planned
  }

  /// One file of the layout.
  public struct File: Sendable {
    /// Relative to the layout's folder.
    public let path: String
    public let action: Action
    /// `renamed`, `reflinked`, `linked` or `copied`; nil for what was kept, made or is only planned.
    public let method: String?
    /// Nil when nobody knows before it is fetched.
    public let byteCount: Int?
    /// Nil when it was not read.
    public let sha256: String?
    /// The part of Whisper, for models.
    public let part: String?
    /// The source, as shown; nil for what is made here.
    public let source: String?
    /// The file in its source.
    public let origin: String?
  }

  /// Something that the sources offer and the layout does not take.
  public struct Left: Sendable {
    public let path: String
    public let reason: String
  }

  public let name: String
  public let folderPath: String
  public let isComplete: Bool
  public var files: [File] = []
  public var left: [Left] = []
  /// What is missing or odd, each a sentence with its remedy.
  public var warnings: [String] = []
  public var notes: [String] = []
  public var manifestEntries: [(key: String, change: String)] = []
  /// Bytes that would be fetched, for a run that only looks.
  public var remoteByteCount = 0

  public init(name: String, folderPath: String, isComplete: Bool) {
    self.name = name
    self.folderPath = folderPath
    self.isComplete = isComplete
  }
}

extension PipelineError {
  public init(_ error: LayoutError) {
    switch error.reason {
    case .transfer(let cause): self = PipelineError(cause)
    case .file(let cause): self = PipelineError(cause)
    case .archive(let cause): self.init(cause.message, cause.isArchiveBad ? .badInput : .inputOutput)
    case .badSource, .record, .changed: self.init(error.message, .badInput)
    }
  }

  public init(_ error: TransferError) {
    switch error.kind {
    case .usage: self.init(error.message, .usage)
    case .content: self.init(error.message, .badInput)
    case .inputOutput, .canceled: self.init(error.message, .inputOutput)
    }
  }
}

extension LayoutRequest {
  /// How sources are brought, from what a command line says and from HF_TOKEN.
  public static func collecting(
    endpoint: String?, digests: [String], followsLinks: Bool, largestArchive megabytes: Int?
  ) -> CollectorSettings {
    var settings = CollectorSettings()
    if let endpoint { settings.endpoint = endpoint }
    settings.token = environmentVariable("HF_TOKEN")
    settings.digests = digests
    settings.links = followsLinks ? .follow : .refuse
    if let megabytes { settings.archives.byteCount = megabytes * 1_000_000 }
    return settings
  }
}
