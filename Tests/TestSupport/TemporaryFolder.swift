public import Foundation

/// A folder of its own for one test, removed with everything in it when the last reference goes.
public final class TemporaryFolder: Sendable {
  public let url: URL

  /// Makes a new empty folder in the system's folder for temporary files.
  public init() throws {
    url = FileManager.default.temporaryDirectory.appending(path: "whisperq-test-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: url, withIntermediateDirectories: false)
  }

  deinit {
    try? FileManager.default.removeItem(at: url)
  }

  /// The path of the folder, without a slash at its end.
  public var path: String { url.path(percentEncoded: false).trimmingSuffix("/") }

  /// The path of `name` in the folder, whether it is there or not.
  public func path(_ name: String) -> String { path + "/" + name }

  /// Writes `bytes` to the file `name` (folders on the way are made) and returns its path.
  @discardableResult
  public func write(_ bytes: some Collection<UInt8>, to name: String) throws -> String {
    let file = url.appending(path: name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
    return path(name)
  }

  /// The bytes of the file `name`.
  public func read(_ name: String) throws -> [UInt8] {
    try [UInt8](Data(contentsOf: url.appending(path: name)))
  }

  /// The names of what is in the folder, sorted; hidden files too.
  public func names() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: path).sorted()
  }
}

extension String {
  fileprivate func trimmingSuffix(_ suffix: String) -> String {
    hasSuffix(suffix) ? String(dropLast(suffix.count)) : self
  }
}
