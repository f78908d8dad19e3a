import ByteIO
import Foundation
import TestSupport
import Testing
import Whisper

@Suite("WAV files")
struct AudioWAVTests {
  @Test("Integers of every width are fractions of full scale")
  func integers() throws {
    var wav = AudioBytes(bits: 8, data: [0, 64, 128, 255])
    #expect(try wav.clip().samples == [-1, -0.5, 0, 127 / 128])
    #expect(try wav.clip().source == .init(format: "WAV, 8-bit PCM", rate: 16_000, channelCount: 1))
    for bits in [16, 24, 32] {
      let top = 1 << (bits - 1)
      let values = [-top, -top / 4, 0, 1, top / 2, top - 1]
      wav = AudioBytes(bits: bits, data: values.flatMap { AudioBytes.number($0, bits / 8) })
      let clip = try wav.clip()
      #expect(clip.samples == values.map { Float($0) / Float(top) }, "\(bits) bits")
      #expect(clip.source.format == "WAV, \(bits)-bit PCM")
    }
  }

  @Test("Floats of 32 and 64 bits are taken as they are, also beyond full scale")
  func floats() throws {
    let values: [Float] = [0.25, -1, 1e-20, 1.5, -0.0]
    var wav = AudioBytes(tag: 3, bits: 32, data: AudioBytes.floats(values))
    #expect(try wav.clip().samples == values)
    wav.bits = 64
    wav.data = values.flatMap { AudioBytes.number(Int(Int64(bitPattern: Double($0).bitPattern)), 8) }
    let clip = try wav.clip()
    #expect(clip.samples == values && clip.source.format == "WAV, 64-bit float")
  }

  @Test("An extensible format is what its identifier says, and fewer bits stand at the top of their bytes")
  func extensible() throws {
    let values = [-32768, 16384, 255]
    var wav = AudioBytes(bits: 16, extensible: (1, 16), data: AudioBytes.samples16(values))
    #expect(try wav.clip().samples == values.map { Float($0) / 32768 })
    wav.extensible = (1, 12)
    #expect(try wav.clip().samples == values.map { Float($0) / 32768 })
    wav = AudioBytes(bits: 32, extensible: (3, 32), data: AudioBytes.floats([0.5, -0.25]))
    #expect(try wav.clip().samples == [0.5, -0.25])
    wav = AudioBytes(bits: 32, extensible: (1, 24), data: AudioBytes.number(-1 << 31, 4))
    #expect(try wav.clip().samples == [-1])
    wav = AudioBytes(bits: 12, data: AudioBytes.samples16([-32768, 0x7FF0]))
    #expect(try wav.clip().samples == [-1, Float(0x7FF0) / 32768])
  }

  @Test("Channels are mixed to their mean", arguments: [1, 2, 3, 6, 31])
  func channels(_ channelCount: Int) throws {
    var random = SplitMix64.forThisRun()
    let values = (0..<channelCount * 50).map { _ in Int(Int16(truncatingIfNeeded: random.next())) }
    let clip = try AudioBytes(channelCount: channelCount, data: AudioBytes.samples16(values)).clip()
    let expected = (0..<50).map { frame in
      Float(values[frame * channelCount..<(frame + 1) * channelCount].reduce(0, +))
        / Float(32768 * channelCount)
    }
    #expect(AudioOracle.largestDifference(clip.samples, expected) < 1e-6, "seed \(random.seed)")
    #expect(clip.source.channelCount == channelCount)
  }

  @Test(
    "Another rate becomes 16,000 samples per second and the duration stays", arguments: [8000, 11025, 48000])
  func rates(_ rate: Int) throws {
    let wav = AudioBytes(rate: rate, data: AudioBytes.samples16([Int](repeating: 8192, count: rate / 2)))
    let clip = try wav.clip()
    #expect(clip.samples.count == 8000 && clip.seconds == 0.5)
    #expect(clip.source.rate == rate)
    #expect(clip.samples[2000..<6000].allSatisfy { ($0 - 0.25).magnitude < 1e-5 })
  }

  @Test("Audio of more than one stretch of work is read without a seam")
  func long() throws {
    let values = (0..<150_000).map { $0 % 65_536 - 32_768 }
    let clip = try AudioBytes(data: AudioBytes.samples16(values)).clip()
    #expect(clip.samples == values.map { Float($0) / 32768 })
  }

