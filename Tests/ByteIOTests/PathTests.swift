import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("Paths are taken apart at slashes, whatever follows them")
struct PathTests {
  @Test(
    "folder and name",
    arguments: [
      ("a/b/c.onnx", "a/b", "c.onnx"), ("c.onnx", "", "c.onnx"), ("/c.onnx", "/", "c.onnx"), ("a/", "a", ""),
      // A slash and an accent after it are one character for Swift, and two names for the system.
      ("a/\u{301}b", "a", "\u{301}b"), ("", "", ""),
    ])
  func parts(path: String, folderPart: String, name: String) {
    #expect(Array(folder(of: path).utf8) == Array(folderPart.utf8))
    #expect(Array(fileName(of: path).utf8) == Array(name.utf8))
  }

  @Test("joining", arguments: [("", "b", "b"), ("a", "b", "a/b"), ("a/", "b", "a/b"), ("/", "b", "/b")])
  func joining(folderPath: String, name: String, path: String) {
    #expect(joined(folderPath, name) == path)
  }

  @Test("what a path leads to")
  func kinds() throws {
    let temporary = try TemporaryFolder()
    try temporary.write([], to: "file")
    try FileManager.default.createSymbolicLink(
      atPath: temporary.path("dangling"), withDestinationPath: "nowhere")
    try FileManager.default.createSymbolicLink(atPath: temporary.path("link"), withDestinationPath: "file")
    #expect(kind(ofPath: temporary.path) == .folder)
    #expect(kind(ofPath: temporary.path("file")) == .file)
    #expect(kind(ofPath: temporary.path("link")) == .file)
    #expect(kind(ofPath: temporary.path("dangling")) == .missing)
    #expect(kind(ofPath: temporary.path("none")) == .missing)
    #expect(kind(ofPath: "/dev/null") == .other)
  }

  @Test("the names in a folder are sorted; removing a file twice is fine")
  func names() throws {
    let temporary = try TemporaryFolder()
    for name in ["b", ".hidden", "a", String(repeating: "n", count: 255)] {
      try temporary.write([], to: name)
    }
    #expect(
      try ByteIO.names(inFolder: temporary.path) == [".hidden", "a", "b", String(repeating: "n", count: 255)])
    try removeFile(temporary.path("a"))
    try removeFile(temporary.path("a"))
    #expect(try ByteIO.names(inFolder: temporary.path).count == 3)
    #expect(throws: ByteIOError.self) { try removeFile(temporary.path) }
    #expect(throws: ByteIOError.self) { try ByteIO.names(inFolder: temporary.path("none")) }
  }
}
