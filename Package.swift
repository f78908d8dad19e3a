// swift-tools-version: 6.2
import PackageDescription

/// One set of settings for every Swift target: Swift 6 mode with the features the house agreed on.
let house: [SwiftSetting] = [
  .swiftLanguageMode(.v6),
  .enableUpcomingFeature("ExistentialAny"),
  .enableUpcomingFeature("InternalImportsByDefault"),
  .enableUpcomingFeature("MemberImportVisibility"),
  .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
  .enableUpcomingFeature("InferIsolatedConformances"),
  .enableExperimentalFeature("Lifetimes"),
  .enableExperimentalFeature("SafeInteropWrappers"),
  .strictMemorySafety(),
  .treatAllWarnings(as: .error),
]

/// A library room. `imports` is the whole list of what the room may import; `scripts/check-layering.sh`
/// compares it with the sources.
func room(_ name: String, _ imports: [Target.Dependency] = [], resources: [Resource] = []) -> Target {
  .target(name: name, dependencies: imports, resources: resources, swiftSettings: house)
}

/// The tests of a room, which mirror it in `Tests/`.
func tests(_ name: String, _ imports: [Target.Dependency], resources: [Resource] = []) -> Target {
  .testTarget(name: name, dependencies: imports, resources: resources, swiftSettings: house)
}

let package = Package(
  name: "whisperq",
  platforms: [.macOS(.v26)],
  products: [
    .executable(name: "whisperq", targets: ["whisperq"]),
    // The face of the reader for the fuzzing package, which lives on its own.
    .library(name: "WhisperQCore", targets: ["ByteIO", "Tensors", "ProtobufWire", "ONNXFile", "ONNXGraph"]),
  ],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
    .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
  ],
  targets: [
    // ground
    room("ByteIO"),
    room("Tensors", ["ByteIO"]),
    room("Console"),
    room("JSONDocuments"),
    // file
    room("ProtobufWire"),
    room("ONNXFile", ["ByteIO", "ProtobufWire", "Tensors"]),
    // graph
    room("ONNXGraph", ["ONNXFile", "Tensors"]),
    // numbers
    .target(name: "CKernels", cSettings: [.unsafeFlags(["-O3"])]),
    room("Kernels", ["CKernels"]),
    // ranges
    room("Calibration", ["Kernels", "ModelBackend", "Tensors"]),
    // plan
    room("QuantPlan", ["Kernels", "ONNXGraph", "Tensors"]),
    // apply
    room("Quantize", ["Calibration", "Kernels", "ONNXFile", "ONNXGraph", "QuantPlan", "Tensors"]),
    // run
    room("ModelBackend", ["Tensors"]),
    room("CPUBackend", ["ByteIO", "Kernels", "ModelBackend", "ONNXFile", "ONNXGraph", "Tensors"]),
    .target(name: "COnnxRuntime"),
    room("OnnxRuntimeBackend", ["ByteIO", "COnnxRuntime", "ModelBackend", "Tensors"]),
    // speech
    .systemLibrary(name: "CZlib"),
    room(
      "Whisper", ["ByteIO", "CZlib", "JSONDocuments", "ModelBackend", "ONNXFile", "ONNXGraph", "Tensors"]),
    // report
    room(
      "Validation",
      ["Kernels", "ModelBackend", "ONNXFile", "ONNXGraph", "QuantPlan", "Tensors", "Whisper"]),
    // store
    .target(name: "CCurl"),
    room(
      "ModelStore",
      ["ByteIO", "CCurl", "CZlib", "JSONDocuments", .product(name: "Crypto", package: "swift-crypto")]),
    // flow
    room(
      "Pipeline",
      [
        "ByteIO", "CPUBackend", "Calibration", "JSONDocuments", "Kernels", "ModelBackend", "ModelStore",
        "ONNXFile",
        "ONNXGraph",
        "OnnxRuntimeBackend", "QuantPlan", "Quantize", "Tensors", "Validation", "Whisper",
      ]),
    // face
    room(
      "WhisperQCommands",
      [
        "Console", "JSONDocuments", "ModelBackend", "ModelStore", "Pipeline", "QuantPlan", "Quantize",
        "Validation",
        "Whisper",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(name: "whisperq", dependencies: ["WhisperQCommands"], swiftSettings: house),

    // What tests share: paths, spawned programs, Python oracles.
    .target(name: "TestSupport", path: "Tests/TestSupport", swiftSettings: house),
    tests("ByteIOTests", ["ByteIO", "TestSupport"]),
    tests("ConsoleTests", ["Console"]),
    tests("JSONDocumentsTests", ["JSONDocuments", "TestSupport"]),
    tests("ProtobufWireTests", ["ProtobufWire", "TestSupport"]),
    tests("ONNXFileTests", ["ByteIO", "ONNXFile", "Tensors", "TestSupport"]),
    tests(
      "ONNXGraphTests",
      ["ByteIO", "CPUBackend", "ModelBackend", "ONNXFile", "ONNXGraph", "Tensors", "TestSupport"]),
    tests("KernelsTests", ["Kernels"]),
    tests(
      "CalibrationTests",
      [
        "CPUBackend", "Calibration", "Kernels", "ModelBackend", "ONNXFile", "ONNXGraph", "Tensors",
        "TestSupport",
      ]),
    tests("QuantPlanTests", ["ONNXFile", "ONNXGraph", "QuantPlan", "Tensors", "TestSupport"]),
    tests("QuantizeTests", ["ONNXFile", "ONNXGraph", "QuantPlan", "Quantize", "Tensors", "TestSupport"]),
    tests(
      "WhisperTests",
      ["ByteIO", "CPUBackend", "ModelBackend", "ONNXFile", "ONNXGraph", "Tensors", "Whisper", "TestSupport"]),
    tests(
      "CPUBackendTests",
      ["ByteIO", "CPUBackend", "ModelBackend", "ONNXFile", "ONNXGraph", "Tensors", "TestSupport"]),
    tests(
      "ValidationTests",
      [
        "ByteIO", "ModelBackend", "ONNXFile", "ONNXGraph", "QuantPlan", "Tensors", "TestSupport",
        "Validation",
      ]),
    tests("ModelStoreTests", ["ByteIO", "JSONDocuments", "ModelStore", "TestSupport"]),
    tests(
      "OnnxRuntimeBackendTests", ["ModelBackend", "OnnxRuntimeBackend", "Tensors", "TestSupport"]),
    tests("EndToEndTests", ["TestSupport", "whisperq"]),
  ]
)