  @Test("Other chunks are passed over, with the padding of odd ones")
  func chunks() throws {
    let wav = AudioBytes(
      chunksBeforeFormat: [("JUNK", [1, 2, 3]), ("bext", [UInt8](repeating: 7, count: 602))],
      chunksBeforeData: [("LIST", Array("INFOISFT".utf8) + [1, 0, 0, 0, 65]), ("fact", [1, 0, 0, 0])],
      chunksAfterData: [("LIST", [9, 9, 9]), ("data", [1, 1])], data: AudioBytes.samples16([1, 2, 3]))
    #expect(try wav.clip().samples == [1, 2, 3].map { Float($0) / 32768 })
    // Content of odd length.
    var odd = AudioBytes(bits: 8, data: [128, 255, 0])
    odd.chunksAfterData = [("LIST", [1, 2])]
    #expect(try odd.clip().samples == [0, 127 / 128, -1])
  }

  @Test(
    "A stream that never knew its length goes on to the end of the file",
    arguments: [
      UInt32.max, 0x7FFF_FFFF, 0x7FFF_F000,
    ])
  func stream(_ size: UInt32) throws {
    var wav = AudioBytes(data: AudioBytes.samples16([5, 6, 7]))
    wav.dataSize = size
    wav.riffSize = size
    let clip = try wav.clip()
    #expect(clip.samples == [5, 6, 7].map { Float($0) / 32768 })
    #expect(clip.source.missingByteCount == 0)
  }

  @Test("A recorder that was cut off before it wrote the sizes left all samples")
  func unfinished() throws {
    for riffSize: UInt32 in [0, 36, .max] {
      var wav = AudioBytes(data: AudioBytes.samples16([5, 6, 7]))
      wav.dataSize = 0
      wav.riffSize = riffSize
      #expect(try wav.clip().samples.count == 3, "RIFF size \(riffSize)")
    }
    // But a chunk that is empty in a file that goes on is just empty.
    var wav = AudioBytes(chunksAfterData: [("LIST", [1, 2, 3, 4])])
    wav.dataSize = 0
    #expect(try wav.refusal().contains("no audio"))
  }

  @Test("A file that was cut off is read to its end, and the missing bytes are counted")
  func cutOff() throws {
    var wav = AudioBytes(channelCount: 2, data: AudioBytes.samples16([4, 6, 8, 10, 1]))
    wav.dataSize = 400
    let clip = try wav.clip()
    #expect(clip.samples == [Float(5) / 32768, Float(9) / 32768])
    #expect(clip.source.missingByteCount == 390)
  }

  @Test("RF64 takes the length from its ds64 chunk", arguments: ["RF64", "BW64"])
  func longFiles(_ magic: String) throws {
    let data = AudioBytes.samples16([1, 2, 3])
    var wav = AudioBytes(magic: magic, data: data)
    wav.riffSize = .max
    wav.dataSize = .max
    let sizes = AudioBytes.number(1000, 8) + AudioBytes.number(4, 8) + AudioBytes.number(2, 8) + [0, 0, 0, 0]
    wav.chunksBeforeFormat = [("ds64", sizes)]
    #expect(try wav.clip().samples == [Float(1) / 32768, Float(2) / 32768])
  }

  @Test("Files that Python's wave module writes are read sample by sample")
  func writtenByPython() throws {
    let folder = try TemporaryFolder()
    let random = SplitMix64.forThisRun()
    let seed = random.seed % 1_000_000
    try AudioOracle.run(["waves", folder.path, String(seed)])
    let names = try folder.names().filter { $0.hasSuffix(".wav") }
    #expect(names.count == 12)
    for name in names {
      let clip = try AudioFile.read(folder.path(name))
      let expected = try AudioOracle.floats(folder, name.replacingOccurrences(of: ".wav", with: ".pcm"))
      #expect(AudioOracle.largestDifference(clip.samples, expected) < 1e-6, "\(name), seed \(seed)")
    }
  }

  @Test("The recordings of the shared data are what Python reads")
  func recordings() throws {
    let folder = try TemporaryFolder()
    let paths = try SharedData.paths(under: "speech", suffix: ".wav")
    #expect(!paths.isEmpty)
    for path in paths {
      try AudioOracle.run(["samples", path, folder.path("a.pcm")])
      #expect(try AudioFile.read(path).samples == AudioOracle.floats(folder, "a.pcm"), "\(path)")
    }
  }
}
