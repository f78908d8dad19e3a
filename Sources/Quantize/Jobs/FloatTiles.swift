import Kernels
import Tensors

/// A worker's buffers, kept from weight to weight so that no tile allocates.
///
/// A buffer is taken out while it is used and put back afterwards.
final class Scratch {
  var floats: [Float] = []
  var bytes: [UInt8] = []
  var halves: [UInt16] = []
  var signed: [Int8] = []

  /// Takes a buffer of at least `count` elements; the caller puts it back.
  func take<Element: ExpressibleByIntegerLiteral>(
    _ buffer: ReferenceWritableKeyPath<Scratch, [Element]>, _ count: Int
  ) -> [Element] {
    var taken: [Element] = []
    swap(&taken, &self[keyPath: buffer])
    if taken.count < count { taken = [Element](repeating: 0, count: count) }
    return taken
  }
}

/// Reads elements of a float tensor as Float, without a copy where the file allows it.
struct FloatTiles {
  let content: TensorContent
  private let width: Int

  init(_ content: TensorContent) {
    self.content = content
    width = (content.elementType.bitWidth ?? 32) / 8
  }

  /// Lends elements `range` (flat order) as floats.
  func withFloats<Result, Failure: Error>(
    _ range: Range<Int>, _ scratch: Scratch, _ body: (Span<Float>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let bytes = (range.lowerBound * width)..<(range.upperBound * width)
    if content.elementType == .float32 {
      var result: Result?
      try content.bytes.withBytes { (span) throws(Failure) in
        // Bytes have no padding, so reading them raw is sound.
        if let aligned = FloatConversion.alignedFloat32(unsafe span.extracting(bytes).bytes) {
          result = try body(aligned)
        }
      }
      if let result { return result }
    }
    var floats = scratch.take(\.floats, range.count)
    defer { scratch.floats = floats }
    convert(range, into: 0..<range.count, &floats)
    return try body(floats.span.extracting(0..<range.count))
  }

  /// Lends the columns `columns` of rows `rows` as a dense matrix.
  func withColumns<Result, Failure: Error>(
    rows: Range<Int>, columns: Range<Int>, columnCount: Int, _ scratch: Scratch,
    _ body: (_ values: Span<Float>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    if columns.count == columnCount {
      return try withFloats((rows.lowerBound * columnCount)..<(rows.upperBound * columnCount), scratch, body)
    }
    var floats = scratch.take(\.floats, rows.count * columns.count)
    defer { scratch.floats = floats }
    for (place, row) in rows.enumerated() {
      let start = row * columnCount + columns.lowerBound
      convert(
        start..<(start + columns.count), into: (place * columns.count)..<((place + 1) * columns.count),
        &floats)
    }
    return try body(floats.span.extracting(0..<(rows.count * columns.count)))
  }

  private func convert(_ range: Range<Int>, into target: Range<Int>, _ buffer: inout [Float]) {
    content.bytes.withBytes { span in
      // Bytes have no padding, so reading them raw is sound.
      let part = unsafe span.extracting((range.lowerBound * width)..<(range.upperBound * width)).bytes
      var all = buffer.mutableSpan
      var output = all._mutatingExtracting(target)
      switch content.elementType {
      case .float16: FloatConversion.float16(part, into: &output)
      case .bfloat16: FloatConversion.bfloat16(part, into: &output)
      case .float64: FloatConversion.float64(part, into: &output)
      default: FloatConversion.float32(part, into: &output)
      }
    }
  }

  /// Gives the pages behind elements `range` back.
  func release(_ range: Range<Int>) {
    content.bytes.release((range.lowerBound * width)..<(range.upperBound * width))
  }
}
