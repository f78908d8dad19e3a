import Tensors

/// A tensor while a model runs: its elements are in memory, aligned unless they come from a file.
struct RunTensor: Sendable {
  let elementType: ElementType
  let shape: Shape
  let buffer: TensorBuffer

  var dimensions: [Int] { shape.dimensions }
  var rank: Int { shape.rank }
  var count: Int { shape.elementCount }

  /// Bytes of one element; nil for types that share bytes.
  var width: Int? { elementType.bitWidth.flatMap { $0 >= 8 ? $0 / 8 : nil } }

  /// The same elements in another shape of as many.
  func reshaped(_ shape: Shape) -> RunTensor {
    precondition(shape.elementCount == count, "as many elements")
    return RunTensor(elementType: elementType, shape: shape, buffer: buffer)
  }

  /// The same bits as another type of the same width.
  func retyped(_ type: ElementType) -> RunTensor {
    RunTensor(elementType: type, shape: shape, buffer: buffer)
  }

  /// The elements; the tensor must be aligned, and the type must have its width.
  @_lifetime(borrow self)
  func elements<Element: BitwiseCopyable>(_ type: Element.Type) -> Span<Element> {
    // The lifetime of the buffer's span is that of the buffer, which this tensor holds.
    unsafe _overrideLifetime(buffer.elements(of: type), borrowing: self)
  }

  var floats: Span<Float> {
    @_lifetime(borrow self)
    get {
      precondition(elementType == .float32, "a float tensor")
      return elements(Float.self)
    }
  }

  var bytes: Span<UInt8> {
    @_lifetime(borrow self)
    get { unsafe _overrideLifetime(buffer.bytes, borrowing: self) }
  }

  /// Whether typed access is possible.
  var isAligned: Bool { width.map { buffer.isAligned(to: min($0, 8)) } ?? true }

  /// What callers get.
  var content: TensorContent { TensorContent(elementType: elementType, shape: shape, bytes: .buffer(buffer)) }
}

/// What flows along an edge of a graph.
enum RunValue: Sendable {
  case tensor(RunTensor)
  case sequence([RunTensor])
  /// An optional without a value.
  case nothing

  var tensor: RunTensor? { if case .tensor(let tensor) = self { tensor } else { nil } }
}
