import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("Locks on folders and files")
struct FileLockTests {
  @Test("One holder at a time: no step of many threads is lost, with a locked folder and with a lock file")
  func exclusion() async throws {
    for usesFile in [false, true] {
      let folder = try TemporaryFolder()
      try folder.write(Array("0".utf8), to: "n")
      try await withThrowingTaskGroup(of: Void.self) { group in
        for _ in 0..<8 {
          group.addTask {
            for _ in 0..<25 {
              let lock =
                usesFile
                ? try FileLock(file: folder.path(".lock"), timeout: .seconds(60))
                : try FileLock(folder: folder.path, timeout: .seconds(60))
              let number = try #require(Int(String(decoding: folder.read("n"), as: UTF8.self)))
              try folder.write(Array("\(number + 1)".utf8), to: "n")
              Self.release(lock)
            }
          }
        }
        try await group.waitForAll()
      }
      #expect(try folder.read("n") == Array("200".utf8))
      #expect(try folder.names() == ["n"], "nothing is left behind")
    }
  }

  private static func release(_ lock: consuming FileLock) {}

  @Test("Who waits too long is told so, and a lock that is let go can be had")
  func timeout() throws {
    let folder = try TemporaryFolder()
    let held = try FileLock(folder: folder.path, timeout: .zero)
    let start = ContinuousClock.now
    do throws(ByteIOError) {
      Self.release(try FileLock(folder: folder.path, timeout: .milliseconds(200)))
      Issue.record("two holders")
    } catch {
      #expect(error.reason == .locked(seconds: 0))
      #expect(error.message.contains("another program has held its lock"))
    }
    #expect(ContinuousClock.now - start >= .milliseconds(200))
    Self.release(held)
    Self.release(try FileLock(folder: folder.path, timeout: .zero))
  }

  @Test("A lock file that was left behind is taken over")
  func leftover() throws {
    let folder = try TemporaryFolder()
    try folder.write([], to: ".lock")
    Self.release(try FileLock(file: folder.path(".lock"), timeout: .zero))
    #expect(try folder.names() == [])
  }

  @Test("A folder that is not there is an error of its own")
  func missing() throws {
    let folder = try TemporaryFolder()
    do throws(ByteIOError) {
      Self.release(try FileLock(folder: folder.path("none")))
      Issue.record("a lock on nothing")
    } catch {
      #expect(error.message.contains("cannot open the folder"))
    }
  }
}
