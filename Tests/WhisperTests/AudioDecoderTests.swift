import Foundation
import TestSupport
import Testing
import Whisper

@Suite("Audio through ffmpeg")
struct AudioDecoderTests {
  /// A folder with a script in ffmpeg's place, and a file that begins as FLAC.
  private struct Fake {
    let folder: TemporaryFolder
    let audio: String

    init(_ script: String, name: String = "a.flac") throws {
      folder = try TemporaryFolder()
      audio = try folder.write(Array("fLaC....".utf8), to: name)
      try install("#!/bin/sh\n\(script)\n")
    }

    /// Another program writes the script: a child that a parallel test starts meanwhile could inherit a
    /// descriptor of ours, and a file that is open for writing cannot be run.
    func install(_ script: String) throws {
      try folder.write(Array(script.utf8), to: "script")
      let command = "mkdir -p bin && cp script bin/ffmpeg && chmod 755 bin/ffmpeg"
      let result = try Spawn.run("/bin/sh", ["-c", command], workingFolder: folder.path)
      try #require(result.exitCode == 0, "\(result.stderr)")
    }

    func read() throws -> AudioClip { try AudioFile.read(audio, programFolders: folder.path("bin")) }

    func refusal(sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
      let error = #expect(throws: AudioError.self, sourceLocation: sourceLocation) { try read() }
      return try #require(error, sourceLocation: sourceLocation).message
    }
  }

  @Test(
    "Containers are told apart by their first bytes, not by their names",
    arguments: [
      ("fLaC\0\0\0\"", "FLAC"), ("OggS\0\u{2}", "Ogg"), ("\0\0\0 ftypM4A ", "MP4 (M4A)"),
      ("ID3\u{3}\0\0\0\0", "MP3"),
      ("FORM\0\0\0\0AIFF", "AIFF"), ("FORM\0\0\0\0AIFC", "AIFF"),
      ("RIFX\0\0\0\0WAVE", "big-endian WAV (RIFX)"),
      ("RIFF\0\0\0\0AVI LIST", "AVI"), ("caff\0\u{1}", "Core Audio (CAF)"), (".snd\0\0", "Sun audio (AU)"),
      ("#!AMR\n", "AMR"),
    ])
  func containers(_ text: String, _ format: String) throws {
    try Self.expectFormat(Array(text.utf8), format)
  }

  @Test(
    "Containers whose first bytes are no letters",
    arguments: [
      ([0x1A, 0x45, 0xDF, 0xA3, 1], "Matroska (WebM)"), ([0x30, 0x26, 0xB2, 0x75], "Windows Media (ASF)"),
      ([0xFF, 0xFB, 0x90, 0x64], "MP3"), ([0xFF, 0xF3, 0x40, 0xC0], "MP3"),
      ([0xFF, 0xF1, 0x50, 0x80], "AAC"),
    ] as [([UInt8], String)])
  func binaryContainers(_ bytes: [UInt8], _ format: String) throws { try Self.expectFormat(bytes, format) }

