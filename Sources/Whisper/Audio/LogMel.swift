public import Tensors

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Whisper's input: the logarithm of the power in mel bands, 100 frames per second.
///
/// Frames of 400 samples every 160, in a periodic Hann window and centred, so that the signal is reflected at
/// both ends; log10 of at least 1e−10; at most 8 below the largest value of the window; then (x + 4) / 4. The
/// arithmetic is in double precision. Source: `whisper/audio.py` of the paper's code.
public struct LogMel: Sendable {
  /// Numbers of bands that can be asked for; Whisper has 80, since large-v3 128.
  public static let melCounts = 1...256
  /// Frames of 30 s, which every Whisper encoder takes.
  public static let windowFrameCount = 3000
  /// Samples from one frame to the next.
  public static let samplesPerFrame = FrameSpectra.hop
  /// log10 of the smallest power.
  static let silence: Float = -10
  /// Decades below the largest value that are kept.
  static let range: Float = 8

  public let melCount: Int
  private let bank: MelFilterBank

  /// Filters for `melCount` bands; a number that no model has is an error, for it comes from a model.
  public init(melCount: Int) throws(AudioError) {
    guard Self.melCounts.contains(melCount) else { throw AudioError(.melCount(melCount), path: "") }
    self.melCount = melCount
    bank = MelFilterBank(bandCount: melCount)
  }

  /// Features of a clip of its own: float32 [1, melCount, frameCount].
  ///
  /// Audio shorter than `frameCount` · 160 samples is followed by silence; what is longer is cut.
  /// `frameCount` is at least 2, and samples are finite.
  public func features(
    of samples: Span<Float>, frameCount: Int = LogMel.windowFrameCount
  ) -> TensorContent {
    precondition(frameCount >= 2, "more samples than are reflected")
    let length = frameCount * Self.samplesPerFrame
    let signal = Signal(samples.extracting(0..<min(samples.count, length)), length: length)
    return Self.tensor(melCount, frameCount) { values in
      let peak = logPowers(of: signal, frameCount: frameCount, into: &values)
      Self.normalize(&values, peak: peak)
    }
  }

  /// Features of the window that begins at `sampleOffset`, as if it had been cut out and were a clip of its
  /// own.
  ///
  /// Nothing but silence is left beyond the end of the samples.
  public func features(
    of samples: Span<Float>, at sampleOffset: Int, frameCount: Int = LogMel.windowFrameCount
  ) -> TensorContent {
    precondition(sampleOffset >= 0, "a window does not begin before the samples")
    return features(of: samples.extracting(min(sampleOffset, samples.count)...), frameCount: frameCount)
  }

  /// All frames of a recording of any length, from which windows are cut later; see `MelRecording`.
  public func recording(of samples: Span<Float>) -> MelRecording {
    // Frames that see a sample, and one after that.
    let frameCount = (samples.count + FrameSpectra.length / 2) / Self.samplesPerFrame + 2
    // Silence follows, so nothing is reflected at the end.
    let signal = Signal(samples, length: frameCount * Self.samplesPerFrame + FrameSpectra.length)
    var peak = Self.silence
    let content = Self.tensor(melCount, frameCount) { values in
      peak = logPowers(of: signal, frameCount: frameCount, into: &values)
    }
    return MelRecording(melCount: melCount, sampleCount: samples.count, logPowers: content, peak: peak)
  }

  // MARK: Steps

  /// Makes a tensor [1, melCount, frameCount] and lets `fill` write it.
  static func tensor(
    _ melCount: Int, _ frameCount: Int, _ fill: (inout MutableSpan<Float>) -> Void
  ) -> TensorContent {
    let buffer = TensorBuffer(byteCount: melCount * frameCount * MemoryLayout<Float>.stride) { bytes in
      unsafe bytes.withUnsafeMutableBytes { raw in
        // The buffer is aligned to 64 bytes and was set to zeros; zeros are floats, and nobody else knows it
        // yet.
        let floats = unsafe raw.assumingMemoryBound(to: Float.self)
        var values = unsafe MutableSpan(_unsafeElements: floats)
        fill(&values)
      }
    }
    guard let shape = Shape([1, melCount, frameCount]) else {
      preconditionFailure("extents are not negative")
    }
    return TensorContent(elementType: .float32, shape: shape, bytes: .buffer(buffer))
  }

  /// Cuts below the peak and brings the values to about −1...1.
  static func normalize(_ values: inout MutableSpan<Float>, peak: Float) {
    let floor = peak - range
    for index in values.indices { values[index] = (max(values[index], floor) + 4) / 4 }
  }

  /// Writes log10 of the powers as [melCount, frameCount] and returns the largest.
  private func logPowers(of signal: Signal, frameCount: Int, into values: inout MutableSpan<Float>) -> Float {
    var spectra = FrameSpectra()
    var samples = [Double](repeating: 0, count: FrameSpectra.sampleCount)
    var peak = Self.silence
    var first = 0
    // Frames of nothing but zeros are known: they stay at the floor.
    let end = min(frameCount, signal.endOfSound(frameCount: frameCount))
    while first < end {
      signal.copy(from: first * Self.samplesPerFrame - FrameSpectra.length / 2, into: &samples)
      spectra.transform(samples.span)
      let count = min(FrameSpectra.frameCount, frameCount - first)
      for (index, band) in bank.bands.enumerated() {
        let (low, high) = band.sums(spectra)
        let start = index * frameCount + first
        for frame in 0..<count {
          let power = frame < 4 ? low[frame] : high[frame - 4]
          let value = Float(log10(max(power, 1e-10)))
          values[start + frame] = value
          peak = max(peak, value)
        }
      }
      first += FrameSpectra.frameCount
    }
    for band in 0..<melCount {
      for frame in min(first, frameCount)..<frameCount { values[band * frameCount + frame] = Self.silence }
    }
    return peak
  }
}

extension MelFilterBank.Band {
  /// The weighted sums of the powers of eight frames.
  fileprivate func sums(_ spectra: FrameSpectra) -> (FrameSpectra.Lanes, FrameSpectra.Lanes) {
    var (low, high) = (FrameSpectra.Lanes.zero, FrameSpectra.Lanes.zero)
    for index in weights.indices {
      low += spectra.lowPowers[firstBin + index] * weights[index]
      high += spectra.highPowers[firstBin + index] * weights[index]
    }
    return (low, high)
  }
}

/// Samples with silence after them to a given length, and their mirror images before and after that.
private struct Signal: ~Escapable {
  private let samples: Span<Float>
  private let length: Int

  /// At most `length` samples.
  @_lifetime(copy samples)
  init(_ samples: Span<Float>, length: Int) {
    self.samples = samples
    self.length = length
  }

  /// The first frame from which on all are zeros.
  func endOfSound(frameCount: Int) -> Int {
    let half = FrameSpectra.length / 2
    // A sample near the end of the length is seen again in the mirror.
    if samples.count + half >= length { return frameCount }
    return samples.isEmpty ? 0 : (samples.count - 1 + half) / FrameSpectra.hop + 1
  }

  /// Copies a stretch that may begin and end outside; beyond the mirror images there are zeros.
  func copy(from start: Int, into target: inout [Double]) {
    if start >= 0, start + target.count <= samples.count {
      for index in target.indices { target[index] = Double(samples[start + index]) }
      return
    }
    for index in target.indices {
      var place = abs(start + index)
      if place >= length { place = 2 * length - 2 - place }
      target[index] = samples.indices.contains(place) ? Double(samples[place]) : 0
    }
  }
}
