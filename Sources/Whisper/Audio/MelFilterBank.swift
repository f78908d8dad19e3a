#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#elseif canImport(Darwin)
  import Darwin
#endif

/// Triangles that gather the bins of a spectrum into bands of equal width on the mel scale.
///
/// Source: M. Slaney, "Auditory Toolbox", 1998: linear to 1,000 Hz, logarithmic above, and every triangle has
/// the area 1 in Hz. Whisper keeps the same numbers in a file, made by librosa.
package struct MelFilterBank: Sendable {
  /// One band: its weights for the bins from `firstBin` on, which are not zero.
  package struct Band: Sendable {
    package let firstBin: Int
    package let weights: [Double]
  }

  package let bands: [Band]

  /// Bands from 0 to 8,000 Hz for bins that are 40 Hz apart.
  package init(bandCount: Int) {
    let binCount = FrameSpectra.binCount
    let binWidth = Double(AudioClip.sampleRate) / Double(FrameSpectra.length)
    let highest = Self.mel(Double(AudioClip.sampleRate) / 2)
    let edges = (0..<(bandCount + 2)).map { Self.frequency(highest * Double($0) / Double(bandCount + 1)) }
    bands = (0..<bandCount).map { band in
      let (low, middle, high) = (edges[band], edges[band + 1], edges[band + 2])
      let weights = (0..<binCount).map { bin in
        let frequency = Double(bin) * binWidth
        let height = min((frequency - low) / (middle - low), (high - frequency) / (high - middle))
        return max(0, height) * 2 / (high - low)
      }
      let first = weights.firstIndex { $0 > 0 } ?? 0
      let end = (weights.lastIndex { $0 > 0 } ?? -1) + 1
      return Band(firstBin: first, weights: Array(weights[first..<max(first, end)]))
    }
  }

  private static let linearWidth = 200.0 / 3
  private static let breakFrequency = 1000.0
  private static let breakMel = breakFrequency / linearWidth
  private static let logarithmicStep = log(6.4) / 27

  private static func mel(_ frequency: Double) -> Double {
    frequency < breakFrequency
      ? frequency / linearWidth : breakMel + log(frequency / breakFrequency) / logarithmicStep
  }

  private static func frequency(_ mel: Double) -> Double {
    mel < breakMel ? mel * linearWidth : breakFrequency * exp(logarithmicStep * (mel - breakMel))
  }
}
