import ByteIO
import Foundation
import ModelStore
import TestSupport
import Testing

@Suite("Hostile and broken archives")
struct ArchiveHostileTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  func open(_ builder: ZIPBuilder, limits: ArchiveLimits = ArchiveLimits()) throws -> ZIPArchive {
    try ZIPArchive(path: folder.write(builder.bytes, to: "a.zip"), limits: limits)
  }

  /// The error of opening, or of reading every entry.
  func refusal(
    _ builder: ZIPBuilder, limits: ArchiveLimits = ArchiveLimits(),
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> ArchiveError {
    try #require(throws: ArchiveError.self, sourceLocation: sourceLocation) {
      let archive = try open(builder, limits: limits)
      for entry in archive.entries { _ = try archive.contents(of: entry) }
    }
  }

  func refusal(changing change: (inout ZIPBuilder.Entry) -> Void) throws -> ArchiveError {
    var entry = ZIPBuilder.Entry("model.onnx", TransferServer.content(1000))
    change(&entry)
    return try refusal(ZIPBuilder(entry))
  }

  @Test(
    "names that lead out of the folder, or that are no plain names, are refused",
    arguments: [
      "../x", "a/../../x", "a/..", "/etc/passwd", "\\x", "a\\b", "C:x", "c:/x", "..\\x", "a//b", "a\u{0}b",
      "a\nb",
      "a\u{1B}[2J", "", "/", ".", "./", "nul", "NUL.txt", "a/CON", "com1.onnx", "LPT9", "aux .bin", "a/../b",
      String(repeating: "x", count: 256), String(repeating: "a/", count: 200) + "b",
      "a/..\u{301}/../../x",
    ])
  func names(name: String) throws {
    let error = try refusal(ZIPBuilder(ZIPBuilder.Entry("fine"), ZIPBuilder.Entry(name)))
    guard case .unsafeName = error.reason else {
      Issue.record("\(error)")
      return
    }
    #expect(error.entry == name)
    #expect(!error.message.contains("\u{1B}"))
  }

  @Test(
    "names that only look odd are fine",
    arguments: ["...", "..a", "a..", "con1", "comet", "console.log", "a b", "nullable", "-rf", "~", "é"])
  func oddNames(name: String) throws {
    #expect(try open(ZIPBuilder(ZIPBuilder.Entry(name))).entries[0].path == name)
  }

  @Test("a name that is not the UTF-8 it says it is, is refused")
  func badUTF8() throws {
    let error = try refusal { entry in
      entry.name = [0x61, 0xFF]
      entry.flags = 1 << 11
    }
    #expect(error.message.contains("UTF-8"))
  }

  @Test(
    "links, devices, pipes and sockets are refused",
    arguments: [
      (0o120777, "a symbolic link"), (0o020666, "a device"), (0o060666, "a device"), (0o010666, "a pipe"),
      (0o140666, "a socket"),
    ])
  func special(mode: Int, name: String) throws {
    #expect(try refusal { $0.mode = mode }.reason == .notAFile(name))
  }

  @Test(
    "two entries of one name are refused, also when only case or the writing of accents differs",
    arguments: [("a", "a"), ("a/B.onnx", "A/b.onnx"), ("é", "e\u{301}"), ("./x", "x"), ("ÉCOLE", "école")])
  func sameNames(first: String, second: String) throws {
    let error = try refusal(ZIPBuilder(ZIPBuilder.Entry(first), ZIPBuilder.Entry(second)))
    guard case .sameName = error.reason else {
      Issue.record("\(error)")
      return
    }
  }

  @Test(
    "a file in the place of a folder is refused",
    arguments: [("a", "a/b"), ("a/b", "a"), ("A", "a/b/c"), ("a", "a/")])
  func fileAndFolder(first: String, second: String) throws {
    var last = ZIPBuilder.Entry(second)
    if second.hasSuffix("/") { last.content = [] }
    let error = try refusal(ZIPBuilder(ZIPBuilder.Entry(first), last))
    guard case .sameName = error.reason else {
      Issue.record("\(error)")
      return
    }
  }

  @Test("a folder with a content is refused")
  func fatFolder() throws {
    #expect(
      try refusal(ZIPBuilder(ZIPBuilder.Entry("a/", [1]))).reason == .notAFile("a folder with a content"))
  }

  @Test("encryption of all kinds is refused", arguments: [1, 1 << 6 | 1, 1 << 6, 1 << 13])
  func encryption(flags: Int) throws {
    #expect(try refusal { $0.flags = flags }.reason == .encrypted)
  }

  @Test(
    "compressions are refused by name",
    arguments: [
      (1, "Shrink"), (6, "Implode"), (9, "Deflate64"), (93, "zstd"), (95, "xz"), (77, "an unknown method"),
    ])
  func methods(number: Int, name: String) throws {
    #expect(try refusal { $0.method = number }.reason == .method(number, name: name))
    #expect(try refusal { $0.method = 99 }.reason == .encrypted)
  }

  @Test(
    "directory and local header must say the same",
    arguments: ["name", "compression", "encryption", "checksum", "length", "other length"])
  func disagreement(what: String) throws {
    let error = try refusal { entry in
      switch what {
      case "name": entry.localName = Array("modem.onnx".utf8)
      case "compression": entry.localMethod = 8
      case "encryption": entry.localFlags = 1
      case "checksum": entry.localCRC32 = 1
      case "length": entry.localByteCount = 999
      default: entry.localCompressedByteCount = 1001
      }
    }
    #expect(error.message.contains("disagree about the \(what == "other length" ? "length" : what)"))
  }

  @Test("directory and data descriptor must say the same")
  func descriptor() throws {
    let error = try refusal { entry in
      entry.flags = 8
      entry.descriptor = ZIPBuilder.number(0x0807_4B50, 4) + [UInt8](repeating: 9, count: 12)
    }
    #expect(error.message.contains("data descriptor disagree"))
  }

  @Test("a content with another checksum or length than told is refused")
  func contents() throws {
    let crc32 = try refusal { $0.crc32 = 5 }
    #expect(crc32.reason == .checksum(found: ZIPBuilder.checksum(TransferServer.content(1000)), expected: 5))
    let longer = try refusal { entry in
      entry.method = 8
      entry.byteCount = 999
    }
    #expect(longer.reason == .length(found: 1000, expected: 999))
    let shorter = try refusal { entry in
      entry.method = 8
      entry.byteCount = 1001
    }
    #expect(shorter.reason == .length(found: 1000, expected: 1001))
    let stored = try refusal { $0.byteCount = 999 }
    #expect(stored.message.contains("stored with 1000 bytes for 999"))
  }

  @Test("compressed bytes that break off, go on or make no sense are refused")
  func streams() throws {
    func refusal(_ change: (inout [UInt8]) -> Void) throws -> ArchiveError {
      // Stored under method 8 with bytes of our making: the builder must not deflate them again.
      var bytes = ZIPBuilder.deflated(TransferServer.content(1000))
      change(&bytes)
      var entry = ZIPBuilder.Entry("model.onnx", bytes)
      entry.byteCount = 1000
      entry.crc32 = Int(ZIPBuilder.checksum(TransferServer.content(1000)))
      var archive = ZIPBuilder(entry).bytes
      // Both records say method 0; make it 8.
      let directory = try #require(archive.indices.last { archive[$0...].starts(with: [0x50, 0x4B, 1, 2]) })
      archive[8] = 8
      archive[directory + 10] = 8
      let path = try folder.write(archive, to: "a.zip")
      return try #require(throws: ArchiveError.self) {
        let archive = try ZIPArchive(path: path)
        _ = try archive.contents(of: archive.entries[0])
      }
    }
    #expect(try refusal { $0.removeLast(5) }.message.contains("break off"))
    #expect(try refusal { $0 += [0, 0] }.message.contains("2 bytes follow"))
    #expect(try refusal { $0[0] = 7 }.message.contains("make no sense"))
    #expect(try refusal { $0 = [] }.message.contains("break off"))
  }

  @Test("entries that share bytes are refused: two over one, and one inside another")
  func overlap() throws {
    let content = TransferServer.content(500)
    var twice = ZIPBuilder(ZIPBuilder.Entry("a", content), ZIPBuilder.Entry("b", content))
    twice.entries[1].name = Array("a".utf8)
    twice.entries[1].offset = 0
    // The same name would be refused for itself, but the overlap is seen first.
    #expect(try refusal(twice).reason == .overlap(with: "a"))
    let inner = ZIPBuilder(ZIPBuilder.Entry("inner", content)).bytes
    var outer = ZIPBuilder(ZIPBuilder.Entry("outer", inner), ZIPBuilder.Entry("inner", content))
    outer.entries[1].offset = 30 + 5
    #expect(try refusal(outer).reason == .overlap(with: "outer"))
  }

  @Test("a claim that deflate cannot reach, a ratio and a total beyond the limits are refused")
  func bombs() throws {
    let impossible = try refusal { entry in
      entry.method = 8
      entry.byteCount = 10_000_000
    }
    guard case .length(_, expected: 10_000_000) = impossible.reason else {
      Issue.record("\(impossible)")
      return
    }
    var limits = ArchiveLimits()
    limits.ratioFreeByteCount = 100_000
    limits.ratio = 100
    var entry = ZIPBuilder.Entry("bomb", TransferServer.content(1000))
    entry.method = 8
    entry.byteCount = 150_000
    #expect(try refusal(ZIPBuilder(entry), limits: limits).reason == .ratio(149, limit: 100))
    limits.byteCount = 1999
    let two = ZIPBuilder(
      ZIPBuilder.Entry("a", TransferServer.content(1000)), ZIPBuilder.Entry("b", TransferServer.content(1000))
    )
    #expect(try refusal(two, limits: limits).reason == .tooLarge(byteCount: 2000, limit: 1999))
    limits.byteCount = 2000
    #expect(try open(two, limits: limits).entries.count == 2)
  }

  @Test("more bytes than are free are refused before anything is written")
  func space() throws {
    // Each entry claims as much as deflate can make of its bytes, so a few of them are more than is free.
    var entry = ZIPBuilder.Entry("0", [UInt8](repeating: 0, count: 100_000))
    entry.byteCount = 100_000_000
    entry.method = 8
    var limits = ArchiveLimits()
    limits.byteCount = .max
    limits.ratio = .max
    let archive = try open(ZIPBuilder(entry), limits: limits)
    let free = try #require(freeSpace(inFolder: folder.path)).byteCount
    let jobs = (0...free / 100_000_000).map { Extraction(archive.entries[0], to: folder.path("out/\($0)")) }
    let error = #expect(throws: ArchiveError.self) { try archive.extract(jobs) }
    guard case .noSpace? = error?.reason else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(try folder.names() == ["a.zip"])
  }

  @Test("archives of several files are refused")
  func disks() throws {
    var builder = ZIPBuilder(ZIPBuilder.Entry("a"))
    builder.disk = 1
    #expect(try refusal(builder).reason == .severalDisks)
    #expect(try refusal { $0.disk = 2 }.reason == .severalDisks)
  }

  @Test(
    "a directory whose length, place or count is not the truth is refused",
    arguments: ["fewer entries", "more entries", "tail", "length", "offset", "saturated"])
  func directories(what: String) throws {
    var builder = ZIPBuilder(ZIPBuilder.Entry("a"), ZIPBuilder.Entry("b"))
    switch what {
    case "fewer entries": builder.entryCount = 1
    case "more entries": builder.entryCount = 3
    case "tail": builder.directoryTail = [0, 0]
    case "length": builder.directoryByteCount = 500
    case "offset": builder.directoryOffset = 5000
    default: builder.directoryOffset = 0xFFFF_FFFF
    }
    let error = try refusal(builder)
    switch error.reason {
    case .damaged, .truncated: break
    default: Issue.record("\(error)")
    }
  }

  @Test(
    "other files are named for what they are",
    arguments: [
      ([], "an empty file"), ([0x1F, 0x8B, 8, 0], "a gzip file"),
      (Array("7z".utf8) + [0xBC, 0xAF, 0x27, 0x1C], "a 7-Zip archive"),
      (Array("Rar!\u{1A}".utf8), "a RAR archive"), (Array("<!DOCTYPE html>".utf8), "an HTML page"),
      (Array("hello".utf8), "no archive that is known here"),
    ] as [([UInt8], String)])
  func others(bytes: [UInt8], name: String) throws {
    let path = try folder.write(bytes, to: "a.zip")
    let error = #expect(throws: ArchiveError.self) { try ZIPArchive(path: path) }
    #expect(error?.reason == .notAnArchive(found: name))
    #expect(error?.isArchiveBad == true)
  }

  @Test("an archive that is cut off anywhere is refused")
  func truncation() throws {
    var second = ZIPBuilder.Entry("b/c", TransferServer.content(200))
    second.method = 8
    let whole = ZIPBuilder(ZIPBuilder.Entry("a", TransferServer.content(100)), second).bytes
    for length in 0..<whole.count {
      let path = try folder.write(whole.prefix(length), to: "a.zip")
      #expect(throws: ArchiveError.self, "cut off at \(length)") { try ZIPArchive(path: path) }
    }
  }

  @Test("a changed byte anywhere is an error, or does not change a content")
  func flips() throws {
    var random = SplitMix64.forThisRun()
    var second = ZIPBuilder.Entry("b/c", TransferServer.content(200))
    second.method = 8
    let contents = ["a": TransferServer.content(100), "b/c": second.content]
    let whole = ZIPBuilder(ZIPBuilder.Entry("a", TransferServer.content(100)), second).bytes
    for index in whole.indices {
      var changed = whole
      changed[index] ^= UInt8.random(in: 1...255, using: &random)
      let path = try folder.write(changed, to: "a.zip")
      guard let archive = try? ZIPArchive(path: path) else { continue }
      for entry in archive.entries {
        guard let content = try? archive.contents(of: entry), let right = contents[entry.path] else {
          continue
        }
        #expect(content == right, "byte \(index), seed \(random.seed)")
      }
    }
  }
}
