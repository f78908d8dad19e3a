import ByteIO
import Foundation
import ModelStore
import Synchronization
import TestSupport
import Testing

@Suite("Downloads")
struct TransferTests {
  let server: TransferServer
  let folder: TemporaryFolder
  let pauses: Pauses

  init(stallLimit: Duration = .seconds(15)) throws {
    pauses = Pauses(stallLimit: stallLimit)
    server = try TransferServer.running()
    folder = try TemporaryFolder()
  }

  /// Fetches `<folder>/model.bin` by a script.
  @discardableResult
  func fetch(
    _ script: String, byteCount: Int = 20_000, sha256: String? = nil, expected: Int? = nil,
    token: String? = nil
  ) throws -> (file: DownloadedFile, log: [TransferServer.Request]) {
    let (address, id) = try server.address(script, byteCount: byteCount)
    let download = Download(
      address: address, path: folder.path("model.bin"), expectedByteCount: expected,
      digest: sha256.map { .sha256($0) }, bearerToken: token)
    let files = try Downloader(settings: pauses.settings).fetch([download])
    return (try #require(files.first), try server.log(id))
  }

  /// The error of a script that fails, and how often the server was asked.
  func failure(
    _ script: String, byteCount: Int = 20_000, sha256: String? = nil, expected: Int? = nil
  ) throws -> (error: TransferError, requestCount: Int) {
    let (address, id) = try server.address(script, byteCount: byteCount)
    let download = Download(
      address: address, path: folder.path("model.bin"), expectedByteCount: expected,
      digest: sha256.map { .sha256($0) })
    let settings = pauses.settings
    let error = try #require(throws: TransferError.self) {
      try Downloader(settings: settings).fetch([download])
    }
    return (error, try server.log(id).count)
  }

  func expectComplete(_ byteCount: Int = 20_000, version: Int = 0) throws {
    #expect(try folder.read("model.bin") == TransferServer.content(byteCount, version: version))
    #expect(try folder.names() == ["model.bin"])
  }

  @Test(
    "a file arrives with its bytes, its digest and nothing beside it", arguments: [0, 1, 20_000, 300_000])
  func whole(byteCount: Int) throws {
    let (file, log) = try fetch("ok", byteCount: byteCount)
    #expect(file.byteCount == byteCount)
    #expect(file.origin == .fetched(fromByte: 0))
    #expect(log.count == 1)
    #expect(log[0].range == nil)
    try expectComplete(byteCount)
  }

  @Test("answers without a length are complete when they end", arguments: ["chunked", "endless"])
  func unknownLength(script: String) throws {
    let (file, _) = try fetch(script)
    #expect(file.byteCount == 20_000)
    try expectComplete()
  }

  @Test("a broken connection is resumed where it broke, for the same version only")
  func resume() throws {
    let (file, log) = try fetch("drop-5000,drop-5000,ok")
    #expect(file.origin == .fetched(fromByte: 0))
    #expect(log.map(\.range) == [nil, "bytes=5000-", "bytes=10000-"])
    #expect(log.map(\.ifRange) == [nil, "\"v0\"", "\"v0\""])
    #expect(pauses.all.count == 2)
    try expectComplete()
  }

  @Test("a date serves where there is no entity tag")
  func resumeByDate() throws {
    let (_, log) = try fetch("datedrop-5000,date")
    #expect(log.map(\.ifRange) == [nil, "Mon, 01 Jan 2024 00:00:00 GMT"])
    #expect(log[1].range == "bytes=5000-")
    try expectComplete()
  }

  @Test("a server that ignores ranges starts over")
  func ignoredRange() throws {
    let (_, log) = try fetch("drop-5000,norange")
    #expect(log[1].range == "bytes=5000-")
    try expectComplete()
  }

  @Test("a file that changed meanwhile starts over, whichever way the server says so")
  func changed() throws {
    try fetch("drop-5000,version-3")
    try expectComplete(version: 3)
  }

  @Test(
    "a rest with another entity tag, from a server that does not look at conditions, is not put behind the old part"
  )
  func changedWithoutCondition() throws {
    let (_, log) = try fetch(
      "weakdrop-5000,version-3", sha256: TransferDigestTests.digest(20_000, version: 3))
    // Without a strong tag there is no If-Range, so the server sends the rest of its new version.
    #expect(log.map(\.range) == [nil, "bytes=5000-", nil])
    try expectComplete(version: 3)
  }

  @Test("without anything that tells versions apart, the next attempt begins at the beginning")
  func noValidators() throws {
    let (address, id) = try server.address("plaindrop-5000,plain", byteCount: 20_000)
    let download = Download(address: address, path: folder.path("model.bin"))
    _ = try Downloader(settings: pauses.settings).fetch([download])
    #expect(try server.log(id).map(\.range) == [nil, nil])
    try expectComplete()
  }

