import Foundation
import ModelBackend
import OnnxRuntimeBackend
import Synchronization
import Tensors
import TestSupport
import Testing

/// The libraries of `.runtime/`, which scripts/fetch-runtime.sh makes.
enum Runtime {
  /// Where tests look for them, and nowhere else: the machine's own libraries must not change a result.
  static let places = LibraryPlaces(
    environment: ProcessEnvironment(
      variables: [:], workingFolder: PackageRoot.path, programFolder: nil, systemFolders: []))

  /// ONNX Runtime; cancels the test with the reason when it is not there.
  static func open(sourceLocation: SourceLocation = #_sourceLocation) throws -> OnnxRuntime {
    guard let path = LibrarySearch(.onnxRuntime, places).path else {
      try Test.cancel(
        "needs ONNX Runtime in .runtime/: run scripts/fetch-runtime.sh", sourceLocation: sourceLocation)
    }
    return try OnnxRuntime.open(path)
  }

  /// The QNN plugin with its backend; cancels the test with the reason when it is not there.
  static func qnn(sourceLocation: SourceLocation = #_sourceLocation) throws -> QNNLibraries {
    guard let path = LibrarySearch(.qnnPlugin, places).path else {
      try Test.cancel(
        "needs the QNN plugin in .runtime/: run scripts/fetch-runtime.sh", sourceLocation: sourceLocation)
    }
    return QNNLibraries(plugin: path)
  }
}

/// Small models, made once by `Tests/Oracles/make_npu_models.py`.
enum SmallModels {
  private static let folder = Mutex<TemporaryFolder?>(nil)

  /// The path of a model; cancels the test when there is no Python to make it.
  static func path(_ name: String, sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    try folder.withLock { folder in
      if let folder { return folder.path(name) }
      let made = try TemporaryFolder()
      _ = try PythonOracle.output(
        script: "make_npu_models.py", arguments: [made.path], sourceLocation: sourceLocation)
      folder = made
      return made.path(name)
    }
  }
}

extension TensorContent {
  init(floats: [Float], _ shape: [Int]) throws {
    let bytes = floats.flatMap { value in
      (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }
    }
    self.init(elementType: .float32, shape: try #require(Shape(shape)), bytes: .owned(bytes))
  }

  /// 128 values between -2 and 2 for `whole.onnx` and its like.
  static func wave(_ shape: [Int] = [4, 32]) throws -> TensorContent {
    let count = shape.reduce(1, *)
    return try TensorContent(floats: (0..<count).map { Float($0 % 13 - 6) / 3 }, shape)
  }
}

/// The message of the error that `body` throws.
func message(
  of body: () throws -> some Any, sourceLocation: SourceLocation = #_sourceLocation
) throws -> String {
  let error = try #require(throws: BackendError.self, sourceLocation: sourceLocation) { _ = try body() }
  return error.message
}
