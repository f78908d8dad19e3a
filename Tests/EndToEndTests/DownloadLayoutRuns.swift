import Foundation
import TestSupport
import Testing

/// Runs of `whisperq download-layout` in a folder of their own.
struct LayoutRuns {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  static func source(_ name: String) -> String { PackageRoot.path("Tests/Resources/layouts/" + name) }

  /// Runs the program; the models go to `models` in the folder.
  func run(
    _ sources: [String], _ options: [String] = [], environment: [String: String] = [:],
    signal: SpawnSignal? = nil
  ) throws -> SpawnResult {
    try WhisperQBinary.run(
      ["download-layout"] + sources + options,
      environment: TestEnvironment.all.merging(environment) { $1 }, workingFolder: folder.path, signal: signal
    )
  }

  /// Runs the program with `--json`; a failure is an issue of the test.
  func report(
    _ sources: [String], _ options: [String] = [], sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> LayoutDocument {
    let result = try run(sources, options + ["--json"])
    try #require(result.exitCode == 0, "\(result.end) \(result.stderr)", sourceLocation: sourceLocation)
    return try JSONDecoder().decode(LayoutDocument.self, from: Data(result.stdoutBytes))
  }

  /// Every file below `models`, hidden ones too, sorted.
  func files() -> [String] {
    let all = (try? FileManager.default.subpathsOfDirectory(atPath: folder.path("models"))) ?? []
    return all.filter { path in
      let attributes = try? FileManager.default.attributesOfItem(atPath: folder.path("models/" + path))
      return attributes.map { $0[.type] as? FileAttributeType != .typeDirectory } ?? false
    }.sorted()
  }

  func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: folder.path(path)) }

  /// A copy of a layout of the resources in the folder, as the user's own.
  @discardableResult
  func copy(_ name: String, to target: String) throws -> String {
    let place = folder.path(target)
    try FileManager.default.createDirectory(
      atPath: (place as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try FileManager.default.copyItem(atPath: Self.source(name), toPath: place)
    return target
  }

  /// A ZIP file of a folder, made by Python.
  func zip(_ source: String, to name: String, isStored: Bool = false) throws -> String {
    let script = """
      import os, sys, zipfile
      method = zipfile.ZIP_STORED if sys.argv[3] == "1" else zipfile.ZIP_DEFLATED
      with zipfile.ZipFile(sys.argv[2], "w", method) as out:
          for place, folders, files in os.walk(sys.argv[1]):
              folders.sort()
              for name in sorted(files):
                  path = os.path.join(place, name)
                  out.write(path, "model/" + os.path.relpath(path, sys.argv[1]))
      """
    let place = folder.path(name)
    let result = try Spawn.run(
      "/usr/bin/env", ["python3", "-c", script, source, place, isStored ? "1" : "0"])
    if result.exitCode != 0 { try Test.cancel("needs Python 3 to make an archive: \(result.stderr)") }
    return place
  }

  /// The SHA-256 of a file in the folder, by the system's own program.
  func sha256(_ path: String) throws -> String {
    let result = try Spawn.run("/usr/bin/env", ["sha256sum", folder.path(path)])
    return String(result.stdout.prefix(64))
  }

  /// Files whose digest is not what the layout's README says, by the system's own program; nil when it has
  /// none.
  func wrongDigests(of layout: String) throws -> String? {
    let readme = try String(decoding: folder.read("models/\(layout)/README.md"), as: UTF8.self)
    let lines = readme.split(separator: "\n").filter { $0.wholeMatch(of: /[0-9a-f]{64}  .*/) != nil }
    let list = lines.joined(separator: "\n") + "\n"
    let result = try Spawn.run(
      "/usr/bin/env", ["sha256sum", "--check", "--quiet", "--strict"], stdin: Array(list.utf8),
      workingFolder: folder.path("models/" + layout))
    return result.exitCode == 0 && !lines.isEmpty ? nil : result.stdout + result.stderr
  }
}

/// What `download-layout --json` prints.
struct LayoutDocument: Decodable {
  struct File: Decodable {
    var path: String
    var action: String
    var method: String?
    var bytes: Int?
    var sha256: String?
    var part: String?
    var source: String?
    var origin: String?
  }
  struct Left: Decodable {
    var path: String
    var reason: String
  }
  struct Entry: Decodable {
    var key: String
    var change: String
  }

  var name: String
  var folder: String
  var dryRun: Bool
  var files: [File]
  var left: [Left]
  var warnings: [String]
  var notes: [String]
  var manifest: [Entry]
  var fetchBytes: Int

  private enum CodingKeys: String, CodingKey {
    case name, folder, files, left, warnings, notes, manifest
    case dryRun = "dry_run"
    case fetchBytes = "fetch_bytes"
  }

  /// Targets and where they come from.
  var origins: [String: String] {
    Dictionary(files.compactMap { file in file.origin.map { (file.path, $0) } }) { first, _ in first }
  }

  var actions: Set<String> { Set(files.map(\.action)) }
}

/// `Tests/Oracles/layout_server.py` over a folder.
final class LayoutServer: Sendable {
  let address: String
  private let process: Process
  private let input: Pipe

  private init(address: String, process: Process, input: Pipe) {
    self.address = address
    self.process = process
    self.input = input
  }

  /// Starts a server; cancels the test with the reason when there is no Python.
  static func start(_ folder: String) throws -> LayoutServer {
    let process = Process()
    process.executableURL = URL(filePath: "/usr/bin/env")
    process.arguments = ["python3", PackageRoot.path("Tests/Oracles/layout_server.py"), folder]
    let output = Pipe()
    let input = Pipe()
    process.standardInput = input
    process.standardOutput = output
    try process.run()
    var line = ""
    while !line.hasSuffix("\n") {
      let bytes = output.fileHandleForReading.availableData
      if bytes.isEmpty { try Test.cancel("needs Python 3 to run a web server") }
      line += String(decoding: bytes, as: UTF8.self)
    }
    return LayoutServer(
      address: "http://127.0.0.1:" + line.split(separator: "\n")[0], process: process, input: input)
  }

  deinit {
    try? input.fileHandleForWriting.close()
    process.waitUntilExit()
  }

  /// The paths that were asked for so far.
  func log() throws -> [String] {
    let result = try Spawn.run(
      "/usr/bin/env",
      [
        "python3", "-c", "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read().decode())",
        address + "/log",
      ], environment: TestEnvironment.all.merging(["no_proxy": "127.0.0.1"]) { $1 })
    return try JSONDecoder().decode([String].self, from: Data(result.stdoutBytes))
  }
}
