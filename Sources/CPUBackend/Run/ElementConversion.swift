import ModelBackend
import Tensors

/// Conversions between element types, element by element, as `Cast` defines them.
///
/// Every element goes through Double (from floats), Int64 or UInt64 (from integers), which hold it exactly.
enum ElementConversion {
  private enum Middle {
    case double([Double])
    case int64([Int64])
    case uint64([UInt64])
  }

  static func convert(
    _ tensor: RunTensor, to type: ElementType, _ overflow: FloatOverflow, _ call: Call
  ) throws(BackendError) -> RunTensor {
    let source = tensor.isAligned ? tensor : try call.copied(tensor)
    // One part at a time, so that the middle stays small and in the cache.
    let partCount = 4096
    guard let bits = type.bitWidth, type != .complex64, type != .complex128 else {
      throw call.unsupported("element type \(type.name)")
    }
    if bits < 8 {
      let all = try load(source, 0..<source.count, call)
      let codes = try narrowCodes(all, type, call)
      return try call.make(type, tensor.shape, as: UInt8.self) { (out) throws(BackendError) in
        let perByte = 8 / bits
        for index in out.indices { out[index] = 0 }
        for (index, code) in codes.enumerated() {
          let shift = UInt8(index % perByte * bits)
          out[index / perByte] |= (code & UInt8(1 << bits - 1)) << shift
        }
      }
    }
    return try call.make(type, tensor.shape, as: UInt8.self) { (out) throws(BackendError) in
      var start = 0
      while start < source.count {
        let range = start..<min(source.count, start + partCount)
        let middle = try load(source, range, call)
        try store(middle, type, overflow, at: range.lowerBound, into: &out, call)
        start = range.upperBound
      }
    }
  }

  // MARK: Loading

  private static func load(
    _ tensor: RunTensor, _ range: Range<Int>, _ call: Call
  ) throws(BackendError) -> Middle {
    switch tensor.elementType {
    case .float32: return .double(floats(tensor, Float.self, range))
    case .float64: return .double(floats(tensor, Double.self, range))
    case .int8: return .int64(integers(tensor, Int8.self, range))
    case .int16: return .int64(integers(tensor, Int16.self, range))
    case .int32: return .int64(integers(tensor, Int32.self, range))
    case .int64: return .int64(integers(tensor, Int64.self, range))
    case .uint8, .bool: return .int64(integers(tensor, UInt8.self, range))
    case .uint16: return .int64(integers(tensor, UInt16.self, range))
    case .uint32: return .int64(integers(tensor, UInt32.self, range))
    case .uint64:
      let values = tensor.elements(UInt64.self)
      return .uint64(range.map { values[$0] })
    case .uint4, .int4, .uint2, .int2:
      return .int64(packedIntegers(tensor, range))
    case .float8E8M0:
      let values = tensor.bytes
      return .double(
        range.map {
          values[$0] == 0xFF ? .nan : Double(sign: .plus, exponent: Int(values[$0]) - 127, significand: 1)
        })
    case .float16, .bfloat16:
      guard let format = SmallFloat(tensor.elementType) else { break }
      let values = tensor.elements(UInt16.self)
      return .double(range.map { format.decode(values[$0]) })
    case .float4E2M1:
      guard let format = SmallFloat(tensor.elementType) else { break }
      let values = tensor.bytes
      return .double(range.map { format.decode(UInt16(values[$0 / 2] >> UInt8($0 % 2 * 4) & 15)) })
    default:
      guard let format = SmallFloat(tensor.elementType) else { break }
      let values = tensor.bytes
      return .double(range.map { format.decode(UInt16(values[$0])) })
    }
    throw call.unsupported("element type \(tensor.elementType.name)")
  }

  private static func floats<F: BinaryFloatingPoint & BitwiseCopyable>(
    _ tensor: RunTensor, _ type: F.Type, _ range: Range<Int>
  ) -> [Double] {
    let values = tensor.elements(type)
    return range.map { Double(values[$0]) }
  }

  private static func integers<I: FixedWidthInteger & BitwiseCopyable>(
    _ tensor: RunTensor, _ type: I.Type, _ range: Range<Int>
  ) -> [Int64] {
    let values = tensor.elements(type)
    return range.map { Int64(truncatingIfNeeded: values[$0]) }
  }

  private static func packedIntegers(_ tensor: RunTensor, _ range: Range<Int>) -> [Int64] {
    let bits = tensor.elementType == .uint4 || tensor.elementType == .int4 ? 4 : 2
    let isSigned = tensor.elementType == .int4 || tensor.elementType == .int2
    let values = tensor.bytes
    let perByte = 8 / bits
    return range.map { index in
      let code = values[index / perByte] >> UInt8(index % perByte * bits) & UInt8(1 << bits - 1)
      let unused = UInt8(8 - bits)
      return isSigned ? Int64(Int8(bitPattern: code << unused) >> Int8(unused)) : Int64(code)
    }
  }

  // MARK: Storing

