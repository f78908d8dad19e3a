import ByteIO
import Foundation
import ModelStore
import Synchronization
import TestSupport
import Testing

@Suite("Part files of downloads")
struct TransferPartTests {
  let base: TransferTests
  init() throws { base = try TransferTests() }

  var folder: TemporaryFolder { base.folder }

  /// Settings that give up at the first failure, as an interrupted process does.
  var once: TransferSettings {
    var settings = base.pauses.settings
    settings.retries.attemptCount = 1
    return settings
  }

  /// Leaves `byteCount` bytes behind from an address and returns it.
  func interrupt(_ script: String, sha256: String? = nil) throws -> (download: Download, id: String) {
    let (address, id) = try base.server.address(script, byteCount: 20_000)
    let download = Download(
      address: address, path: folder.path("model.bin"), digest: sha256.map { .sha256($0) })
    let settings = once
    #expect(throws: TransferError.self) { try Downloader(settings: settings).fetch([download]) }
    return (download, id)
  }

  @Test("a part stays with its state and the next call goes on from there")
  func nextCall() throws {
    let (download, id) = try interrupt("drop-7000,ok")
    #expect(try folder.names() == ["model.bin.part", "model.bin.part.state"])
    #expect(try folder.read("model.bin.part") == Array(TransferServer.content(20_000).prefix(7000)))
    let file = try #require(try Downloader(settings: once).fetch([download]).first)
    #expect(file.origin == .fetched(fromByte: 7000))
    #expect(file.sha256 == TransferDigestTests.digest(20_000))
    #expect(try base.server.log(id).map(\.range) == [nil, "bytes=7000-"])
    try base.expectComplete()
  }

  @Test("a complete part is not asked for again")
  func completePart() throws {
    let (download, id) = try interrupt("drop-7000,ok")
    // As when a process is killed between the last byte and the new name.
    try folder.write(TransferServer.content(20_000), to: "model.bin.part")
    _ = try Downloader(settings: once).fetch([download])
    #expect(try base.server.log(id).count == 1)
    try base.expectComplete()
  }

  @Test("a part without a state is worth nothing: killed before the state was written")
  func withoutState() throws {
    let (download, id) = try interrupt("drop-7000,ok")
    try FileManager.default.removeItem(atPath: folder.path("model.bin.part.state"))
    _ = try Downloader(settings: once).fetch([download])
    #expect(try base.server.log(id).map(\.range) == [nil, nil])
    try base.expectComplete()
  }

  @Test(
    "a state without a part, an empty part, and what a killed writer of states leaves are no trouble",
    arguments: ["state only", "empty part", "unfinished state"])
  func leftovers(kind: String) throws {
    let (download, _) = try interrupt("drop-7000,ok")
    switch kind {
    case "state only": try FileManager.default.removeItem(atPath: folder.path("model.bin.part"))
    case "empty part": try folder.write([], to: "model.bin.part")
    default: try folder.write([1, 2, 3], to: "model.bin.part.state.new")
    }
    _ = try Downloader(settings: once).fetch([download])
    #expect(try folder.read("model.bin") == TransferServer.content(20_000))
    #expect(try folder.names().filter { !$0.hasSuffix(".new") } == ["model.bin"])
  }

  @Test("a state that is cut off or changed anywhere leads to the right file all the same")
  func damagedState() throws {
    let (download, _) = try interrupt("drop-7000,ok")
    let part = try folder.read("model.bin.part")
    let state = try folder.read("model.bin.part.state")
    for length in stride(from: 0, to: state.count, by: 17) {
      try folder.write(part, to: "model.bin.part")
      try folder.write(state.prefix(length), to: "model.bin.part.state")
      _ = try Downloader(settings: base.pauses.settings).fetch([download])
      try base.expectComplete()
    }
  }

  @Test("a part of another address, or one longer than the file, is dropped")
  func foreignPart() throws {
    _ = try interrupt("drop-7000,ok")
    try base.fetch("version-2")
    try base.expectComplete(version: 2)
    let (download, _) = try interrupt("drop-7000,ok")
    try folder.write([UInt8](repeating: 1, count: 20_001), to: "model.bin.part")
    _ = try Downloader(settings: once).fetch([download])
    try base.expectComplete()
  }

  @Test("a damaged part is found by the digest, and the whole file fetched")
  func damagedPart() throws {
    let (download, id) = try interrupt("drop-7000,ok", sha256: TransferDigestTests.digest(20_000))
    var part = try folder.read("model.bin.part")
    part[3] ^= 1
    try folder.write(part, to: "model.bin.part")
    _ = try Downloader(settings: base.pauses.settings).fetch([download])
    #expect(try base.server.log(id).map(\.range) == [nil, "bytes=7000-", nil])
    try base.expectComplete()
  }

