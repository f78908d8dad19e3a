import ModelStore
import TestSupport
import Testing

@Suite("Records of layouts")
struct LayoutRecordTests {
  private let record = LayoutRecord(
    name: "whisper_tiny", sources: ["hf:a/b", "other \"folder\""], fingerprints: ["commit:1", ""],
    variant: "fp16",
    files: [
      LayoutRecord.File(
        path: "encoder/whisper_encoder.onnx", byteCount: 3, sha256: "ab", source: "hf:a/b",
        origin: "onnx/e.onnx",
        fingerprint: "sha256:ab", part: "encoder"),
      LayoutRecord.File(path: "README.md", byteCount: 1, sha256: "cd"),
    ])

  private func read(_ text: String) throws -> LayoutRecord? {
    let folder = try TemporaryFolder()
    try folder.write(Array(text.utf8), to: LayoutRecord.fileName)
    return try LayoutRecord.read(folder: folder.path)
  }

  @Test("A record reads back as it was written, sorted by path")
  func roundTrip() throws {
    #expect(try read(record.text) == record)
    #expect(record.files.map(\.path) == ["README.md", "encoder/whisper_encoder.onnx"])
    #expect(try LayoutRecord.read(folder: TemporaryFolder().path) == nil)
  }

  @Test(
    "A record that cannot be trusted is an error that names its file",
    arguments: [
      "", "{", "[]", "{\"format\": 2, \"name\": \"a\", \"sources\": [], \"files\": []}",
      "{\"format\": 1, \"name\": \"a\", \"sources\": []}",
      "{\"format\": 1, \"name\": \"a\", \"sources\": [], \"files\": [{\"path\": \"a\"}]}",
      "{\"format\": 1, \"name\": \"a\", \"sources\": [], "
        + "\"files\": [{\"path\": \"../a\", \"bytes\": 1, \"sha256\": \"\"}]}",
    ])
  func malformed(text: String) throws {
    let error = #expect(throws: LayoutError.self) { _ = try read(text) }
    #expect(error?.message.contains(LayoutRecord.fileName) == true)
  }
}
