import ByteIO
import Foundation
import ModelStore
import Synchronization
import TestSupport
import Testing

@Suite("Archives of other programs")
struct ArchiveTests {
  /// A file as the other program says it is.
  struct Known: Decodable {
    var name: String
    var size: Int
    var sha256: String
  }

  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  /// Makes an archive with Python's zipfile.
  func python(_ kind: String) throws -> [Known] {
    let result = try Spawn.run(
      "/usr/bin/env",
      ["python3", PackageRoot.path("Tests/Oracles/make_zip.py"), kind, folder.path("a.zip")])
    if result.exitCode != 0 { try Test.cancel("needs Python 3 with its zipfile module: \(result.stderr)") }
    return kind == "many" ? [] : try JSONDecoder().decode([Known].self, from: Data(result.stdoutBytes))
  }

  /// Unpacks everything into `out`.
  @discardableResult
  func unpack(_ name: String = "a.zip") throws -> [ExtractedFile] {
    let archive = try ZIPArchive(path: folder.path(name))
    return try archive.extract(
      archive.entries.map { Extraction($0, to: folder.path("out/" + $0.path)) }, digests: .sha256)
  }

  func expect(
    _ known: [Known], in files: [ExtractedFile], sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let found = Dictionary(
      uniqueKeysWithValues: files.filter { $0.entry.kind == .file }.map { ($0.entry.path, $0) })
    #expect(Set(found.keys) == Set(known.map(\.name)), sourceLocation: sourceLocation)
    for file in known {
      #expect(found[file.name]?.sha256 == file.sha256, "\(file.name)", sourceLocation: sourceLocation)
      #expect(found[file.name]?.entry.byteCount == file.size, "\(file.name)", sourceLocation: sourceLocation)
      let written = try folder.read("out/" + file.name)
      #expect(written.count == file.size, "\(file.name)", sourceLocation: sourceLocation)
    }
  }

  @Test(
    "what Python's zipfile writes is unpacked byte for byte",
    arguments: [
      "stored", "deflated", "zip64", "stream", "stream64", "names", "prefix", "selfextracting", "comment",
    ])
  func zipfile(kind: String) throws {
    let known = try python(kind)
    try expect(known, in: unpack())
    for file in known where file.name.hasSuffix("onnx_data") {
      #expect(try folder.read("out/" + file.name) == TransferServer.content(file.size))
    }
  }

  @Test("more entries than 65,535 are read")
  func many() throws {
    _ = try python("many")
    let archive = try ZIPArchive(path: folder.path("a.zip"))
    #expect(archive.entries.count == 70_000)
    #expect(archive.entry("69999") != nil)
    var limits = ArchiveLimits()
    limits.entryCount = 69_999
    let error = #expect(throws: ArchiveError.self) {
      try ZIPArchive(path: folder.path("a.zip"), limits: limits)
    }
    #expect(error?.reason == .tooManyEntries(70_000, limit: 69_999))
  }

  @Test(
    "compressions that are not read are named",
    arguments: [("bzip2", "bzip2 (method 12)"), ("lzma", "LZMA (method 14)")])
  func methods(kind: String, name: String) throws {
    _ = try python(kind)
    let error = #expect(throws: ArchiveError.self) { try unpack() }
    #expect(error?.message.contains(name) == true)
  }

  /// Files for the programs that pack folders, and what they are.
  func makeFolder() throws -> [Known] {
    let files: [(String, [UInt8])] = [
      ("in/config.json", Array("{}\n".utf8)), ("in/model/encoder.onnx", TransferServer.content(5000)),
      ("in/model/encoder.data", TransferServer.content(200_000)), ("in/empty", []),
      ("in/ünï/日本.txt", [1, 2, 3]),
    ]
    var known: [Known] = []
    for (name, bytes) in files {
      try folder.write(bytes, to: name)
      let sum = try Spawn.run("/usr/bin/env", ["sha256sum", folder.path(name)]).stdout.prefix(64)
      known.append(Known(name: name, size: bytes.count, sha256: String(sum)))
    }
    return known
  }

  /// Runs a program in the folder, and cancels the test when it is not there.
  func run(_ command: [String]) throws {
    let result = try Spawn.run("/usr/bin/env", command, workingFolder: folder.path)
    if result.exitCode == 127 { try Test.cancel("needs \(command[0])") }
    try #require(result.exitCode == 0, "\(result.stderr)")
  }

  @Test(
    "what Info-ZIP writes is unpacked byte for byte",
    arguments: [
      ["zip", "-qr"], ["zip", "-qr0"], ["zip", "-qr9", "-fz"], ["zip", "-qrfd"], ["zip", "-qrD"],
    ])
  func infoZIP(command: [String]) throws {
    let known = try makeFolder()
    try run(command + ["a.zip", "in"])
    let files = try unpack()
    try expect(known, in: files)
    #expect(files.contains { $0.entry.kind == .folder } == !command[1].contains("D"))
  }

  @Test("what Info-ZIP writes to a pipe is unpacked byte for byte")
  func infoZIPStream() throws {
    let known = try makeFolder()
    try run(["sh", "-c", "command -v zip >/dev/null || exit 127; zip -qr - in | cat > a.zip"])
    try expect(known, in: unpack())
  }

  @Test("what 7-Zip writes is unpacked byte for byte", arguments: ["Deflate", "Copy"])
  func sevenZip(method: String) throws {
    let known = try makeFolder()
    try run([
      "sh", "-c",
      "for p in 7zz 7z 7za; do command -v $p >/dev/null && exec $p a -tzip -mm=\(method) -bd a.zip in; done; exit 127",
    ])
    try expect(known, in: unpack())
  }

  @Test(
    "what 7-Zip compresses in other ways is refused by its name",
    arguments: [("Deflate64", 9), ("BZip2", 12), ("LZMA", 14), ("PPMd", 98)])
  func otherMethods(method: String, number: Int) throws {
    _ = try makeFolder()
    try run([
      "sh", "-c",
      "for p in 7zz 7z 7za; do command -v $p >/dev/null && exec $p a -tzip -mm=\(method) -bd a.zip in; done; exit 127",
    ])
    let error = #expect(throws: ArchiveError.self) { try unpack() }
    #expect(error?.message.lowercased().contains("\(method.lowercased()) (method \(number))") == true)
  }

  @Test("encrypted archives and links that Info-ZIP packs are refused")
  func encryptedAndLinks() throws {
    _ = try makeFolder()
    try run(["zip", "-qr", "-P", "secret", "a.zip", "in"])
    #expect(throws: ArchiveError.self) { try unpack() }
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("in/link"), withDestinationPath: "../../etc/passwd")
    try run(["zip", "-qry", "b.zip", "in"])
    let error = #expect(throws: ArchiveError.self) { try unpack("b.zip") }
    #expect(error?.reason == .notAFile("a symbolic link"))
    #expect(error?.entry == "in/link")
  }

  @Test("a split archive is named as such")
  func split() throws {
    try folder.write(SplitMixBytes.random(200_000), to: "in/x")
    try run(["zip", "-qr0", "-s", "64k", "a.zip", "in"])
    let error = #expect(throws: ArchiveError.self) { try unpack() }
    #expect(error?.reason == .severalDisks)
  }
}

