import Foundation
import OnnxRuntimeBackend
import TestSupport
import Testing

/// A made-up machine: what is there is what a test writes into its folder.
@Suite("Looking for libraries") struct DiscoveryTests {
  private let folder: TemporaryFolder
  private let root: String

  init() throws {
    folder = try TemporaryFolder()
    root = folder.path
  }

  /// A file that begins like a library for this machine.
  @discardableResult
  private func put(_ name: String) throws -> String {
    var bytes: [UInt8]
    switch LibraryImage.host.system {
    case .macOS:
      bytes = [0xcf, 0xfa, 0xed, 0xfe, LibraryImage.host.architectures == ["arm64"] ? 12 : 7, 0, 0, 1]
    default:
      bytes = [UInt8](repeating: 0, count: 20)
      bytes.replaceSubrange(0..<4, with: [0x7f, 0x45, 0x4c, 0x46])
      bytes[18] = LibraryImage.host.architectures == ["arm64"] ? 183 : 62
    }
    return try folder.write(bytes, to: name)
  }

  private func environment(_ variables: [String: String] = [:], system: [String] = []) -> ProcessEnvironment {
    ProcessEnvironment(
      variables: variables, workingFolder: root + "/here", programFolder: root + "/project/build/debug",
      systemFolders: system)
  }

  private func search(
    _ environment: ProcessEnvironment, named path: String? = nil
  ) -> LibrarySearch {
    LibrarySearch(.onnxRuntime, LibraryPlaces(onnxRuntime: path, environment: environment))
  }

  private var ortName: String { SoughtLibrary.onnxRuntime.fileName }

  @Test("goes from what the user named to what the system has") func order() throws {
    let system = try put("system/\(ortName)")
    let places = environment(
      ["VIRTUAL_ENV": root + "/venv", "PATH": root + "/python/bin", "HOME": root + "/home"],
      system: [root + "/system"])
    #expect(search(places).path == system)

    try put("python/bin/python3")
    let python = try put("python/lib/python3.11/site-packages/onnxruntime/capi/\(ortName)")
    #expect(search(places).path == python)
    let venv = try put("venv/lib/python3.12/site-packages/onnxruntime/capi/\(ortName)")
    #expect(search(places).path == venv)
    let here = try put("here/.runtime/onnxruntime/capi/\(ortName)")
    #expect(search(places).path == here)
    let project = try put("project/.runtime/onnxruntime/capi/\(ortName)")
    #expect(search(places).path == project)
    let variable = try put("variable/\(ortName)")
    let withVariable = environment(["WHISPERQ_ORT_LIBRARY": variable])
    #expect(search(withVariable).path == variable)
    let named = try put("named/\(ortName)")
    #expect(search(withVariable, named: named).path == named)
    #expect(search(withVariable, named: named).looks.map(\.origin) == ["--ort-library"])
  }

  @Test("does not go on when what the user named is not right") func namedWrong() throws {
    try put("here/.runtime/onnxruntime/capi/\(ortName)")
    let text = try folder.write("words".utf8, to: "words.so")
    let search = search(environment(["WHISPERQ_ORT_LIBRARY": text]))
    #expect(search.path == nil)
    #expect(
      search.absence
        == "WHISPERQ_ORT_LIBRARY names \(text) for ONNX Runtime, and it is no shared library (it begins with the text "
        + "\"words\"); leave it out to have the usual places searched")
    let nowhere = self.search(environment(), named: root + "/none")
    #expect(
      nowhere.absence.hasPrefix(
        "--ort-library names \(root)/none for ONNX Runtime, and there is no such file;"))
  }

  @Test("takes a folder for the library in it") func folders() throws {
    let library = try put("install/lib/\(ortName)")
    #expect(search(environment(), named: root + "/install").path == library)
    let wheel = try put("packages/onnxruntime/capi/\(ortName)")
    #expect(search(environment(), named: root + "/packages").path == wheel)
    try put("empty/other.so")
    #expect(
      search(environment(), named: root + "/empty").absence
        .hasPrefix("--ort-library names \(root)/empty for ONNX Runtime, and no \(ortName) is in it"))
  }

  @Test("takes a file with a version in its name, and no file of another library") func versions() throws {
    guard LibraryImage.host.system == .linux else { try Test.cancel("names of libraries on Linux") }
    try put("here/.runtime/onnxruntime/capi/libonnxruntime_providers_shared.so")
    try put("here/.runtime/onnxruntime/capi/libonnxruntime.so.old")
    #expect(search(environment()).path == nil)
    let versioned = try put("here/.runtime/onnxruntime/capi/libonnxruntime.so.1.32.0")
    #expect(search(environment()).path == versioned)
  }

  @Test("passes over files that cannot be it, and says so at the end") func unusable() throws {
    let text = try folder.write("words".utf8, to: "here/.runtime/onnxruntime/capi/\(ortName)")
    let system = root + "/system"
    let search = search(environment(["VIRTUAL_ENV": root + "/venv"], system: [system]))
    #expect(search.path == nil)
    let lines = search.absence.split(separator: "\n")
    #expect(
      lines[0].hasPrefix("ONNX Runtime (\(ortName)) was not found; scripts/fetch-runtime.sh puts it into "))
    #expect(lines[0].contains("pip install onnxruntime\""))
    #expect(lines.dropFirst().contains { $0.contains("\(text): it is no shared library") })
    #expect(lines.last == "  system: \(system)")
  }

  @Test("finds the QNN plugin beside ONNX Runtime and names what gets it") func plugin() throws {
    let name = SoughtLibrary.qnnPlugin.fileName
    let absent = try message { try QNNLibraries(LibraryPlaces(environment: environment())) }
    #expect(absent.hasPrefix("the provider qnn (QNNExecutionProvider) is not available: "))
    #expect(absent.contains("pip install onnxruntime-qnn"))
    #expect(absent.contains("scripts/fetch-runtime.sh"))
    #expect(absent.contains("\(root)/here/.runtime/onnxruntime_qnn"))
    let plugin = try put("here/.runtime/onnxruntime_qnn/\(name)")
    let libraries = try QNNLibraries(LibraryPlaces(environment: environment()))
    #expect(libraries.plugin == plugin)
    #expect(libraries.htpBackend.hasSuffix("/here/.runtime/onnxruntime_qnn/libQnnHtp.so"))
  }
}
