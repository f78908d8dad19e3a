public import ModelBackend
import Tensors

/// A loaded file of a Whisper model: what it computes, and the session that computes it.
public struct SpeechPart {
  /// How sentences call the file.
  public let name: String
  public let description: WhisperModelDescription
  public let session: any ModelSession

  public init(name: String, description: WhisperModelDescription, session: any ModelSession) {
    self.name = name
    self.description = description
    self.session = session
  }
}

/// Why speech cannot be decoded: one sentence.
public struct DecodingError: Error, Sendable, Equatable {
  public enum Reason: Sendable {
    /// Parts or words that do not fit together.
    case mismatch
    /// A form of model that decoding does not know.
    case unsupported
    /// A file that decoding needs is not there.
    case missing
    /// The options ask for what the model does not have.
    case request
    /// A session failed.
    case backend(BackendError.Reason)
  }

  public let reason: Reason
  public let message: String

  public init(_ reason: Reason, _ message: String) {
    self.reason = reason
    self.message = message
  }

  public static func == (left: DecodingError, right: DecodingError) -> Bool { left.message == right.message }
}

extension SpeechPart {
  var inputs: [TensorSignature] { session.inputs }

  func input(_ name: String) -> TensorSignature? { session.inputs.first { $0.name == name } }

  /// The first of some names that the part takes.
  func input(among names: [String]) -> TensorSignature? {
    for name in names { if let found = input(name) { return found } }
    return nil
  }

  func outputs(_ matches: (String) -> Bool) -> [String] { session.outputs.map(\.name).filter(matches) }

  /// Runs the session; its errors get the file's name.
  func run(
    _ feeds: [String: TensorContent], _ outputs: [String]
  ) throws(DecodingError) -> [String: TensorContent] {
    do { return try session.run(feeds, outputs: outputs) } catch {
      throw DecodingError(.backend(error.reason), "\(name): \(error.message)")
    }
  }

  /// Runs for one output that the session has.
  func output(_ name: String, of results: [String: TensorContent]) throws(DecodingError) -> TensorContent {
    guard let result = results[name] else {
      throw DecodingError(.mismatch, "\(self.name): the model has no output '\(name)'")
    }
    return result
  }
}

extension TensorContent {
  /// Integers as the type that an input takes: int64, int32, float, whatever the file declares.
  static func numbers(_ values: [Int], _ dimensions: [Int], as type: ElementType?) -> TensorContent {
    // Ids, positions and flags lie far below 2^24, where float32 is exact.
    let content = TensorContent(floats: values.map(Float.init), shape: known(dimensions))
    return content.converted(to: type ?? .int64) ?? content
  }

  /// Zeros of any numeric type.
  static func zeros(_ dimensions: [Int], as type: ElementType?) -> TensorContent {
    let shape = known(dimensions)
    let type = type ?? .float32
    let byteCount = type.byteCount(elementCount: shape.elementCount) ?? 0
    return TensorContent(
      elementType: type, shape: shape, bytes: .buffer(TensorBuffer(byteCount: byteCount) { _ in }))
  }

  /// The same elements under other dimensions of the same product.
  func reshaped(_ dimensions: [Int]) -> TensorContent {
    TensorContent(elementType: elementType, shape: Self.known(dimensions), bytes: bytes)
  }

  private static func known(_ dimensions: [Int]) -> Shape {
    guard let shape = Shape(dimensions) else { preconditionFailure("dimensions come from a model that runs") }
    return shape
  }

  /// All elements as float32; slow for other types than float32 and meant for logits.
  var floatValues: [Float] {
    guard elementType == .float32 else { return numbers?.map { Float($0) } ?? [] }
    if case .buffer(let buffer) = bytes, buffer.isAligned(to: 4) {
      let elements = buffer.elements(of: Float.self)
      var values: [Float] = []
      values.reserveCapacity(elements.count)
      for index in elements.indices { values.append(elements[index]) }
      return values
    }
    return floats ?? []
  }
}
