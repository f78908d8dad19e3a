/// An http or https address, taken apart just enough to know which server it leads to.
///
/// Only what every parser understands the same way is accepted, so that the server checked here is the server that
/// libcurl talks to (source: RFC 3986, without its rarer forms).
public struct WebAddress: Sendable, Equatable {
  public enum Scheme: String, Sendable { case http, https }

  public let scheme: Scheme
  /// In lower case; an IPv6 address with its brackets.
  public let host: String
  public let port: Int
  /// `user:password` as written; nil when there is none.
  let userInfo: String?
  /// Path and query, with the slash at its beginning and without the fragment.
  let target: String

  /// Reads an address; the error says what is wrong with it.
  public init(_ text: String) throws(TransferError) {
    func bad(_ why: String) -> TransferError {
      TransferError(.badAddress(why), address: WebAddress.withoutSecrets(text))
    }
    let schemeEnd = text.firstRange(of: "://")
    guard let schemeEnd, let scheme = Scheme(rawValue: text[..<schemeEnd.lowerBound].lowercased()) else {
      throw bad("is no http or https address")
    }
    if let odd = text.unicodeScalars.first(where: { $0.value <= 0x20 || $0.value == 0x7F || $0 == "\\" }) {
      let code = String(odd.value, radix: 16, uppercase: true)
      throw bad("contains the character U+\(String(repeating: "0", count: 4 - code.count))\(code)")
    }
    let rest = text[schemeEnd.upperBound...].prefix { $0 != "#" }
    let authority = rest.prefix { $0 != "/" && $0 != "?" }
    let server: Substring
    if let at = authority.lastIndex(of: "@") {
      userInfo = String(authority[..<at])
      server = authority[authority.index(after: at)...]
    } else {
      userInfo = nil
      server = authority
    }
    guard let (host, port) = WebAddress.hostAndPort(server, scheme) else {
      throw bad("has no plain host name (letters, digits, '-', '.'; others as punycode) and port")
    }
    self.scheme = scheme
    self.host = host
    self.port = port
    let path = String(rest[authority.endIndex...])
    target = WebAddress.percentEncoded(path.first == "/" ? path : "/" + path, keeping: WebAddress.reserved)
  }

  private init(_ scheme: Scheme, _ host: String, _ port: Int, _ userInfo: String?, _ target: String) {
    self.scheme = scheme
    self.host = host
    self.port = port
    self.userInfo = userInfo
    self.target = target
  }

  private static func hostAndPort(_ server: Substring, _ scheme: Scheme) -> (String, Int)? {
    var host = server
    var port = scheme == .https ? 443 : 80
    if let colon = server.lastIndex(of: ":"), server.last != "]" {
      let digits = server[server.index(after: colon)...]
      guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let number = Int(digits),
        (1...65535).contains(number)
      else { return nil }
      port = number
      host = server[..<colon]
    }
    let isNumeric = host.first == "[" && host.last == "]" && host.count > 3
    let inner = isNumeric ? host.dropFirst().dropLast() : host
    let allowed: (UInt8) -> Bool = { byte in
      if isNumeric { return UInt8(ascii: ":") == byte || byte == UInt8(ascii: ".") || isHex(byte) }
      return isLetterOrDigit(byte) || "-._".utf8.contains(byte)
    }
    guard !inner.isEmpty, inner.utf8.allSatisfy(allowed) else { return nil }
    return (host.lowercased(), port)
  }

  /// The whole address, with its user part: for the request only.
  var url: String { "\(scheme.rawValue)://\(userInfo.map { $0 + "@" } ?? "")\(server)\(target)" }

  /// The address without its user part and query, which may be secrets.
  public var shown: String { "\(scheme.rawValue)://\(server)\(target.prefix { $0 != "?" })" }

  /// The address as the state beside a part file names it: without its user part.
  var recorded: String { "\(scheme.rawValue)://\(server)\(target)" }

  /// Host, and port where it is not the scheme's own.
  var server: String { port == (scheme == .https ? 443 : 80) ? host : "\(host):\(port)" }

  /// Whether both lead to the same server in the same way, so that a secret for one may go to the other.
  func hasSameOrigin(as other: WebAddress) -> Bool {
    scheme == other.scheme && host == other.host && port == other.port
  }

  /// Whether it leads to this machine itself.
  var isLoopback: Bool {
    if host == "localhost" || host == "[::1]" { return true }
    let numbers = host.split(separator: ".", omittingEmptySubsequences: false).map { UInt8($0) }
    return numbers.count == 4 && numbers[0] == 127 && numbers.allSatisfy { $0 != nil }
  }

  /// The same address with another user part.
  func with(userInfo: String?) -> WebAddress { WebAddress(scheme, host, port, userInfo, target) }

  /// The file name at the end of the path, decoded; nil when there is none or it is no plain name.
  public var fileName: String? {
    let path = target.prefix { $0 != "?" }
    let last = path.split(separator: "/", omittingEmptySubsequences: false).last ?? ""
    let decoded = String(decoding: WebAddress.percentDecoded(last), as: UTF8.self)
    let isPlain =
      !decoded.isEmpty && decoded != "." && decoded != ".."
      && decoded.utf8.allSatisfy { $0 >= 0x20 && $0 != 0x7F && $0 != UInt8(ascii: "/") }
    return isPlain ? decoded : nil
  }

  /// Bytes that stay as they are in a path and query.
  private static let reserved = "-._~/?%:@!$&'()*+,;=[]|\"<>^`{}"

  /// A text for a place in an address: letters, digits and `keeping` stay, the rest becomes `%XX`.
  static func percentEncoded(_ text: String, keeping: String = "-._~") -> String {
    var encoded = ""
    for byte in text.utf8 {
      if isLetterOrDigit(byte) || keeping.utf8.contains(byte) {
        encoded.unicodeScalars.append(Unicode.Scalar(byte))
      } else {
        let digits = String(byte, radix: 16, uppercase: true)
        encoded += digits.utf8.count == 1 ? "%0" + digits : "%" + digits
      }
    }
    return encoded
  }

  private static func percentDecoded(_ text: Substring) -> [UInt8] {
    var decoded: [UInt8] = []
    let bytes = Array(text.utf8)
    var index = 0
    while index < bytes.count {
      if bytes[index] == UInt8(ascii: "%"), index + 2 < bytes.count,
        let value = UInt8(String(decoding: bytes[index + 1...index + 2], as: UTF8.self), radix: 16)
      {
        decoded.append(value)
        index += 3
      } else {
        decoded.append(bytes[index])
        index += 1
      }
    }
    return decoded
  }

  /// For messages about an address that could not be read.
  private static func withoutSecrets(_ text: String) -> String {
    let visible = text.prefix { $0 != "?" }
    guard let at = visible.lastIndex(of: "@"), let scheme = visible.firstRange(of: "://"),
      scheme.upperBound <= at
    else { return String(visible) }
    return String(visible[..<scheme.upperBound] + visible[visible.index(after: at)...])
  }
}

func isLetterOrDigit(_ byte: UInt8) -> Bool {
  (0x30...0x39).contains(byte) || (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte)
}

private func isHex(_ byte: UInt8) -> Bool {
  (0x30...0x39).contains(byte) || (0x41...0x46).contains(byte) || (0x61...0x66).contains(byte)
}
