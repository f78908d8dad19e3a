/// The type of a tensor's elements, with the numbers of ONNX's `TensorProto.DataType`.
///
/// Source: onnx.proto, IR versions 1 to 14.
public enum ElementType: Int32, CaseIterable, Sendable, Codable {
  case float32 = 1
  case uint8 = 2
  case int8 = 3
  case uint16 = 4
  case int16 = 5
  case int32 = 6
  case int64 = 7
  case string = 8
  case bool = 9
  case float16 = 10
  case float64 = 11
  case uint32 = 12
  case uint64 = 13
  case complex64 = 14
  case complex128 = 15
  case bfloat16 = 16
  case float8E4M3FN = 17
  case float8E4M3FNUZ = 18
  case float8E5M2 = 19
  case float8E5M2FNUZ = 20
  case uint4 = 21
  case int4 = 22
  case float4E2M1 = 23
  case float8E8M0 = 24
  case uint2 = 25
  case int2 = 26
  case float6E2M3 = 27
  case float6E3M2 = 28

  /// Bits of one element in `raw_data`; nil for text, which has no fixed width.
  public var bitWidth: Int? {
    switch self {
    case .string: return nil
    case .uint2, .int2: return 2
    case .uint4, .int4, .float4E2M1: return 4
    case .float6E2M3, .float6E3M2: return 6
    case .uint8, .int8, .bool, .float8E4M3FN, .float8E4M3FNUZ, .float8E5M2, .float8E5M2FNUZ, .float8E8M0:
      return 8
    case .uint16, .int16, .float16, .bfloat16: return 16
    case .float32, .int32, .uint32: return 32
    case .float64, .int64, .uint64, .complex64: return 64
    case .complex128: return 128
    }
  }

  /// The name that ONNX's own documentation uses in type strings, such as `tensor(float16)`.
  public var name: String {
    switch self {
    case .float32: return "float"
    case .uint8: return "uint8"
    case .int8: return "int8"
    case .uint16: return "uint16"
    case .int16: return "int16"
    case .int32: return "int32"
    case .int64: return "int64"
    case .string: return "string"
    case .bool: return "bool"
    case .float16: return "float16"
    case .float64: return "double"
    case .uint32: return "uint32"
    case .uint64: return "uint64"
    case .complex64: return "complex64"
    case .complex128: return "complex128"
    case .bfloat16: return "bfloat16"
    case .float8E4M3FN: return "float8e4m3fn"
    case .float8E4M3FNUZ: return "float8e4m3fnuz"
    case .float8E5M2: return "float8e5m2"
    case .float8E5M2FNUZ: return "float8e5m2fnuz"
    case .uint4: return "uint4"
    case .int4: return "int4"
    case .float4E2M1: return "float4e2m1"
    case .float8E8M0: return "float8e8m0"
    case .uint2: return "uint2"
    case .int2: return "int2"
    case .float6E2M3: return "float6e2m3"
    case .float6E3M2: return "float6e3m2"
    }
  }

  /// Bytes that `elementCount` elements take in `raw_data`, or nil for text and on overflow.
  ///
  /// Elements below a byte are packed; the last byte is padded.
  public func byteCount(elementCount: Int) -> Int? {
    guard let bitWidth, elementCount >= 0 else { return nil }
    if bitWidth >= 8 {
      let (bytes, overflow) = elementCount.multipliedReportingOverflow(by: bitWidth / 8)
      return overflow ? nil : bytes
    }
    let (bits, overflow) = elementCount.multipliedReportingOverflow(by: bitWidth)
    if overflow || bits > Int.max - 7 { return nil }
    return (bits + 7) / 8
  }
}
