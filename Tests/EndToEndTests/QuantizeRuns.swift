import Foundation
import TestSupport
import Testing

/// The JSON report of one quantized model, with the keys that the help documents.
struct QuantizeOutcome: Decodable {
  struct Group: Decodable {
    let form: String
    let role: String
    let weights: Int
    let bytesBefore: Int
    let bytesAfter: Int
  }
  struct Left: Decodable {
    let reason: String
    let weights: Int
    let bytes: Int
  }
  struct Weight: Decodable {
    let name: String
    let form: String
    let elements: Int
    let bytesBefore: Int
    let bytesAfter: Int
    let sqnrDb: Double?
    let overflows: Int
    let underflows: Int
  }
  let status: String
  let input: String
  /// What is there only for a model that was quantized.
  let output: String?
  let outputData: String?
  let scheme: String?
  let reason: String?
  let bytesBefore: Int?
  let bytesAfter: Int?
  let reduction: Double?
  let seconds: Double?
  let bytesPerSecond: Double?
  let peakMemoryBytes: Int?
  let threads: Int?
  let processor: String?
  let quantized: [Group]?
  let left: [Left]?
  let weights: [Weight]?
  let notes: [String]?
}

/// The document that `quantize --json` prints.
struct QuantizeDocument: Decodable {
  let models: [QuantizeOutcome]
  let carriedFiles: [String]

  init(_ result: SpawnResult) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Self.self, from: Data(result.stdoutBytes))
  }
}

/// Models that tests quantize, and how they do it.
enum Quantized {
  /// A model of `Tests/Resources/layouts`.
  static func layout(_ name: String) -> String { PackageRoot.path("Tests/Resources/layouts/" + name) }

  /// The layouts' models by path below their folder, sorted.
  static func layouts() throws -> [String] {
    let folder = PackageRoot.path("Tests/Resources/layouts")
    return try FileManager.default.subpathsOfDirectory(atPath: folder)
      .filter { $0.hasSuffix(".onnx") }.sorted()
  }

  static func run(
    _ input: String, _ output: String, _ options: [String] = [], workingFolder: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> SpawnResult {
    try WhisperQBinary.run(
      ["quantize", input, "--output", output] + options, workingFolder: workingFolder,
      sourceLocation: sourceLocation)
  }

  /// A model of one MatMul, [4, 64] times [64, 32], whose weights are a smooth curve.
  static func small(weights: [Float]? = nil) -> HandMadeModel {
    var model = HandMadeModel()
    model.input("x", [4, 64])
    model.initializer(
      "w", [64, 32], floats: weights ?? (0..<2048).map { Float(($0 * 37) % 201 - 100) / 64 })
    model.node("MatMul", ["x", "w"], ["y"])
    model.output("y", [4, 32])
    return model
  }
}

/// Expects a run that failed as a run should: nothing on stdout, one line on stderr, the documented code.
func expectFailure(
  _ result: SpawnResult, exitCode: Int32, _ words: String...,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(result.end == .exited(exitCode), "\(result.stderr)", sourceLocation: sourceLocation)
  #expect(result.stdout.isEmpty, sourceLocation: sourceLocation)
  let lines = result.stderr.split(separator: "\n", omittingEmptySubsequences: false)
  #expect(lines.count == 2 && lines.last == "", "one line: \(result.stderr)", sourceLocation: sourceLocation)
  #expect(result.stderr.hasPrefix("error: "), "\(result.stderr)", sourceLocation: sourceLocation)
  for word in words {
    #expect(
      result.stderr.contains(word), "'\(word)' is not in: \(result.stderr)", sourceLocation: sourceLocation)
  }
}

/// Quantizes a file into an empty folder and expects the failure, with nothing left behind in the folder.
func expectRefusal(
  _ input: String, _ options: [String] = [], exitCode: Int32, _ words: String...,
  sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let out = try TemporaryFolder()
  let result = try Quantized.run(
    input, out.path("out.onnx"), options, sourceLocation: sourceLocation)
  expectFailure(result, exitCode: exitCode, sourceLocation: sourceLocation)
  for word in words {
    #expect(
      result.stderr.contains(word), "'\(word)' is not in: \(result.stderr)", sourceLocation: sourceLocation)
  }
  #expect(try out.names() == [], sourceLocation: sourceLocation)
  #expect(result.elapsed < .seconds(20), sourceLocation: sourceLocation)
  if let peak = result.peakByteCount {
    #expect(peak < 200 << 20, "peak memory \(peak)", sourceLocation: sourceLocation)
  }
}
