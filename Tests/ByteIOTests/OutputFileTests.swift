import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("Output files are complete or not there")
struct OutputFileTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  private func write(_ bytes: [UInt8], to file: OutputFile, at offset: Int = 0) throws(ByteIOError) {
    // Bytes have no padding, so reading them raw is sound.
    let raw = unsafe bytes.span.bytes
    try file.write(raw, at: offset)
  }

  @Test("nothing has the name before commit, and nothing else is left after it")
  func commit() throws {
    let file = try OutputFile(path: folder.path("new"), byteCount: 6)
    try write([4, 5, 6], to: file, at: 3)
    try write([1, 2, 3], to: file)
    #expect(kind(ofPath: folder.path("new")) == .missing)
    try file.commit()
    #expect(try folder.read("new") == [1, 2, 3, 4, 5, 6])
    #expect(try folder.names() == ["new"])
  }

  @Test("bytes that nobody writes are zero")
  func gaps() throws {
    let file = try OutputFile(path: folder.path("new"), byteCount: 5)
    try write([9], to: file, at: 2)
    try file.commit()
    #expect(try folder.read("new") == [0, 0, 9, 0, 0])
    let empty = try OutputFile(path: folder.path("empty"), byteCount: 0)
    try write([], to: empty)
    try empty.commit()
    #expect(try folder.read("empty") == [])
  }

  @Test("an old file is kept by discard and by dropping the output, and replaced by commit")
  func oldOrNew() throws {
    let path = try folder.write([7, 7, 7], to: "old")
    let discarded = try OutputFile(path: path, byteCount: 1)
    try write([1], to: discarded)
    #expect(try folder.read("old") == [7, 7, 7])
    discarded.discard()
    do {
      let dropped = try OutputFile(path: path, byteCount: 1)
      try write([1], to: dropped)
    }
    #expect(try folder.read("old") == [7, 7, 7])
    #expect(try folder.names() == ["old"])
    let committed = try OutputFile(path: path, byteCount: 2)
    try write([1, 2], to: committed)
    try committed.commit()
    committed.discard()
    #expect(try folder.read("old") == [1, 2])
    #expect(try folder.names() == ["old"])
  }

  @Test("a mapped source stays readable while its file is replaced")
  func replacedSource() throws {
    let path = try folder.write([7, 8], to: "model")
    let source = try MappedFile(path: path)
    let file = try OutputFile(path: path, byteCount: 1)
    try write([1], to: file)
    try file.commit()
    #expect(source.copied() == [7, 8])
    #expect(try folder.read("model") == [1])
  }

  @Test("a mapping of an unfinished file outlives it, under no name")
  func mapping() throws {
    let file = try OutputFile(path: folder.path("room"), byteCount: 4)
    try write([1, 2, 3, 4], to: file)
    let mapped = try file.mapped()
    file.discard()
    #expect(mapped.byteCount == 4)
    #expect((0..<4).map { mapped.bytes[$0] } == [1, 2, 3, 4])
    #expect(try folder.names().isEmpty)
    let empty = try OutputFile(path: folder.path("empty"), byteCount: 0)
    #expect(try empty.mapped().byteCount == 0)
  }

  @Test("many threads write their parts")
  func concurrentWrites() throws {
    let part = 10_007
    let file = try OutputFile(path: folder.path("new"), byteCount: 64 * part)
    DispatchQueue.concurrentPerform(iterations: 64) { index in
      do {
        try write([UInt8](repeating: UInt8(index), count: part), to: file, at: index * part)
      } catch {
        Issue.record(error)
      }
    }
    try file.commit()
    let expected = (0..<64).flatMap { [UInt8](repeating: UInt8($0), count: part) }
    #expect(try folder.read("new") == expected)
  }

  @Test("several outputs of one name: each commit is whole, the last one stays")
  func sameName() throws {
    let files = try (0..<8).map { _ in try OutputFile(path: folder.path("new"), byteCount: 1000) }
    DispatchQueue.concurrentPerform(iterations: 8) { index in
      do {
        try write([UInt8](repeating: UInt8(index), count: 1000), to: files[index])
        try files[index].commit()
      } catch {
        Issue.record(error)
      }
    }
    let bytes = try folder.read("new")
    #expect(bytes == [UInt8](repeating: bytes[0], count: 1000))
    #expect(try folder.names() == ["new"])
  }

  @Test("missing folders are made")
  func missingFolders() throws {
    let file = try OutputFile(path: folder.path("a/b//c/new"), byteCount: 1)
    try write([1], to: file)
    try file.commit()
    #expect(try folder.read("a/b/c/new") == [1])
    #expect(try ByteIO.names(inFolder: folder.path("a/b/c")) == ["new"])
  }

  @Test("a name as long as the system allows")
  func longName() throws {
    let name = String(repeating: "n", count: 255)
    let file = try OutputFile(path: folder.path(name), byteCount: 1)
    try write([1], to: file)
    try file.commit()
    #expect(try folder.names() == [name])
  }

  @Test("a folder is no target")
  func folderAsTarget() throws {
    #expect(
      sentence { () throws(ByteIOError) in try OutputFile(path: folder.path, byteCount: 1) }
        == "\(folder.path): this is a folder, expected a regular file")
    let slash = folder.path("new/")
    #expect(
      sentence { () throws(ByteIOError) in try OutputFile(path: slash, byteCount: 1) }
        == "\(slash): this is a folder, expected a regular file")
    #expect(try folder.names() == [])
  }

  @Test("a file is no folder")
  func fileAsFolder() throws {
    try folder.write([1], to: "file")
    let path = folder.path("file/new")
    #expect(
      sentence { () throws(ByteIOError) in try OutputFile(path: path, byteCount: 1) }
        == "\(path): this is below '\(folder.path("file"))', which is no folder, expected a regular file")
    #expect(try folder.read("file") == [1])
  }

  @Test("a target that becomes a folder meanwhile is an error, and nothing is left")
  func folderMeanwhile() throws {
    let file = try OutputFile(path: folder.path("new"), byteCount: 1)
    try FileManager.default.createDirectory(atPath: folder.path("new"), withIntermediateDirectories: false)
    let text = sentence { () throws(ByteIOError) in try file.commit() }
    #expect(text.hasPrefix("\(folder.path("new")): cannot put it in place: "))
    file.discard()
    #expect(try folder.names() == ["new"])
    #expect(kind(ofPath: folder.path("new")) == .folder)
  }

  @Test(
    "writes beyond the announced length are refused", arguments: [(-1, 1), (0, 5), (4, 1), (5, 0), (.max, 1)])
  func outOfRange(offset: Int, count: Int) throws {
    let file = try OutputFile(path: folder.path("new"), byteCount: 4)
    #expect(throws: ByteIOError.self) {
      try write([UInt8](repeating: 1, count: count), to: file, at: offset)
    }
  }

  @Test("a file that is larger than the free space is refused before a byte is written")
  func noSpace() throws {
    let path = folder.path("new")
    let text = sentence { () throws(ByteIOError) in try OutputFile(path: path, byteCount: 1 << 60) }
    #expect(text.hasPrefix("\(path): the result needs 1152921504606846976 bytes and "))
    #expect(text.hasSuffix(" are free; free some space or choose another output folder"))
    #expect(try folder.names() == [])
  }

  @Test("a length that the system refuses leaves nothing")
  func refusedLength() throws {
    let path = folder.path("new")
    let text = sentence { () throws(ByteIOError) in try OutputFile(path: path, byteCount: -1) }
    #expect(text.hasPrefix("\(path): cannot give it -1 bytes: "))
    #expect(try folder.names() == [])
  }

  @Test("a disk that fills up while writing is an error, keeps the old file and leaves nothing")
  func fullDisk() throws {
    let mount = folder.path("disk")
    try FileManager.default.createDirectory(atPath: mount, withIntermediateDirectories: false)
    let mounted = try? Spawn.run(
      "/bin/sh", ["-c", "mount -t tmpfs -o size=1m whisperq-test \"$0\"", mount])
    guard mounted?.exitCode == 0 else { try Test.cancel("needs the right to mount a small disk") }
    defer { _ = try? Spawn.run("/bin/sh", ["-c", "umount \"$0\"", mount]) }
    let path = try folder.write([7], to: "disk/model")
    // Both find enough space when they begin.
    let first = try OutputFile(path: folder.path("disk/first"), byteCount: 700_000)
    let second = try OutputFile(path: path, byteCount: 700_000)
    try write([UInt8](repeating: 1, count: 700_000), to: first)
    let text = sentence { () throws(ByteIOError) in
      try write([UInt8](repeating: 2, count: 700_000), to: second)
    }
    #expect(text.hasPrefix("\(path): cannot write to it: "))
    second.discard()
    try first.commit()
    #expect(try folder.read("disk/model") == [7])
    #expect(try ByteIO.names(inFolder: mount) == ["first", "model"])
  }
}
