import ByteIO
import Synchronization

/// Fetches files over http and https, several at a time.
///
/// Memory stays bounded whatever the files' sizes: bytes go from the connection to the disk and into the digest.
public struct Downloader: Sendable {
  public let settings: TransferSettings

  /// Opens the system's libcurl; the error says what to install when it is not there.
  public init(settings: TransferSettings = TransferSettings()) throws(TransferError) {
    try CurlLibrary.open()
    self.settings = settings
  }

  /// Name and version of the library that does the transfers, for `--version` and reports.
  public static func libraryVersion() throws(TransferError) -> String { try CurlLibrary.version() }

  /// Fetches all files and returns them in the order they were asked for.
  ///
  /// A file that is there already with the expected digest is not fetched again. The first failure stops the others;
  /// what they have stays as part files, from which the next call goes on. `progress` is called on several threads.
  public func fetch(
    _ downloads: [Download], cancellation: Cancellation = Cancellation(),
    progress: @escaping @Sendable (TransferProgress) -> Void = { _ in }
  ) throws(TransferError) -> [DownloadedFile] {
    try Downloader.check(downloads)
    try Downloader.checkSpace(downloads)
    let outcome = Mutex(
      (files: [DownloadedFile?](repeating: nil, count: downloads.count), error: TransferError?.none))
    let stop = Cancellation(parent: cancellation)
    WorkerThreads.forEach(itemCount: downloads.count, threadCount: settings.simultaneousCount) {
      [settings] index in
      if stop.isCanceled { return }
      do throws(TransferError) {
        let meter = ProgressMeter(index: index, tell: progress)
        let file = try Downloader.fetch(downloads[index], settings, stop, meter)
        outcome.withLock { $0.files[index] = file }
      } catch {
        outcome.withLock { if $0.error == nil { $0.error = error } }
        stop.cancel()
      }
    }
    let (files, error) = outcome.withLock { $0 }
    if let error { throw error }
    let complete = files.compactMap { $0 }
    if complete.count < downloads.count {
      throw TransferError(.canceled, address: downloads.first?.address.shown ?? "")
    }
    return complete
  }

  private static func fetch(
    _ download: Download, _ settings: TransferSettings, _ stop: Cancellation, _ meter: ProgressMeter
  ) throws(TransferError) -> DownloadedFile {
    if let present = presentFile(download, stop, meter) { return present }
    let transfer = try FileTransfer(download, settings: settings, cancellation: stop, meter: meter)
    return try transfer.run(HTTPClient(settings: settings, cancellation: stop))
  }

  /// The file, when it is there with the content that is expected.
  private static func presentFile(
    _ download: Download, _ stop: Cancellation, _ meter: ProgressMeter
  ) -> DownloadedFile? {
    guard let expected = download.digest, let file = try? MappedFile(path: download.path),
      file.byteCount == download.expectedByteCount ?? file.byteCount
    else { return nil }
    var digest = RunningDigest(for: expected, byteCount: file.byteCount)
    let step = 1 << 20
    for start in stride(from: 0, to: file.byteCount, by: step) {
      if stop.isCanceled { return nil }
      let range = start..<min(file.byteCount, start + step)
      // Bytes have no padding, so reading them raw is sound.
      digest.update(unsafe file.bytes.extracting(range).bytes)
      file.releaseBehind(range)
      meter.report(.checking, range.upperBound, file.byteCount)
    }
    guard digest.digits(like: expected) == expected.digits else { return nil }
    // A process that was killed between naming the file and removing this left it behind.
    if kind(ofPath: download.partPath) == .missing { try? removeFile(download.statePath) }
    meter.report(.done, file.byteCount, file.byteCount)
    return DownloadedFile(
      path: download.path, byteCount: file.byteCount, sha256: digest.sha256Digits, origin: .alreadyThere)
  }

  private static func check(_ downloads: [Download]) throws(TransferError) {
    var paths: Set<String> = []
    for download in downloads {
      let address = download.address.shown
      if !paths.insert(download.path).inserted {
        throw TransferError(.sameDestination, address: download.path)
      }
      if let digest = download.digest, !digest.isWellFormed {
        throw TransferError(
          .badAddress("digest '\(digest.digits)' is no hexadecimal SHA-256 digest"), address: address)
      }
      try checkToken(download.bearerToken, address: download.address)
    }
  }

  /// A token must be a plain word, and must not travel where everyone can read it.
  static func checkToken(_ token: String?, address: WebAddress) throws(TransferError) {
    guard let token else { return }
    guard !token.isEmpty, token.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) else {
      throw TransferError(
        .badAddress("access token is empty or has blanks or characters that none has"), address: address.shown
      )
    }
    if address.scheme == .http, !address.isLoopback {
      throw TransferError(
        .badAddress(
          "address is not encrypted, so the access token is not sent there; use https or unset HF_TOKEN"),
        address: address.shown)
    }
  }

  /// Compares what is still missing of all files with the free space of each file system.
  private static func checkSpace(_ downloads: [Download]) throws(TransferError) {
    var needs: [UInt64: (needed: Int, available: Int)] = [:]
    for download in downloads {
      guard let expected = download.expectedByteCount,
        let free = freeSpace(inFolder: folder(of: download.path))
      else { continue }
      let isThere = download.digest != nil && kind(ofPath: download.path) == .file
      let present = isThere ? expected : (try? MappedFile(path: download.partPath))?.byteCount ?? 0
      let missing = max(0, expected - present)
      let sum = (needs[free.device]?.needed ?? 0).addingReportingOverflow(missing)
      needs[free.device] = (sum.overflow ? .max : sum.partialValue, free.byteCount)
      if let need = needs[free.device], need.needed > need.available {
        throw TransferError(.noSpace(needed: need.needed, available: need.available), address: download.path)
      }
    }
  }
}