  private static func expectFormat(_ bytes: [UInt8], _ format: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(bytes, to: "sound.wav")
    let error = #expect(throws: AudioError.self) { try AudioFile.read(path, programFolders: "") }
    #expect(error?.reason == .decoderMissing(format: format))
    #expect(
      error?.message == "\(path): this is \(format), which needs ffmpeg, and no ffmpeg is on the PATH; "
        + "install it (apt install ffmpeg) or convert the file to WAV")
  }

  @Test(
    "Bytes that are nearly a container are none",
    arguments: [
      [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xE8, 0, 0], [0xFF, 0xFE, 0x23, 0], [0xFF, 0xFB, 0xF0, 0],
      [0xFF, 0xFB],
      [0x52, 0x49, 0x46, 0x46], [0],
    ] as [[UInt8]])
  func noContainers(_ bytes: [UInt8]) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write(bytes, to: "sound.mp3")
    let error = #expect(throws: AudioError.self) { try AudioFile.read(path, programFolders: "") }
    #expect(error?.reason == .unknownContainer(firstBytes: bytes))
  }

  @Test("ffmpeg gets a file name that cannot be an option, and its floats become the clip")
  func plumbing() throws {
    let fake = try Fake(
      #"printf '%s\n' "$@" > "$0.arguments"; cat > "$0.input"; printf '\000\000\000\077\000\000'; printf '\200\276'"#,
      name: "-i;http:x.flac")
    let clip = try fake.read()
    #expect(clip.samples == [0.5, -0.25])
    #expect(clip.source == .init(format: "FLAC through ffmpeg", rate: nil, channelCount: nil))
    let arguments = String(decoding: try fake.folder.read("bin/ffmpeg.arguments"), as: UTF8.self)
    #expect(
      arguments.split(separator: "\n") == [
        "-nostdin", "-v", "error", "-protocol_whitelist", "file,pipe", "-i", "file:\(fake.audio)", "-af",
        "aresample=rematrix_maxval=1,aformat=channel_layouts=mono", "-f", "f32le", "-ac", "1", "-ar", "16000",
        "-",
      ])
    #expect(try fake.folder.read("bin/ffmpeg.input").isEmpty, "standard input is empty")
  }

  @Test("A WAV file of another encoding goes through ffmpeg, too")
  func encodedWAV() throws {
    let fake = try Fake(#"printf '\000\000\000\077'"#)
    let path = try fake.folder.write(AudioBytes(tag: 6, bits: 8, data: [1, 2]).bytes, to: "a.wav")
    let clip = try AudioFile.read(path, programFolders: "/nowhere:\(fake.folder.path("bin"))")
    #expect(clip.samples == [0.5] && clip.source.format == "WAV, A-law through ffmpeg")
  }

  @Test("Much output and much complaint at the same time do not wait for each other")
  func manyBytes() throws {
    let fake = try Fake(
      "head -c 400000 /dev/zero >&2; head -c 4000000 /dev/zero; head -c 400000 /dev/zero >&2")
    let clip = try fake.read()
    #expect(clip.samples.count == 1_000_000 && clip.samples.allSatisfy { $0 == 0 })
  }

  @Test("What ffmpeg says about a file it cannot decode is part of the sentence")
  func failure() throws {
    let sentence = try Fake("printf 'one\\ntwo\\nthree\\nInvalid data\\033[31m\\n' >&2; exit 183").refusal()
    #expect(
      sentence.hasSuffix(
        "a.flac: this is FLAC, and ffmpeg does not decode it (exit code 183): two; three; Invalid data[31m; "
          + "check that the file plays, or convert it to WAV"))
    #expect(try Fake("kill -9 $$").refusal().contains("ffmpeg was ended by signal 9;"))
    #expect(try Fake("exit 0").refusal().contains("there is no audio in it"))
  }

  @Test("A program that cannot be started is named")
  func noStart() throws {
    let fake = try Fake("")
    try fake.install("#!/nowhere/sh\n")
    let program = fake.folder.path("bin/ffmpeg")
    #expect(try fake.refusal().contains("it was not possible to start \(program): No such file"))
  }

  @Test("A file that may not be run, a folder and a relative path are no ffmpeg")
  func noProgram() throws {
    let fake = try Fake("")
    let program = fake.folder.path("bin/ffmpeg")
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: program)
    #expect(try fake.refusal().contains("no ffmpeg is on the PATH"))
    try FileManager.default.removeItem(atPath: program)
    try FileManager.default.createDirectory(atPath: program, withIntermediateDirectories: false)
    #expect(try fake.refusal().contains("no ffmpeg is on the PATH"))
    let error = #expect(throws: AudioError.self) { try AudioFile.read(fake.audio, programFolders: ":.:bin") }
    #expect(error?.reason == .decoderMissing(format: "FLAC"))
  }

  @Test("A stream with a sample that is no number ends the program, and nothing of it is left")
  func abandoned() throws {
    let fake = try Fake(
      #"echo $$ > "$0.pid"; head -c 64000 /dev/zero; printf '\000\000\300\177'; exec cat /dev/zero"#)
    let sentence = try fake.refusal()
    #expect(sentence.contains("the sample at 1.000 s is not a finite number"))
    let text = String(decoding: try fake.folder.read("bin/ffmpeg.pid"), as: UTF8.self)
    let child = try #require(pid_t(text.trimmingCharacters(in: .newlines)))
    // A zombie would still answer.
    #expect(kill(child, 0) == -1 && errno == ESRCH)
  }

  @Test("Several files at once do not wait for each other's pipes")
  func parallel() async throws {
    let fake = try Fake("head -c 64000 /dev/zero")
    let (audio, folders) = (fake.audio, fake.folder.path("bin"))
    let counts = try await withThrowingTaskGroup(of: Int.self) { group in
      for _ in 0..<8 {
        group.addTask { try AudioFile.read(audio, programFolders: folders).samples.count }
      }
      return try await group.reduce(into: []) { $0.append($1) }
    }
    #expect(counts == [Int](repeating: 16_000, count: 8))
  }
}

