import ByteIO
import Foundation
import TestSupport
import Testing

@Suite("Contained files lie below their folder")
struct ContainedFileTests {
  @Test(
    "plain paths below the folder",
    arguments: ["a", "a/b.bin", "./a", "a/./b", "a//b", "..a", "a..", "...", "ü/\u{301}"])
  func plain(location: String) {
    #expect(ContainedFile.objection(to: location) == nil)
  }

  @Test(
    "everything else",
    arguments: [
      ("", "is empty"), ("a\u{0}", "contains a NUL byte"), ("/a", "is an absolute path"),
      ("\\\\server\\a", "is an absolute path"), ("/\u{301}a", "is an absolute path"),
      ("C:\\a", "names a drive"),
      ("c:a", "names a drive"), ("..", "climbs out of it with '..'"), ("../a", "climbs out of it with '..'"),
      ("a/../../b", "climbs out of it with '..'"), ("a/..", "climbs out of it with '..'"),
      ("a\\..\\b", "climbs out of it with '..'"), ("..\\b", "climbs out of it with '..'"),
      ("../\u{301}a", "climbs out of it with '..'"), ("a/", "names a folder"), (".", "names a folder"),
      ("a/.", "names a folder"),
    ])
  func others(location: String, objection: String) {
    #expect(ContainedFile.objection(to: location) == objection)
  }

  @Test("files in folders below are mapped, also through a link to the folder itself")
  func mapped() throws {
    let temporary = try TemporaryFolder()
    try temporary.write([1, 2], to: "model/x/y/data.bin")
    try FileManager.default.createSymbolicLink(
      atPath: temporary.path("link"), withDestinationPath: "model")
    for folderPath in [temporary.path("model"), temporary.path("model") + "/", temporary.path("link")] {
      for links in [LinkPolicy.refuse, .follow] {
        let file = try ContainedFile.map("x/./y//data.bin", in: folderPath, links: links)
        #expect(file.copied() == [1, 2])
      }
    }
  }

  @Test("a symbolic link is refused even when it points below the folder")
  func innerLink() throws {
    let temporary = try TemporaryFolder()
    try temporary.write([1], to: "data.bin")
    try FileManager.default.createSymbolicLink(
      atPath: temporary.path("link.bin"), withDestinationPath: "data.bin")
    try FileManager.default.createSymbolicLink(
      atPath: temporary.path("dangling.bin"), withDestinationPath: "/nowhere")
    for name in ["link.bin", "dangling.bin"] {
      #expect {
        try ContainedFile.map(name, in: temporary.path, links: .refuse)
      } throws: { error in
        (error as? ByteIOError)?.reason == .symbolicLink(name)
      }
    }
    #expect(try ContainedFile.map("link.bin", in: temporary.path, links: .follow).copied() == [1])
  }

  @Test("a pipe is refused without waiting")
  func pipe() throws {
    let temporary = try TemporaryFolder()
    try #require(try Spawn.run("/usr/bin/env", ["mkfifo", temporary.path("pipe")]).exitCode == 0)
    #expect(
      sentence { () throws(ByteIOError) in
        try ContainedFile.map("pipe", in: temporary.path, links: .refuse)
      } == "\(temporary.path("pipe")): this is a pipe, expected a regular file")
  }

  @Test("a folder that is not there")
  func missingFolder() throws {
    let temporary = try TemporaryFolder()
    let text = sentence { () throws(ByteIOError) in
      try ContainedFile.map("data.bin", in: temporary.path("none"), links: .refuse)
    }
    #expect(text.hasPrefix("\(temporary.path("none"))/data.bin: cannot open its folder: "))
  }
}
