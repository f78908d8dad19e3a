import CCurl

/// What takes a response: the head first, then the body piece by piece.
protocol ResponseReceiver: AnyObject {
  /// Called once with the head of a response that is no redirect.
  func begin(_ head: ResponseHead) throws(AttemptFailure)
  func take(_ bytes: RawSpan) throws(AttemptFailure)
}

/// Requests one after the other over connections that are kept; for one thread.
@safe final class HTTPExchange {
  private let handle: OpaquePointer
  private let settings: TransferSettings

  init(settings: TransferSettings) throws(TransferError) {
    try CurlLibrary.open()
    guard let handle = unsafe ccurl_new() else {
      throw TransferError(.noLibrary("it has no memory left"), address: "libcurl")
    }
    unsafe self.handle = handle
    self.settings = settings
  }

  deinit { unsafe ccurl_free(handle) }

  /// Makes one GET request. Returns where it is redirected to; nil when the receiver got the whole response.
  func get(
    _ address: WebAddress, fields: [String], receiver: any ResponseReceiver, cancellation: Cancellation
  ) throws(AttemptFailure) -> String? {
    let context = ExchangeContext(address, receiver, settings, cancellation)
    var result = ccurl_result()
    perform(address, fields, context, &result)
    let askedSeconds = result.retryAfterSeconds
    if var failure = context.failure {
      if askedSeconds > 0 { failure.askedPause = .seconds(min(askedSeconds, 1 << 30)) }
      throw failure
    }
    if let head = context.head, head.isRedirect, context.isHeadComplete {
      // Valid until the handle's next use, and copied here.
      guard let target = unsafe ccurl_redirect(handle) else {
        throw AttemptFailure(
          TransferError(.badResponse("a redirect that leads nowhere"), address: address.shown), .none)
      }
      return unsafe String(cString: target)
    }
    if result.code != ccurl_done { throw curlFailure(Int(result.code), message(of: result), address) }
    guard context.isHeadComplete else {
      throw AttemptFailure(
        TransferError(.badResponse("it has no head"), address: address.shown), .resume)
    }
    return nil
  }

  private func perform(
    _ address: WebAddress, _ fields: [String], _ context: ExchangeContext, _ result: inout ccurl_result
  ) {
    let texts = ([address.url, settings.userAgent] + fields).map { CText($0) }
    let certificates = settings.certificateFile.map { CText($0) }
    let lines = unsafe texts.dropFirst(2).map { unsafe Optional($0.pointer) } + [nil]
    let connectMilliseconds = Int(settings.connectLimit / .milliseconds(1))
    // Proof: the texts, the list and the context live until the end of the closure, and libcurl keeps none of them
    // after ccurl_perform returns; it calls back on this thread only.
    unsafe lines.withUnsafeBufferPointer { lines in
      var request = unsafe ccurl_request(
        url: texts[0].pointer, userAgent: texts[1].pointer, headers: lines.baseAddress!,
        certificateFile: certificates?.pointer,
        proxy: settings.proxy == .none ? ccurl_no_proxy : ccurl_proxy_of_environment,
        connectMilliseconds: connectMilliseconds,
        context: Unmanaged.passUnretained(context).toOpaque(),
        takeHeader: { bytes, one, count, context in
          unsafe ExchangeContext.of(context).header(UnsafeRawBufferPointer(start: bytes, count: one * count))
        },
        takeBody: { bytes, one, count, context in
          unsafe ExchangeContext.of(context).body(UnsafeRawBufferPointer(start: bytes, count: one * count))
        },
        turn: { context, _, _, _, _ in unsafe ExchangeContext.of(context).turn() })
      unsafe ccurl_perform(handle, &request, &result)
    }
    withExtendedLifetime((context, texts, certificates)) {}
  }

  private func message(of result: ccurl_result) -> String {
    // An array of characters in the structure, ended by a NUL byte within its length.
    unsafe withUnsafeBytes(of: result.message) {
      unsafe String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
    }
  }

  /// A failure of libcurl itself: what another attempt may mend, and what not.
  private func curlFailure(_ code: Int, _ message: String, _ address: WebAddress) -> AttemptFailure {
    let error = TransferError(.connection(message), address: address.shown)
    switch code {
    case ccurl_unsupported_protocol, ccurl_malformed_url, ccurl_bad_certificate,
      ccurl_bad_certificate_file:
      return AttemptFailure(error, .none)
    case ccurl_no_host, ccurl_no_proxy_host:
      // Mostly a mistyped name; sometimes a network that has just come up.
      var failure = AttemptFailure(error, .resume)
      failure.attemptLimit = 2
      return failure
    default: return AttemptFailure(error, .resume)
    }
  }
}

