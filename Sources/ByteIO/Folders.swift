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

/// Makes a folder and those above it; folders that are there are fine.
public func makeFolders(_ path: String) throws(ByteIOError) {
  if !path.isEmpty { try createFolders(path, for: path) }
}

/// The file that a path names at the end of all symbolic links, whether it is there or not.
///
/// Only links at the end of the path are followed; folders on the way are the system's business.
public func linkTarget(ofPath path: String) throws(ByteIOError) -> String {
  var target = path
  for _ in 0..<40 {
    var status = stat()
    guard unsafe lstat(target, &status) == 0, status.st_mode & S_IFMT == S_IFLNK else { return target }
    var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
    // readlink fills at most the buffer's bytes and says how many.
    let count = unsafe buffer.withUnsafeMutableBytes { memory in
      unsafe readlink(target, memory.baseAddress!.assumingMemoryBound(to: CChar.self), memory.count)
    }
    guard count > 0 else {
      throw ByteIOError(.system(operation: "read the link", code: lastSystemError), path: target)
    }
    let link = String(decoding: buffer[..<count], as: UTF8.self)
    target = link.utf8.first == UInt8(ascii: "/") ? link : joined(folder(of: target), link)
  }
  throw ByteIOError(.system(operation: "follow its links", code: ELOOP), path: path)
}

/// Whether the user may write to an existing file or folder.
public func isWritable(_ path: String) -> Bool { unsafe access(path.isEmpty ? "." : path, W_OK) == 0 }

/// Whether a file is a symbolic link.
public func isLink(_ path: String) -> Bool {
  var status = stat()
  return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
}

/// The absolute path with all links resolved; nil when there is nothing.
public func realPath(_ path: String) -> String? {
  // realpath answers a string of its own, which is copied and freed here.
  guard let resolved = unsafe realpath(path.isEmpty ? "." : path, nil) else { return nil }
  defer { unsafe free(resolved) }
  return unsafe String(cString: resolved)
}
