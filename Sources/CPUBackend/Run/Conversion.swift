import Kernels
import ModelBackend
import Tensors

/// The types in which elements are computed; narrower ones are widened before and narrowed after.
enum ComputeType {
  case float32, float64, int64, uint64

  var elementType: ElementType {
    switch self {
    case .float32: .float32
    case .float64: .float64
    case .int64: .int64
    case .uint64: .uint64
    }
  }

  /// The type that holds every value of `type` and computes as the type itself would after narrowing.
  init?(_ type: ElementType) {
    switch type {
    case .float32, .float16, .bfloat16, .float8E4M3FN, .float8E4M3FNUZ, .float8E5M2, .float8E5M2FNUZ,
      .float4E2M1,
      .float8E8M0:
      self = .float32
    case .float64: self = .float64
    case .int8, .int16, .int32, .int64, .uint8, .uint16, .uint32, .bool, .int4, .uint4, .int2, .uint2:
      self = .int64
    case .uint64: self = .uint64
    default: return nil
    }
  }
}

/// A number that the engine computes with.
protocol Number: BitwiseCopyable, Comparable, Sendable {
  static func sum(_ a: Self, _ b: Self) -> Self
  static func difference(_ a: Self, _ b: Self) -> Self
  static func product(_ a: Self, _ b: Self) -> Self
  /// Nil where it is undefined.
  static func quotient(_ a: Self, _ b: Self) -> Self?
  static var zero: Self { get }
  static var one: Self { get }
  static var lowest: Self { get }
  static var highest: Self { get }
  var isNotANumber: Bool { get }
  var double: Double { get }
  init(double: Double)
}

extension Number where Self: BinaryFloatingPoint {
  @inline(__always) static func sum(_ a: Self, _ b: Self) -> Self { a + b }
  @inline(__always) static func difference(_ a: Self, _ b: Self) -> Self { a - b }
  @inline(__always) static func product(_ a: Self, _ b: Self) -> Self { a * b }
  @inline(__always) static func quotient(_ a: Self, _ b: Self) -> Self? { a / b }
  static var zero: Self { 0 }
  static var one: Self { 1 }
  static var lowest: Self { -.infinity }
  static var highest: Self { .infinity }
  @inline(__always) var isNotANumber: Bool { isNaN }
  @inline(__always) var double: Double { Double(self) }
  @inline(__always) init(double: Double) { self.init(double) }
}

extension Number where Self: FixedWidthInteger {
  @inline(__always) static func sum(_ a: Self, _ b: Self) -> Self { a &+ b }
  @inline(__always) static func difference(_ a: Self, _ b: Self) -> Self { a &- b }
  @inline(__always) static func product(_ a: Self, _ b: Self) -> Self { a &* b }
  @inline(__always) static func quotient(_ a: Self, _ b: Self) -> Self? {
    b == 0 ? nil : a.dividedReportingOverflow(by: b).partialValue
  }
  static var zero: Self { 0 }
  static var one: Self { 1 }
  static var lowest: Self { .min }
  static var highest: Self { .max }
  @inline(__always) var isNotANumber: Bool { false }
  @inline(__always) var double: Double { Double(self) }
  @inline(__always) init(double: Double) {
    self =
      double.isNaN ? 0 : double >= Double(Self.max) ? .max : double <= Double(Self.min) ? .min : Self(double)
  }
}

extension Float: Number {}
extension Double: Number {}
extension Int64: Number {}
extension UInt64: Number {}

/// Work that is the same for every number, compiled for each.
protocol NumberWork {
  associatedtype Result
  func run<N: Number>(_ type: N.Type) throws(BackendError) -> Result
}

extension ComputeType {
  func run<Work: NumberWork>(_ work: Work) throws(BackendError) -> Work.Result {
    switch self {
    case .float32: return try work.run(Float.self)
    case .float64: return try work.run(Double.self)
    case .int64: return try work.run(Int64.self)
    case .uint64: return try work.run(UInt64.self)
    }
  }
}

extension Call {
  /// The compute type for elements of `type`.
  func computeType(_ type: ElementType) throws(BackendError) -> ComputeType {
    guard let result = ComputeType(type) else { throw unsupported("element type \(type.name)") }
    return result
  }

  /// `tensor` as elements of `type`, which is a compute type's.
  func widened(_ tensor: RunTensor, to type: ElementType) throws(BackendError) -> RunTensor {
    try converted(tensor, to: type)
  }

  /// Float tensors of half precision as float32; everything else as it is.
  func withoutHalf(_ tensor: RunTensor) throws(BackendError) -> RunTensor {
    switch tensor.elementType {
    case .float16, .bfloat16: return try converted(tensor, to: .float32)
    default: return tensor
    }
  }

  /// `tensor` with every element converted as `Cast` does.
  func converted(
    _ tensor: RunTensor, to type: ElementType, _ overflow: FloatOverflow = .saturates
  ) throws(BackendError) -> RunTensor {
    let from = tensor.elementType
    if from == type { return tensor }
    switch (from, type) {
    case (.int32, .float32) where tensor.isAligned:
      return try floats(tensor.shape) { (out) throws(BackendError) in
        let values = tensor.elements(Int32.self)
        precondition(values.count == out.count)
        for index in out.indices { out[index] = Float(values[index]) }
      }
    case (.float16, .float32):
      return try floats(tensor.shape) { (out) throws(BackendError) in
        unsafe FloatConversion.float16(tensor.bytes.bytes, into: &out)
      }
    case (.bfloat16, .float32):
      return try floats(tensor.shape) { (out) throws(BackendError) in
        unsafe FloatConversion.bfloat16(tensor.bytes.bytes, into: &out)
      }
    case (.float32, .float16) where tensor.isAligned:
      return try make(.float16, tensor.shape, as: UInt16.self) { (out) throws(BackendError) in
        _ = FloatConversion.toFloat16(tensor.floats, overflow: .infinity, into: &out)
      }
    case (.float32, .bfloat16) where tensor.isAligned:
      return try make(.bfloat16, tensor.shape, as: UInt16.self) { (out) throws(BackendError) in
        FloatConversion.toBFloat16(tensor.floats, into: &out)
      }
    default:
      return try ElementConversion.convert(tensor, to: type, overflow, self)
    }
  }
}
