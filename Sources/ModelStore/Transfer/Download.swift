/// One file to fetch.
public struct Download: Sendable {
  /// Whose habits the server has, for better advice when it refuses.
  public enum Service: Sendable { case any, huggingFace }

  public var address: WebAddress
  /// Where the file goes. While it is incomplete it lies beside that as `<path>.part`, with `<path>.part.state`.
  public var path: String
  /// The length in bytes that the file must have; nil when it is not known.
  public var expectedByteCount: Int?
  /// What the content must be; nil when it is not known.
  public var digest: ContentDigest?
  /// Sent to the server of `address` and to no other, whatever redirects say.
  public var bearerToken: String?
  public var service: Service

  public init(
    address: WebAddress, path: String, expectedByteCount: Int? = nil, digest: ContentDigest? = nil,
    bearerToken: String? = nil, service: Service = .any
  ) {
    self.address = address
    self.path = path
    self.expectedByteCount = expectedByteCount
    self.digest = digest
    self.bearerToken = bearerToken
    self.service = service
  }

  var partPath: String { path + ".part" }
  var statePath: String { path + ".part.state" }
}

/// A file that has arrived.
public struct DownloadedFile: Sendable, Equatable {
  public enum Origin: Sendable, Equatable {
    /// It was there with the expected digest; nothing was fetched.
    case alreadyThere
    /// It was fetched, from this byte on; the bytes before were there from an earlier run.
    case fetched(fromByte: Int)
  }

  public let path: String
  public let byteCount: Int
  /// 64 hexadecimal digits.
  public let sha256: String
  public let origin: Origin
}

/// How far one of several downloads is.
public struct TransferProgress: Sendable {
  public enum Phase: Sendable {
    /// The request is on its way.
    case connecting
    /// Bytes from an earlier run, or a complete file, are read and their digest is computed.
    case checking
    case transferring
    /// An attempt failed for this reason; the next one follows after the pause.
    case waiting(Duration, reason: String)
    case done
  }

  /// Which of the downloads, in the order they were given.
  public let index: Int
  public let phase: Phase
  /// Bytes that are there; may become smaller when the download starts over.
  public let doneByteCount: Int
  /// Nil when the server does not say.
  public let totalByteCount: Int?
}

/// How downloads are done.
public struct TransferSettings: Sendable {
  public enum Proxy: Sendable {
    /// The one that the environment names: https_proxy, http_proxy, all_proxy, no_proxy.
    case ofEnvironment
    case none
  }

  public var userAgent = "whisperq"
  /// How many files are fetched at the same time.
  public var simultaneousCount = 4
  public var connectLimit: Duration = .seconds(20)
  /// A transfer that gets fewer bytes than `stallByteCount` in this time has stalled.
  public var stallLimit: Duration = .seconds(30)
  public var stallByteCount = 1024
  public var redirectLimit = 10
  public var proxy = Proxy.ofEnvironment
  /// A file of trusted certificates in place of the system's; nil for the system's.
  public var certificateFile: String?
  public var retries = RetryPolicy()

  public init() {}
}
