import ByteIO

/// Fetches one file: what is there of it is kept, what is missing is asked for, until it is complete and checked.
final class FileTransfer {
  private let download: Download
  private let settings: TransferSettings
  private let cancellation: Cancellation
  private let meter: ProgressMeter
  private let part: PartFile
  /// What the part file is a part of; nil when it is empty.
  private var state: PartState?
  private var digest: RunningDigest
  private var sniffer: ContentSniffer?
  /// Bytes that were there before this run and are part of what is kept.
  private var keptByteCount = 0
  /// Whether the content comes from more than one answer, which may not have been of the same file.
  private var isPieced = false

  /// Opens the part file. Refuses when another process holds it.
  init(
    _ download: Download, settings: TransferSettings, cancellation: Cancellation, meter: ProgressMeter
  ) throws(TransferError) {
    self.download = download
    self.settings = settings
    self.cancellation = cancellation
    self.meter = meter
    digest = RunningDigest(for: download.digest, byteCount: download.expectedByteCount)
    let part = try transferring(download) { () throws(ByteIOError) in
      try PartFile.open(path: download.partPath)
    }
    guard let part else { throw TransferError(.inUse, address: download.partPath) }
    self.part = part
  }

  /// Fetches the file and gives it its name. What cannot be resumed does not stay behind.
  func run(_ client: HTTPClient) throws(TransferError) -> DownloadedFile {
    do {
      try transferring(download) { () throws(ByteIOError) in try prepare() }
      var retrying = Retrying(policy: settings.retries)
      retrying.begin(byteCount: part.byteCount)
      while true {
        do {
          if !isComplete { try attempt(client) }
          try verify()
          break
        } catch {
          if error.remedy == .restart || !isResumable {
            try transferring(download) { () throws(ByteIOError) in try startOver() }
          }
          try retrying.wait(after: error, byteCount: part.byteCount, cancellation) { pause, reason in
            meter.report(.waiting(pause, reason: reason), part.byteCount, total)
          }
        }
      }
      return try transferring(download) { () throws(ByteIOError) in try putInPlace() }
    } catch {
      removeWorthless(after: error)
      throw error
    }
  }

  private var total: Int? { state?.byteCount ?? download.expectedByteCount }

  private var isComplete: Bool { state != nil && state?.byteCount == part.byteCount }

  /// Whether the rest can be asked for later: the server can tell its version, or a digest tells in the end.
  private var isResumable: Bool {
    guard let state else { return false }
    return state.validators.ifRange != nil || download.digest != nil
  }

  // MARK: What is there

  /// Takes over what an earlier run left, when it is certain what it is.
  private func prepare() throws(ByteIOError) {
    state = part.byteCount > 0 ? PartState(readingFrom: download.statePath) : nil
    let fits =
      state?.address == download.address.recorded && isResumable
      && part.byteCount <= total ?? .max
      && state?.byteCount ?? total == download.expectedByteCount ?? state?.byteCount
    guard fits else { return try startOver() }
    keptByteCount = part.byteCount
    isPieced = true
    digest = RunningDigest(for: download.digest, byteCount: total)
    var buffer = [UInt8](repeating: 0, count: 1 << 20)
    var offset = 0
    while offset < part.byteCount, !cancellation.isCanceled {
      let count = try part.read(at: offset, into: &buffer)
      if count == 0 { break }
      // Bytes have no padding, so reading them raw is sound.
      digest.update(unsafe buffer.span.bytes.extracting(0..<count))
      offset += count
      meter.report(.checking, offset, part.byteCount)
    }
  }

  /// Drops what is there. The state goes first: see `PartState`.
  private func startOver() throws(ByteIOError) {
    state = nil
    keptByteCount = 0
    isPieced = false
    try removeFile(download.statePath)
    if part.byteCount > 0 { try part.empty() }
  }

  private func removeWorthless(after error: TransferError) {
    let isWrong =
      switch error.reason {
      case .digest, .length, .notTheFile: true
      default: false
      }
    guard isWrong || !isResumable || part.byteCount == 0 else { return }
    try? removeFile(download.statePath)
    try? part.remove()
  }

  private func putInPlace() throws(ByteIOError) -> DownloadedFile {
    try part.commit(as: download.path)
    try removeFile(download.statePath)
    meter.report(.done, part.byteCount, part.byteCount)
    return DownloadedFile(
      path: download.path, byteCount: part.byteCount, sha256: digest.sha256Digits,
      origin: .fetched(fromByte: keptByteCount))
  }

  // MARK: One attempt

