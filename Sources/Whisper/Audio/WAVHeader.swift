import ByteIO

/// Where the samples of a WAV file lie and how they are written.
///
/// Source: Microsoft's "Multimedia Programming Interface and Data Specifications" and `mmreg.h`; EBU Tech
/// 3306 for RF64.
struct WAVHeader: Equatable {
  /// How one sample is written.
  enum Encoding: Equatable {
    /// Unsigned in one byte, signed and little-endian in 2, 3 or 4; left-justified when fewer bits count.
    case integer(byteCount: Int)
    /// IEEE, little-endian, in 4 or 8 bytes.
    case float(byteCount: Int)
    /// Something that our reader does not decode, in words.
    case foreign(String)
  }

  let encoding: Encoding
  let rate: Int
  let channelCount: Int
  /// Bytes of one sample of every channel.
  let frameByteCount: Int
  /// The bytes of whole frames that the file has.
  let dataRange: Range<Int>
  /// See `AudioClip.Source.missingByteCount`.
  let missingByteCount: Int

  var frameCount: Int { dataRange.count / frameByteCount }

  /// What the encoding is called.
  var format: String {
    switch encoding {
    case .integer(let byteCount): return "WAV, \(8 * byteCount)-bit PCM"
    case .float(let byteCount): return "WAV, \(8 * byteCount)-bit float"
    case .foreign(let name): return "WAV, \(name)"
    }
  }

  /// Reads the chunks of a file that begins as RIFF, RF64 or BW64 with a WAVE form.
  init(_ file: MappedFile) throws(AudioError) {
    var chunks = WAVChunks(file)
    try chunks.walk()
    guard let format = chunks.format else {
      throw AudioError(
        .malformed(
          byteOffset: chunks.data?.lowerBound ?? chunks.end, found: "no 'fmt ' chunk before it",
          expected: "one that says how samples are written"), path: file.path)
    }
    guard let data = chunks.data else {
      throw AudioError(
        .malformed(byteOffset: chunks.end, found: "the end of the file", expected: "a 'data' chunk"),
        path: file.path)
    }
    let fields = try WAVFormatFields(file, format)
    encoding = fields.encoding
    rate = fields.rate
    channelCount = fields.channelCount
    frameByteCount = fields.frameByteCount
    let present = min(data.upperBound, file.byteCount) - data.lowerBound
    dataRange = data.lowerBound..<(data.lowerBound + present - present % frameByteCount)
    missingByteCount = data.upperBound - data.lowerBound - present
  }
}

/// The chunks of a WAV file, found one after the other.
private struct WAVChunks {
  /// More chunks than any recorder writes; a file of tiny ones must not take for ever.
  private static let largestChunkCount = 10_000

  private let file: MappedFile
  /// The content of the `fmt ` chunk.
  private(set) var format: Range<Int>?
  /// The content of the `data` chunk as declared; the upper bound may lie beyond the end of the file.
  private(set) var data: Range<Int>?
  /// Where the walk ended.
  private(set) var end = 12
  /// The length of `data` by the `ds64` chunk.
  private var longDataSize: UInt64?

  init(_ file: MappedFile) { self.file = file }

  mutating func walk() throws(AudioError) {
    var chunkCount = 0
    while file.byteCount - end >= 8 {
      let start = end + 8
      let size = UInt64(file.bytes.littleEndian(at: end + 4, byteCount: 4))
      if file.bytes.spells("data", at: end) {
        try takeData(start, declared: size)
        return
      }
      if file.bytes.spells("ds64", at: end) {
        try require(start, size, atLeast: 24, "a ds64 chunk")
        longDataSize = file.bytes.littleEndian(at: start + 8, byteCount: 8)
      } else if file.bytes.spells("fmt ", at: end), format == nil {
        try require(start, size, atLeast: 16, "a 'fmt ' chunk")
        format = start..<(start + Int(size))
      }
      chunkCount += 1
      guard chunkCount <= Self.largestChunkCount else {
        throw AudioError(
          .malformed(
            byteOffset: end, found: "more than \(Self.largestChunkCount) chunks", expected: "a 'data' chunk"),
          path: file.path)
      }
      // At most 2^32 beyond a position within the file: no overflow. Content of odd length is padded.
      end = min(start + Int(size) + Int(size & 1), file.byteCount)
    }
  }

  /// Decides how long the samples are; headers of streams do not know.
  private mutating func takeData(_ start: Int, declared size: UInt64) throws(AudioError) {
    var length = size
    var isStream = false
    if size == 0xFFFF_FFFF, let longDataSize, longDataSize != 0, longDataSize != .max {
      length = longDataSize
    } else if size >= 0x7FFF_0000, size > UInt64(file.byteCount - start) {
      // What recorders write before they know the length, or when there is no room for it.
      isStream = true
    } else if size == 0 {
      // A recorder that never came back to fill the sizes in: by its header the whole file ends here.
      let declaredEnd = 8 + file.bytes.littleEndian(at: 4, byteCount: 4)
      isStream = declaredEnd <= UInt64(start) || declaredEnd >= 0xFFFF_FFFF
    }
    if isStream {
      data = start..<file.byteCount
      return
    }
    let (upper, overflow) = UInt64(start).addingReportingOverflow(length)
    guard !overflow, let bound = Int(exactly: upper) else {
      throw AudioError(
        .malformed(
          byteOffset: start - 8, found: "a 'data' chunk of \(length) bytes",
          expected: "a length that files have"),
        path: file.path)
    }
    data = start..<bound
  }

