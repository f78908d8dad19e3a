/// What a file is when it is not ONNX, judged by its first bytes.
///
/// Source: the magic numbers that each format's specification fixes.
enum FileKind {
  /// A sentence part and a remedy, or nil when nothing speaks against ONNX.
  static func objection(_ bytes: Span<UInt8>) -> (found: String, hint: String)? {
    if bytes.count == 0 { return ("an empty file", "download or export it again") }
    let head = text(bytes, 0, 512)
    let trimmed = head.drop {
      $0 == " " || $0 == "\n" || $0 == "\r" || $0 == "\t" || $0 == "\r\n" || $0 == "\u{FEFF}"
    }
    let lower = trimmed.lowercased()
    if head.hasPrefix("version https://git-lfs") {
      return ("a Git LFS pointer", "fetch the real file with 'git lfs pull'")
    }
    if lower.hasPrefix("<!doctype html") || lower.hasPrefix("<html") {
      return (
        "an HTML page",
        "the download was answered with a web page (often a login or an error); get the file again"
      )
    }
    if lower.hasPrefix("<?xml") || lower.hasPrefix("<error") {
      return ("an XML document", "the download was answered with an error; get the file again")
    }
    if isFlatBuffer(bytes, "TFL3") { return ("a TensorFlow Lite model", "export the model to ONNX") }
    if isFlatBuffer(bytes, "ORTM") {
      return ("a model in ONNX Runtime's ORT format", "use the .onnx file it was made from")
    }
    if head.hasPrefix("GGUF") || head.hasPrefix("ggml") || head.hasPrefix("lmgg") {
      return ("a GGUF/GGML model (whisper.cpp, llama.cpp)", "export the model to ONNX")
    }
    if isSafetensors(bytes) { return ("a safetensors file", "export the model to ONNX") }
    if head.hasPrefix("PK") && bytes.count > 3 && bytes[2] <= 8 && bytes[3] <= 8 && bytes[2] != 0 {
      return ("a ZIP archive (a package or a PyTorch checkpoint)", "unpack it, or export the model to ONNX")
    }
    if bytes.count > 2 && bytes[0] == 0x1F && bytes[1] == 0x8B && bytes[2] == 8 {
      return ("gzip-compressed", "unpack it first")
    }
    if bytes.count > 1 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5 {
      return ("a Python pickle (a PyTorch checkpoint)", "export the model to ONNX")
    }
    if bytes.count > 3 && bytes[0] == 0x89 && text(bytes, 1, 3) == "HDF" {
      return ("an HDF5 file (a Keras model)", "export the model to ONNX")
    }
    if bytes.count > 3 && bytes[0] == 0x7F && text(bytes, 1, 3) == "ELF" {
      return ("a program or library", "give the .onnx file")
    }
    if trimmed.hasPrefix("{") || trimmed.hasPrefix("[") {
      return ("a JSON text", "give the .onnx file")
    }
    if isText(bytes) { return ("a text file", "give the .onnx file") }
    return nil
  }

  /// Whether the first bytes are letters, digits, signs and white space only, with a line break among them or at
  /// their end. A model has control characters from its first byte on.
  private static func isText(_ bytes: Span<UInt8>) -> Bool {
    for index in 0..<min(bytes.count, 256) {
      let byte = bytes[index]
      guard byte >= 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D, byte != 0x7F else { return false }
    }
    return bytes.count > 16
  }

  /// A FlatBuffers file begins with the offset of its root table, which is near, and four letters. An ONNX
  /// file may have the letters there too, in the name of its producer, but never two zero bytes before them.
  private static func isFlatBuffer(_ bytes: Span<UInt8>, _ letters: String) -> Bool {
    bytes.count > 7 && bytes[2] == 0 && bytes[3] == 0 && text(bytes, 4, 4) == letters
  }

  /// safetensors begins with the header's length (8 bytes, little-endian) and the header's '{'.
  private static func isSafetensors(_ bytes: Span<UInt8>) -> Bool {
    guard bytes.count > 9, bytes[8] == UInt8(ascii: "{") else { return false }
    var length: UInt64 = 0
    for index in 0..<8 { length |= UInt64(bytes[index]) << UInt64(8 * index) }
    return length < 100_000_000 && length <= UInt64(bytes.count)
  }

  private static func text(_ bytes: Span<UInt8>, _ start: Int, _ count: Int) -> String {
    var part: [UInt8] = []
    for index in start..<max(start, min(start + count, bytes.count)) { part.append(bytes[index]) }
    return String(decoding: part, as: UTF8.self)
  }
}
