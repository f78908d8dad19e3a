import ONNXFile
import Testing

@Suite("Tensors that contradict themselves are refused with a sentence")
struct MalformedTensorTests {
  private func sentence(
    _ dimensions: [Int64], type: Int64, _ more: [UInt8] = [],
    _ sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    try tensorRefusal(WireBytes.tensor(dimensions, type: type, more), sourceLocation: sourceLocation)
  }

  private func raw(_ count: Int) -> [UInt8] { WireBytes.bytes(9, [UInt8](repeating: 0, count: count)) }

  @Test("too few bytes")
  func tooFewBytes() throws {
    #expect(
      try sentence([2, 3], type: 1, raw(23))
        == "model.onnx: tensor 'w': shape [2, 3] of float needs 24 bytes, found 23")
  }

  @Test("too many bytes")
  func tooManyBytes() throws {
    #expect(
      try sentence([2, 3], type: 10, raw(13))
        == "model.onnx: tensor 'w': shape [2, 3] of float16 needs 12 bytes, found 13")
  }

  @Test("bytes for an odd number of four-bit integers")
  func halfBytes() throws {
    #expect(
      try sentence([3], type: 22, raw(1))
        == "model.onnx: tensor 'w': shape [3] of int4 needs 2 bytes, found 1")
  }

  @Test("no bytes at all")
  func noBytes() throws {
    #expect(try sentence([1], type: 7) == "model.onnx: tensor 'w': shape [1] of int64 needs 8 bytes, found 0")
  }

  @Test("bytes for an empty tensor")
  func bytesForNothing() throws {
    #expect(
      try sentence([0, 4], type: 1, raw(4))
        == "model.onnx: tensor 'w': shape [0, 4] of float needs 0 bytes, found 4")
  }

  @Test("a negative dimension")
  func negativeDimension() throws {
    #expect(
      try sentence([2, -1], type: 1, raw(8))
        == "model.onnx: tensor 'w': its shape [2, -1] is negative or too large")
  }

  @Test("more elements than 63 bits count")
  func elementOverflow() throws {
    #expect(
      try sentence([1 << 32, 1 << 32], type: 2, raw(8))
        == "model.onnx: tensor 'w': its shape [4294967296, 4294967296] is negative or too large")
  }

  @Test("more elements than 63 bits count, hidden behind a zero")
  func elementOverflowWithZero() throws {
    #expect(
      try sentence([0, 1 << 62, 4], type: 2)
        == "model.onnx: tensor 'w': its shape [0, 4611686018427387904, 4] is negative or too large")
  }

  @Test("more bytes than 63 bits count")
  func byteOverflow() throws {
    #expect(
      try sentence([1 << 62], type: 1, raw(8))
        == "model.onnx: tensor 'w': shape [4611686018427387904] of float is larger than any file")
  }

  @Test("more bits than 63 bits count")
  func bitOverflow() throws {
    #expect(
      try sentence([1 << 62], type: 22, raw(8))
        == "model.onnx: tensor 'w': shape [4611686018427387904] of int4 is larger than any file")
  }

  @Test("an element type that does not exist", arguments: [29, 99, -1] as [Int64])
  func unknownElementType(code: Int64) throws {
    #expect(
      try sentence([1], type: code, raw(4))
        == "model.onnx: tensor 'w': element type \(code) is unknown (1 to 28 are known)")
  }

  @Test("no element type")
  func noElementType() throws {
    #expect(try tensorRefusal(WireBytes.text(8, "w")) == "model.onnx: tensor 'w': it has no element type")
    #expect(try sentence([1], type: 0) == "model.onnx: tensor 'w': it has no element type")
  }

  @Test("a segment of a tensor")
  func segment() throws {
    let segment = WireBytes.bytes(3, WireBytes.int(1, 0) + WireBytes.int(2, 1))
    #expect(
      try sentence([1], type: 1, segment + raw(4))
        == "model.onnx: tensor 'w': it is one segment of a larger tensor, which cannot be quantized")
  }

  @Test("too few texts")
  func tooFewTexts() throws {
    #expect(
      try sentence([2], type: 8, WireBytes.text(6, "a"))
        == "model.onnx: tensor 'w': shape [2] needs 2 texts, found 1")
  }

  @Test("too few floats")
  func tooFewFloats() throws {
    #expect(
      try sentence([2], type: 1, WireBytes.bytes(4, [0, 0, 0, 0]))
        == "model.onnx: tensor 'w': shape [2] of float needs 8 bytes, found 4")
  }

  @Test("too many floats")
  func tooManyFloats() throws {
    #expect(
      try sentence([], type: 1, WireBytes.bytes(4, [UInt8](repeating: 0, count: 8)))
        == "model.onnx: tensor 'w': shape [] of float needs 4 bytes, found 8")
  }

  @Test("too few integers")
  func tooFewIntegers() throws {
    #expect(
      try sentence([3], type: 7, WireBytes.bytes(7, [1, 2]))
        == "model.onnx: tensor 'w': shape [3] of int64 needs 24 bytes, found 16")
  }

  @Test("too many integers")
  func tooManyIntegers() throws {
    #expect(
      try sentence([1], type: 6, WireBytes.bytes(5, [1, 2]))
        == "model.onnx: tensor 'w': shape [1] of int32 needs 4 bytes, found 8")
  }

  @Test("too few six-bit floats, although they fill the bytes")
  func tooFewSixBitFloats() throws {
    #expect(
      try sentence([4], type: 27, WireBytes.bytes(5, [1, 2, 3]))
        == "model.onnx: tensor 'w': shape [4] needs 4 values, found 3")
  }

  @Test("integers in the field of another type")
  func wrongField() throws {
    #expect(
      try sentence([1], type: 7, WireBytes.bytes(5, [1]))
        == "model.onnx: tensor 'w': shape [1] of int64 needs 8 bytes, found 0")
  }
}
