public import ByteIO

/// An archive that cannot be read, or must not be, and why.
public struct ArchiveError: Error, Equatable, Sendable {
  public enum Reason: Equatable, Sendable {
    /// The file is something else.
    case notAnArchive(found: String)
    /// The end is missing.
    case truncated(String)
    /// The structure contradicts itself.
    case damaged(String)
    /// It goes on in another file.
    case severalDisks
    case unsafeName(String)
    /// The text says what it is, such as "a symbolic link".
    case notAFile(String)
    /// Another entry has this name, or one that differs in upper and lower case only.
    case sameName(as: String)
    case encrypted
    /// A compression that is not read here.
    case method(Int, name: String)
    /// It shares bytes with another entry.
    case overlap(with: String)
    case checksum(found: UInt32, expected: UInt32)
    case length(found: Int, expected: Int)
    /// More bytes than the limit, compressed into few.
    case tooLarge(byteCount: Int, limit: Int)
    case ratio(Int, limit: Int)
    case tooManyEntries(Int, limit: Int)
    /// Less space is left than the files need.
    case noSpace(needed: Int, available: Int)
    case canceled
    case file(ByteIOError)
  }

  public let reason: Reason
  /// The archive.
  public let path: String
  /// The entry that it is about; nil when it is about the whole archive.
  public let entry: String?

  public init(_ reason: Reason, path: String, entry: String? = nil) {
    self.reason = reason
    self.path = path
    self.entry = entry
  }

  /// Whether the archive's bytes are to blame, and not the disk, the system or the user.
  public var isArchiveBad: Bool {
    switch reason {
    case .noSpace, .canceled, .file: false
    default: true
    }
  }

  /// One sentence: what, where, what was expected, what to do.
  public var message: String {
    let place = entry.map { "\(path): entry '\(ArchiveError.visible($0))'" } ?? path
    switch reason {
    case .notAnArchive(let found): return "\(place): this is \(found), expected a ZIP archive"
    case .truncated(let what): return "\(place): the archive is truncated: \(what); download it again"
    case .damaged(let what): return "\(place): the archive is damaged: \(what)"
    case .severalDisks:
      return
        "\(place): the archive is split into several files; join them first (zip -s 0 split.zip --out one.zip)"
    case .unsafeName(let why):
      return "\(place): the name \(why), so nothing of this archive is unpacked"
    case .notAFile(let what):
      return "\(place): this is \(what), expected a plain file or folder; nothing of this archive is unpacked"
    case .sameName(let other):
      return
        "\(place): the entry '\(ArchiveError.visible(other))' has the same name, or one that differs in upper "
        + "and lower case only"
    case .encrypted: return "\(place): it is encrypted; unpack the archive by hand and pass the folder"
    case .method(let number, let name):
      return
        "\(place): it is compressed with \(name) (method \(number)), expected stored or deflated; unpack the "
        + "archive by hand and pass the folder"
    case .overlap(let other):
      return "\(place): it shares bytes with the entry '\(ArchiveError.visible(other))', as archives do that "
        + "are made to fill disks"
    case .checksum(let found, let expected):
      return "\(place): the content has the CRC-32 \(hexadecimal(found)), expected \(hexadecimal(expected)); "
        + "download the archive again"
    case .length(let found, let expected):
      return
        "\(place): the content has \(found) bytes\(found > expected ? " or more" : ""), the archive says "
        + "\(expected)"
    case .tooLarge(let byteCount, let limit):
      return
        "\(place): unpacked it has \(byteCount) bytes, the limit is \(limit); raise it with --max-size if you "
        + "trust the archive"
    case .ratio(let ratio, let limit):
      return
        "\(place): it would grow to \(ratio) times its size, the limit is \(limit) times; unpack it by hand "
        + "if you trust it"
    case .tooManyEntries(let count, let limit):
      return "\(place): it has \(count) entries, the limit is \(limit)"
    case .noSpace(let needed, let available):
      return "\(place): unpacked it has \(needed) bytes and \(available) are free; free some space or choose "
        + "another folder"
    case .canceled: return "\(place): canceled"
    case .file(let error): return error.message
    }
  }

  /// A name without characters that would do something to a terminal.
  private static func visible(_ name: String) -> String {
    var text = ""
    for scalar in name.unicodeScalars {
      if scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value) {
        text += "\\u{\(String(scalar.value, radix: 16))}"
      } else {
        text.unicodeScalars.append(scalar)
      }
    }
    return text
  }
}

private func hexadecimal(_ value: UInt32) -> String {
  let digits = String(value, radix: 16)
  return String(repeating: "0", count: 8 - digits.utf8.count) + digits
}
