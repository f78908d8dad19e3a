import Foundation
import Tensors
import TestSupport
import Testing
import Whisper

@Suite("Log-mel features")
struct AudioMelTests {
  /// Uniform noise, which takes less time than a normal one.
  private static func noise(_ random: inout SplitMix64, _ count: Int, _ amplitude: Float) -> [Float] {
    (0..<count).map { _ in Float(Int32(truncatingIfNeeded: random.next())) * 0x1p-31 * amplitude }
  }

  /// Signals that are about as long as a window, where the mirror at its end counts.
  private static func longSignals(_ random: inout SplitMix64) -> [(name: String, samples: [Float])] {
    let samples = noise(&random, 480_500, 0.1)
    return [479_799, 479_999, 480_000, 480_500].map { ("\($0)", Array(samples.prefix($0))) }
  }

  /// Signals that are hard in one way each.
  private static func signals(_ random: inout SplitMix64) -> [(name: String, samples: [Float])] {
    func tone(_ frequency: Double, _ count: Int, _ amplitude: Double = 0.5) -> [Float] {
      (0..<count).map { Float(amplitude * sin(2 * Double.pi * frequency * Double($0) / 16_000)) }
    }
    var impulse = [Float](repeating: 0, count: 5000)
    impulse[0] = 1
    impulse[3333] = -0.5
    let sweep = (0..<40_000).map { index in
      let time = Double(index) / 16_000
      return Float(0.9 * sin(2 * Double.pi * 1600 * time * time))
    }
    return [
      ("nothing", []), ("one", [0.7]), ("silence", [Float](repeating: 0, count: 20_000)),
      ("impulse", impulse),
      ("tone", tone(440, 30_000)), ("high tone", tone(7990, 12_345)), ("quiet tone", tone(1000, 9999, 1e-6)),
      ("constant", [Float](repeating: 0.3, count: 4001)), ("sweep", sweep),
      ("noise", noise(&random, 20_000, 0.1)), ("quiet noise", noise(&random, 8000, 1e-5)),
    ]
  }

  @Test("Features of synthetic signals are those of the published formula", arguments: [80, 128])
  func synthetic(_ melCount: Int) throws {
    let folder = try TemporaryFolder()
    var random = SplitMix64.forThisRun()
    let seed = random.seed
    let signals = Self.signals(&random) + (melCount == 80 ? Self.longSignals(&random) : [])
    for (name, samples) in signals { try folder.write(AudioBytes.floats(samples), to: name + ".pcm") }
    try AudioOracle.run(["features", folder.path, String(melCount), "3000"])
    let mel = try LogMel(melCount: melCount)
    for (name, samples) in signals {
      let features = mel.features(of: samples.span)
      #expect(features.shape.dimensions == [1, melCount, 3000] && features.elementType == .float32)
      let difference = AudioOracle.largestDifference(
        try AudioOracle.floats(features), try AudioOracle.floats(folder, name + ".mel"))
      #expect(difference < 2e-6, "\(name), seed \(seed)")
    }
  }

  @Test("Windows of other lengths follow the same formula", arguments: [2, 7, 100, 1001])
  func otherLengths(_ frameCount: Int) throws {
    let folder = try TemporaryFolder()
    var random = SplitMix64.forThisRun()
    let seed = random.seed
    let signals = Self.signals(&random)
    for (name, samples) in signals { try folder.write(AudioBytes.floats(samples), to: name + ".pcm") }
    try AudioOracle.run(["features", folder.path, "80", String(frameCount)])
    let mel = try LogMel(melCount: 80)
    for (name, samples) in signals {
      let features = try AudioOracle.floats(mel.features(of: samples.span, frameCount: frameCount))
      let difference = AudioOracle.largestDifference(features, try AudioOracle.floats(folder, name + ".mel"))
      #expect(difference < 2e-6, "\(name), seed \(seed)")
    }
  }

  @Test(
    "Features of the recordings in the shared data are those of the published formula", arguments: [80, 128])
  func recordings(_ melCount: Int) throws {
    let folder = try TemporaryFolder()
    let paths = try SharedData.paths(under: "speech", suffix: ".wav")
    #expect(!paths.isEmpty)
    let clips = try paths.map { try AudioFile.read($0) }
    for (index, clip) in clips.enumerated() {
      try folder.write(AudioBytes.floats(clip.samples), to: "\(index).pcm")
    }
    try AudioOracle.run(["features", folder.path, String(melCount), "3000"])
    let mel = try LogMel(melCount: melCount)
    for (index, clip) in clips.enumerated() {
      let features = try AudioOracle.floats(mel.features(of: clip.samples.span))
      let difference = AudioOracle.largestDifference(features, try AudioOracle.floats(folder, "\(index).mel"))
      #expect(difference < 2e-6, "\(paths[index])")
    }
  }

