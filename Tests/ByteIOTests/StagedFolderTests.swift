import ByteIO
import TestSupport
import Testing

@Suite("Staged folders are hidden, and gone when nobody holds them")
struct StagedFolderTests {
  let folder: TemporaryFolder

  init() throws { folder = try TemporaryFolder() }

  @Test("a folder lies beside its result under a name of its own, and remove empties and takes it away")
  func remove() throws {
    let first = try StagedFolder(beside: folder.path("out.onnx"))
    let second = try StagedFolder(beside: folder.path("out.onnx"))
    #expect(first.path != second.path && kind(ofPath: first.path) == .folder)
    #expect(try folder.names().allSatisfy { $0.hasPrefix(".out.onnx.") })
    try folder.write([1], to: fileName(of: first.path) + "/deep/file")
    first.remove()
    #expect(kind(ofPath: first.path) == .missing && kind(ofPath: second.path) == .folder)
    first.remove()
    second.remove()
    #expect(try folder.names() == [])
  }

  @Test("a folder that nobody holds any more is removed")
  func forgotten() throws {
    do {
      let staged = try StagedFolder(beside: folder.path("new/out"))
      #expect(kind(ofPath: staged.path) == .folder)
    }
    #expect(try folder.names() == ["new"])
    #expect(try names(inFolder: folder.path("new")) == [])
  }

  @Test("a place where no folder can be is an error")
  func impossible() throws {
    let file = try folder.write([1], to: "file")
    #expect(throws: ByteIOError.self) { try StagedFolder(beside: file + "/out") }
  }
}