/// Bytes that do not compress.
enum SplitMixBytes {
  static func random(_ count: Int) -> [UInt8] {
    var generator = SplitMix64(seed: 7)
    return generator.bytes(count)
  }
}

@Suite("Reading from archives")
struct ArchiveReadingTests {
  let folder: TemporaryFolder
  init() throws { folder = try TemporaryFolder() }

  func archive(_ builder: ZIPBuilder) throws -> ZIPArchive {
    try ZIPArchive(path: folder.write(builder.bytes, to: "a.zip"))
  }

  @Test("the beginning, the whole, and a stored entry's place are read without unpacking")
  func parts() throws {
    let content = TransferServer.content(100_000)
    var deflated = ZIPBuilder.Entry("b.onnx", content)
    deflated.method = 8
    let archive = try archive(ZIPBuilder(ZIPBuilder.Entry("a.onnx", content), deflated))
    for entry in archive.entries {
      #expect(try archive.beginning(of: entry, byteCount: 700) == Array(content.prefix(700)))
      #expect(try archive.beginning(of: entry, byteCount: 0) == [])
      #expect(try archive.contents(of: entry) == content)
      let error = #expect(throws: ArchiveError.self) { try archive.contents(of: entry, byteLimit: 99_999) }
      #expect(error?.reason == .tooLarge(byteCount: 100_000, limit: 99_999))
    }
    let (file, range) = try #require(archive.storedBytes(of: archive.entries[0]))
    #expect(file.bytes[range.lowerBound + 5] == content[5])
    #expect(range.count == 100_000)
    #expect(archive.storedBytes(of: archive.entries[1]) == nil)
    #expect(archive.entry("a.onnx") == archive.entries[0])
    #expect(archive.entry("c.onnx") == nil)
  }

  @Test(
    "names are read as the archive says they are written",
    arguments: [
      ([0x82], 20, 0, "é"), ([0xE1], 20, 0, "ß"), ([0xFF], 20, 0, "\u{A0}"), ([0xC3, 0xA9], 20, 0, "├⌐"),
      ([0xC3, 0xA9], 20, 1 << 11, "é"), ([0xC3, 0xA9], 3 << 8, 0, "é"), ([0x82], 3 << 8, 0, "é"),
      ([0x62, 0x80, 0x9B], 0, 0, "bÇ¢"),
    ] as [([UInt8], Int, Int, String)])
  func names(bytes: [UInt8], madeBy: Int, flags: Int, name: String) throws {
    var entry = ZIPBuilder.Entry("")
    entry.name = bytes
    entry.madeBy = madeBy
    entry.flags = flags
    #expect(try archive(ZIPBuilder(entry)).entries[0].path == name)
  }