@Suite("Audio through the real ffmpeg")
struct AudioFFmpegTests {
  private static func ffmpeg() throws -> String {
    let folders = (TestEnvironment["PATH"] ?? "").split(separator: ":").filter { $0.hasPrefix("/") }
    let found = folders.map { "\($0)/ffmpeg" }.first { FileManager.default.isExecutableFile(atPath: $0) }
    guard let found else { try Test.cancel("needs ffmpeg (apt install ffmpeg)") }
    return found
  }

  /// Two seconds of a chirp with some noise, in a stereo WAV file.
  private static func original(_ folder: TemporaryFolder) throws -> AudioClip {
    var random = SplitMix64(seed: 7)
    let values = (0..<64_000).map { index in
      let time = Double(index / 2) / 16_000
      return Int(9000 * sin(2 * Double.pi * (200 + 300 * time) * time)) + Int(random.next() % 200)
    }
    let path = try folder.write(
      AudioBytes(channelCount: 2, data: AudioBytes.samples16(values)).bytes, to: "o.wav")
    return try AudioFile.read(path)
  }

  private static func encode(_ folder: TemporaryFolder, _ name: String, _ options: [String]) throws -> Bool {
    let result = try Spawn.run(
      ffmpeg(), ["-nostdin", "-v", "error", "-i", folder.path("o.wav")] + options + [folder.path(name)])
    return result.exitCode == 0
  }

  @Test(
    "FLAC, MP3, Ogg, M4A, WebM and AIFF sound as before",
    arguments: [
      ("a.flac", ["-c:a", "flac"], Float(1e-6)), ("a.aiff", [], 1e-6),
      ("a.mp3", ["-c:a", "libmp3lame"], 0.1),
      ("a.ogg", ["-c:a", "libvorbis"], 0.1), ("a.m4a", ["-c:a", "aac", "-b:a", "128k"], 0.1),
      ("a.webm", ["-c:a", "libopus"], 0.2), ("a.wav", ["-c:a", "pcm_mulaw"], 0.02),
      ("b.wav", ["-c:a", "adpcm_ms"], 0.05),
    ])
  func decode(_ name: String, _ options: [String], _ tolerance: Float) throws {
    let folder = try TemporaryFolder()
    let original = try Self.original(folder)
    guard try Self.encode(folder, name, options) else {
      try Test.cancel("this ffmpeg has no encoder for \(name)")
    }
    let clip = try AudioFile.read(folder.path(name))
    #expect((clip.seconds - 2).magnitude < 0.1)
    #expect(clip.source.format.hasSuffix("through ffmpeg"))
    // The relative error of the samples, root mean square.
    let pairs = zip(clip.samples, original.samples)
    let error = pairs.reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    let power = original.samples.reduce(Float(0)) { $0 + $1 * $1 }
    #expect((error / power).squareRoot() < tolerance)
  }

  @Test(
    "WAV files of every kind that ffmpeg writes are read by our own reader",
    arguments: [
      ["-c:a", "pcm_s16le"], ["-c:a", "pcm_s24le"], ["-c:a", "pcm_s32le"], ["-c:a", "pcm_f32le"],
      ["-c:a", "pcm_f64le"],
      ["-c:a", "pcm_s24le", "-rf64", "always"], ["-c:a", "pcm_s16le", "-rf64", "always"],
    ])
  func written(_ options: [String]) throws {
    let folder = try TemporaryFolder()
    let original = try Self.original(folder)
    try #require(try Self.encode(folder, "b.wav", options))
    // No folder with ffmpeg in it: our own reader, or an error.
    let clip = try AudioFile.read(folder.path("b.wav"), programFolders: "")
    #expect(clip.samples == original.samples)
    let shell = "\"$0\" -nostdin -v error -i o.wav \(options.joined(separator: " ")) -f wav - > c.wav"
    let result = try Spawn.run("/bin/sh", ["-c", shell, Self.ffmpeg()], workingFolder: folder.path)
    try #require(result.exitCode == 0, "\(result.stderr)")
    #expect(try AudioFile.read(folder.path("c.wav"), programFolders: "").samples == original.samples)
  }

  @Test("A damaged file carries ffmpeg's own words")
  func damaged() throws {
    _ = try Self.ffmpeg()
    let folder = try TemporaryFolder()
    let path = try folder.write(Array("fLaC".utf8) + [UInt8](repeating: 0x55, count: 100), to: "-x.flac")
    let error = #expect(throws: AudioError.self) { try AudioFile.read(path) }
    let sentence = try #require(error?.message)
    #expect(sentence.contains("ffmpeg does not decode it") && sentence.contains("nvalid"))
  }
}
