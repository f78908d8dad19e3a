public import QuantPlan
public import Tensors

/// The arithmetic for one weight, separate from the graph: what to read, how to quantize, where it goes.
public struct WeightJob: Sendable {
  /// Which axis of a [rows, columns] view the output channels are on.
  public enum Orientation: Sendable {
    /// [K, N]: channels are columns.
    case reductionFirst
    /// [N, K]: channels are rows.
    case channelsFirst
  }

  /// Where integers go.
  public enum Layout: Sendable, Equatable {
    /// One s8 (or u8, or two nibbles) per element, in the weight's own shape.
    case weightShape
    /// com.microsoft MatMulNBits: [N, blocks, bytes of a block].
    case matMulNBits
    /// binary16 in the weight's own shape.
    case half
    /// Levels of one given scale and zero point, in the weight's own shape.
    case levels(ScaleAndZeroPoint, IntegerType)
  }

  public let name: String
  public let content: TensorContent
  public let orientation: Orientation
  public let treatment: Treatment
  public let layout: Layout
  public let values: PayloadID
  /// Nil with `half`.
  public let scales: PayloadID?
  /// A second place for the same scales.
  public let scalesCopy: PayloadID?
  public let zeroPoints: PayloadID?
  /// Bytes of all constants that stand for the weight, those included that need no arithmetic.
  public let storedByteCount: Int
  /// Biases whose scales are those of the weight times a factor.
  public var biases: [BiasPromise] = []
  /// How static weights are rounded; nil is nearest.
  public var rounding: StaticRounding?

  private var isHalf: Bool { if case .half = layout { true } else { false } }

  /// Rows of the two-dimensional view.
  public var rowCount: Int {
    orientation == .channelsFirst || isHalf
      ? content.shape.dimensions.first ?? 1
      : columnCount == 0 ? 0 : content.shape.elementCount / columnCount
  }

  /// Columns of the two-dimensional view.
  public var columnCount: Int {
    switch orientation {
    case .reductionFirst: return content.shape.dimensions.last ?? 1
    case .channelsFirst:
      let rows = content.shape.dimensions.first ?? 1
      return rows == 0 ? 0 : content.shape.elementCount / rows
    }
  }

  public var byteCount: Int { content.bytes.byteCount }

  /// The least scale of each channel at which its biases fit half of int32's range, and at which the scale of a bias
  /// is a normal number; nil without biases.
  var scaleFloors: [Float]? {
    if biases.isEmpty { return nil }
    var floors: [Float] = []
    for bias in biases {
      let least = Double(Float.leastNormalMagnitude) * 2
      let own = (bias.content.floats ?? []).map { value in
        Float(max(abs(Double(value)) / 0x1p30, least) / Double(bias.inputScale))
      }
      floors = floors.isEmpty ? own : zip(floors, own).map { max($0, $1) }
    }
    return floors
  }
}

/// What rounding a static weight needs to know.
public struct StaticRounding: Sendable {
  /// The tensor that meets the weight, by its name in the prepared model: its Gram matrix steers the rounding.
  public let inputTensor: String
  public let rounding: Rounding
}

/// An int32 bias that waits for the scales of its weight.
///
/// Its scale is inputScale · weightScale[c], its zero point 0: the form in which Gemm and Conv add it to their sums.
public struct BiasPromise: Sendable {
  /// One float32 number for each output channel.
  public let content: TensorContent
  /// The scale of the activation that meets the weight.
  public let inputScale: Float
  public let values: PayloadID
  public let scales: PayloadID
  /// Whether what rounding the weight takes from the mean of each output is added.
  public let isCorrected: Bool
}

/// What became of one weight.
public struct WeightOutcome: Sendable {
  public let name: String
  public let treatment: Treatment
  public let elementCount: Int
  public let bytesBefore: Int
  public let bytesAfter: Int
  /// Σw² over the elements.
  public let signal: Double
  /// Σ(w − ŵ)² over the elements.
  public let error: Double
  /// fp16: finite values beyond ±65504, which were clamped.
  public let overflowCount: Int
  /// fp16: nonzero values that became zero.
  public let underflowCount: Int

  /// Signal-to-quantization-noise ratio, 10·log₁₀(Σw² / Σ(w − ŵ)²), in dB; infinite without error.
  public var sqnr: Double {
    if error == 0 { return .infinity }
    return 10 * log10(signal / error)
  }
}

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif
