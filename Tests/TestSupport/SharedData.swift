import Foundation
public import Testing

/// Real models, recordings and graphs in a folder `shared/data` beside the repository, which not every machine
/// has.
public enum SharedData {
  /// The folder, whether it is there or not; the environment variable WHISPERQ_TEST_DATA names another one.
  public static let folder: String =
    TestEnvironment["WHISPERQ_TEST_DATA"]
    ?? PackageRoot.url.deletingLastPathComponent().appending(path: "shared/data").path(percentEncoded: false)

  /// Whether `shared/data` is there at all.
  public static var isPresent: Bool { FileManager.default.fileExists(atPath: folder) }

  /// The path of `relativePath` in the folder, for example `whisper-tiny.en/encoder.onnx`; cancels the test with
  /// the reason when it is not there.
  public static func path(
    _ relativePath: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let path = folder + "/" + relativePath
    guard FileManager.default.fileExists(atPath: path) else {
      try Test.cancel(
        "needs shared/data/\(relativePath) beside the repository", sourceLocation: sourceLocation)
    }
    return path
  }

  /// The paths of all files under `relativePath` whose names end in `suffix`, sorted; cancels the test with the
  /// reason when the folder is not there.
  public static func paths(
    under relativePath: String, suffix: String, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String] {
    let root = try path(relativePath, sourceLocation: sourceLocation)
    let names = FileManager.default.enumerator(atPath: root)?.compactMap { $0 as? String } ?? []
    return names.filter { $0.hasSuffix(suffix) }.sorted().map { root + "/" + $0 }
  }
}
