import Crypto

/// What a content must be, told by its digest.
public enum ContentDigest: Sendable, Equatable {
  /// 64 hexadecimal digits.
  case sha256(String)
  /// The name that git gives a file: 40 hexadecimal digits, SHA-1 over `blob <length>`, a NUL byte and the content.
  case gitBlob(String)

  /// The digits in lower case.
  var digits: String {
    switch self {
    case .sha256(let digits), .gitBlob(let digits): digits.lowercased()
    }
  }

  /// Whether it has the digits that its kind needs.
  public var isWellFormed: Bool {
    let count = if case .sha256 = self { 64 } else { 40 }
    return digits.utf8.count == count
      && digits.utf8.allSatisfy { (0x30...0x39).contains($0) || (0x61...0x66).contains($0) }
  }
}

/// Computes the digests of a content that comes piece by piece: SHA-256 always, git's own where it is wanted.
struct RunningDigest {
  private var sha256 = SHA256()
  private var git: Insecure.SHA1?

  /// `byteCount` is the length of the whole content, which git's digest begins with.
  init(for digest: ContentDigest?, byteCount: Int?) {
    guard case .gitBlob? = digest, let byteCount else { return }
    var hash = Insecure.SHA1()
    let header = Array("blob \(byteCount)\0".utf8)
    unsafe header.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
    git = hash
  }

  mutating func update(_ bytes: RawSpan) {
    // The pointer lives for the calls only and covers bytes.byteCount readable bytes.
    unsafe bytes.withUnsafeBytes { buffer in
      unsafe sha256.update(bufferPointer: buffer)
      unsafe git?.update(bufferPointer: buffer)
    }
  }

  /// 64 hexadecimal digits.
  var sha256Digits: String { hexadecimal(sha256.finalize()) }

  /// The digits of the kind that is expected; nil when git's cannot be told for want of a length.
  func digits(like digest: ContentDigest) -> String? {
    switch digest {
    case .sha256: sha256Digits
    case .gitBlob: git.map { hexadecimal($0.finalize()) }
    }
  }
}

private func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
