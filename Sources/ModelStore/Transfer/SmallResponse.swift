import Synchronization

/// A response that is small enough to be kept in memory, such as a list of files.
public struct SmallResponse: Sendable {
  public let bytes: [UInt8]
  let head: ResponseHead

  /// The value of a header field; `name` in lower case.
  public func field(_ name: String) -> String? { head[name] }
}

extension Downloader {
  /// Fetches a small content into memory, with the retries that files have.
  public func contents(
    of address: WebAddress, bearerToken: String? = nil, service: Download.Service = .any,
    byteLimit: Int = 16 << 20, cancellation: Cancellation = Cancellation()
  ) throws(TransferError) -> SmallResponse {
    try Downloader.checkToken(bearerToken, address: address)
    let outcome = Mutex(Result<SmallResponse, TransferError>?.none)
    WorkerThreads.run(count: 1) { [settings] _ in
      let result: Result<SmallResponse, TransferError>
      do throws(TransferError) {
        let client = try HTTPClient(settings: settings, cancellation: cancellation)
        let receiver = SmallReceiver(address, service, bearerToken, byteLimit)
        result = .success(try receiver.fetch(client, settings.retries, cancellation))
      } catch {
        result = .failure(error)
      }
      outcome.withLock { $0 = result }
    }
    guard let result = outcome.withLock({ $0 }) else {
      throw TransferError(.canceled, address: address.shown)
    }
    return try result.get()
  }
}

/// Collects one response in memory.
private final class SmallReceiver: ResponseReceiver {
  private let address: WebAddress
  private let service: Download.Service
  private let token: String?
  private let byteLimit: Int
  private var head: ResponseHead?
  private var bytes: [UInt8] = []

  init(_ address: WebAddress, _ service: Download.Service, _ token: String?, _ byteLimit: Int) {
    self.address = address
    self.service = service
    self.token = token
    self.byteLimit = byteLimit
  }

  func fetch(
    _ client: HTTPClient, _ retries: RetryPolicy, _ cancellation: Cancellation
  ) throws(TransferError) -> SmallResponse {
    var retrying = Retrying(policy: retries)
    while true {
      head = nil
      bytes = []
      do throws(AttemptFailure) {
        try client.get(address, token: token, fields: [], receiver: self)
        guard let head else { throw failure(.badResponse("it has no head"), .resume) }
        if let announced = head.contentLength, bytes.count < announced {
          throw failure(.announcedLength(announced, sent: bytes.count), .resume)
        }
        return SmallResponse(bytes: bytes, head: head)
      } catch {
        try retrying.wait(after: error, byteCount: 0, cancellation) { _, _ in }
      }
    }
  }

  func begin(_ head: ResponseHead) throws(AttemptFailure) {
    guard head.status == 200 else {
      throw StatusAdvice.failure(head.status, address: address, service: service, hasToken: token != nil)
    }
    if let announced = head.contentLength, announced > byteLimit {
      throw failure(.tooLong(limit: byteLimit), .none)
    }
    self.head = head
  }

  func take(_ piece: RawSpan) throws(AttemptFailure) {
    guard piece.byteCount <= byteLimit - bytes.count else { throw failure(.tooLong(limit: byteLimit), .none) }
    // The pointer lives for the call only and covers piece.byteCount readable bytes.
    unsafe piece.withUnsafeBytes { unsafe bytes.append(contentsOf: $0) }
  }

  private func failure(
    _ reason: TransferError.Reason, _ remedy: AttemptFailure.Remedy
  ) -> AttemptFailure {
    AttemptFailure(TransferError(reason, address: address.shown), remedy)
  }
}
