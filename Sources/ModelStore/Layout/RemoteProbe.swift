import Synchronization

/// What a server says about a file before it is fetched.
struct RemoteProbe: Sendable {
  /// Nil when the server does not say.
  let byteCount: Int?
  /// The entity tag, or the date and length; nil when the server tells neither.
  let fingerprint: String?

  /// Asks for the first byte and reads no more than the head of the answer.
  static func ask(
    _ address: WebAddress, with downloader: Downloader, cancellation: Cancellation
  ) throws(TransferError) -> RemoteProbe {
    let asked = Answer<ResponseHead>()
    WorkerThreads.run(count: 1) { _ in
      asked.set(Probe.head(address, downloader.settings, cancellation))
    }
    let head = try asked.get(address)
    let byteCount = head.status == 206 ? head.contentRange?.total : head.contentLength
    var fingerprint: String?
    if let etag = head["etag"] {
      fingerprint = "etag:" + etag
    } else if let date = head["last-modified"], let byteCount {
      fingerprint = "date:\(date) length:\(byteCount)"
    }
    return RemoteProbe(byteCount: byteCount, fingerprint: fingerprint)
  }
}

/// What a thread answers to the one that waits for it.
private final class Answer<Value: Sendable>: Sendable {
  private let state = Mutex(Result<Value, TransferError>?.none)

  func set(_ result: Result<Value, TransferError>) { state.withLock { $0 = result } }

  func get(_ address: WebAddress) throws(TransferError) -> Value {
    guard let result = state.withLock({ $0 }) else { throw TransferError(.canceled, address: address.shown) }
    return try result.get()
  }
}

/// Takes the head of an answer and refuses the rest.
private final class Probe: ResponseReceiver {
  private let address: WebAddress
  private var head: ResponseHead?

  private init(_ address: WebAddress) { self.address = address }

  static func head(
    _ address: WebAddress, _ settings: TransferSettings, _ cancellation: Cancellation
  ) -> Result<ResponseHead, TransferError> {
    do throws(TransferError) {
      let client = try HTTPClient(settings: settings, cancellation: cancellation)
      var retrying = Retrying(policy: settings.retries)
      while true {
        let probe = Probe(address)
        do throws(AttemptFailure) {
          try client.get(address, token: nil, fields: ["Range: bytes=0-0"], receiver: probe)
          if let head = probe.head { return .success(head) }
          throw AttemptFailure(TransferError(.badResponse("it has no head"), address: address.shown), .resume)
        } catch {
          // What was refused is the body.
          if let head = probe.head { return .success(head) }
          try retrying.wait(after: error, byteCount: 0, cancellation) { _, _ in }
        }
      }
    } catch {
      return .failure(error)
    }
  }

  func begin(_ head: ResponseHead) throws(AttemptFailure) {
    switch head.status {
    case 200, 206: self.head = head
    // An empty file has no first byte.
    case 416: self.head = head
    default: throw StatusAdvice.failure(head.status, address: address, service: .any, hasToken: false)
    }
    if head.status == 200 {
      throw AttemptFailure(TransferError(.canceled, address: address.shown), .none)
    }
  }

  func take(_ bytes: RawSpan) throws(AttemptFailure) {}
}
