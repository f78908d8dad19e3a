import CCurl

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// libcurl of the system, opened when the first download begins.
enum CurlLibrary {
  /// The name of the environment variable that names the library's file.
  static let variable = "WHISPERQ_CURL_LIBRARY"

  /// Why it cannot be used; nil when it can. A static value is computed once, by one thread.
  private static let objection: String? = {
    var reason = [CChar](repeating: 0, count: 512)
    // getenv returns a string of the environment, which is read before anything else can run on this thread.
    let named = unsafe getenv(variable).flatMap { unsafe $0.pointee == 0 ? nil : unsafe String(cString: $0) }
    // The buffer has the announced size, and the function ends what it writes with a NUL byte.
    let isOpen = unsafe ccurl_open(named, &reason, reason.count) != 0
    if isOpen { return nil }
    let text = String(decoding: reason.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    return named == nil ? text : "\(variable): \(text)"
  }()

  static func open() throws(TransferError) {
    if let objection { throw TransferError(.noLibrary(objection), address: "libcurl") }
  }

  /// Name and version, for example `libcurl/7.88.1 OpenSSL/3.0.19`.
  static func version() throws(TransferError) -> String {
    try open()
    return unsafe String(cString: ccurl_version())
  }
}
