import Foundation
import ModelBackend
import OnnxRuntimeBackend
import TestSupport
import Testing

@Suite("Opening a library that is not right") struct OpeningTests {
  /// Compiles a small library of C; cancels the test when there is no compiler.
  private func library(_ source: String, in folder: TemporaryFolder) throws -> String {
    try folder.write(source.utf8, to: "library.c")
    let path = folder.path("libmade.so")
    let arguments = ["-shared", "-fPIC", "-o", path, folder.path("library.c")]
    for compiler in ["/usr/bin/cc", "/usr/bin/clang", "/usr/bin/gcc"]
    where FileManager.default.isExecutableFile(atPath: compiler) {
      let result = try Spawn.run(compiler, arguments)
      try #require(result.exitCode == 0, "\(result.stderr)")
      return path
    }
    try Test.cancel("needs a C compiler in /usr/bin")
  }

  /// A library whose OrtGetApiBase answers like an old ONNX Runtime.
  private func oldRuntime(version: String, in folder: TemporaryFolder) throws -> String {
    try library(
      """
      #include <stdint.h>
      #include <stdio.h>
      static const void *get_api(uint32_t version) { fprintf(stderr, "asked for %u\\n", version); return 0; }
      static const char *get_version(void) { return "\(version)"; }
      static const struct { const void *(*api)(uint32_t); const char *(*version)(void); } base =
          {get_api, get_version};
      const void *OrtGetApiBase(void) { return &base; }
      """, in: folder)
  }

  @Test("a path with nothing there") func nothing() throws {
    let text = try message { try OnnxRuntime.open("/nowhere/libonnxruntime.so") }
    #expect(text.hasPrefix("ONNX Runtime is not at /nowhere/libonnxruntime.so: there is no such file; "))
    #expect(text.contains("scripts/fetch-runtime.sh"))
  }

  @Test("a text file") func textFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("just words\nand more".utf8, to: "libonnxruntime.so")
    #expect(
      try message { try OnnxRuntime.open(path) }
        == "\(path) cannot be ONNX Runtime: it is no shared library (it begins with the text \"just words\")")
  }

  @Test("an empty file") func emptyFile() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write([], to: "libonnxruntime.so")
    #expect(
      try message { try OnnxRuntime.open(path) }.hasSuffix("(it begins with nothing: the file is empty)"))
  }

  @Test("a library for another processor and one for another system") func otherMachine() throws {
    let folder = try TemporaryFolder()
    let host = LibraryImage.host
    let otherMachine: UInt8 = host.architectures == ["arm64"] ? 62 : 183
    var elf: [UInt8] = [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, otherMachine, 0]
    elf += [UInt8](repeating: 0, count: 44)
    let other = try folder.write(elf, to: "libother.so")
    let text = try message { try OnnxRuntime.open(other) }
    if host.system == .linux {
      #expect(
        text.contains("it is built for \(otherMachine == 62 ? "x86_64" : "arm64"), and this program for "))
    } else {
      #expect(text.contains("it is a library for Linux, and this is "))
    }
    var windows = [UInt8](repeating: 0, count: 128)
    windows.replaceSubrange(0..<2, with: [0x4d, 0x5a])
    windows[60] = 64
    windows.replaceSubrange(64..<70, with: [0x50, 0x45, 0, 0, 0x64, 0x86])
    let dll = try folder.write(windows, to: "onnxruntime.dll")
    #expect(
      try message { try OnnxRuntime.open(dll) }.contains("it is a library for Windows, and this is "))
  }

  @Test("a library that cannot be loaded") func damaged() throws {
    let folder = try TemporaryFolder()
    let good = try library("int nothing(void) { return 0; }", in: folder)
    let bytes = try [UInt8](Data(contentsOf: URL(filePath: good)))
    let path = try folder.write(bytes.prefix(200), to: "libcut.so")
    let text = try message { try OnnxRuntime.open(path) }
    #expect(text.hasPrefix("ONNX Runtime at \(path) cannot be opened: "))
  }

  @Test("a library that is something else") func otherLibrary() throws {
    let folder = try TemporaryFolder()
    let path = try library("int nothing(void) { return 0; }", in: folder)
    #expect(
      try message { try OnnxRuntime.open(path) }
        == "\(path) is a library, but not ONNX Runtime: it has no function OrtGetApiBase")
  }

  @Test("an ONNX Runtime that is too old, without asking it for what it cannot have") func tooOld() throws {
    let folder = try TemporaryFolder()
    let path = try oldRuntime(version: "1.10.0", in: folder)
    let error = try #require(throws: BackendError.self) { try OnnxRuntime.open(path) }
    #expect(error.reason == .unsupported)
    #expect(
      error.message.hasPrefix("ONNX Runtime 1.10.0 at \(path) is too old: 1.17 or later is needed; "))
  }

  @Test("an ONNX Runtime that has none of the interfaces it should have") func noInterface() throws {
    let folder = try TemporaryFolder()
    let path = try oldRuntime(version: "1.99.0", in: folder)
    #expect(
      try message { try OnnxRuntime.open(path) }.hasPrefix("ONNX Runtime 1.99.0 at \(path) is too old"))
  }

  @Test("the right one tells its version and interface") func right() throws {
    let runtime = try Runtime.open()
    #expect(runtime.version.hasPrefix("1."))
    #expect(runtime.apiVersion == 24)
    #expect(runtime.buildInfo.contains("ORT Build Info"))
    #expect(try Runtime.open() === runtime)
  }

  @Test("a model that is not there, one that is no model") func badModels() throws {
    let runtime = try Runtime.open()
    let missing = try #require(throws: BackendError.self) {
      try runtime.openSession(model: "/nowhere/m.onnx")
    }
    #expect(missing.reason == .badModel)
    #expect(missing.message.hasPrefix("opening /nowhere/m.onnx: ONNX Runtime says \""))
    let folder = try TemporaryFolder()
    let words = try folder.write("these are words".utf8, to: "words.onnx")
    let damaged = try #require(throws: BackendError.self) { try runtime.openSession(model: words) }
    #expect(damaged.reason == .badModel)
  }
}