  @Test("a mixture of two versions is noticed by the digest, and fetched once more as a whole")
  func mixture() throws {
    let (_, log) = try fetch("drop-5000,mixture-9,ok", sha256: TransferDigestTests.digest(20_000))
    #expect(log.map(\.range) == [nil, "bytes=5000-", nil])
    try expectComplete()
  }

  @Test("a wrong digest keeps nothing and is not tried again")
  func wrongDigest() throws {
    let wrong = String(repeating: "ab", count: 32)
    let (error, count) = try failure("ok", sha256: wrong)
    #expect(error.reason == .digest(TransferDigestTests.digest(20_000), expected: wrong))
    #expect(count == 1)
    #expect(try folder.names().isEmpty)
  }

  @Test("a wrong digest leaves what had the name before")
  func wrongDigestOverOldFile() throws {
    try folder.write([1, 2, 3], to: "model.bin")
    _ = try failure("ok", sha256: String(repeating: "ab", count: 32))
    #expect(try folder.read("model.bin") == [1, 2, 3])
    #expect(try folder.names() == ["model.bin"])
  }

  @Test("a file that is there with its digest is not fetched")
  func alreadyThere() throws {
    let digest = TransferDigestTests.digest(20_000)
    let first = try fetch("ok", sha256: digest)
    let second = try fetch("ok", sha256: digest)
    #expect(second.log.isEmpty)
    #expect(second.file.origin == .alreadyThere)
    #expect(second.file.sha256 == first.file.sha256)
  }

  @Test("another length than expected fails after a second look and keeps nothing")
  func otherLength() throws {
    let (error, count) = try failure("ok", expected: 19_999)
    #expect(error.reason == .length(20_000, expected: 19_999))
    #expect(error.attemptCount == 2)
    #expect(count == 2)
    #expect(try folder.names().isEmpty)
  }

  @Test("a server that announces more than it sends is asked again, in the end with an error that says so")
  func announcesMore() throws {
    let (error, count) = try failure("claim-30000")
    guard case .connection = error.reason else {
      Issue.record("\(error)")
      return
    }
    #expect(count == 6)
    #expect(pauses.all.count == 5)
  }

  @Test("a server that announces less than it sends is caught by the expected length")
  func announcesLess() throws {
    let (error, _) = try failure("claim-15000", expected: 20_000)
    #expect(error.reason == .length(15_000, expected: 20_000))
    try fetch("claim-15000,ok", expected: 20_000)
    try expectComplete()
  }

  @Test("a chunked answer that breaks off is no complete file")
  func brokenChunks() throws {
    let (_, log) = try fetch("chunked-5000,ok")
    #expect(log.count == 2)
    try expectComplete()
  }

  @Test(
    "a range that the server cannot satisfy, or answers with other bytes, starts over",
    arguments: ["drop-5000,unsatisfied,ok", "drop-5000,wrongrange,ok"])
  func badRanges(script: String) throws {
    let (_, log) = try fetch(script)
    #expect(log.map(\.range) == [nil, "bytes=5000-", nil])
    try expectComplete()
  }

  @Test("a server that answers 416 to everything is given up")
  func alwaysUnsatisfied() throws {
    let (error, count) = try failure("unsatisfied")
    #expect(error.reason == .status(416, hint: ""))
    #expect(count == 3)
  }
}

@Suite("Failures of downloads")
struct TransferFailureTests {
  let base: TransferTests
  init() throws { base = try TransferTests() }

  @Test(
    "an answer that nobody can mend fails at once, with advice",
    arguments: [400, 401, 403, 404, 410, 451, 501])
  func lasting(status: Int) throws {
    let (error, count) = try base.failure("status-\(status)")
    guard case .status(status, _) = error.reason else {
      Issue.record("\(error)")
      return
    }
    #expect(count == 1)
    #expect(base.pauses.all.isEmpty)
    #expect(error.message.contains("\(status)"))
    #expect(try base.folder.names().isEmpty)
  }

  @Test("a busy server is asked again", arguments: [408, 429, 500, 502, 503, 504])
  func passing(status: Int) throws {
    try base.fetch("status-\(status),status-\(status),ok")
    #expect(base.pauses.all.count == 2)
    try base.expectComplete()
  }

  @Test("pauses double, and chance takes off at most a half")
  func pauses() throws {
    let (error, count) = try base.failure("status-500")
    #expect(error.attemptCount == 6)
    #expect(count == 6)
    for (index, pause) in base.pauses.all.enumerated() {
      let full = Duration.milliseconds(500) * (1 << index)
      #expect(pause >= full * 0.5 && pause <= full, "pause \(index + 1)")
    }
    #expect(base.pauses.all.count == 5)
  }