/// A text as C reads it, for as long as this lives.
@safe private final class CText {
  let pointer: UnsafePointer<CChar>

  init(_ text: String) {
    let bytes = Array(text.utf8CString)
    // Allocated here with room for all, initialized in full, freed once in deinit.
    let memory = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
    unsafe memory.initialize(from: bytes, count: bytes.count)
    unsafe pointer = UnsafePointer(memory)
  }

  deinit { unsafe pointer.deallocate() }
}

/// What the calls of libcurl share while one request is under way; used on its thread only.
private final class ExchangeContext {
  private let address: WebAddress
  private let receiver: any ResponseReceiver
  private let cancellation: Cancellation
  private let stallLimit: Duration
  private let stallByteCount: Int
  private(set) var head: ResponseHead?
  private(set) var isHeadComplete = false
  private(set) var failure: AttemptFailure?
  private var headerByteCount = 0
  private var droppedByteCount = 0
  private var windowStart = ContinuousClock.now
  private var windowByteCount = 0

  private static let longestHead = 256 * 1024
  /// The body of a redirect is read so that the connection can be kept, unless it is long.
  private static let longestDropped = 64 * 1024

  init(
    _ address: WebAddress, _ receiver: any ResponseReceiver, _ settings: TransferSettings,
    _ cancellation: Cancellation
  ) {
    self.address = address
    self.receiver = receiver
    self.cancellation = cancellation
    stallLimit = settings.stallLimit
    stallByteCount = settings.stallByteCount
  }

  /// The context behind the pointer that `HTTPExchange.perform` handed to libcurl.
  static func of(_ context: UnsafeMutableRawPointer) -> ExchangeContext {
    unsafe Unmanaged<ExchangeContext>.fromOpaque(context).takeUnretainedValue()
  }

  /// One header line. Returns the count that libcurl expects, or 0 to end the transfer.
  func header(_ bytes: UnsafeRawBufferPointer) -> Int {
    headerByteCount += bytes.count
    guard headerByteCount <= ExchangeContext.longestHead else {
      return stop(TransferError(.badResponse("its head is too long"), address: address.shown), .none)
    }
    let line = unsafe String(decoding: bytes, as: UTF8.self).trimmingBlanks()
    // Lines after the head are trailers of the body.
    if isHeadComplete { return bytes.count }
    if line.hasPrefix("HTTP/") {
      head = ResponseHead(statusLine: String(line))
    } else if !line.isEmpty {
      head?.add(line: String(line))
    } else if let head, head.status >= 200 {
      isHeadComplete = true
      if head.isRedirect { return bytes.count }
      do {
        try receiver.begin(head)
      } catch {
        failure = error
        return 0
      }
    }
    return bytes.count
  }

  /// A part of the body. Returns its count, or 0 to end the transfer.
  func body(_ bytes: UnsafeRawBufferPointer) -> Int {
    windowByteCount += bytes.count
    if head?.isRedirect == true {
      droppedByteCount += bytes.count
      return droppedByteCount <= ExchangeContext.longestDropped ? bytes.count : 0
    }
    do {
      // Valid for this call; the span does not outlive it.
      try receiver.take(unsafe RawSpan(_unsafeBytes: bytes))
      return bytes.count
    } catch {
      failure = error
      return 0
    }
  }

  /// Looks whether to go on. Returns 0 to do so.
  func turn() -> Int32 {
    if cancellation.isCanceled {
      return Int32(stop(TransferError(.canceled, address: address.shown), .none) + 1)
    }
    let now = ContinuousClock.now
    guard now - windowStart >= stallLimit else { return 0 }
    if windowByteCount < stallByteCount {
      let seconds = stallLimit / .seconds(1)
      return Int32(stop(TransferError(.stalled(seconds: seconds), address: address.shown), .resume) + 1)
    }
    windowStart = now
    windowByteCount = 0
    return 0
  }

  /// Keeps the first reason and returns 0, which ends the transfer.
  private func stop(_ error: TransferError, _ remedy: AttemptFailure.Remedy) -> Int {
    if failure == nil { failure = AttemptFailure(error, remedy) }
    return 0
  }
}
