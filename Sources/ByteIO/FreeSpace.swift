#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// How many bytes the user may still write to the file system of a folder, and which one that is; nil when the
/// system does not tell.
///
/// A folder that is not there yet counts as the nearest one above it that is.
public func freeSpace(inFolder path: String) -> (byteCount: Int, device: UInt64)? {
  var folderPath = path.isEmpty ? "." : path
  while kind(ofPath: folderPath) == .missing {
    let above = folder(of: folderPath)
    folderPath = above.isEmpty ? "." : above
    if folderPath == "." || folderPath == "/" { break }
  }
  var space = statvfs()
  guard unsafe statvfs(folderPath, &space) == 0, let identity = identity(ofPath: folderPath) else {
    return nil
  }
  let product = UInt64(space.f_bavail).multipliedReportingOverflow(by: UInt64(space.f_frsize))
  return (product.overflow ? Int.max : Int(clamping: product.partialValue), identity.device)
}
