public import ByteIO

/// Names bytes that do not exist yet: a kernel makes them while the output file is written.
public struct PayloadID: Hashable, Sendable {
  public let number: Int

  public init(_ number: Int) { self.number = number }
}

/// Where a tensor's bytes are (little-endian, packed as in `raw_data`); copying it copies no weights.
public enum TensorBytes: Sendable {
  /// A byte range of a mapped file.
  case mapped(MappedFile, Range<Int>)
  /// Bytes in memory, for small constants.
  case owned([UInt8])
  /// Memory that a run filled, shared without a copy.
  case buffer(TensorBuffer)
  /// Bytes that are made when the output is written.
  case promised(PayloadID, byteCount: Int)

  public static let empty = TensorBytes.owned([])

  public var byteCount: Int {
    switch self {
    case .mapped(_, let range): return range.count
    case .owned(let bytes): return bytes.count
    case .buffer(let buffer): return buffer.byteCount
    case .promised(_, let byteCount): return byteCount
    }
  }

  /// Lends the bytes to `body`; promised bytes are an empty span, for nobody can read them yet.
  public func withBytes<Result, Failure: Error>(
    _ body: (Span<UInt8>) throws(Failure) -> Result
  )
    throws(Failure) -> Result
  {
    switch self {
    case .mapped(let file, let range):
      return try body(file.bytes.extracting(range))
    case .owned(let bytes):
      return try body(bytes.span)
    case .buffer(let buffer):
      return try body(buffer.bytes)
    case .promised:
      let nothing: [UInt8] = []
      return try body(nothing.span)
    }
  }

  /// A copy of the bytes; use it for small tensors only.
  public func copied() -> [UInt8] {
    if case .owned(let bytes) = self { return bytes }
    return withBytes { span in
      // The buffer lives for the call only; the array is a copy.
      unsafe span.withUnsafeBufferPointer { unsafe [UInt8]($0) }
    }
  }

  /// Gives the pages behind a part of mapped bytes back to the system.
  public func release(_ part: Range<Int>? = nil) {
    guard case .mapped(let file, let range) = self else { return }
    guard let part else { return file.release(range) }
    file.release((range.lowerBound + part.lowerBound)..<(range.lowerBound + part.upperBound))
  }
}
