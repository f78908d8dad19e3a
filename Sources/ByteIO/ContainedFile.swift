#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Whether links are accepted on the way to a file that another file names.
public enum LinkPolicy: Sendable {
  /// Symbolic links and files with several names are refused.
  case refuse
  /// The user vouches for them.
  case follow
}

/// Opens files that a model names relative to its own folder, and nothing outside of it.
public enum ContainedFile {
  /// Why a location is no plain relative path below a folder, or nil when it is one.
  public static func objection(to location: String) -> String? {
    // Bytes, as the system sees them: for Swift, a slash with an accent after it is one character and no slash.
    let bytes = Array(location.utf8)
    let slash = UInt8(ascii: "/")
    let backslash = UInt8(ascii: "\\")
    guard let first = bytes.first else { return "is empty" }
    if bytes.contains(0) { return "contains a NUL byte" }
    if first == slash || first == backslash { return "is an absolute path" }
    if bytes.count > 1, bytes[1] == UInt8(ascii: ":") { return "names a drive" }
    let climb = Array("..".utf8)
    let windowsParts = bytes.split(omittingEmptySubsequences: false) { $0 == slash || $0 == backslash }
    if windowsParts.contains(where: { $0.elementsEqual(climb) }) { return "climbs out of it with '..'" }
    let last = bytes.split(separator: slash, omittingEmptySubsequences: false).last ?? []
    if last.isEmpty || last.elementsEqual(".".utf8) { return "names a folder" }
    return nil
  }

  /// Maps the file at `location` below `folder`, one path component at a time, so that no link can lead
  /// elsewhere between check and use.
  public static func map(
    _ location: String, in folder: String, links: LinkPolicy
  ) throws(ByteIOError)
    -> MappedFile
  {
    let shown = joined(folder, location)
    if let objection = objection(to: location) {
      throw ByteIOError(.unsafeLocation(objection), path: shown)
    }
    if links == .follow { return try MappedFile(path: shown) }
    let start = folder.isEmpty ? "." : folder
    var directory = retryingInterrupts { unsafe open(start, O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
    guard directory >= 0 else {
      throw ByteIOError(.system(operation: "open its folder", code: lastSystemError), path: shown)
    }
    defer { close(directory) }
    let parts = pathParts(location).filter { $0 != "." }
    for part in parts.dropLast() {
      let next = openat(directory, part, O_DIRECTORY)
      guard next >= 0 else { throw failure(of: part, in: directory, path: shown) }
      close(directory)
      directory = next
    }
    let descriptor = openat(directory, parts[parts.count - 1], O_NONBLOCK)
    guard descriptor >= 0 else { throw failure(of: parts[parts.count - 1], in: directory, path: shown) }
    defer { close(descriptor) }
    var status = stat()
    if unsafe fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_nlink > 1 {
      throw ByteIOError(.hardLink(count: Int(status.st_nlink)), path: shown)
    }
    return try MappedFile(descriptor: descriptor, path: shown)
  }

  private static func openat(_ directory: Int32, _ name: String, _ flags: Int32) -> Int32 {
    retryingInterrupts {
      unsafe fileOpenAt(directory, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | flags)
    }
  }

  private static func failure(of name: String, in directory: Int32, path: String) -> ByteIOError {
    let code = lastSystemError
    var status = stat()
    if unsafe fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0, status.st_mode & S_IFMT == S_IFLNK
    {
      return ByteIOError(.symbolicLink(name), path: path)
    }
    return ByteIOError(code == ENOENT ? .notFound : .system(operation: "open it", code: code), path: path)
  }
}

/// `openat` under a name that the method above does not shadow.
private func fileOpenAt(_ directory: Int32, _ name: UnsafePointer<CChar>, _ flags: Int32) -> Int32 {
  unsafe openat(directory, name, flags)
}

/// A path made of a folder ("" is the current one) and a relative path.
public func joined(_ folder: String, _ relative: String) -> String {
  if folder.isEmpty { return relative }
  return folder.utf8.last == UInt8(ascii: "/") ? folder + relative : folder + "/" + relative
}

/// The names between the slashes of a path. Slashes are bytes here, whatever follows them.
func pathParts(_ path: String) -> [String] {
  path.utf8.split(separator: UInt8(ascii: "/")).map { String(decoding: $0, as: UTF8.self) }
}

/// The folder part of a path, "" when it has none.
public func folder(of path: String) -> String {
  guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "" }
  return slash == path.startIndex ? "/" : String(decoding: path.utf8[..<slash], as: UTF8.self)
}

/// The last component of a path.
public func fileName(of path: String) -> String {
  guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return path }
  return String(decoding: path.utf8[path.utf8.index(after: slash)...], as: UTF8.self)
}
