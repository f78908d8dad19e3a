/// Requests that follow redirects, and never carry a secret to another server than the first.
final class HTTPClient {
  private let exchange: HTTPExchange
  private let settings: TransferSettings
  private let cancellation: Cancellation

  init(settings: TransferSettings, cancellation: Cancellation) throws(TransferError) {
    exchange = try HTTPExchange(settings: settings)
    self.settings = settings
    self.cancellation = cancellation
  }

  /// Makes a GET request; `token` goes to the server of `address` only. Returns when the receiver got everything.
  func get(
    _ address: WebAddress, token: String?, fields: [String], receiver: any ResponseReceiver
  ) throws(AttemptFailure) {
    var current = address
    // Once another server was in between, secrets stay at home, for it may have chosen where they go.
    var isAtHome = true
    for _ in 0...settings.redirectLimit {
      // What is asked for is the file as it is, for ranges and digests count its own bytes.
      var lines = ["Accept: */*", "Accept-Encoding: identity"] + fields
      if let token, isAtHome { lines.append("Authorization: Bearer \(token)") }
      let redirect = try exchange.get(current, fields: lines, receiver: receiver, cancellation: cancellation)
      guard let redirect else { return }
      let next = try follow(redirect, from: current)
      isAtHome = isAtHome && next.hasSameOrigin(as: address)
      current = next.with(userInfo: isAtHome ? address.userInfo : nil)
    }
    throw AttemptFailure(
      TransferError(.tooManyRedirects(limit: settings.redirectLimit), address: address.shown), .none)
  }

  private func follow(_ redirect: String, from current: WebAddress) throws(AttemptFailure) -> WebAddress {
    let next: WebAddress
    do {
      next = try WebAddress(redirect)
    } catch {
      let why = if case .badAddress(let why) = error.reason { why } else { "cannot be used" }
      throw AttemptFailure(
        TransferError(.redirect(to: error.address, why: why), address: current.shown), .none)
    }
    if current.scheme == .https, next.scheme == .http {
      let why = "is not encrypted, so that anyone on the way could change the file"
      throw AttemptFailure(
        TransferError(.redirect(to: next.shown, why: why), address: current.shown), .none)
    }
    return next
  }
}