  private static func store(
    _ middle: Middle, _ type: ElementType, _ overflow: FloatOverflow, at start: Int,
    into out: inout MutableSpan<UInt8>, _ call: Call
  ) throws(BackendError) {
    switch type {
    case .float32: put(asFloats(middle, Float.self), at: start, into: &out)
    case .float64: put(asFloats(middle, Double.self), at: start, into: &out)
    case .int8: put(asIntegers(middle, Int8.self), at: start, into: &out)
    case .int16: put(asIntegers(middle, Int16.self), at: start, into: &out)
    case .int32: put(asIntegers(middle, Int32.self), at: start, into: &out)
    case .int64: put(asIntegers(middle, Int64.self), at: start, into: &out)
    case .uint8: put(asIntegers(middle, UInt8.self), at: start, into: &out)
    case .uint16: put(asIntegers(middle, UInt16.self), at: start, into: &out)
    case .uint32: put(asIntegers(middle, UInt32.self), at: start, into: &out)
    case .uint64: put(asIntegers(middle, UInt64.self), at: start, into: &out)
    case .bool:
      let values: [UInt8] =
        switch middle {
        case .double(let values): values.map { $0 != 0 ? 1 : 0 }
        case .int64(let values): values.map { $0 != 0 ? 1 : 0 }
        case .uint64(let values): values.map { $0 != 0 ? 1 : 0 }
        }
      put(values, at: start, into: &out)
    case .float16, .bfloat16:
      guard let format = SmallFloat(type) else { return }
      put(asFloats(middle, Double.self).map { format.encode($0, overflow) }, at: start, into: &out)
    case .float8E8M0:
      let up = call.node.text("round_mode", default: "up")
      put(
        asFloats(middle, Double.self).map { exponentCode($0, roundMode: up, overflow) }, at: start, into: &out
      )
    default:
      guard let format = SmallFloat(type) else { throw call.unsupported("element type \(type.name)") }
      let values = asFloats(middle, Double.self).map {
        UInt8(truncatingIfNeeded: format.encode($0, overflow))
      }
      put(values, at: start, into: &out)
    }
  }

  /// The power of two of float8e8m0.
  private static func exponentCode(_ value: Double, roundMode: String, _ overflow: FloatOverflow) -> UInt8 {
    if value.isNaN { return 0xFF }
    let magnitude = abs(value)
    if magnitude == 0 { return 0 }
    if magnitude.isInfinite { return overflow == .saturates ? 0xFE : 0xFF }
    var exponent = Int(magnitude.exponent)
    let significand = magnitude.significand
    switch roundMode {
    case "up": if significand > 1 { exponent += 1 }
    case "nearest": if significand >= 1.5 { exponent += 1 }
    default: break
    }
    if exponent > 127 { return overflow == .saturates ? 0xFE : 0xFF }
    return UInt8(clamping: exponent + 127)
  }

  private static func asFloats<F: BinaryFloatingPoint>(_ middle: Middle, _ type: F.Type) -> [F] {
    switch middle {
    case .double(let values): return values.map { F($0) }
    case .int64(let values): return values.map { F($0) }
    case .uint64(let values): return values.map { F($0) }
    }
  }

  private static func asIntegers<I: FixedWidthInteger>(_ middle: Middle, _ type: I.Type) -> [I] {
    switch middle {
    case .double(let values):
      return values.map { value in
        // Towards zero; what does not fit wraps as far as 64 bits hold it, as processors do.
        if let whole = Int64(exactly: value.rounded(.towardZero)) { return I(truncatingIfNeeded: whole) }
        if let whole = UInt64(exactly: value.rounded(.towardZero)) { return I(truncatingIfNeeded: whole) }
        return I(truncatingIfNeeded: Int64.min)
      }
    case .int64(let values): return values.map { I(truncatingIfNeeded: $0) }
    case .uint64(let values): return values.map { I(truncatingIfNeeded: $0) }
    }
  }

  private static func put<E: BitwiseCopyable>(
    _ values: [E], at start: Int, into out: inout MutableSpan<UInt8>
  ) {
    let width = MemoryLayout<E>.stride
    precondition((start + values.count) * width <= out.count, "within the result")
    // Safe: checked above; elements are plain bits.
    unsafe values.withUnsafeBytes { source in
      unsafe out.withUnsafeMutableBufferPointer { target in
        guard let from = source.baseAddress, let to = target.baseAddress else { return }
        unsafe UnsafeMutableRawPointer(to + start * width).copyMemory(from: from, byteCount: source.count)
      }
    }
  }

  /// Codes of types narrower than a byte, one to a byte.
  private static func narrowCodes(
    _ middle: Middle, _ type: ElementType, _ call: Call
  ) throws(BackendError) -> [UInt8] {
    if let format = SmallFloat(type) {
      return asFloats(middle, Double.self).map { UInt8(truncatingIfNeeded: format.encode($0, .saturates)) }
    }
    switch type {
    case .uint4, .int4, .uint2, .int2: return asIntegers(middle, Int8.self).map(UInt8.init(bitPattern:))
    default: throw call.unsupported("element type \(type.name)")
    }
  }
}
