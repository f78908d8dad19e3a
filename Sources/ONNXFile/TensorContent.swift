import ProtobufWire
public import Tensors

extension TensorContent {
  /// Reads a tensor message.
  ///
  /// Source: onnx.proto, `TensorProto`: which typed field holds which element type.
  public init(_ tensor: TensorProto, external: ExternalDataFiles) throws(ONNXFileError) {
    let name = tensor.name ?? ""
    let path = external.modelPath
    guard let code = tensor.dataType, code != 0 else {
      throw ONNXFileError(.tensor(name: name, problem: "it has no element type"), path: path)
    }
    guard let type = ElementType(rawValue: code) else {
      throw ONNXFileError(
        .tensor(name: name, problem: "element type \(code) is unknown (1 to 28 are known)"), path: path)
    }
    guard let shape = Shape(tensor.dims) else {
      throw ONNXFileError(
        .tensor(name: name, problem: "its shape \(tensor.dims) is negative or too large"), path: path)
    }
    if tensor.segment != nil {
      throw ONNXFileError(
        .tensor(name: name, problem: "it is one segment of a larger tensor, which cannot be quantized"),
        path: path)
    }
    if type == .string {
      guard tensor.stringData.count == shape.elementCount else {
        throw ONNXFileError(
          .tensor(
            name: name,
            problem: "shape \(shape) needs \(shape.elementCount) texts, found \(tensor.stringData.count)"),
          path: path)
      }
      self.init(elementType: type, shape: shape, bytes: .empty)
      return
    }
    guard let expected = type.byteCount(elementCount: shape.elementCount) else {
      throw ONNXFileError(
        .tensor(name: name, problem: "shape \(shape) of \(type.name) is larger than any file"), path: path)
    }
    if tensor.dataLocation == 1 {
      let bytes = try external.bytes(of: tensor, expectedByteCount: expected)
      self.init(elementType: type, shape: shape, bytes: bytes)
      return
    }
    let bytes: TensorBytes
    if let raw = tensor.rawData {
      bytes = raw
    } else if type == .float6E2M3 || type == .float6E3M2 {
      bytes = try Self.sixBitFloats(of: tensor, shape: shape, path: path)
    } else {
      do {
        bytes = try Self.typedBytes(of: tensor, type: type, expectedByteCount: expected)
      } catch {
        throw ONNXFileError(.damaged(error, trail: "tensor '\(name)'"), path: path)
      }
    }
    guard bytes.byteCount == expected else {
      throw ONNXFileError(
        .tensor(
          name: name,
          problem: "shape \(shape) of \(type.name) needs \(expected) bytes, found \(bytes.byteCount)"),
        path: path)
    }
    self.init(elementType: type, shape: shape, bytes: bytes)
  }

  /// The one kind of typed data that is packed otherwise than `raw_data`: six-bit floats, one to a varint.
  private static func sixBitFloats(
    of tensor: TensorProto, shape: Shape, path: String
  ) throws(ONNXFileError)
    -> TensorBytes
  {
    let name = tensor.name ?? ""
    let codes: [UInt8]
    do {
      codes = try unpack(tensor.int32Data, width: 1, limit: shape.elementCount).copied()
    } catch {
      throw ONNXFileError(.damaged(error, trail: "tensor '\(name)'"), path: path)
    }
    guard codes.count == shape.elementCount else {
      throw ONNXFileError(
        .tensor(
          name: name, problem: "shape \(shape) needs \(shape.elementCount) values, found \(codes.count)"),
        path: path)
    }
    // A stream of bits, lowest first, as in raw_data.
    var packed = [UInt8](repeating: 0, count: (codes.count * 6 + 7) / 8)
    for (index, code) in codes.enumerated() {
      let bits = UInt16(code & 0x3F) << UInt16(index * 6 % 8)
      packed[index * 6 / 8] |= UInt8(truncatingIfNeeded: bits)
      if bits > 0xFF { packed[index * 6 / 8 + 1] |= UInt8(bits >> 8) }
    }
    return .owned(packed)
  }

  private static func typedBytes(
    of tensor: TensorProto, type: ElementType, expectedByteCount: Int
  )
    throws(WireError) -> TensorBytes
  {
    switch type {
    case .float32, .complex64: return tensor.floatData
    case .float64, .complex128: return tensor.doubleData
    case .int64: return try unpack(tensor.int64Data, width: 8, limit: expectedByteCount)
    case .uint64: return try unpack(tensor.uint64Data, width: 8, limit: expectedByteCount)
    case .uint32: return try unpack(tensor.uint64Data, width: 4, limit: expectedByteCount)
    case .int32: return try unpack(tensor.int32Data, width: 4, limit: expectedByteCount)
    case .uint16, .int16, .float16, .bfloat16:
      return try unpack(tensor.int32Data, width: 2, limit: expectedByteCount)
    default: return try unpack(tensor.int32Data, width: 1, limit: expectedByteCount)
    }
  }

  /// Varints to little-endian integers of `width` bytes; stops one element past `limit` bytes.
  private static func unpack(_ data: TensorBytes, width: Int, limit: Int) throws(WireError) -> TensorBytes {
    var result: [UInt8] = []
    try data.withBytes { (span) throws(WireError) in
      var reader = WireReader(span)
      while !reader.isAtEnd && result.count <= limit {
        let value = try reader.varint()
        for index in 0..<width { result.append(UInt8(truncatingIfNeeded: value >> UInt64(8 * index))) }
      }
    }
    return .owned(result)
  }
}