  @Test("Frames of a long recording are those of the published formula over the whole of it")
  func wholeRecording() throws {
    let folder = try TemporaryFolder()
    var random = SplitMix64.forThisRun()
    let seed = random.seed
    // Louder in the middle, more than one window long, and not a whole number of frames.
    let samples = Self.noise(&random, 560_077, 1).enumerated().map { index, value in
      value * (index > 300_000 && index < 320_000 ? 0.3 : 1e-4)
    }
    try folder.write(AudioBytes.floats(samples), to: "long.pcm")
    try AudioOracle.run(["recording", folder.path, "80"])
    let expected = try AudioOracle.floats(folder, "long.mel")
    let recording = try LogMel(melCount: 80).recording(of: samples.span)
    #expect(recording.frameCount == 3501 && recording.sampleCount == samples.count)
    let whole = try AudioOracle.floats(recording.window(at: 0, frameCount: 3501))
    #expect(AudioOracle.largestDifference(whole, expected) < 2e-6, "seed \(seed)")
    // A window is a part of it, with silence behind the end.
    let window = try AudioOracle.floats(recording.window(at: 1234))
    let silence = try #require(whole.min())
    for band in [0, 40, 79] {
      let row = Array(window[(band * 3000)..<(band * 3000 + 3000)])
      #expect(Array(row.prefix(2267)) == Array(whole[(band * 3501 + 1234)..<(band * 3501 + 3501)]))
      // One frame may still see the last samples.
      #expect(row.dropFirst(2269).allSatisfy { $0 == silence })
    }
    #expect(try AudioOracle.floats(recording.window(at: 9000, frameCount: 5)).allSatisfy { $0 == silence })
  }

  @Test("Filters are those that Whisper keeps in a file", arguments: [80, 128])
  func filters(_ melCount: Int) throws {
    let folder = try TemporaryFolder()
    let archive = try SharedData.path("tokenizers/mel_filters.npz")
    try AudioOracle.run(["filters", archive, folder.path("kept"), String(melCount)])
    #expect(
      AudioOracle.largestDifference(Self.table(melCount), try AudioOracle.floats(folder, "kept")) < 1e-8)
  }

  @Test("Filters of any number of bands are Slaney's triangles", arguments: [1, 16, 80, 128, 256])
  func formula(_ melCount: Int) throws {
    let folder = try TemporaryFolder()
    try AudioOracle.run(["filters", "-", folder.path("formula"), String(melCount)])
    #expect(
      AudioOracle.largestDifference(Self.table(melCount), try AudioOracle.floats(folder, "formula")) < 1e-8)
  }

  private static func table(_ melCount: Int) -> [Float] {
    MelFilterBank(bandCount: melCount).bands.flatMap { band in
      var row = [Float](repeating: 0, count: 201)
      for (index, weight) in band.weights.enumerated() { row[band.firstBin + index] = Float(weight) }
      return row
    }
  }

  @Test("Silence is the same everywhere, and a tone is loudest in its band")
  func plain() throws {
    let mel = try LogMel(melCount: 80)
    let silence: [Float] = []
    #expect(try AudioOracle.floats(mel.features(of: silence.span)).allSatisfy { $0 == -1.5 })
    let tone = (0..<32_000).map { Float(0.5 * sin(2 * Double.pi * 1000 * Double($0) / 16_000)) }
    let features = try AudioOracle.floats(mel.features(of: tone.span, frameCount: 200))
    let frame = (0..<80).map { features[$0 * 200 + 100] }
    let loudest = try #require(frame.indices.max { frame[$0] < frame[$1] })
    let band = MelFilterBank(bandCount: 80).bands[loudest]
    // 1,000 Hz is bin 25.
    #expect((band.firstBin..<(band.firstBin + band.weights.count)).contains(25))
  }

  @Test("A window is what its samples would give alone")
  func windows() throws {
    var random = SplitMix64.forThisRun()
    let samples = random.normalFloats(30_000, deviation: 0.1)
    let mel = try LogMel(melCount: 80)
    for offset in [0, 1, 7777, 29_999, 30_000, 99_999] {
      let window = try AudioOracle.floats(mel.features(of: samples.span, at: offset, frameCount: 120))
      let alone = Array(samples.dropFirst(offset).prefix(120 * 160))
      let expected = try AudioOracle.floats(mel.features(of: alone.span, frameCount: 120))
      #expect(window == expected, "offset \(offset), seed \(random.seed)")
    }
  }

  @Test("A number of bands that no model has is an error, not a crash", arguments: [0, -1, 257, .max, .min])
  func strangeCounts(_ melCount: Int) {
    let error = #expect(throws: AudioError.self) { _ = try LogMel(melCount: melCount) }
    #expect(
      error?.message == "\(melCount) mel bands are asked for, expected 1 to 256 (Whisper has 80 or 128); "
        + "check that the model is a Whisper encoder")
  }
}
