public import ByteIO
import Crypto

/// How a file comes to its place.
public enum PlacingWay: String, Sendable, CaseIterable {
  /// The file itself: a rename, or in another file system a copy after which the source is removed.
  case move
  /// A file that shares its bytes with the source until one of them is changed (reflink), where the file
  /// system can do that, else a copy.
  case clone
  /// A second name of the same file (hard link), else a copy.
  case link
  /// Bytes of its own.
  case copy
}

/// A file in its place, and how it came there.
public struct PlacedFile: Sendable, Equatable {
  public enum Method: String, Sendable {
    case renamed, reflinked, linked, copied
    /// It was there already.
    case kept
  }

  public let method: Method
  public let byteCount: Int
  public let sha256: String

  /// Places a file under a name that is free, and computes its digest; `advanced` gets the bytes that were
  /// read.
  static func place(
    _ source: String, at target: String, _ way: PlacingWay, advanced: (Int) -> Void
  ) throws(ByteIOError) -> PlacedFile {
    try makeFolders(folder(of: target))
    let isShared: Bool
    switch way {
    case .move: isShared = try FilePlacing.rename(source, to: target)
    case .clone: isShared = try FilePlacing.clone(source, as: target)
    case .link: isShared = try FilePlacing.link(source, as: target)
    case .copy: isShared = false
    }
    guard isShared else { return try copy(source, to: target, advanced) }
    let methods: [PlacingWay: Method] = [.move: .renamed, .clone: .reflinked, .link: .linked]
    return try PlacedFile(of: target, method: methods[way] ?? .copied, advanced: advanced)
  }

  private init(method: Method, byteCount: Int, sha256: String) {
    self.method = method
    self.byteCount = byteCount
    self.sha256 = sha256
  }

  /// A file that is in its place.
  public init(
    of path: String, method: Method = .kept, advanced: (Int) -> Void = { _ in }
  ) throws(ByteIOError) {
    let file = try MappedFile(path: path)
    var hash = SHA256()
    for start in stride(from: 0, to: file.byteCount, by: Self.step) {
      let range = start..<min(start + Self.step, file.byteCount)
      // The buffer is used during the call only; the file stays mapped as long as it is borrowed.
      unsafe file.bytes.extracting(range).withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
      file.release(range)
      advanced(range.count)
    }
    self.init(method: method, byteCount: file.byteCount, sha256: hexadecimal(hash.finalize()))
  }

  private static let step = 4 << 20

  private static func copy(
    _ source: String, to target: String, _ advanced: (Int) -> Void
  ) throws(ByteIOError) -> PlacedFile {
    let file = try MappedFile(path: source)
    let output = try OutputFile(path: target, byteCount: file.byteCount)
    var hash = SHA256()
    for start in stride(from: 0, to: file.byteCount, by: step) {
      let range = start..<min(start + step, file.byteCount)
      // As above; bytes have no padding, so reading them raw is sound.
      let part = file.bytes.extracting(range)
      unsafe part.withUnsafeBytes { unsafe hash.update(bufferPointer: $0) }
      try output.write(unsafe part.bytes, at: start)
      file.release(range)
      advanced(range.count)
    }
    try output.commit()
    return PlacedFile(method: .copied, byteCount: file.byteCount, sha256: hexadecimal(hash.finalize()))
  }
}

private func hexadecimal(_ bytes: some Sequence<UInt8>) -> String {
  let digits = Array("0123456789abcdef".utf8)
  return String(decoding: bytes.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
}
