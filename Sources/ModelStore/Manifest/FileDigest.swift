public import ByteIO
import Crypto

/// SHA-256 of files.
public enum FileDigest {
  private static let chunkByteCount = 4 << 20

  /// The digest of a whole file as 64 hexadecimal digits; pages are given back on the way, so memory stays small.
  public static func sha256(of file: MappedFile) -> String {
    var hash = SHA256()
    var offset = 0
    while offset < file.byteCount {
      let range = offset..<min(offset + chunkByteCount, file.byteCount)
      // The buffer is used during the call only; the file stays mapped as long as it is borrowed.
      unsafe file.bytes.extracting(range).withUnsafeBytes { buffer in
        unsafe hash.update(bufferPointer: buffer)
      }
      file.release(range)
      offset = range.upperBound
    }
    return text(hash.finalize())
  }

  /// The digest of a text's UTF-8 bytes.
  public static func sha256(of text: String) -> String {
    var hash = SHA256()
    hash.update(data: Array(text.utf8))
    return self.text(hash.finalize())
  }

  private static func text(_ digest: SHA256.Digest) -> String {
    digest.map { byte in
      let digits = String(byte, radix: 16)
      return digits.count == 1 ? "0" + digits : digits
    }.joined()
  }

  /// Whether a text is a SHA-256 as 64 hexadecimal digits.
  public static func isDigest(_ text: String) -> Bool {
    text.utf8.count == 64
      && text.utf8.allSatisfy { byte in
        (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
          || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte | 0x20)
      }
  }
}
