public import ByteIO

/// A download that did not succeed, and what to do about it.
public struct TransferError: Error, Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    /// The address cannot be used; the text continues "this ...".
    case badAddress(String)
    /// libcurl is not there or cannot be used.
    case noLibrary(String)
    /// The server answered with an error; the hint is what to do about it.
    case status(Int, hint: String)
    /// More redirects than anyone needs.
    case tooManyRedirects(limit: Int)
    /// A redirect that is not followed.
    case redirect(to: String, why: String)
    /// The content is something else, such as a login page.
    case notTheFile(found: String)
    /// The transfer broke off; the text is libcurl's.
    case connection(String)
    /// No or hardly any bytes came.
    case stalled(seconds: Double)
    /// The server sent another number of bytes than it announced.
    case announcedLength(Int, sent: Int)
    /// The answer contradicts the request or itself.
    case badResponse(String)
    /// The length is not the one that is expected.
    case length(Int, expected: Int)
    /// The content is not the one that is expected.
    case digest(String, expected: String)
    /// The server wants a longer pause than is worth waiting for.
    case waitAsked(seconds: Int)
    /// A small answer is longer than it may be.
    case tooLong(limit: Int)
    /// The list of a repository's files cannot be used.
    case badListing(String)
    /// Two downloads of one call have the same destination.
    case sameDestination
    /// Another process downloads to the same file.
    case inUse
    /// Less space is left than the downloads need.
    case noSpace(needed: Int, available: Int)
    case canceled
    case file(ByteIOError)
  }

  /// What a failure means for the caller.
  public enum Kind: Sendable {
    /// What was asked for makes no sense.
    case usage
    /// What the server has is not what was asked for.
    case content
    /// The server, the network, the disk.
    case inputOutput
    case canceled
  }

  public let reason: Reason
  /// The address without secrets, or the path where there is no address.
  public let address: String
  /// How often it was tried.
  public let attemptCount: Int

  public init(_ reason: Reason, address: String, attemptCount: Int = 1) {
    self.reason = reason
    self.address = address
    self.attemptCount = attemptCount
  }

  func after(_ attemptCount: Int) -> TransferError {
    TransferError(reason, address: address, attemptCount: attemptCount)
  }

  public var kind: Kind {
    switch reason {
    case .badAddress, .sameDestination: .usage
    case .notTheFile, .length, .digest, .tooLong, .badListing, .announcedLength, .badResponse: .content
    case .canceled: .canceled
    default: .inputOutput
    }
  }

  /// One sentence: what, where, what was expected, what to do.
  public var message: String {
    if case .file(let error) = reason { return error.message }
    let tries = attemptCount > 1 ? " (tried \(attemptCount) times)" : ""
    return "\(address): \(sentence)\(tries)\(remedy)"
  }

  private var sentence: String {
    switch reason {
    case .badAddress(let why): return "this \(why)"
    case .noLibrary(let why): return "downloads need libcurl, which cannot be used: \(why)"
    case .status(let status, _): return "the server answered \(status)\(statusName(status))"
    case .tooManyRedirects(let limit): return "the server redirects more than \(limit) times"
    case .redirect(let target, let why): return "the server redirects to \(target), which \(why)"
    case .notTheFile(let found): return "the server sent \(found) instead of the file"
    case .connection(let words): return words
    case .stalled(let seconds): return "hardly any bytes came for \(trimmed(seconds)) s"
    case .announcedLength(let announced, let sent):
      return "the server announced \(announced) bytes and sent \(sent)"
    case .badResponse(let what): return "the server's answer makes no sense: \(what)"
    case .length(let found, let expected): return "the file has \(found) bytes, expected \(expected)"
    case .digest(let found, let expected): return "the content has the digest \(found), expected \(expected)"
    case .waitAsked(let seconds): return "the server asks to wait \(seconds) s"
    case .tooLong(let limit): return "the answer is longer than \(limit) bytes"
    case .badListing(let what): return "the list of files cannot be used: \(what)"
    case .sameDestination: return "two downloads would have this name"
    case .inUse: return "another process is downloading to this file"
    case .noSpace(let needed, let available):
      return "the downloads need \(needed) bytes and \(available) are free"
    case .canceled: return "canceled"
    case .file(let error): return error.message
    }
  }

  private var remedy: String {
    switch reason {
    case .noLibrary:
      return
        "; install it (Debian and Ubuntu: apt-get install libcurl4, Fedora: dnf install libcurl), or name it in "
        + "WHISPERQ_CURL_LIBRARY, or download the files by hand and pass their paths"
    case .status(_, let hint): return hint.isEmpty ? "" : "; \(hint)"
    case .notTheFile:
      return "; if the page asks for a login, download the file with a browser and pass its path"
    case .connection, .stalled, .announcedLength: return "; run again to resume"
    case .length: return "; the file was changed, or the expected size is of another one"
    case .digest:
      return "; nothing was kept; the file was changed or damaged, or the digest is of another one"
    case .waitAsked: return "; run again later to resume"
    case .inUse: return "; wait for it, or choose another folder"
    case .noSpace: return "; free some space or choose another folder"
    default: return ""
    }
  }
}

/// A number of seconds without a needless ".0".
private func trimmed(_ seconds: Double) -> String {
  seconds == seconds.rounded() ? "\(Int(seconds))" : "\(seconds)"
}

private func statusName(_ status: Int) -> String {
  let names = [
    400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    407: "Proxy Authentication Required",
    408: "Request Timeout", 410: "Gone", 416: "Range Not Satisfiable", 429: "Too Many Requests",
    451: "Unavailable For Legal Reasons", 500: "Internal Server Error", 502: "Bad Gateway",
    503: "Service Unavailable", 504: "Gateway Timeout",
  ]
  return names[status].map { " (\($0))" } ?? ""
}
