import COnnxRuntime
import ModelBackend
import Tensors

/// Shows the bytes of feeds to the runtime without copying them.
@safe struct FeedValues {
  let api: RuntimeAPI
  let memoryInfo: Handle

  /// Makes a value of each content and hands them all to `body`; the values are good inside `body` only.
  func lend<Result>(
    _ contents: ArraySlice<TensorContent>, after values: [Handle] = [],
    _ body: ([Handle]) throws(BackendError) -> Result
  ) throws(BackendError) -> Result {
    guard let content = contents.first else { return try body(values) }
    return try content.bytes.withBytes { (bytes: Span<UInt8>) throws(BackendError) -> Result in
      try unsafe bytes.withUnsafeBufferPointer { (buffer) throws(BackendError) -> Result in
        let width = max(1, (content.elementType.bitWidth ?? 8) / 8)
        let isAligned = unsafe buffer.baseAddress.map { Int(bitPattern: $0) % width == 0 } ?? true
        guard isAligned else {
          // A tensor in a file may begin anywhere; kernels want whole elements at whole addresses.
          let aligned = TensorContent(
            elementType: content.elementType, shape: content.shape,
            bytes: .buffer(
              TensorBuffer(byteCount: buffer.count) { span in
                for index in 0..<span.count { span[index] = unsafe buffer[index] }
              }))
          return try lend([aligned] + contents.dropFirst(), after: values, body)
        }
        // Safe: the bytes are lent until this closure ends, and everything that uses the value happens inside.
        let value = try unsafe value(content, buffer)
        return try lend(contents.dropFirst(), after: values + [value], body)
      }
    }
  }

  @unsafe private func value(
    _ content: TensorContent, _ bytes: UnsafeBufferPointer<UInt8>
  ) throws(BackendError) -> Handle {
    let dimensions = content.shape.dimensions.map { Int64($0) }
    // A tensor without elements needs an address all the same; nobody reads there.
    let address = unsafe bytes.baseAddress ?? FeedValues.nowhere
    return try unsafe Handle(api, cort_release_value, "making an input of shape \(content.shape)") { result in
      unsafe cort_create_tensor(
        api.table, memoryInfo.pointer, address, bytes.count, dimensions, dimensions.count,
        content.elementType.rawValue, &result)
    }
  }

  private nonisolated(unsafe) static let nowhere: UnsafePointer<UInt8> = {
    let memory = UnsafeMutablePointer<UInt8>.allocate(capacity: 64)
    unsafe memory.initialize(repeating: 0, count: 64)
    return unsafe UnsafePointer(memory)
  }()
}
