/// Status and header fields of a response.
struct ResponseHead: Sendable {
  let status: Int
  /// Names in lower case, values without blanks around them, in the order they came.
  private(set) var fields: [(name: String, value: String)] = []

  /// Reads a status line, such as `HTTP/1.1 200 OK`.
  init?(statusLine line: String) {
    let parts = line.split(separator: " ", maxSplits: 2)
    guard parts.count >= 2, parts[0].hasPrefix("HTTP/"), let status = Int(parts[1]),
      (100...999).contains(status)
    else { return nil }
    self.status = status
  }

  /// Adds a header line; lines that are none are left out.
  mutating func add(line: String) {
    guard let colon = line.firstIndex(of: ":") else { return }
    fields.append(
      (line[..<colon].lowercased(), String(line[line.index(after: colon)...].trimmingBlanks())))
  }

  /// The value of the first field of that name, in lower case.
  subscript(name: String) -> String? { fields.first { $0.name == name }?.value }

  var isRedirect: Bool { [301, 302, 303, 307, 308].contains(status) }

  /// The length of the body as announced; nil when it is not, or when it is no number.
  var contentLength: Int? {
    if self["transfer-encoding"] != nil { return nil }
    return self["content-length"].flatMap { Int($0) }.flatMap { $0 >= 0 ? $0 : nil }
  }

  /// `Content-Range: bytes first-last/total`; a total of nil is `*` (source: RFC 9110, 14.4).
  var contentRange: (first: Int, last: Int, total: Int?)? {
    guard let value = self["content-range"], value.lowercased().hasPrefix("bytes ") else { return nil }
    let parts = value.dropFirst(6).trimmingBlanks().split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2 else { return nil }
    let ends = parts[0].split(separator: "-", omittingEmptySubsequences: false)
    guard ends.count == 2, let first = Int(ends[0]), let last = Int(ends[1]), first >= 0, last >= first,
      last < Int.max
    else { return nil }
    if parts[1] == "*" { return (first, last, nil) }
    guard let total = Int(parts[1]), total > last else { return nil }
    return (first, last, total)
  }

  /// What tells this version of the file from others.
  var validators: Validators {
    Validators(etag: self["etag"], lastModified: self["last-modified"])
  }
}

/// What a server says to tell one version of a file from another (source: RFC 9110, 8.8).
struct Validators: Sendable, Equatable {
  var etag: String?
  var lastModified: String?

  /// What goes into `If-Range`: a strong entity tag, else the date; nil when a part of this version cannot be
  /// asked for safely.
  var ifRange: String? {
    if let etag { return etag.hasPrefix("\"") && etag.utf8.count >= 2 && etag.hasSuffix("\"") ? etag : nil }
    return lastModified
  }

  /// Whether both say something and it differs.
  func contradict(_ other: Validators) -> Bool {
    if let etag, let otherTag = other.etag { return etag != otherTag }
    if let lastModified, let otherDate = other.lastModified { return lastModified != otherDate }
    return false
  }
}

extension StringProtocol {
  /// Without spaces, tabs and line ends around it.
  func trimmingBlanks() -> SubSequence {
    let isBlank: (Character) -> Bool = { $0 == " " || $0 == "\t" || $0.isNewline }
    guard let first = firstIndex(where: { !isBlank($0) }), let last = lastIndex(where: { !isBlank($0) })
    else {
      return self[startIndex..<startIndex]
    }
    return self[first...last]
  }
}
