/// Tells by its first bytes whether a content is something that servers send in place of a file.
struct ContentSniffer {
  private var beginning: [UInt8] = []
  private let mayBePage: Bool
  private let isDeclaredPage: Bool
  private static let byteCount = 64

  /// `contentType` is what the server says, `fileName` what the file will be called.
  init(contentType: String?, fileName: String) {
    let name = fileName.lowercased()
    mayBePage = name.hasSuffix(".html") || name.hasSuffix(".htm")
    isDeclaredPage = contentType?.lowercased().hasPrefix("text/html") == true
  }

  /// Takes the next bytes. Returns what the content is, once that is known and it is not the file.
  mutating func objection(_ bytes: RawSpan) -> String? {
    if beginning.count >= ContentSniffer.byteCount { return nil }
    for offset in 0..<min(bytes.byteCount, ContentSniffer.byteCount - beginning.count) {
      // In bounds by the range; a byte has no alignment and every value is valid.
      beginning.append(unsafe bytes.unsafeLoad(fromByteOffset: offset, as: UInt8.self))
    }
    return beginning.count >= ContentSniffer.byteCount ? verdict : nil
  }

  /// The same for a content that has ended.
  var objectionAtEnd: String? { beginning.count < ContentSniffer.byteCount ? verdict : nil }

  private var verdict: String? {
    let text = String(decoding: beginning, as: UTF8.self).drop { $0.isWhitespace || $0 == "\u{FEFF}" }
      .lowercased()
    if text.hasPrefix("version https://git-lfs") {
      return "a pointer of Git LFS (take the address with /resolve/ in place of /raw/)"
    }
    if mayBePage { return nil }
    let isPage =
      text.hasPrefix("<!doctype html") || text.hasPrefix("<html") || isDeclaredPage && text.hasPrefix("<")
    return isPage ? "an HTML page" : nil
  }
}