  @Test("the state holds no password")
  func noPassword() throws {
    let address = try WebAddress(
      "http://me:pass@127.0.0.1:\(base.server.ports[0])/do/p\(UUID().uuidString)/drop-9/x")
    let settings = once
    #expect(throws: TransferError.self) {
      try Downloader(settings: settings).fetch([Download(address: address, path: folder.path("x"))])
    }
    let state = String(decoding: try folder.read("x.part.state"), as: UTF8.self)
    #expect(state.contains("address http://127.0.0.1"))
    #expect(!state.contains("pass"))
  }

  @Test("a link in the place of the part is not followed")
  func link() throws {
    try folder.write([5], to: "victim")
    try FileManager.default.createSymbolicLink(
      atPath: folder.path("model.bin.part"), withDestinationPath: folder.path("victim"))
    let (error, _) = try base.failure("ok")
    #expect(error.kind == .inputOutput)
    #expect(try folder.read("victim") == [5])
  }

  @Test("a part that another download holds is left alone")
  func held() throws {
    let part = try #require(try PartFile.open(path: folder.path("model.bin.part")))
    let (error, count) = try base.failure("ok")
    #expect(error.reason == .inUse)
    #expect(count == 0)
    withExtendedLifetime(part) {}
  }

  @Test("several files arrive side by side, each with its own content")
  func several() throws {
    let downloads = try (0..<8).map { index in
      let script = index % 2 == 0 ? "slow-20" : "drop-\(index * 500),slow-20"
      let (address, _) = try base.server.address(script, byteCount: 5000 + index)
      return Download(address: address, path: folder.path("deep/er/\(index).bin"))
    }
    let most = Mutex((now: 0, most: 0, open: Set<Int>()))
    let settings = base.pauses.settings
    let files = try Downloader(settings: settings).fetch(downloads) { progress in
      most.withLock { state in
        if case .done = progress.phase {
          state.open.remove(progress.index)
        } else {
          state.open.insert(progress.index)
        }
        state.most = max(state.most, state.open.count)
      }
    }
    for (index, file) in files.enumerated() {
      #expect(file.path == folder.path("deep/er/\(index).bin"))
      #expect(try folder.read("deep/er/\(index).bin") == TransferServer.content(5000 + index))
    }
    #expect((2...4).contains(most.withLock { $0.most }))
  }

  @Test("the first failure stops the others, whose parts stay")
  func oneFails() throws {
    let (slow, _) = try base.server.address("slow-100", byteCount: 50_000)
    let (bad, _) = try base.server.address("slow-1,status-404", byteCount: 10)
    let (worse, _) = try base.server.address("status-404")
    let downloads = [
      Download(address: slow, path: folder.path("slow")), Download(address: bad, path: folder.path("fine")),
      Download(address: worse, path: folder.path("missing")),
    ]
    let settings = base.pauses.settings
    let error = #expect(throws: TransferError.self) { try Downloader(settings: settings).fetch(downloads) }
    #expect(error?.message.contains("404") == true)
    #expect(!(try folder.names().contains("slow")))
  }

  @Test("a canceled download keeps its part and says so")
  func canceled() throws {
    let (address, _) = try base.server.address("slow-50", byteCount: 100_000)
    let download = Download(address: address, path: folder.path("model.bin"))
    let cancellation = Cancellation()
    let settings = base.pauses.settings
    let error = #expect(throws: TransferError.self) {
      try Downloader(settings: settings).fetch([download], cancellation: cancellation) { progress in
        if progress.doneByteCount > 2000 { cancellation.cancel() }
      }
    }
    #expect(error?.reason == .canceled)
    #expect(try folder.names() == ["model.bin.part", "model.bin.part.state"])
  }

  @Test("two downloads to one path are refused")
  func samePath() throws {
    let (address, id) = try base.server.address("ok")
    let download = Download(address: address, path: folder.path("x"))
    let error = #expect(throws: TransferError.self) { try Downloader().fetch([download, download]) }
    #expect(error?.reason == .sameDestination)
    #expect(try base.server.log(id).isEmpty)
  }

  @Test("progress ends with all bytes done, and tells why it waits")
  func progress() throws {
    let seen = Mutex<[String]>([])
    let (address, _) = try base.server.address("drop-5000,ok", byteCount: 20_000)
    let download = Download(address: address, path: folder.path("model.bin"))
    _ = try Downloader(settings: base.pauses.settings).fetch([download]) { progress in
      let text =
        switch progress.phase {
        case .connecting: "connecting"
        case .checking: "checking"
        case .transferring: "transferring"
        case .waiting(_, let reason): "waiting \(reason.contains("127.0.0.1"))"
        case .done: "done \(progress.doneByteCount) of \(progress.totalByteCount ?? -1)"
        }
      seen.withLock { $0.append(text) }
    }
    let list = seen.withLock { $0 }
    #expect(list.first == "connecting")
    #expect(list.contains("waiting true"))
    #expect(list.last == "done 20000 of 20000")
  }
}
