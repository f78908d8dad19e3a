import Testing

/// Files of other kinds that land where a model should be; each is told by name, with a remedy.
@Suite("Files that are no ONNX models are called by their names")
struct ForeignFileTests {
  private func sentence(_ bytes: [UInt8], _ sourceLocation: SourceLocation = #_sourceLocation) -> String {
    refusal(bytes, sourceLocation: sourceLocation)
  }

  private func zeros(_ count: Int) -> [UInt8] { [UInt8](repeating: 0, count: count) }

  @Test("an empty file")
  func empty() {
    #expect(
      sentence([]) == "model.onnx: this is no ONNX model but an empty file; download or export it again")
  }

  @Test("TensorFlow Lite")
  func tensorFlowLite() {
    #expect(
      sentence([0x1C, 0, 0, 0] + "TFL3".utf8 + zeros(40))
        == "model.onnx: this is no ONNX model but a TensorFlow Lite model; export the model to ONNX")
  }

  @Test("ONNX Runtime's ORT format")
  func ortFormat() {
    #expect(
      sentence([0x20, 0, 0, 0] + "ORTM".utf8 + zeros(40))
        == "model.onnx: this is no ONNX model but a model in ONNX Runtime's ORT format; "
        + "use the .onnx file it was made from")
  }

  @Test("safetensors")
  func safetensors() {
    let header = Array("{\"w\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}".utf8)
    #expect(
      sentence([UInt8(header.count)] + zeros(7) + header + zeros(4))
        == "model.onnx: this is no ONNX model but a safetensors file; export the model to ONNX")
  }

  @Test(
    "an HTML page",
    arguments: [
      "<!DOCTYPE html><html></html>", "\r\n\r\n<html>", "\u{FEFF}<!doctype HTML>", "  \n<HTML lang=en>",
    ])
  func html(page: String) {
    #expect(
      sentence(Array(page.utf8))
        == "model.onnx: this is no ONNX model but an HTML page; the download was answered with a web page "
        + "(often a login or an error); get the file again")
  }

  @Test(
    "an XML error",
    arguments: ["<?xml version=\"1.0\"?><Error/>", "<Error><Code>AccessDenied</Code></Error>"])
  func xml(page: String) {
    #expect(
      sentence(Array(page.utf8))
        == "model.onnx: this is no ONNX model but an XML document; the download was answered with an error; "
        + "get the file again")
  }

  @Test("a Git LFS pointer")
  func gitLFS() {
    #expect(
      sentence(Array("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 12\n".utf8))
        == "model.onnx: this is no ONNX model but a Git LFS pointer; fetch the real file with 'git lfs pull'")
  }

  @Test("a ZIP archive, as PyTorch writes it")
  func zip() {
    #expect(
      sentence(Array("PK".utf8) + [3, 4] + zeros(30) + "archive/data.pkl".utf8)
        == "model.onnx: this is no ONNX model but a ZIP archive (a package or a PyTorch checkpoint); unpack it, or "
        + "export the model to ONNX")
  }

  @Test("a Python pickle", arguments: [2, 4] as [UInt8])
  func pickle(version: UInt8) {
    #expect(
      sentence([0x80, version, 0x8A, 0x0A, 0x6C] + zeros(8))
        == "model.onnx: this is no ONNX model but a Python pickle (a PyTorch checkpoint); export the model to ONNX"
    )
  }

  @Test("GGUF and GGML", arguments: ["GGUF", "ggml", "lmgg"])
  func gguf(letters: String) {
    #expect(
      sentence(Array(letters.utf8) + [3, 0, 0, 0] + zeros(16))
        == "model.onnx: this is no ONNX model but a GGUF/GGML model (whisper.cpp, llama.cpp); "
        + "export the model to ONNX")
  }

  @Test("HDF5")
  func hdf5() {
    #expect(
      sentence([0x89] + "HDF\r\n".utf8 + [0x1A, 0x0A])
        == "model.onnx: this is no ONNX model but an HDF5 file (a Keras model); export the model to ONNX")
  }

  @Test("an ELF program")
  func elf() {
    #expect(
      sentence([0x7F] + "ELF".utf8 + [2, 1, 1] + zeros(9))
        == "model.onnx: this is no ONNX model but a program or library; give the .onnx file")
  }

  @Test("JSON", arguments: ["{\"_name_or_path\": \"whisper\"}", "\r\n[1, 2]"])
  func json(text: String) {
    #expect(
      sentence(Array(text.utf8)) == "model.onnx: this is no ONNX model but a JSON text; give the .onnx file")
  }

  @Test("gzip")
  func gzip() {
    #expect(
      sentence([0x1F, 0x8B, 8, 0] + zeros(20))
        == "model.onnx: this is no ONNX model but gzip-compressed; unpack it first")
  }

  @Test("another kind of protocol-buffers message")
  func otherMessage() {
    #expect(
      sentence(WireBytes.text(50, "a") + WireBytes.int(51, 2))
        == "model.onnx: not a usable ONNX model: none of its fields is a model's; check that this is an .onnx file"
    )
  }

  @Test(
    "a model whose producer's name has the letters of another format is a model", arguments: ["ORTM", "TFL3"])
  func producerName(letters: String) throws {
    let bytes = WireBytes.int(1, 8) + WireBytes.text(2, letters + "odule") + WireBytes.bytes(7, [])
    try #require(Array(bytes[4..<8]) == Array(letters.utf8))
    _ = try read(bytes)
  }
}
