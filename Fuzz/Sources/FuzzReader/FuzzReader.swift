/// What libFuzzer calls for each input. An input that is no model is a success: only a crash, a hang or too much
/// memory is a failure.
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ byteCount: Int) -> CInt {
  // Proof: libFuzzer hands over `byteCount` readable bytes at `start` for the time of the call (`start` may be
  // nil for no bytes), and the array is a copy.
  let bytes = unsafe [UInt8](UnsafeBufferPointer(start: start, count: byteCount))
  exerciseReader(bytes)
  return 0
}