  @Test("Info-ZIP's field with the name in UTF-8 counts when it belongs to the name")
  func unicodePath() throws {
    var entry = ZIPBuilder.Entry("x?y")
    let name = Array("xéy".utf8)
    let field = [1] + ZIPBuilder.number(Int(ZIPBuilder.checksum(entry.name)), 4) + name
    entry.centralExtra = ZIPBuilder.number(0x7075, 2) + ZIPBuilder.number(field.count, 2) + field
    #expect(try archive(ZIPBuilder(entry)).entries[0].path == "xéy")
    entry.name = Array("other".utf8)
    #expect(try archive(ZIPBuilder(entry)).entries[0].path == "other")
  }

  @Test("dots in a path are taken out, and a folder has no slash at its end")
  func plainPaths() throws {
    var folder = ZIPBuilder.Entry("./a/", [])
    folder.mode = 0o040755
    let archive = try archive(ZIPBuilder(folder, ZIPBuilder.Entry("./a/./b")))
    #expect(archive.entries.map(\.path) == ["a", "a/b"])
    #expect(archive.entries.map(\.kind) == [.folder, .file])
  }

  @Test("modes that let others do things are not taken over")
  func modes() throws {
    var entry = ZIPBuilder.Entry("tool")
    entry.mode = 0o106777
    let archive = try archive(ZIPBuilder(entry))
    _ = try archive.extract([Extraction(archive.entries[0], to: folder.path("tool"))])
    let mode =
      try FileManager.default.attributesOfItem(atPath: folder.path("tool"))[.posixPermissions] as? Int
    #expect((mode ?? 0o7777) & 0o7133 == 0)
  }

  @Test("data descriptors of all forms are read", arguments: [(true, 4), (true, 8), (false, 4), (false, 8)])
  func descriptors(hasMark: Bool, size: Int) throws {
    var entries: [ZIPBuilder.Entry] = []
    for (index, content) in [TransferServer.content(500), []].enumerated() {
      var entry = ZIPBuilder.Entry("\(index)", content)
      entry.method = 8
      entry.flags = 8
      (entry.localCRC32, entry.localByteCount, entry.localCompressedByteCount) = (0, 0, 0)
      entry.descriptor =
        (hasMark ? ZIPBuilder.number(0x0807_4B50, 4) : [])
        + ZIPBuilder.number(Int(ZIPBuilder.checksum(content)), 4)
        + ZIPBuilder.number(ZIPBuilder.deflated(content).count, size) + ZIPBuilder.number(content.count, size)
      entries.append(entry)
    }
    var builder = ZIPBuilder()
    builder.entries = entries
    let archive = try archive(builder)
    #expect(try archive.contents(of: archive.entries[0]) == TransferServer.content(500))
    #expect(try archive.contents(of: archive.entries[1]) == [])
  }

  @Test("an empty archive has no entries")
  func empty() throws {
    #expect(try archive(ZIPBuilder()).entries.isEmpty)
  }

  @Test("a failure leaves complete files and nothing else, and an old file as it was")
  func failure() throws {
    var bad = ZIPBuilder.Entry("bad", TransferServer.content(100))
    bad.crc32 = 1
    let archive = try archive(ZIPBuilder(ZIPBuilder.Entry("good", TransferServer.content(2000)), bad))
    try folder.write([7], to: "out/bad")
    let jobs = archive.entries.map { Extraction($0, to: folder.path("out/" + $0.path)) }
    let error = #expect(throws: ArchiveError.self) { try archive.extract(jobs, threadCount: 1) }
    #expect(error?.entry == "bad")
    #expect(try folder.read("out/bad") == [7])
    #expect(try folder.read("out/good") == TransferServer.content(2000))
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: folder.path("out")).sorted() == ["bad", "good"])
  }

  @Test("progress counts the bytes of all files, and canceling ends it")
  func progress() throws {
    let content = TransferServer.content(5 << 18)
    let archive = try archive(ZIPBuilder(ZIPBuilder.Entry("a", content), ZIPBuilder.Entry("b", content)))
    let jobs = archive.entries.map { Extraction($0, to: folder.path("out/" + $0.path)) }
    let most = Atomic<Int>(0)
    let files = try archive.extract(jobs) { progress in
      most.max(progress.doneByteCount, ordering: .relaxed)
      #expect(progress.totalByteCount == 5 << 19)
    }
    #expect(most.load(ordering: .relaxed) == 5 << 19)
    #expect(files.map(\.sha256) == [nil, nil])
    let cancellation = Cancellation()
    let error = #expect(throws: ArchiveError.self) {
      try archive.extract(jobs, threadCount: 1, cancellation: cancellation) { _ in cancellation.cancel() }
    }
    #expect(error?.reason == .canceled)
  }
}
