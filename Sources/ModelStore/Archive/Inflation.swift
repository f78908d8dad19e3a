import CZlib

/// Undoes raw deflate compression piece by piece with zlib.
@safe final class Inflation {
  enum Outcome { case needsInput, needsRoom, ended, damaged }

  private let stream: UnsafeMutablePointer<z_stream>
  private var isOpen = false

  init?() {
    // Allocated here, zeroed as zlib wants it, freed once in deinit; it does not move, as zlib demands.
    unsafe stream = .allocate(capacity: 1)
    unsafe stream.initialize(to: z_stream())
    // Negative: a raw stream with the largest window.
    let code = unsafe inflateInit2_(stream, -15, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    if code != Z_OK { return nil }
    isOpen = true
  }

  deinit {
    if isOpen { unsafe inflateEnd(stream) }
    unsafe stream.deallocate()
  }

  /// Begins a new stream.
  func reset() { unsafe inflateReset(stream) }

  /// Takes from `input` and fills `output` from its beginning. Returns how many bytes each took, and why it ended.
  func step(_ input: RawSpan, into output: inout [UInt8]) -> (taken: Int, made: Int, outcome: Outcome) {
    let inputCount = min(input.byteCount, Int(UInt32.max))
    let room = min(output.count, Int(UInt32.max))
    // Both pointers live for the call only, cover the counts that are given, and zlib keeps neither.
    let code = unsafe input.withUnsafeBytes { source in
      unsafe output.withUnsafeMutableBytes { target in
        unsafe stream.pointee.next_in = UnsafeMutablePointer(
          mutating: source.baseAddress?.assumingMemoryBound(to: Bytef.self))
        unsafe stream.pointee.avail_in = UInt32(inputCount)
        unsafe stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: Bytef.self)
        unsafe stream.pointee.avail_out = UInt32(room)
        return unsafe inflate(stream, Z_NO_FLUSH)
      }
    }
    let taken = inputCount - Int(unsafe stream.pointee.avail_in)
    let made = room - Int(unsafe stream.pointee.avail_out)
    switch code {
    case Z_STREAM_END: return (taken, made, .ended)
    case Z_OK, Z_BUF_ERROR: return (taken, made, made == room ? .needsRoom : .needsInput)
    default: return (taken, made, .damaged)
    }
  }
}
