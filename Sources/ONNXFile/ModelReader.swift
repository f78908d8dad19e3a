public import ByteIO
import ProtobufWire
import Tensors

/// Reads a model file into messages; weights stay in the file.
public enum ModelReader {
  /// Maps and decodes a model.
  public static func read(path: String) throws(ONNXFileError) -> ModelProto {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw ONNXFileError(.io(error), path: path) }
    return try read(file)
  }

  /// Decodes the model in a mapped file.
  public static func read(_ file: MappedFile) throws(ONNXFileError) -> ModelProto {
    if let objection = FileKind.objection(file.bytes) {
      throw ONNXFileError(.notONNX(found: objection.found, hint: objection.hint), path: file.path)
    }
    let model: ModelProto = try message(in: file)
    guard model.graph != nil else {
      let isForeign =
        model.irVersion == nil && model.opsetImport.isEmpty && model.producerName == nil
        && model.functions.isEmpty
      throw ONNXFileError(
        .notAModel(
          isForeign
            ? "none of its fields is a model's; check that this is an .onnx file"
            : "it has no graph; export it again"), path: file.path)
    }
    return model
  }

  /// Decodes a file that holds one bare message of any kind.
  package static func message<Message: ONNXMessage>(in file: MappedFile) throws(ONNXFileError) -> Message {
    var reader = WireReader(file.bytes)
    var context = DecodeContext(file: file)
    var message = Message()
    do {
      try message.merge(from: &reader, &context)
    } catch {
      throw ONNXFileError(.damaged(error, trail: context.trailText), path: file.path)
    }
    return message
  }
}

extension ONNXMessage {
  /// The canonical bytes of this message; for small messages and tests, since bulk data is copied.
  public func serialized() -> [UInt8] {
    var emitter = WireEmitter<TensorBytes>()
    encode(to: &emitter)
    var result: [UInt8] = []
    result.reserveCapacity(emitter.byteCount)
    var taken = 0
    for placement in emitter.placements {
      result.append(contentsOf: emitter.literal[taken..<placement.literalCount])
      taken = placement.literalCount
      result.append(contentsOf: placement.payload.copied())
    }
    result.append(contentsOf: emitter.literal[taken...])
    return result
  }
}
