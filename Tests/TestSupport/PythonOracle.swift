import Foundation
public import Testing

/// Python scripts of `Tests/Oracles/` that answer independently of our own code (onnx, onnxruntime, numpy).
public enum PythonOracle {
  /// The interpreter: the environment variable WHISPERQ_TEST_PYTHON, or the one that
  /// `scripts/setup-test-venv.sh` installs into `.venv-test`.
  public static var interpreter: String {
    TestEnvironment["WHISPERQ_TEST_PYTHON"] ?? PackageRoot.path(".venv-test/bin/python")
  }

  /// Runs `Tests/Oracles/<script>` and returns how it ended; cancels the test with the reason when there is no
  /// interpreter.
  public static func run(
    script: String, arguments: [String] = [], stdin: [UInt8] = [], timeLimit: Duration = .seconds(300),
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> SpawnResult {
    guard FileManager.default.isExecutableFile(atPath: interpreter) else {
      try Test.cancel(
        "needs Python with onnx and onnxruntime: run scripts/setup-test-venv.sh",
        sourceLocation: sourceLocation)
    }
    // No byte code beside the sources, and the same text encoding everywhere.
    let environment = TestEnvironment.all.merging(
      ["PYTHONDONTWRITEBYTECODE": "1", "PYTHONUTF8": "1"], uniquingKeysWith: { $1 })
    return try Spawn.run(
      interpreter, [PackageRoot.path("Tests/Oracles/" + script)] + arguments, environment: environment,
      stdin: stdin, timeLimit: timeLimit)
  }

  /// Runs the script as `run` does and returns its standard output; a script that fails is an issue of the test
  /// with what it said.
  public static func output(
    script: String, arguments: [String] = [], stdin: [UInt8] = [], timeLimit: Duration = .seconds(300),
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let result = try run(
      script: script, arguments: arguments, stdin: stdin, timeLimit: timeLimit, sourceLocation: sourceLocation
    )
    try #require(
      result.exitCode == 0, "\(script) ended with \(result.end): \(result.stderr)",
      sourceLocation: sourceLocation)
    return result.stdout
  }
}