  private func require(
    _ start: Int, _ size: UInt64, atLeast least: Int, _ name: String
  ) throws(AudioError) {
    guard size >= UInt64(least) else {
      throw AudioError(
        .malformed(byteOffset: start - 4, found: "\(name) of \(size) bytes", expected: "at least \(least)"),
        path: file.path)
    }
    guard size <= UInt64(file.byteCount - start) else {
      throw AudioError(
        .malformed(
          byteOffset: start - 4, found: "\(name) of \(size) bytes",
          expected: "at most the \(file.byteCount - start) that follow"), path: file.path)
    }
  }
}

/// The fields of a `fmt ` chunk, checked against each other.
private struct WAVFormatFields {
  let encoding: WAVHeader.Encoding
  let rate: Int
  let channelCount: Int
  let frameByteCount: Int

  /// What follows the two bytes of the format tag in the identifiers of WAVE_FORMAT_EXTENSIBLE.
  private static let identifierTail: [UInt8] = [
    0x00, 0x00, 0x00, 0x00, 0x10, 0x00, 0x80, 0x00, 0x00, 0xAA, 0x00, 0x38, 0x9B, 0x71,
  ]
  private static let names: [Int: String] = [
    0x02: "Microsoft ADPCM", 0x06: "A-law", 0x07: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM 6.10",
    0x50: "MPEG audio",
    0x55: "MP3", 0xFF: "AAC", 0x160: "Windows Media", 0x161: "Windows Media", 0x1610: "AAC", 0xF1AC: "FLAC",
  ]

  init(_ file: MappedFile, _ format: Range<Int>) throws(AudioError) {
    let bytes = file.bytes
    let start = format.lowerBound
    func field(_ offset: Int, _ byteCount: Int = 2) -> Int {
      Int(file.bytes.littleEndian(at: start + offset, byteCount: byteCount))
    }
    func malformed(_ offset: Int, _ found: String, _ expected: String) -> AudioError {
      AudioError(.malformed(byteOffset: start + offset, found: found, expected: expected), path: file.path)
    }
    var tag = field(0)
    if tag == 0xFFFE {
      guard format.count >= 40 else {
        throw malformed(0, "an extensible format of \(format.count) bytes", "at least 40")
      }
      let tail = bytes.extracting((start + 26)..<(start + 40))
      let isKnown = tail.indices.allSatisfy { tail[$0] == Self.identifierTail[$0] }
      tag = isKnown ? field(24) : 0
    }
    rate = field(4, 4)
    guard AudioFile.rates.contains(rate) else {
      throw AudioError(.rate(rate, byteOffset: start + 4), path: file.path)
    }
    channelCount = field(2)
    guard channelCount > 0 else { throw malformed(2, "no channels", "at least one") }
    frameByteCount = field(12)
    let bits = field(14)
    guard tag == 1 || tag == 3 else {
      let name = Self.names[tag] ?? "format 0x" + String(tag, radix: 16, uppercase: true)
      encoding = .foreign(name)
      guard frameByteCount > 0 else { throw malformed(12, "blocks of 0 bytes", "at least one") }
      return
    }
    guard frameByteCount > 0, frameByteCount % channelCount == 0 else {
      throw malformed(
        12, "blocks of \(frameByteCount) bytes", "whole bytes for each of \(channelCount) channels")
    }
    let width = frameByteCount / channelCount
    let widths = tag == 1 ? 1...4 : 4...8
    let isKnownWidth = tag == 1 ? widths.contains(width) : width == 4 || width == 8
    guard isKnownWidth else {
      throw malformed(
        12, "\(width) bytes per \(tag == 1 ? "PCM" : "float") sample", tag == 1 ? "1 to 4" : "4 or 8")
    }
    let isFilled = tag == 1 ? (8 * width - 7...8 * width).contains(bits) : bits == 8 * width
    guard isFilled else {
      throw malformed(14, "\(bits) bits in samples of \(width) bytes", "bits that fill them")
    }
    encoding = tag == 1 ? .integer(byteCount: width) : .float(byteCount: width)
  }
}

extension Span<UInt8> {
  /// An unsigned number of up to 8 bytes; the caller has checked that they are there.
  fileprivate func littleEndian(at offset: Int, byteCount: Int) -> UInt64 {
    var value: UInt64 = 0
    for index in 0..<byteCount { value |= UInt64(self[offset + index]) << UInt64(8 * index) }
    return value
  }

  /// Whether the bytes of `text` stand at `offset`; the caller has checked that so many are there.
  fileprivate func spells(_ text: String, at offset: Int) -> Bool {
    zip(offset..., text.utf8).allSatisfy { self[$0] == $1 }
  }
}
