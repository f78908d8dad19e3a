/// What a status of a server means for a download, and what to do about it.
enum StatusAdvice {
  static func failure(_ status: Int, for download: Download) -> AttemptFailure {
    failure(
      status, address: download.address, service: download.service,
      hasToken: download.bearerToken != nil)
  }

  static func failure(
    _ status: Int, address: WebAddress, service: Download.Service, hasToken: Bool
  ) -> AttemptFailure {
    let hint = hint(status, service, hasToken)
    return AttemptFailure(
      TransferError(.status(status, hint: hint), address: address.shown), isPassing(status) ? .resume : .none)
  }

  /// Whether the same request may succeed later.
  private static func isPassing(_ status: Int) -> Bool {
    switch status {
    case 408, 425, 429: true
    case 501, 505, 508, 510, 511: false
    default: status >= 500
    }
  }

  private static func hint(_ status: Int, _ service: Download.Service, _ hasToken: Bool) -> String {
    switch (status, service) {
    case (401, .huggingFace), (403, .huggingFace):
      if hasToken {
        return "the token in HF_TOKEN may not read this: accept the model's terms on its page, "
          + "or use a token with read access"
      }
      return
        "check the name; when the model is private or asks to accept terms, do so on its page and set HF_TOKEN "
        + "to an access token"
    case (404, .huggingFace), (410, .huggingFace): return "check owner, repository, revision and folder"
    case (401, .any), (403, .any):
      return "this needs a login: download the file with a browser and pass its path"
    case (404, .any), (410, .any): return "check the address"
    case (407, _): return "the proxy needs a login: put user and password into https_proxy"
    case (429, _), (503, _): return "the server is busy; run again later to resume"
    default: return status >= 500 ? "run again later to resume" : ""
    }
  }
}
