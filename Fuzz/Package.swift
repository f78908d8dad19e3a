// swift-tools-version: 6.2
import PackageDescription

// A package of its own, so that the root stays light. Built by scripts/fuzz.sh with `--sanitize=fuzzer`, which
// brings libFuzzer's `main` and asks each module for coverage.
let package = Package(
  name: "whisperq-fuzz",
  platforms: [.macOS(.v26)],
  dependencies: [
    .package(name: "whisperq", path: "..")
  ],
  targets: [
    .executableTarget(
      name: "FuzzReader",
      dependencies: [.product(name: "WhisperQCore", package: "whisperq")],
      swiftSettings: [
        .swiftLanguageMode(.v6),
        .enableUpcomingFeature("InternalImportsByDefault"),
        .enableUpcomingFeature("MemberImportVisibility"),
        .strictMemorySafety(),
        .treatAllWarnings(as: .error),
        // No `main` of Swift's: libFuzzer has one and calls in.
        .unsafeFlags(["-parse-as-library"]),
      ])
  ]
)