  private func attempt(_ client: HTTPClient) throws(AttemptFailure) {
    meter.report(.connecting, part.byteCount, total)
    if cancellation.isCanceled { throw failure(.canceled, .none) }
    var fields: [String] = []
    if part.byteCount > 0 {
      fields.append("Range: bytes=\(part.byteCount)-")
      if let ifRange = state?.validators.ifRange { fields.append("If-Range: \(ifRange)") }
    }
    sniffer = nil
    try client.get(download.address, token: download.bearerToken, fields: fields, receiver: self)
    if let found = sniffer?.objectionAtEnd { throw failure(.notTheFile(found: found), .none) }
    if let announced = state?.byteCount, part.byteCount < announced {
      throw failure(.announcedLength(announced, sent: part.byteCount), .resume)
    }
    state?.byteCount = part.byteCount
  }

  private func verify() throws(AttemptFailure) {
    // A content of several pieces may be a mixture, so one whole try follows.
    let remedy: AttemptFailure.Remedy = isPieced ? .restart : .none
    if let expected = download.expectedByteCount, part.byteCount != expected {
      throw failure(.length(part.byteCount, expected: expected), remedy)
    }
    if let expected = download.digest, let found = digest.digits(like: expected), found != expected.digits {
      throw failure(.digest(found, expected: expected.digits), remedy)
    }
  }

  private func failure(
    _ reason: TransferError.Reason, _ remedy: AttemptFailure.Remedy, attemptLimit: Int? = nil
  ) -> AttemptFailure {
    var failure = AttemptFailure(TransferError(reason, address: download.address.shown), remedy)
    failure.attemptLimit = attemptLimit
    return failure
  }

  private func filing(_ work: () throws(ByteIOError) -> Void) throws(AttemptFailure) {
    do { try work() } catch { throw failure(.file(error), .none) }
  }
}

extension FileTransfer: ResponseReceiver {
  func begin(_ head: ResponseHead) throws(AttemptFailure) {
    switch head.status {
    case 200: try beginWhole(head)
    case 206: try beginRest(head)
    case 416: throw failure(.status(416, hint: ""), .restart, attemptLimit: 3)
    default: throw StatusAdvice.failure(head.status, for: download)
    }
  }

  /// The server sends the whole file: the first time, or because it changed or knows no ranges.
  private func beginWhole(_ head: ResponseHead) throws(AttemptFailure) {
    if let coding = head["content-encoding"], coding.lowercased() != "identity" {
      throw failure(.badResponse("it is coded as \(coding), though the plain file was asked for"), .none)
    }
    try filing { () throws(ByteIOError) in try startOver() }
    if let announced = head.contentLength, let expected = download.expectedByteCount, announced != expected {
      throw failure(.length(announced, expected: expected), .restart, attemptLimit: 2)
    }
    let byteCount = head.contentLength ?? download.expectedByteCount
    if let byteCount, let free = freeSpace(inFolder: folder(of: download.path)), byteCount > free.byteCount {
      throw failure(.noSpace(needed: byteCount, available: free.byteCount), .none)
    }
    let state = PartState(
      address: download.address.recorded, validators: head.validators, byteCount: head.contentLength)
    self.state = state
    if isResumable { try filing { () throws(ByteIOError) in try state.write(to: download.statePath) } }
    digest = RunningDigest(for: download.digest, byteCount: byteCount)
    sniffer = ContentSniffer(contentType: head["content-type"], fileName: fileName(of: download.path))
  }

  /// The server sends what is missing, or says so.
  private func beginRest(_ head: ResponseHead) throws(AttemptFailure) {
    guard part.byteCount > 0, let range = head.contentRange, range.first == part.byteCount else {
      let shown = head["content-range"] ?? "nothing"
      throw failure(
        .badResponse("bytes from \(part.byteCount) on were asked for, it sends \(shown)"), .restart,
        attemptLimit: 3)
    }
    let isOther = if let known = state?.byteCount, let told = range.total { known != told } else { false }
    if isOther || state?.validators.contradict(head.validators) == true {
      throw failure(.badResponse("the file has changed meanwhile"), .restart, attemptLimit: 3)
    }
    if let told = range.total { state?.byteCount = told }
    isPieced = true
  }

  func take(_ bytes: RawSpan) throws(AttemptFailure) {
    let sum = part.byteCount + bytes.byteCount
    if let total, sum > total { throw failure(.announcedLength(total, sent: sum), .restart, attemptLimit: 3) }
    if let found = sniffer?.objection(bytes) { throw failure(.notTheFile(found: found), .none) }
    try filing { () throws(ByteIOError) in try part.append(bytes) }
    digest.update(bytes)
    meter.report(.transferring, part.byteCount, total)
  }
}

/// Runs file work and says which download it was for when it fails.
private func transferring<Result>(
  _ download: Download, _ work: () throws(ByteIOError) -> Result
) throws(TransferError) -> Result {
  do {
    return try work()
  } catch {
    throw TransferError(.file(error), address: download.address.shown)
  }
}
