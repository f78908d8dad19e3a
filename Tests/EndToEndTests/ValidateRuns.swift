import Foundation
import TestSupport
import Testing

/// The document that `validate --json` prints, with the keys that the help documents.
struct Validated: Decodable {
  struct Model: Decodable {
    struct Objection: Decodable {
      let kind: String
      let message: String
    }
    struct Finding: Decodable {
      let severity: String
      let rule: String
      let place: String?
      let message: String
      let remedy: String?
    }
    struct Layer: Decodable {
      let name: String
      let `operator`: String
      let difference: Difference
    }
    let path: String
    let title: String
    let bytes: Int
    let passes: Bool
    let exitCode: Int
    let notes: [String]
    let objections: [Objection]
    let findings: [Finding]
    let run: Run?
    let layers: [Layer]
  }
  struct Engine: Decodable {
    struct Share: Decodable {
      let provider: String
      let nodes: Int
    }
    struct Passed: Decodable {
      let provider: String
      let reason: String
    }
    let provider: String
    let runtime: String
    let emulated: Bool
    let shares: [Share]
    let passedOver: [Passed]
  }
  struct Run: Decodable {
    struct Port: Decodable {
      let name: String
      let type: String
      let shape: [Int]
    }
    struct Reference: Decodable {
      let path: String
      let seconds: Double
    }
    struct Result: Decodable {
      struct Health: Decodable {
        let elements: Int
        let mean: Double?
        let minimum: Double?
        let faults: [String]
      }
      let name: String
      let branch: String?
      let mismatch: String?
      let notCompared: String?
      let health: Health?
      let difference: Difference?
    }
    struct MadeUp: Decodable {
      let seed: Int
      let inputs: [String]
    }
    let engine: Engine
    let madeUp: MadeUp?
    let inputs: [Port]
    let outputs: [Port]
    let loadSeconds: Double
    let seconds: [Double]
    let medianSeconds: Double
    let reference: Reference?
    let results: [Result]
  }
  struct Difference: Decodable {
    let equal: Bool
    let comparable: Bool
    let sqnrDb: Double?
    let cosine: Double?
    let largestError: Double?
  }
  let passes: Bool
  let exitCode: Int
  let models: [Model]

  init(_ result: SpawnResult) throws {
    let decoder = JSONDecoder()
    decoder.keyDecodingStrategy = .convertFromSnakeCase
    self = try decoder.decode(Self.self, from: Data(result.stdoutBytes))
  }

  /// Runs `validate --json` and expects the documented exit code, in the document too.
  static func run(
    _ arguments: [String], exitCode: Int32 = 0, environment: [String: String]? = nil,
    workingFolder: String? = nil,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Validated {
    let result = try WhisperQBinary.run(
      ["validate", "--json"] + arguments, environment: environment, workingFolder: workingFolder,
      timeLimit: .seconds(600), sourceLocation: sourceLocation)
    #expect(result.exitCode == exitCode, "\(result.stderr)\(result.stdout)", sourceLocation: sourceLocation)
    let document = try Validated(result)
    #expect(
      document.exitCode == Int(exitCode) && document.passes == (exitCode == 0), sourceLocation: sourceLocation
    )
    return document
  }
}

/// A machine without libraries: the program in a folder from where it finds none, and an environment that leads
/// nowhere.
struct BareMachine {
  let folder: TemporaryFolder
  private let program: String

  init() throws {
    folder = try TemporaryFolder()
    program = folder.path("whisperq")
    let original = try WhisperQBinary.path()
    do { try FileManager.default.linkItem(atPath: original, toPath: program) } catch {
      // Copied by another process: while a file is open for writing in this one, a program that another test starts
      // inherits it for a moment, and the system refuses to run what is being written.
      let copied = try Spawn.run("/bin/cp", [original, program])
      try #require(copied.exitCode == 0, "\(copied.stderr)")
    }
  }

  func run(_ arguments: [String]) throws -> SpawnResult {
    var environment = TestEnvironment.all
    for name in ["WHISPERQ_ORT_LIBRARY", "WHISPERQ_QNN_LIBRARY", "VIRTUAL_ENV", "CONDA_PREFIX"] {
      environment[name] = nil
    }
    environment["PATH"] = folder.path
    environment["HOME"] = folder.path
    return try Spawn.run(program, arguments, environment: environment, workingFolder: folder.path)
  }

  func validate(
    _ arguments: [String], exitCode: Int32 = 0, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> Validated {
    let result = try run(["validate", "--json"] + arguments)
    #expect(result.exitCode == exitCode, "\(result.stderr)\(result.stdout)", sourceLocation: sourceLocation)
    return try Validated(result)
  }
}

/// ONNX Runtime for tests: the one that `scripts/fetch-runtime.sh` put into `.runtime/`, or that the environment names.
enum FetchedRuntime {
  static func options(
    needsQNN: Bool = false, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> [String] {
    let library = try path(
      "WHISPERQ_ORT_LIBRARY", ".runtime/onnxruntime/capi", "ONNX Runtime", sourceLocation: sourceLocation)
    guard needsQNN else { return ["--ort-library", library] }
    let plugin = try path(
      "WHISPERQ_QNN_LIBRARY", ".runtime/onnxruntime_qnn", "the QNN plugin", sourceLocation: sourceLocation)
    return ["--ort-library", library, "--qnn-library", plugin]
  }

  private static func path(
    _ variable: String, _ folder: String, _ name: String, sourceLocation: SourceLocation
  ) throws -> String {
    if let path = TestEnvironment[variable] { return path }
    let path = PackageRoot.path(folder)
    guard FileManager.default.fileExists(atPath: path) else {
      try Test.cancel("needs \(name): run scripts/fetch-runtime.sh", sourceLocation: sourceLocation)
    }
    return path
  }
}
