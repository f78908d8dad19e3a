public import Tensors

/// What the values of an output say about the run that made them.
public struct TensorHealth: Sendable, Equatable {
  /// Something that no healthy output of a Whisper model shows.
  public enum Fault: String, Sendable, CaseIterable {
    case notANumber = "nan"
    case infinite
    case zero
    case constant

    /// What the fault is, as the end of a sentence that begins with the output's name.
    public var words: String {
      switch self {
      case .notANumber: "has values that are no numbers (NaN)"
      case .infinite: "has infinite values"
      case .zero: "is all zeros"
      case .constant: "has the same value everywhere"
      }
    }
  }

  public let elementCount: Int
  public let notANumberCount: Int
  public let infiniteCount: Int
  /// Values that are neither NaN nor infinite.
  public var finiteCount: Int { elementCount - notANumberCount - infiniteCount }
  /// Over the finite values; 0 when there are none.
  public let minimum: Float
  public let maximum: Float
  public let mean: Double
  public let standardDeviation: Double
  public let faults: [Fault]

  /// Looks at all elements; nil when they are no numbers.
  ///
  /// One element alone is not constant, and integers (token ids) may all be zero.
  public init?(_ tensor: TensorContent) {
    guard FloatValues.covers(tensor.elementType) else { return nil }
    var notANumber = 0
    var infinite = 0
    var lowest = Float.infinity
    var highest = -Float.infinity
    var sum = 0.0
    var squares = 0.0
    FloatValues.forEachPiece(of: tensor) { values in
      for index in values.indices {
        let value = values[index]
        if value.isNaN {
          notANumber += 1
        } else if value.isInfinite {
          infinite += 1
        } else {
          lowest = min(lowest, value)
          highest = max(highest, value)
          sum += Double(value)
          squares += Double(value) * Double(value)
        }
      }
    }
    elementCount = tensor.shape.elementCount
    notANumberCount = notANumber
    infiniteCount = infinite
    let finiteCount = elementCount - notANumber - infinite
    minimum = finiteCount == 0 ? 0 : lowest
    maximum = finiteCount == 0 ? 0 : highest
    mean = finiteCount == 0 ? 0 : sum / Double(finiteCount)
    standardDeviation =
      finiteCount == 0 ? 0 : max(0, squares / Double(finiteCount) - mean * mean).squareRoot()
    var found: [Fault] = []
    if notANumber > 0 { found.append(.notANumber) }
    if infinite > 0 { found.append(.infinite) }
    let isFloat = [.float32, .float16, .bfloat16, .float64].contains(tensor.elementType)
    if isFloat, finiteCount > 1, finiteCount == elementCount, minimum == maximum {
      found.append(minimum == 0 ? .zero : .constant)
    }
    faults = found
  }
}
