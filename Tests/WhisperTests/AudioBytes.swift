import ByteIO
import Foundation
import Tensors
import TestSupport
import Testing
import Whisper

/// The bytes of a WAV file, put together field by field, so that each field can be wrong.
struct AudioBytes {
  var magic = "RIFF"
  var form = "WAVE"
  var riffSize: UInt32?
  var tag = 1
  var channelCount = 1
  var rate = 16_000
  var bits = 16
  var blockByteCount: Int?
  /// The format tag within an extensible format, and how many bits count.
  var extensible: (tag: Int, validBits: Int)?
  var identifierTail: [UInt8] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71]
  /// Replaces the size of the format's chunk.
  var formatSize: UInt32?
  var dataSize: UInt32?
  var chunksBeforeFormat: [(name: String, content: [UInt8])] = []
  var chunksBeforeData: [(name: String, content: [UInt8])] = []
  var chunksAfterData: [(name: String, content: [UInt8])] = []
  var hasFormat = true
  var hasData = true
  var data: [UInt8] = []

  var bytes: [UInt8] {
    var body = Array(form.utf8)
    for chunk in chunksBeforeFormat { body += Self.chunk(chunk.name, chunk.content) }
    if hasFormat {
      var content = Self.number(extensible == nil ? tag : 0xFFFE, 2) + Self.number(channelCount, 2)
      content += Self.number(rate, 4)
      let block = blockByteCount ?? channelCount * ((bits + 7) / 8)
      content += Self.number(rate &* block, 4) + Self.number(block, 2) + Self.number(bits, 2)
      if let extensible {
        content += Self.number(22, 2) + Self.number(extensible.validBits, 2) + Self.number(0, 4)
        content += Self.number(extensible.tag, 2) + identifierTail
      }
      body += Self.chunk("fmt ", content, size: formatSize)
    }
    for chunk in chunksBeforeData { body += Self.chunk(chunk.name, chunk.content) }
    if hasData { body += Self.chunk("data", data, size: dataSize) }
    for chunk in chunksAfterData { body += Self.chunk(chunk.name, chunk.content) }
    return Array(magic.utf8) + Self.number(Int(riffSize ?? UInt32(body.count)), 4) + body
  }

  /// What the reader makes of it.
  func clip() throws -> AudioClip { try AudioFile.readWAV(MappedFile(copying: bytes, name: "a.wav")) }

  /// The sentence with which the reader refuses it.
  func refusal(sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
    let error = #expect(throws: AudioError.self, sourceLocation: sourceLocation) { try clip() }
    return try #require(error, sourceLocation: sourceLocation).message
  }

  /// Little-endian.
  static func number(_ value: Int, _ byteCount: Int) -> [UInt8] {
    (0..<byteCount).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
  }

  static func chunk(_ name: String, _ content: [UInt8], size: UInt32? = nil) -> [UInt8] {
    Array(name.utf8) + number(Int(size ?? UInt32(content.count)), 4) + content
      + (content.count % 2 == 1 ? [0] : [])
  }

  static func samples16(_ values: [Int]) -> [UInt8] { values.flatMap { number($0, 2) } }

  /// The machines that run tests are little-endian, as the files are.
  static func floats(_ values: [Float]) -> [UInt8] {
    // Lent for the call, copied at once.
    unsafe values.withUnsafeBytes { unsafe [UInt8]($0) }
  }
}

/// Arrays in files, and the script that gives the second opinion.
enum AudioOracle {
  static let script = "audio_oracle.py"

  static func run(_ arguments: [String]) throws {
    _ = try PythonOracle.output(script: script, arguments: arguments, timeLimit: .seconds(600))
  }

  static func floats(_ folder: TemporaryFolder, _ name: String) throws -> [Float] {
    floats(try folder.read(name))
  }

  static func floats(_ bytes: [UInt8]) -> [Float] {
    // As many bytes as the floats have; lent for the call, copied at once.
    unsafe [Float](unsafeUninitializedCapacity: bytes.count / 4) { target, count in
      unsafe UnsafeMutableRawBufferPointer(target).copyBytes(from: bytes.prefix(bytes.count / 4 * 4))
      count = bytes.count / 4
    }
  }

  static func floats(_ content: TensorContent) throws -> [Float] {
    try #require(content.elementType == .float32)
    return floats(content.bytes.copied())
  }

  /// The largest difference; infinite when the counts differ.
  static func largestDifference(_ a: [Float], _ b: [Float]) -> Float {
    if a.count != b.count { return .infinity }
    var largest: Float = 0
    for index in a.indices {
      let difference = (a[index] - b[index]).magnitude
      if !(difference <= largest) { largest = difference }
    }
    return largest
  }
}
