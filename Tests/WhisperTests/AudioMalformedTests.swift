import ByteIO
import Foundation
import TestSupport
import Testing
import Whisper

@Suite("Malformed audio")
struct AudioMalformedTests {
  private static func check(
    _ wav: AudioBytes, _ words: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let sentence = try wav.refusal(sourceLocation: sourceLocation)
    #expect(sentence.hasPrefix("a.wav: "), sourceLocation: sourceLocation)
    for word in words { #expect(sentence.contains(word), "\(sentence)", sourceLocation: sourceLocation) }
  }

  @Test("A file without a 'fmt ' chunk")
  func noFormat() throws {
    try Self.check(AudioBytes(hasFormat: false, data: [1, 2]), "byte 20", "no 'fmt ' chunk")
  }

  @Test("A file without a 'data' chunk")
  func noData() throws {
    try Self.check(AudioBytes(hasData: false), "byte 36", "the end of the file", "'data' chunk")
  }

  @Test("A header that ends after its form")
  func onlyForm() throws {
    try Self.check(AudioBytes(hasFormat: false, hasData: false), "byte 12", "'fmt ' chunk")
  }

  @Test("A 'fmt ' chunk that is too short")
  func shortFormat() throws {
    var wav = AudioBytes(data: [1, 2])
    wav.formatSize = 14
    try Self.check(wav, "byte 16", "14 bytes", "at least 16")
  }

  @Test("A 'fmt ' chunk that is longer than the file")
  func longFormat() throws {
    var wav = AudioBytes(data: [1, 2])
    wav.formatSize = 1000
    try Self.check(wav, "byte 16", "1000 bytes", "at most the 26 that follow")
    wav.formatSize = .max
    try Self.check(wav, "4294967295 bytes")
  }

  @Test("No channels")
  func noChannels() throws {
    try Self.check(AudioBytes(channelCount: 0, blockByteCount: 2, data: [1, 2]), "byte 22", "no channels")
  }

  @Test("A rate that no recording has", arguments: [0, 1, 999, 768_001, 0xFFFF_FFFF])
  func rate(_ rate: Int) throws {
    try Self.check(
      AudioBytes(rate: rate, data: [1, 2]), "byte 24", "rate of \(rate) samples", "1000 to 768000")
  }

  @Test("Blocks that do not fit the channels")
  func blocks() throws {
    let data = [UInt8](repeating: 0, count: 64)
    try Self.check(AudioBytes(channelCount: 2, blockByteCount: 3, data: data), "byte 32", "blocks of 3 bytes")
    try Self.check(AudioBytes(blockByteCount: 0, data: data), "byte 32", "blocks of 0 bytes")
    try Self.check(AudioBytes(blockByteCount: 5, data: data), "byte 32", "5 bytes per PCM sample", "1 to 4")
    try Self.check(AudioBytes(tag: 3, bits: 16, data: data), "byte 32", "2 bytes per float sample", "4 or 8")
  }

  @Test("Bits that do not fit their bytes")
  func bits() throws {
    try Self.check(
      AudioBytes(bits: 24, blockByteCount: 4, data: [1, 2, 3, 4]), "byte 34", "24 bits in samples of 4")
    try Self.check(AudioBytes(bits: 17, blockByteCount: 2, data: [1, 2]), "byte 34", "17 bits")
    try Self.check(AudioBytes(bits: 0, blockByteCount: 1, data: [1, 2]), "byte 34", "0 bits")
    try Self.check(AudioBytes(tag: 3, bits: 16, blockByteCount: 4, data: [1, 2, 3, 4]), "byte 34", "16 bits")
  }

  @Test("An extensible format without its identifier")
  func shortExtensible() throws {
    try Self.check(
      AudioBytes(tag: 0xFFFE, data: [1, 2]), "byte 20", "an extensible format of 16 bytes", "at least 40")
  }

  @Test("An identifier that is none of the known ones")
  func strangeIdentifier() throws {
    var wav = AudioBytes(extensible: (1, 16), data: [1, 2])
    wav.identifierTail[3] = 1
    try Self.check(wav, "format 0x0", "needs ffmpeg")
  }

  @Test(
    "Encodings that are not ours are named",
    arguments: [
      (2, "Microsoft ADPCM"), (6, "A-law"), (7, "mu-law"), (0x11, "IMA ADPCM"), (0x55, "MP3"),
      (0x1234, "format 0x1234"),
    ])
  func foreignEncoding(_ tag: Int, _ name: String) throws {
    try Self.check(AudioBytes(tag: tag, bits: 8, data: [1, 2]), "this is WAV, \(name), which needs ffmpeg")
  }

  @Test("No samples at all, or less than one frame")
  func empty() throws {
    try Self.check(AudioBytes(), "there is no audio in it")
    try Self.check(AudioBytes(channelCount: 2, data: [1, 2, 3]), "there is no audio in it")
    let folder = try TemporaryFolder()
    let path = try folder.write([], to: "empty.wav")
    let error = #expect(throws: AudioError.self) { try AudioFile.read(path) }
    #expect(error?.reason == .empty)
  }

  @Test(
    "Samples that are no numbers, infinite or absurd",
    arguments: [
      Float.nan, .infinity, -.infinity, 1e30, -.greatestFiniteMagnitude,
    ])
  func notFinite(_ value: Float) throws {
    var samples = [Float](repeating: 0.1, count: 16_100)
    samples[16_000] = value
    try Self.check(
      AudioBytes(tag: 3, bits: 32, data: AudioBytes.floats(samples)), "byte \(44 + 64_000)", "at 1.000 s",
      "not a finite number")
  }

  @Test("A double that no float can hold")
  func hugeDouble() throws {
    let bits = Int(Int64(bitPattern: Double.greatestFiniteMagnitude.bitPattern))
    try Self.check(
      AudioBytes(tag: 3, bits: 64, data: AudioBytes.number(bits, 8)), "byte 44", "not a finite number")
  }

  @Test("A chunk that claims to be longer than the file hides what follows")
  func longChunk() throws {
    var wav = AudioBytes(data: [1, 2])
    wav.chunksBeforeData = [("LIST", [1, 2])]
    var bytes = wav.bytes
    for index in 40..<44 { bytes[index] = 0xFF }
    let error = #expect(throws: AudioError.self) {
      try AudioFile.readWAV(MappedFile(copying: bytes, name: "a.wav"))
    }
    #expect(error?.message.contains("'data' chunk") == true)
  }