  @Test("a server that says when to come back is heard")
  func retryAfter() throws {
    try base.fetch("status-429-7,status-503-90,ok")
    #expect(base.pauses.all == [.seconds(7), .seconds(90)])
  }

  @Test("a server that wants a pause of an hour is not waited for")
  func longRetryAfter() throws {
    let (error, _) = try base.failure("status-429-date")
    guard case .waitAsked(let seconds) = error.reason else {
      Issue.record("\(error)")
      return
    }
    #expect((3500...3600).contains(seconds))
    #expect(base.pauses.all.isEmpty)
  }

  @Test("failures count in a row: what brings bytes begins the count anew")
  func progressResetsTheCount() throws {
    try base.fetch("drop-2000,drop-2000,drop-2000,drop-2000,drop-2000,drop-2000,drop-2000,drop-2000,ok")
    #expect(base.pauses.all.count == 8)
    #expect(base.pauses.all.allSatisfy { $0 <= .milliseconds(500) })
    try base.expectComplete()
  }

  @Test("a stalled transfer is broken off and resumed")
  func stall() throws {
    let base = try TransferTests(stallLimit: .seconds(1))
    let (_, log) = try base.fetch("stall-5000,ok")
    #expect(log.prefix(2).map(\.range) == [nil, "bytes=5000-"])
    try base.expectComplete()
  }

  @Test("a transfer that stalls for good says for how long")
  func stallForGood() throws {
    var settings = Pauses(stallLimit: .milliseconds(300)).settings
    settings.retries.attemptCount = 1
    let (address, _) = try base.server.address("stall-0")
    let download = Download(address: address, path: base.folder.path("x"))
    let error = try #require(throws: TransferError.self) {
      try Downloader(settings: settings).fetch([download])
    }
    #expect(error.reason == .stalled(seconds: 0.3))
    #expect(error.message.contains("for 0.3 s"))
  }

  @Test("a page in place of the file is named, unless a page is what was asked for")
  func page() throws {
    let (error, count) = try base.failure("html")
    #expect(error.reason == .notTheFile(found: "an HTML page"))
    #expect(count == 1)
    #expect(try base.folder.names().isEmpty)
    let (address, _) = try base.server.address("html", name: "index.html")
    let download = Download(address: address, path: base.folder.path("index.html"))
    _ = try Downloader(settings: base.pauses.settings).fetch([download])
    #expect(try base.folder.names() == ["index.html"])
  }

  @Test("a pointer of Git LFS in place of the file is named")
  func pointer() throws {
    let (error, _) = try base.failure("lfs")
    #expect(error.message.contains("a pointer of Git LFS"))
  }

  @Test("a coding that nobody asked for is refused")
  func coding() throws {
    let (error, _) = try base.failure("gzip")
    #expect(error.message.contains("coded as gzip"))
  }

  @Test(
    "a connection without an answer is tried again, an answer that is no HTTP is not; both are named",
    arguments: [("nothing", 6), ("garbage", 1)])
  func noAnswer(script: String, requestCount: Int) throws {
    let (error, count) = try base.failure(script)
    guard case .connection(let words) = error.reason else {
      Issue.record("\(error)")
      return
    }
    #expect(!words.isEmpty)
    #expect(count == requestCount)
  }

  @Test("a head without end is refused")
  func hugeHead() throws {
    let (error, _) = try base.failure("hugehead")
    switch error.reason {
    case .badResponse, .connection: break
    default: Issue.record("\(error)")
    }
  }

  @Test("a port where nobody listens is an error after the retries, with libcurl's words")
  func nobody() throws {
    let download = Download(address: try WebAddress("http://127.0.0.1:1/x"), path: base.folder.path("x"))
    let settings = base.pauses.settings
    let error = try #require(throws: TransferError.self) {
      try Downloader(settings: settings).fetch([download])
    }
    #expect(error.attemptCount == 6)
    #expect(try base.folder.names().isEmpty)
  }

  @Test("a host that does not exist is tried twice only")
  func noHost() throws {
    let download = Download(address: try WebAddress("http://nowhere.invalid/x"), path: base.folder.path("x"))
    let settings = base.pauses.settings
    let error = try #require(throws: TransferError.self) {
      try Downloader(settings: settings).fetch([download])
    }
    #expect(error.attemptCount == 2)
    #expect(error.message.contains("nowhere.invalid"))
  }

  @Test("more space than there is, is refused before a byte is asked for")
  func space() throws {
    let (error, count) = try base.failure("ok", expected: 1 << 60)
    guard case .noSpace(let needed, _) = error.reason else {
      Issue.record("\(error)")
      return
    }
    #expect(needed == 1 << 60)
    #expect(count == 0)
  }
}
