import ByteIO
import Foundation
import TestSupport
import Testing

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

extension MappedFile {
  /// A copy of all bytes.
  func copied() -> [UInt8] {
    let span = bytes
    return (0..<span.count).map { span[$0] }
  }
}

/// The sentence of the error that `body` throws; an issue when it throws none.
func sentence<Value: ~Copyable>(
  sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws(ByteIOError) -> Value
) -> String {
  do {
    _ = try body()
  } catch {
    return error.message
  }
  Issue.record("no error is thrown", sourceLocation: sourceLocation)
  return ""
}

@Suite("Mapped files show a regular file's bytes and nothing else")
struct MappedFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("the bytes, the length and the name", arguments: [1, 4095, 4096, 4097, 100_000])
  func content(byteCount: Int) throws {
    var random = SplitMix64(seed: UInt64(byteCount))
    let bytes = random.bytes(byteCount)
    let path = try folder.write(bytes, to: "file")
    let file = try MappedFile(path: path)
    #expect(file.byteCount == byteCount)
    #expect(file.path == path)
    #expect(file.copied() == bytes)
  }

  @Test("an empty file has no bytes")
  func empty() throws {
    let file = try MappedFile(path: folder.write([], to: "empty"))
    #expect(file.byteCount == 0)
    #expect(file.copied() == [])
    file.release(0..<0)
    file.willNeed(0..<0)
  }

  @Test("a folder is refused")
  func folderPath() {
    #expect(
      sentence { () throws(ByteIOError) in try MappedFile(path: folder.path) }
        == "\(folder.path): this is a folder, expected a regular file")
  }

  @Test("a missing file is refused")
  func missing() {
    let path = folder.path("none")
    #expect(
      sentence { () throws(ByteIOError) in try MappedFile(path: path) }
        == "\(path): there is no such file; check the path")
  }

  @Test("a file below a file is refused")
  func belowFile() throws {
    let path = try folder.write([1], to: "file") + "/inner"
    #expect(
      sentence { () throws(ByteIOError) in try MappedFile(path: path) }
        == "\(path): cannot open it: \(systemMessage(ENOTDIR))")
  }

  @Test("a pipe is refused at once, without waiting for a writer")
  func pipe() throws {
    let path = folder.path("pipe")
    // The path is a string that lives for the call.
    try #require(unsafe mkfifo(path, 0o600) == 0)
    #expect(
      sentence { () throws(ByteIOError) in try MappedFile(path: path) }
        == "\(path): this is a pipe, expected a regular file")
  }

  @Test("a device is refused")
  func device() {
    #expect(
      sentence { () throws(ByteIOError) in try MappedFile(path: "/dev/null") }
        == "/dev/null: this is a device, expected a regular file")
  }

  @Test("bytes in memory stand for a file")
  func copying() {
    let file = MappedFile(copying: [1, 2, 3], name: "memory")
    #expect(file.copied() == [1, 2, 3])
    #expect(file.path == "memory")
    #expect(file.identity == nil)
    file.release(0..<3)
    #expect(file.copied() == [1, 2, 3])
    #expect(MappedFile(copying: [], name: "memory").copied() == [])
  }

  @Test("bytes that were given back are read again")
  func release() throws {
    var random = SplitMix64(seed: 3)
    let bytes = random.bytes(50_000)
    let file = try MappedFile(path: folder.write(bytes, to: "file"))
    #expect(file.copied() == bytes)
    for range in [0..<50_000, 1..<2, 4095..<4097, 49_999..<50_000, 60_000..<70_000, 0..<0, -5..<10_000] {
      file.willNeed(range)
      file.release(range)
      #expect(file.copied() == bytes)
    }
  }

  @Test("a file that is removed or replaced stays readable")
  func removed() throws {
    let path = try folder.write([1, 2, 3], to: "file")
    let file = try MappedFile(path: path)
    try removeFile(path)
    try folder.write([4], to: "file")
    #expect(file.copied() == [1, 2, 3])
  }

  @Test("two names of one file have one identity")
  func identity() throws {
    let path = try folder.write([1], to: "first")
    try FileManager.default.linkItem(atPath: path, toPath: folder.path("second"))
    try FileManager.default.createSymbolicLink(atPath: folder.path("third"), withDestinationPath: "first")
    try folder.write([1], to: "other")
    let first = try MappedFile(path: path).identity
    #expect(try MappedFile(path: folder.path("second")).identity == first)
    #expect(ByteIO.identity(ofPath: folder.path("third")) == first)
    #expect(ByteIO.identity(ofPath: folder.path("other")) != first)
    #expect(ByteIO.identity(ofPath: folder.path("none")) == nil)
  }

  @Test("ranges are checked")
  func ranges() throws {
    let path = try folder.write([1, 2, 3], to: "file")
    let file = try MappedFile(path: path)
    try file.check(0..<3)
    try file.check(3..<3)
    #expect(
      sentence { () throws(ByteIOError) in try file.check(1..<4) }
        == "\(path): bytes 1 to 4 are asked for, but the file has 3 bytes; "
        + "it is truncated or belongs to another model")
    #expect(throws: ByteIOError.self) { try file.check(-1..<2) }
  }
}
