import Foundation
public import Testing

/// The `whisperq` program that the same build made.
public enum WhisperQBinary {
  /// Its path: the environment variable WHISPERQ_TEST_BINARY, or `whisperq` in the build folder that holds the
  /// running test bundle; an issue of the test when it was not built.
  public static func path(sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    if let path = TestEnvironment["WHISPERQ_TEST_BINARY"] { return path }
    let path = buildFolder.appending(path: "whisperq").path(percentEncoded: false)
    try #require(
      FileManager.default.isExecutableFile(atPath: path), "no whisperq beside the test bundle: \(path)",
      sourceLocation: sourceLocation)
    return path
  }

  /// Runs the program with `arguments`; see `Spawn.run`.
  public static func run(
    _ arguments: [String], environment: [String: String]? = nil, workingFolder: String? = nil,
    timeLimit: Duration = .seconds(120), signal: SpawnSignal? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> SpawnResult {
    try Spawn.run(
      path(sourceLocation: sourceLocation), arguments, environment: environment, workingFolder: workingFolder,
      timeLimit: timeLimit, signal: signal)
  }

  /// The folder of the build's products. On macOS the code of the tests lies in a bundle in it, elsewhere the
  /// running program does.
  private static var buildFolder: URL {
    #if os(macOS)
      let bundles = Bundle.allBundles.filter { $0.bundlePath.hasSuffix(".xctest") }
      if let bundle = bundles.first { return bundle.bundleURL.deletingLastPathComponent() }
    #endif
    let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
    return program.deletingLastPathComponent()
  }
}
