#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// What a path leads to.
public enum PathKind: Sendable { case missing, file, folder, other }

/// Looks at a path, following links.
public func kind(ofPath path: String) -> PathKind {
  var status = stat()
  guard unsafe stat(path, &status) == 0 else { return .missing }
  switch status.st_mode & S_IFMT {
  case S_IFREG: return .file
  case S_IFDIR: return .folder
  default: return .other
  }
}

/// Which file a path leads to, or nil when there is none.
public func identity(ofPath path: String) -> FileIdentity? {
  var status = stat()
  guard unsafe stat(path, &status) == 0 else { return nil }
  return FileIdentity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino))
}

/// The names in a folder, sorted by bytes, without "." and "..".
public func names(inFolder path: String) throws(ByteIOError) -> [String] {
  guard let stream = unsafe opendir(path.isEmpty ? "." : path) else {
    throw ByteIOError(.system(operation: "list it", code: lastSystemError), path: path)
  }
  defer { unsafe closedir(stream) }
  var found: [String] = []
  while let entry = unsafe readdir(stream) {
    // d_name is a NUL-terminated array inside the entry, valid until the next readdir.
    let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) {
      unsafe $0.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
    }
    if name != "." && name != ".." { found.append(name) }
  }
  return found.sorted()
}

/// Removes a file; a missing one is fine.
public func removeFile(_ path: String) throws(ByteIOError) {
  if unsafe unlink(path) != 0, lastSystemError != ENOENT {
    throw ByteIOError(.system(operation: "remove it", code: lastSystemError), path: path)
  }
}
