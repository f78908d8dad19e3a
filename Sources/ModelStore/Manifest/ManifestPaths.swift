import ByteIO

/// What the relative paths of a manifest are relative to.
///
/// The guide's manifest lies in `models/` and its paths begin with `models/`, so they count from the folder above
/// the manifest's. People also write paths that count from the manifest's own folder, or from where the application
/// runs. A path leads to the first of these three that has a file.
public struct ManifestPaths: Sendable {
  /// The manifest's folder, and the one above it; the first may be "" for the current one.
  private let own: String
  private let project: String

  public init(manifestPath: String) {
    own = folder(of: manifestPath)
    project = Self.above(own)
  }

  /// The file that an entry's path leads to; when there is none, where it should be.
  public func resolve(_ path: String) -> String {
    if path.utf8.first == UInt8(ascii: "/") { return path }
    let places = [joined(project, path), joined(own, path), path]
    return places.first { kind(ofPath: $0) != .missing } ?? places[0]
  }

  /// Whether a resolved path leads to something.
  public static func exists(_ file: String) -> Bool { kind(ofPath: file) != .missing }

  /// The path to write for a file that is there: as it is given when an entry with it leads to the same file, else
  /// relative to the project or the manifest's folder, else absolute.
  public func path(for file: String) -> String {
    let isAbsolute = file.utf8.first == UInt8(ascii: "/")
    let id = identity(ofPath: file)
    if !isAbsolute, id != nil,
      [joined(project, file), joined(own, file)].contains(where: { identity(ofPath: $0) == id })
    {
      return Self.plain(file)
    }
    guard let real = realPath(file) else { return file }
    let isUsual = realPath(own).map { fileName(of: $0) == "models" } ?? false
    for base in isUsual ? [project, own] : [own, project] {
      guard let root = realPath(base), root != "/", real.hasPrefix(root + "/") else { continue }
      let relative = String(real.dropFirst(root.count + 1))
      if identity(ofPath: resolve(relative)) == id { return relative }
    }
    return real
  }

  /// Without `./` in front.
  private static func plain(_ path: String) -> String {
    var rest = path
    while rest.hasPrefix("./") { rest = String(rest.dropFirst(2)) }
    return rest
  }

  private static func above(_ path: String) -> String {
    if path.isEmpty || path == "." { return ".." }
    if path == "/" { return "/" }
    let last = fileName(of: path)
    if last == ".." || last == "." || last.isEmpty { return joined(path, "..") }
    return folder(of: path)
  }
}