  @Test("Lengths of RF64 at the end of what 64 bits hold", arguments: [Int.max, Int.max - 60, -2, 1 << 62])
  func hugeLength(_ length: Int) throws {
    var wav = AudioBytes(magic: "RF64", data: AudioBytes.samples16([1, 2, 3]))
    wav.dataSize = .max
    wav.chunksBeforeFormat = [
      (
        "ds64",
        AudioBytes.number(0, 8) + AudioBytes.number(length, 8) + AudioBytes.number(0, 8) + [0, 0, 0, 0]
      )
    ]
    if let clip = try? wav.clip() {
      #expect(clip.samples.count == 3 && clip.source.missingByteCount == length - 6)
    } else {
      try Self.check(wav, "byte 72", "expected a length that files have")
    }
  }

  @Test("A ds64 chunk that is too short")
  func shortLongSizes() throws {
    var wav = AudioBytes(magic: "RF64", data: [1, 2])
    wav.chunksBeforeFormat = [("ds64", [1, 2, 3, 4])]
    try Self.check(wav, "byte 16", "a ds64 chunk of 4 bytes", "at least 24")
  }

  @Test("A file of nothing but tiny chunks")
  func manyChunks() throws {
    var wav = AudioBytes(data: [1, 2])
    wav.chunksBeforeFormat = [(String, [UInt8])](repeating: ("JUNK", []), count: 10_001)
    try Self.check(wav, "more than 10000 chunks")
  }

  @Test("Audio of more than a day is refused before it is read")
  func tooLong() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(AudioBytes(rate: 1000, bits: 8, dataSize: 0xFFFF_FFFF).bytes, to: "long.wav")
    // A hole in the file, which takes no room.
    let handle = try FileHandle(forWritingTo: URL(filePath: path))
    try handle.truncate(atOffset: 44 + 24 * 3600 * 1000)
    try handle.close()
    let error = #expect(throws: AudioError.self) { try AudioFile.read(path) }
    #expect(error?.message == "\(path): the audio is longer than 24 hours; cut it into parts")
  }

  @Test("What is no audio is named by its first bytes")
  func unknown() throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(Array("#EXTM3U\nhttp://a".utf8), to: "list.mp3")
    let error = #expect(throws: AudioError.self) { try AudioFile.read(path) }
    #expect(error?.message.contains("byte 0: found bytes 23 45 58 54 4D 33 55 0A") == true)
  }

  @Test("A path that is missing or a folder says so")
  func notAFile() throws {
    let folder = try TemporaryFolder()
    let missing = #expect(throws: AudioError.self) { try AudioFile.read(folder.path("none.wav")) }
    #expect(missing?.message.contains("there is no such file") == true)
    let directory = #expect(throws: AudioError.self) { try AudioFile.read(folder.path) }
    #expect(directory?.message.contains("this is a folder") == true)
  }

  @Test("Damaged and cut headers give samples or a sentence, never a crash")
  func damage() throws {
    var random = SplitMix64.forThisRun()
    let seed = random.seed
    let originals = [
      AudioBytes(channelCount: 2, rate: 22_050, data: random.bytes(400)),
      AudioBytes(
        bits: 32, extensible: (3, 32), chunksBeforeData: [("LIST", [1, 2, 3])], data: random.bytes(400)),
      AudioBytes(
        magic: "RF64", dataSize: .max,
        chunksBeforeFormat: [("ds64", AudioBytes.number(400, 8) + random.bytes(20))],
        data: random.bytes(400)),
    ]
    var readCount = 0
    for round in 0..<600 {
      var bytes = originals[round % originals.count].bytes
      for _ in 0..<(1 + random.next() % 3) {
        // Mostly in the header, mostly numbers that hurt.
        let place = Int(random.next() % UInt64(random.next() % 4 == 0 ? bytes.count : 110))
        bytes[place] =
          [0, 1, 0x7F, 0x80, 0xFF, UInt8(truncatingIfNeeded: random.next())][Int(random.next() % 6)]
      }
      if random.next() % 4 == 0 { bytes.removeLast(Int(random.next() % UInt64(bytes.count))) }
      do throws(AudioError) {
        let clip = try AudioFile.readWAV(MappedFile(copying: bytes, name: "a.wav"))
        readCount += 1
        #expect(!clip.samples.isEmpty && clip.samples.allSatisfy(\.isFinite), "seed \(seed), round \(round)")
      } catch {
        #expect(error.message.hasPrefix("a.wav: "), "seed \(seed), round \(round)")
      }
    }
    #expect(readCount > 40, "seed \(seed)")
  }
}
