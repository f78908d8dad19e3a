import ByteIO
import ONNXFile
import Tensors
import Testing

/// Bytes of protocol-buffers fields, put together by hand for damaged and for odd models.
enum WireBytes {
  static func varint(_ value: UInt64) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(rest & 0x7F) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func tag(_ field: Int, _ wireType: UInt64) -> [UInt8] { varint(UInt64(field) << 3 | wireType) }

  static func int(_ field: Int, _ value: Int64) -> [UInt8] {
    tag(field, 0) + varint(UInt64(bitPattern: value))
  }

  static func bytes(_ field: Int, _ content: [UInt8]) -> [UInt8] {
    tag(field, 2) + varint(UInt64(content.count)) + content
  }

  static func text(_ field: Int, _ content: String) -> [UInt8] { bytes(field, Array(content.utf8)) }

  /// Messages in messages: `fields` from the outside in, around `content`.
  static func nested(_ fields: some Sequence<Int>, _ content: [UInt8] = []) -> [UInt8] {
    fields.reversed().reduce(content) { bytes($1, $0) }
  }

  /// A model whose graph has these fields.
  static func model(graph: [UInt8]) -> [UInt8] { int(1, 8) + bytes(7, graph) }

  /// A model whose one initializer has these fields.
  static func model(tensor: [UInt8]) -> [UInt8] { model(graph: bytes(5, tensor)) }

  /// A tensor of int64 dimensions and an element type, named "w".
  static func tensor(_ dimensions: [Int64], type: Int64, _ more: [UInt8] = []) -> [UInt8] {
    dimensions.flatMap { int(1, $0) } + int(2, type) + text(8, "w") + more
  }
}

/// Reads a model from bytes.
func read(_ bytes: [UInt8], name: String = "model.onnx") throws -> ModelProto {
  try ModelReader.read(MappedFile(copying: bytes, name: name))
}

/// The sentence with which the reader refuses a model; an issue when it does not.
func refusal(
  _ bytes: [UInt8], name: String = "model.onnx", sourceLocation: SourceLocation = #_sourceLocation
) -> String {
  do {
    _ = try ModelReader.read(MappedFile(copying: bytes, name: name))
  } catch {
    return error.message
  }
  Issue.record("the model is accepted", sourceLocation: sourceLocation)
  return ""
}

/// The sentence with which the first initializer of a model is refused; an issue when it is not.
func tensorRefusal(
  _ tensor: [UInt8], modelPath: String = "model.onnx", links: LinkPolicy = .refuse,
  sourceLocation: SourceLocation = #_sourceLocation
) throws -> String {
  let file = MappedFile(copying: WireBytes.model(tensor: tensor), name: modelPath)
  let message = try ModelReader.read(file).graph?.initializer.first
  do {
    _ = try TensorContent(
      #require(message, sourceLocation: sourceLocation),
      external: ExternalDataFiles(modelPath: modelPath, links: links))
  } catch let error as ONNXFileError {
    return error.message
  }
  Issue.record("the tensor is accepted", sourceLocation: sourceLocation)
  return ""
}
