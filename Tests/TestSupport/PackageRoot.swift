public import Foundation

/// The folder of the package, found from where this file was compiled.
public enum PackageRoot {
  /// The folder that holds `Package.swift`.
  public static let url: URL = {
    var folder = URL(filePath: #filePath).deletingLastPathComponent()
    while folder.path(percentEncoded: false) != "/" {
      let manifest = folder.appending(path: "Package.swift").path(percentEncoded: false)
      if FileManager.default.fileExists(atPath: manifest) { return folder }
      folder.deleteLastPathComponent()
    }
    preconditionFailure("no Package.swift above \(#filePath)")
  }()

  /// The path of the package's folder, without a slash at its end.
  public static let path: String = withoutSlash(url.path(percentEncoded: false))

  /// The path of a file or folder of the package, for example `Tests/Oracles/parse.py`.
  public static func path(_ relativePath: String) -> String {
    relativePath.isEmpty ? path : path + "/" + relativePath
  }

  private static func withoutSlash(_ path: String) -> String {
    path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
  }
}
