public import ByteIO
public import ProtobufWire

/// A file that is no ONNX model, a model that contradicts itself, or data that cannot be reached.
public struct ONNXFileError: Error, Sendable {
  public enum Reason: Sendable {
    /// The file is of another kind; `hint` says what to do.
    case notONNX(found: String, hint: String)
    /// The protocol-buffers bytes are damaged; `trail` is the way to the message.
    case damaged(WireError, trail: String)
    /// The bytes are a message, but not a model.
    case notAModel(String)
    /// A tensor whose fields contradict each other.
    case tensor(name: String, problem: String)
    /// External data that cannot be used.
    case externalData(tensor: String, problem: String)
    /// The system refused to open, map or write.
    case io(ByteIOError)
    /// External data that cannot be opened.
    case externalFile(tensor: String, ByteIOError)
    /// One file cannot hold this model.
    case tooLarge(byteCount: Int)
  }

  public let reason: Reason
  /// The model file.
  public let path: String

  public init(_ reason: Reason, path: String) {
    self.reason = reason
    self.path = path
  }

  /// One sentence: what, where, what was expected, what to do.
  public var message: String {
    switch reason {
    case .notONNX(let found, let hint):
      return "\(path): this is no ONNX model but \(found); \(hint)"
    case .damaged(let error, let trail):
      let place = trail.isEmpty ? "" : " in \(trail)"
      return "\(path): not a readable ONNX model: byte \(error.byteOffset)\(place): \(error.message); "
        + "get the file again or export it anew"
    case .notAModel(let problem):
      return "\(path): not a usable ONNX model: \(problem)"
    case .tensor(let name, let problem):
      return "\(path): tensor '\(name)': \(problem)"
    case .externalData(let tensor, let problem):
      return "\(path): external data of tensor '\(tensor)': \(problem)"
    case .externalFile(let tensor, let error):
      if case .notFound = error.reason {
        return "\(path): external data of tensor '\(tensor)' is missing: \(error.path); "
          + "put the data file beside the model under this very name"
      }
      return "\(path): external data of tensor '\(tensor)': \(error.message)"
    case .io(let error):
      return error.message
    case .tooLarge(let byteCount):
      return "\(path): the model takes \(byteCount) bytes, and one ONNX file holds at most 2147483647; "
        + "write its weights to a second file with --external-data auto"
    }
  }
}
