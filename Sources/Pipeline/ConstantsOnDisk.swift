import ByteIO
import Kernels
import ONNXGraph
import Tensors

/// Keeps changed weights in a nameless file beside the output, which is mapped and gone with the process: an fp16
/// large-v3 becomes 2.5 GB, and its equalized layers 0.8 GB, that no memory has to hold. A few MiB stay in memory.
struct ConstantsOnDisk: WidenedConstantKeeper {
  /// The model that will be written; "" for none, which means the system's folder for temporary files.
  let outputPath: String
  /// Up to this many float32 bytes stay in memory.
  var memoryByteCount = 32 << 20

  private static let tileElementCount = 1 << 18
  /// What processors load at once.
  private static let alignment = 64

  func widen(_ contents: [TensorContent], path: String) throws(PassError) -> [TensorContent] {
    try keep(contents, path: path) ?? contents.map(inMemory)
  }

  /// Moves the large float32 weights that a model holds in memory to the disk.
  func moveWeights(of graph: inout ModelGraph) throws(PassError) {
    let values = graph.allInitializers.filter { value in
      guard let content = graph[value].initializer?.content, content.elementType == .float32 else {
        return false
      }
      if case .mapped = content.bytes { return false }
      return content.bytes.byteCount > 1 << 20
    }
    let contents = values.compactMap { graph[$0].initializer?.content }
    guard let kept = try keep(contents, path: graph.path) else { return }
    for (value, content) in zip(values, kept) { graph.setContent(content, of: value) }
  }

  /// The same numbers as float32 in a file; nil when they are few.
  private func keep(_ contents: [TensorContent], path: String) throws(PassError) -> [TensorContent]? {
    var starts: [Int] = []
    var byteCount = 0
    for content in contents {
      starts.append(byteCount)
      let size = content.shape.elementCount * 4
      byteCount += (size + Self.alignment - 1) / Self.alignment * Self.alignment
    }
    if byteCount <= memoryByteCount { return nil }
    let room =
      outputPath.isEmpty ? joined(environmentVariable("TMPDIR") ?? "/tmp", "whisperq-weights") : outputPath
    do throws(ByteIOError) {
      let file = try OutputFile(path: room, byteCount: byteCount)
      defer { file.discard() }
      var tile = [Float](repeating: 0, count: Self.tileElementCount)
      for (content, start) in zip(contents, starts) { try write(content, to: file, at: start, &tile) }
      let mapped = try file.mapped()
      return zip(contents, starts).map { content, start in
        let range = start..<(start + content.shape.elementCount * 4)
        return TensorContent(elementType: .float32, shape: content.shape, bytes: .mapped(mapped, range))
      }
    } catch {
      throw PassError(.room(error.message), path: path)
    }
  }

  private func write(
    _ content: TensorContent, to file: OutputFile, at start: Int, _ tile: inout [Float]
  ) throws(ByteIOError) {
    if content.elementType == .float32 {
      var failure: ByteIOError?
      content.bytes.withBytes { bytes in
        // Bytes have no padding, so reading them raw is sound.
        let raw = unsafe bytes.bytes
        do throws(ByteIOError) { try file.write(raw, at: start) } catch { failure = error }
      }
      if let failure { throw failure }
      return
    }
    let count = content.shape.elementCount
    var done = 0
    while done < count {
      let part = done..<min(done + tile.count, count)
      content.bytes.withBytes { bytes in
        var all = tile.mutableSpan
        var target = all._mutatingExtracting(0..<part.count)
        let halves = bytes.extracting((part.lowerBound * 2)..<(part.upperBound * 2))
        Self.widen(content.elementType, halves, &target)
      }
      // Floats have no padding, so reading them raw is sound.
      let raw = unsafe tile.span.extracting(0..<part.count).bytes
      try file.write(raw, at: start + part.lowerBound * 4)
      content.bytes.release((part.lowerBound * 2)..<(part.upperBound * 2))
      done = part.upperBound
    }
  }

  private func inMemory(_ content: TensorContent) -> TensorContent {
    var floats = [Float](repeating: 0, count: content.shape.elementCount)
    content.bytes.withBytes { bytes in
      var target = floats.mutableSpan
      Self.widen(content.elementType, bytes, &target)
    }
    // Floats have no padding, every machine that runs this is little-endian, and the array is a copy.
    let raw = unsafe floats.withUnsafeBytes { unsafe [UInt8]($0) }
    return TensorContent(elementType: .float32, shape: content.shape, bytes: .owned(raw))
  }

  private static func widen(_ type: ElementType, _ bytes: Span<UInt8>, _ target: inout MutableSpan<Float>) {
    // Bytes have no padding, so reading them raw is sound.
    let raw = unsafe bytes.bytes
    if type == .bfloat16 {
      FloatConversion.bfloat16(raw, into: &target)
    } else {
      FloatConversion.float16(raw, into: &target)
    }
  }
}
