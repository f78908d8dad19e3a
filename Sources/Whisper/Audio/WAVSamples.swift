import ByteIO

/// Turns the samples of a WAV file into mono at Whisper's rate, a stretch at a time.
struct WAVSamples {
  /// Frames that are in work at a time.
  private static let blockFrameCount = 1 << 16

  private let file: MappedFile
  private let header: WAVHeader

  init(_ file: MappedFile, _ header: WAVHeader) {
    self.file = file
    self.header = header
  }

  /// All of it.
  func monoSamples() throws(AudioError) -> [Float] {
    guard header.frameCount / header.rate < AudioFile.longestSeconds else {
      throw AudioError(.tooLong, path: file.path)
    }
    var result: [Float] = []
    var resampler = Resampler(from: header.rate, to: AudioClip.sampleRate)
    result.reserveCapacity(resampler.outputCount(inputCount: header.frameCount))
    var block = [Float](repeating: 0, count: min(Self.blockFrameCount, header.frameCount))
    var start = 0
    while start < header.frameCount {
      let count = min(block.count, header.frameCount - start)
      let lower = header.dataRange.lowerBound + start * header.frameByteCount
      let bytes = lower..<(lower + count * header.frameByteCount)
      var mono = block.mutableSpan
      mix(file.bytes.extracting(bytes), into: &mono)
      if let bad = block[..<count].firstIndex(where: { !($0.magnitude <= AudioFile.largestMagnitude) }) {
        throw AudioError(
          .notFinite(
            byteOffset: lower + bad * header.frameByteCount,
            seconds: Double(start + bad) / Double(header.rate)), path: file.path)
      }
      resampler.append(block.span.extracting(0..<count), to: &result)
      file.release(bytes)
      start += count
    }
    resampler.finish(to: &result)
    return result
  }

  /// The mean of the channels of each frame.
  private func mix(_ bytes: Span<UInt8>, into mono: inout MutableSpan<Float>) {
    switch header.encoding {
    case .integer(1):
      mix(bytes, 1, into: &mono) { raw, offset in
        (Float(unsafe raw.unsafeLoad(fromByteOffset: offset, as: UInt8.self)) - 128) * 0x1p-7
      }
    case .integer(2):
      mix(bytes, 2, into: &mono) { raw, offset in
        Float(Int16(littleEndian: unsafe raw.unsafeLoadUnaligned(fromByteOffset: offset, as: Int16.self)))
          * 0x1p-15
      }
    case .integer(3):
      mix(bytes, 3, into: &mono) { raw, offset in
        let low = UInt16(
          littleEndian: unsafe raw.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt16.self))
        let high = unsafe raw.unsafeLoad(fromByteOffset: offset + 2, as: Int8.self)
        return Float(Int32(high) << 16 | Int32(low)) * 0x1p-23
      }
    case .integer:
      mix(bytes, 4, into: &mono) { raw, offset in
        Float(Int32(littleEndian: unsafe raw.unsafeLoadUnaligned(fromByteOffset: offset, as: Int32.self)))
          * 0x1p-31
      }
    case .float(8):
      mix(bytes, 8, into: &mono) { raw, offset in
        let bits = UInt64(
          littleEndian: unsafe raw.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt64.self))
        return Float(Double(bitPattern: bits))
      }
    case .float:
      mix(bytes, 4, into: &mono) { raw, offset in
        let bits = UInt32(
          littleEndian: unsafe raw.unsafeLoadUnaligned(fromByteOffset: offset, as: UInt32.self))
        return Float(bitPattern: bits)
      }
    case .foreign: preconditionFailure("decoded by another program")
    }
  }

  /// Calls `load` with the offset of every sample.
  ///
  /// Proof for the loads: `RawSpan` checks that offset and width lie within its bytes, every bit pattern of
  /// the loaded types is a value, and the unaligned loads ask for no alignment.
  @inline(__always)
  private func mix(
    _ bytes: Span<UInt8>, _ width: Int, into mono: inout MutableSpan<Float>, _ load: (RawSpan, Int) -> Float
  ) {
    // Bytes are initialized memory without pointers in them.
    let raw = unsafe bytes.bytes
    let channelCount = header.channelCount
    let frameCount = bytes.count / header.frameByteCount
    if channelCount == 1 {
      for frame in 0..<frameCount { mono[frame] = load(raw, frame * width) }
      return
    }
    let share = 1 / Float(channelCount)
    for frame in 0..<frameCount {
      var sum: Float = 0
      for channel in 0..<channelCount { sum += load(raw, (frame * channelCount + channel) * width) }
      mono[frame] = sum * share
    }
  }
}
